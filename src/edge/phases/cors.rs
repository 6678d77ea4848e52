//! What web pages may read of the edge's own responses, and the preflights that no server can answer (Fetch standard,
//! section "CORS protocol"), as Bifrost would have it.

use http::{HeaderMap, HeaderValue, Method, header};
use pingora::http::RequestHeader;

use crate::{
    config::{AllowedHeader, Cors, OriginPattern},
    edge::exchange::ErrorResponse,
    reason::Reason,
};

/// What Bifrost allows always.
const METHODS: HeaderValue = HeaderValue::from_static("GET, POST, PUT, DELETE, PATCH, OPTIONS, HEAD");
const HEADERS: &str = "Content-Type, Authorization, X-Requested-With, X-Stainless-Timeout, X-Api-Key, \
    X-OpenAI-Agents-SDK, X-Operation-ID";
const OF_THIS_MACHINE: [&[u8]; 5] =
    [b"http://localhost:", b"https://localhost:", b"http://127.0.0.1:", b"https://127.0.0.1:", b"http://0.0.0.0:"];

/// Lets the page that has asked read a response, with the headers that tell it what to do next.
pub(super) fn allow(response: &mut ErrorResponse, request: &RequestHeader, cors: &Cors) {
    let Some(origin) = request.headers.get(header::ORIGIN) else { return };
    response.insert(header::VARY, HeaderValue::from_static("Origin"));
    let is_of_this_machine = OF_THIS_MACHINE.iter().any(|prefix| origin.as_bytes().starts_with(prefix));
    let fits = |pattern: &OriginPattern| pattern.matches(origin.as_bytes());
    let is_named = is_of_this_machine || cors.allowed_origins.iter().any(|pattern| !pattern.is_any() && fits(pattern));
    if is_named {
        // To any page whatever, Bifrost gives nothing that was got with a cookie.
        response.insert(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
    }
    if is_named || cors.allowed_origins.iter().any(OriginPattern::is_any) {
        response.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
        response.insert(
            header::ACCESS_CONTROL_EXPOSE_HEADERS,
            HeaderValue::from_static("Retry-After, WWW-Authenticate, X-Request-Id"),
        );
    }
}

/// Answers a preflight for which there is no server, or no room, and which says nothing but what the configuration
/// has as well. A page whose preflight fails is told nothing, not even that it should come again later. Browsers keep
/// this one for 5 s, because a server may know better.
pub(super) fn preflight(
    request: &RequestHeader,
    reason: Reason,
    id: &HeaderValue,
    cors: &Cors,
) -> Option<ErrorResponse> {
    let is_preflight = request.method == Method::OPTIONS
        && request.headers.contains_key(header::ORIGIN)
        && request.headers.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
    if !is_preflight || !(reason == Reason::TooManyRequests || reason.is_of_the_fleet()) {
        return None;
    }
    let mut response = ErrorResponse::preflight(id);
    response.insert(header::ACCESS_CONTROL_ALLOW_METHODS, METHODS);
    response.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, allowed_headers(&request.headers, cors));
    Some(response)
}

fn allowed_headers(asked: &HeaderMap, cors: &Cors) -> HeaderValue {
    let allowed = || cors.allowed_headers.iter().map(AllowedHeader::as_str);
    let asked = asked.get(header::ACCESS_CONTROL_REQUEST_HEADERS);
    if let Some(asked) = asked.filter(|_| allowed().any(|name| name == "*")) {
        return asked.clone();
    }
    let names: Vec<_> = std::iter::once(HEADERS).chain(allowed()).collect();
    HeaderValue::from_str(&names.join(", ")).unwrap_or(HeaderValue::from_static(HEADERS))
}
