//! Building of responses, and the headers that every response carries.

use std::{error::Error, fmt, pin::pin, time::Duration};

use http_body_util::{
    BodyExt, Full,
    channel::{Channel, Sender},
    combinators::UnsyncBoxBody,
};
use hyper::{
    HeaderMap, Response, StatusCode,
    body::Bytes,
    header::{self, HeaderName, HeaderValue},
};
use serde_json::Value;

type BoxError = Box<dyn Error + Send + Sync>;

/// A response of the server.
pub(super) type Reply = Response<UnsyncBoxBody<Bytes, BoxError>>;

/// The writing end of a streamed response.
pub(super) type Pen = Sender<Bytes, BoxError>;

/// Makes the server cut the connection without a further byte.
#[derive(Debug)]
pub(super) struct Abort;

impl fmt::Display for Abort {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("connection cut on purpose")
    }
}

impl Error for Abort {}

pub(super) const JSON: &str = "application/json";
pub(super) const HTML: &str = "text/html; charset=utf-8";
/// What Bifrost's own handlers write.
pub(super) const TEXT: &str = "text/plain";
/// What stands where nobody writes a type.
pub(super) const PLAIN: &str = "text/plain; charset=utf-8";
pub(super) const EVENTS: &str = "text/event-stream";

pub(super) fn whole(status: StatusCode, content_type: &'static str, body: impl Into<Bytes>) -> Reply {
    let mut reply = empty(status);
    *reply.body_mut() = full(body.into());
    set(&mut reply, header::CONTENT_TYPE, content_type);
    reply
}

pub(super) fn empty(status: StatusCode) -> Reply {
    let mut reply = Response::new(full(Bytes::new()));
    *reply.status_mut() = status;
    reply
}

fn full(body: Bytes) -> UnsyncBoxBody<Bytes, BoxError> {
    Full::new(body).map_err(|never| match never {}).boxed_unsync()
}

/// A response whose body is written piece by piece; each piece leaves as it is written.
pub(super) fn streamed(content_type: &'static str) -> (Pen, Reply) {
    let (pen, body) = Channel::new(1);
    let mut reply = Response::new(body.boxed_unsync());
    set(&mut reply, header::CONTENT_TYPE, content_type);
    (pen, reply)
}

/// Waits for something, and sends a comment again and again until it happens. Fails when the client has gone. The
/// comment is one line, without an empty one behind it: some clients take that for an event (Bifrost #5883).
pub(super) async fn beating(
    pen: &mut Pen,
    every: Option<Duration>,
    what: impl Future<Output = ()>,
) -> Result<(), Abort> {
    let Some(every) = every else {
        what.await;
        return Ok(());
    };
    let mut what = pin!(what);
    loop {
        tokio::select! {
            biased;
            () = &mut what => return Ok(()),
            () = tokio::time::sleep(every) => {
                pen.send_data(Bytes::from_static(b": heartbeat\n")).await.map_err(|_| Abort)?;
            }
        }
    }
}

pub(super) fn json(status: StatusCode, value: &Value) -> Reply {
    whole(status, JSON, go_json(value) + "\n")
}

/// The error shape of Bifrost itself, up to 1.5.
pub(super) fn bifrost_error(status: StatusCode, message: &str) -> Reply {
    let body = format!(
        "{{\"is_bifrost_error\":false,\"status_code\":{},\"error\":{{\"message\":{}}},\"extra_fields\":{{}}}}\n",
        status.as_u16(),
        go_json(&Value::from(message)),
    );
    whole(status, JSON, body)
}

/// The same of 1.6 and later. Source: `tests/bifrost/golden`.
pub(super) fn routed_error(status: StatusCode, message: &str) -> Reply {
    let body = format!(
        "{{\"is_bifrost_error\":false,\"status_code\":{},\"error\":{{\"message\":{}}},\"extra_fields\":{{\"routing_info\":{{}}}}}}\n",
        status.as_u16(),
        go_json(&Value::from(message)),
    );
    whole(status, JSON, body)
}

