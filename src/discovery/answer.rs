//! The answers of discovery, complete but for the connection's own headers.

use std::{
    fmt::Display,
    hash::{DefaultHasher, Hasher},
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use once_cell::sync::Lazy;

use crate::reason::Reason;

/// An answer: what a GET receives. HEAD receives the same without the body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The status; never 3xx but 304, never 429, never 5xx.
    pub status: StatusCode,
    /// All headers but `Date` and `Connection`.
    pub headers: HeaderMap,
    /// The body; empty for 204 and 304.
    pub body: Bytes,
}

const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");
const ANY_ORIGIN: HeaderValue = HeaderValue::from_static("*");
const JSON: HeaderValue = HeaderValue::from_static("application/json");
const TEXT: HeaderValue = HeaderValue::from_static("text/plain");
const NOSNIFF: HeaderValue = HeaderValue::from_static("nosniff");
const METHODS: HeaderValue = HeaderValue::from_static("GET, HEAD, OPTIONS");
/// MCP clients in browsers send the first two on discovery, and whatever else their user configured,
/// such as `x-bf-vk`. The Fetch standard's `*` does not cover `Authorization`.
const REQUEST_HEADERS: HeaderValue = HeaderValue::from_static("MCP-Protocol-Version, Authorization, Content-Type, *");
/// How long a browser may keep the answer to a preflight: 24 h, as Bifrost says.
const PREFLIGHT_MAX_AGE: HeaderValue = HeaderValue::from_static("86400");

/// What every answer carries: readable by any web page, kept by no cache.
static COMMON: Lazy<HeaderMap> = Lazy::new(|| {
    HeaderMap::from_iter([
        (header::CACHE_CONTROL, NO_STORE),
        (header::X_CONTENT_TYPE_OPTIONS, NOSNIFF),
        (header::ACCESS_CONTROL_ALLOW_ORIGIN, ANY_ORIGIN),
    ])
});

impl Answer {
    /// A document. With a `max_age` above zero it may be kept that long and carries an `ETag`.
    pub(super) fn document(body: Bytes, max_age: Duration) -> Self {
        let mut answer = Answer::new(StatusCode::OK, JSON, body);
        if !max_age.is_zero() {
            let cache = format!("public, max-age={}", max_age.as_secs());
            answer.set(header::CACHE_CONTROL, ascii(&cache));
            answer.set(header::ETAG, ascii(&etag(&answer.body)));
        }
        answer
    }

    /// The 304 in place of this document.
    pub(super) fn not_modified(&self) -> Self {
        let mut headers = self.headers.clone();
        headers.remove(header::CONTENT_TYPE);
        headers.remove(header::CONTENT_LENGTH);
        Answer { status: StatusCode::NOT_MODIFIED, headers, body: Bytes::new() }
    }

    /// The answer to a preflight (Fetch standard), and to any other OPTIONS.
    pub(super) fn options() -> Self {
        let mut headers = COMMON.clone();
        headers.extend([
            (header::ALLOW, METHODS),
            (header::ACCESS_CONTROL_ALLOW_METHODS, METHODS),
            (header::ACCESS_CONTROL_ALLOW_HEADERS, REQUEST_HEADERS),
            (header::ACCESS_CONTROL_MAX_AGE, PREFLIGHT_MAX_AGE),
        ]);
        Answer { status: StatusCode::NO_CONTENT, headers, body: Bytes::new() }
    }

    /// Discovery is off, or the path names nothing. One answer for both, so that it tells nothing.
    pub(super) fn not_found() -> Self {
        Answer::text(StatusCode::NOT_FOUND, "Not Found")
    }

    pub(super) fn method_not_allowed() -> Self {
        let mut answer = Answer::refusal(StatusCode::METHOD_NOT_ALLOWED, Reason::MethodNotAllowed);
        answer.set(header::ALLOW, METHODS);
        answer
    }

    /// The host is none of the public URLs'. Says nothing that the client sent.
    pub(super) fn misdirected() -> Self {
        Answer::refusal(StatusCode::MISDIRECTED_REQUEST, Reason::UnknownHost)
    }

    /// No public URLs are set, and the request has no host that an issuer could be made of.
    pub(super) fn bad_host() -> Self {
        Answer::refusal(StatusCode::BAD_REQUEST, format_args!("{}: its host is missing, or is none", Reason::Malformed))
    }

    /// Whether a client that names these entity tags in `If-None-Match` has this document already
    /// (RFC 9110 section 13.1.2, weak comparison).
    pub(super) fn is_known(&self, if_none_match: Option<&[u8]>) -> bool {
        let (Some(tag), Some(known)) = (self.headers.get(header::ETAG), if_none_match) else {
            return false;
        };
        known
            .split(|byte| *byte == b',')
            .map(<[u8]>::trim_ascii)
            .any(|known| known == b"*" || known.strip_prefix(b"W/").unwrap_or(known) == tag.as_bytes())
    }

    /// A line that says what is wrong.
    fn refusal(status: StatusCode, why: impl Display) -> Self {
        Answer::text(status, format!("{why}\n"))
    }

    fn text(status: StatusCode, body: impl Into<Bytes>) -> Self {
        Answer::new(status, TEXT, body.into())
    }

    fn new(status: StatusCode, content_type: HeaderValue, body: Bytes) -> Self {
        let mut headers = HeaderMap::from_iter([(header::CONTENT_TYPE, content_type)]);
        headers.insert(header::CONTENT_LENGTH, body.len().into());
        headers.extend(COMMON.clone());
        Answer { status, headers, body }
    }

    fn set(&mut self, name: HeaderName, value: HeaderValue) {
        self.headers.insert(name, value);
    }
}

fn ascii(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).expect("digits and ASCII words are a header value")
}

/// A tag that depends on the bytes of the document alone.
fn etag(body: &[u8]) -> String {
    let mut hasher = DefaultHasher::new();
    hasher.write(body);
    format!("\"{:016x}\"", hasher.finish())
}