/// The error shape of RFC 6749 and RFC 7591, always with status 400.
pub(super) fn oauth_error(code: &str, description: &str) -> Reply {
    let body = serde_json::json!({"error": code, "error_description": description});
    whole(StatusCode::BAD_REQUEST, JSON, go_json(&body))
}

/// Serializes as the JSON encoder of Go does: some characters escaped for HTML. Callers list keys
/// in sorted order, so that the result is sorted whatever map type `serde_json` was built with.
pub(super) fn go_json(value: &Value) -> String {
    // These characters can only occur inside strings, so replacing them everywhere is safe.
    value
        .to_string()
        .replace('<', "\\u003c")
        .replace('>', "\\u003e")
        .replace('&', "\\u0026")
        .replace('\u{2028}', "\\u2028")
        .replace('\u{2029}', "\\u2029")
}

/// A 302 with exactly this Location, or a 400 when it cannot be a header value.
pub(super) fn found(location: &str) -> Reply {
    with_header(empty(StatusCode::FOUND), header::LOCATION, location)
}

/// Adds a header, or answers 400 when the value cannot be one.
pub(super) fn with_header(mut reply: Reply, name: HeaderName, value: &str) -> Reply {
    match HeaderValue::from_bytes(value.as_bytes()) {
        Ok(value) => {
            reply.headers_mut().append(name, value);
            reply
        }
        Err(_) => bifrost_error(StatusCode::BAD_REQUEST, "not a header value"),
    }
}

pub(super) fn set(reply: &mut Reply, name: HeaderName, value: &'static str) {
    reply.headers_mut().insert(name, HeaderValue::from_static(value));
}

/// Adds what Bifrost's outer layers put on every response.
pub(super) fn wrap(reply: &mut Reply, request: &HeaderMap) {
    set(reply, header::SERVER, "fasthttp");
    set(reply, header::X_FRAME_OPTIONS, "DENY");
    set(reply, header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    let referrer = "strict-origin-when-cross-origin";
    set(reply, header::REFERRER_POLICY, referrer);
    let policy = "frame-ancestors 'none'";
    set(reply, header::CONTENT_SECURITY_POLICY, policy);
    set(reply, HeaderName::from_static("permissions-policy"), "camera=(), microphone=(), geolocation=()");
    if behind_tls(request) {
        let lasting = "max-age=31536000; includeSubDomains";
        set(reply, header::STRICT_TRANSPORT_SECURITY, lasting);
    }
    allow_origin(reply, request);
}

/// The scheme as generation A sees it: one exact spelling counts, anything else is plain HTTP.
pub(super) fn behind_tls(request: &HeaderMap) -> bool {
    request.get("x-forwarded-proto").is_some_and(|value| value.as_bytes() == b"https")
}

/// An absent origin is allowed as any other one is, and then the header is there and empty.
fn allow_origin(reply: &mut Reply, request: &HeaderMap) {
    let origin = request.get(header::ORIGIN);
    let empty = HeaderValue::from_static("");
    reply.headers_mut().insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.cloned().unwrap_or(empty));
    if origin.is_some_and(|origin| is_local(origin.as_bytes())) {
        set(reply, header::ACCESS_CONTROL_ALLOW_CREDENTIALS, "true");
    }
    let methods = "GET, POST, PUT, DELETE, PATCH, OPTIONS, HEAD";
    set(reply, header::ACCESS_CONTROL_ALLOW_METHODS, methods);
    set(
        reply,
        header::ACCESS_CONTROL_ALLOW_HEADERS,
        "Content-Type, Authorization, X-Requested-With, X-Stainless-Timeout, X-Api-Key, \
         X-OpenAI-Agents-SDK, X-Operation-ID",
    );
    set(reply, header::ACCESS_CONTROL_MAX_AGE, "86400");
    set(reply, header::VARY, "Origin");
}

/// Origins allowed by name; any other is allowed by the `*` of the default configuration only.
fn is_local(origin: &[u8]) -> bool {
    ["http://localhost:", "https://localhost:", "http://127.0.0.1:", "https://127.0.0.1:", "http://0.0.0.0:"]
        .iter()
        .any(|prefix| origin.starts_with(prefix.as_bytes()))
}
