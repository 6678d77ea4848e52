//! What is settled about a connection when a request arrives on it.

use http::{Method, Version};
use pingora::{Error, ErrorType, Result, protocols::http::v1::server::HttpSession as SessionV1};
use pingora_proxy::Session;

use super::{KEEPALIVE, WRITE_TIMEOUT, framing, peer::Client, snapshot::Snapshot};

/// A method that would show a client what the edge adds for servers (RFC 9110 section 9.3.8).
pub(super) const METHOD_NOT_ALLOWED: ErrorType = ErrorType::Custom("MethodNotAllowed");

/// The request is for a host that is none of the public URLs'.
pub(super) const UNKNOWN_HOST: ErrorType = ErrorType::Custom("UnknownHost");

/// Bounds the wait for the next request, which is endless in Pingora unless set for every request,
/// and lets a client send its next request while the last is being answered.
pub(super) fn connection(session: &mut Session) {
    if session.get_keepalive().is_some() {
        session.set_keepalive(Some(KEEPALIVE.as_secs()));
    }
    session.set_pipelining_enabled(true);
    session.as_downstream_mut().set_write_timeout(Some(WRITE_TIMEOUT));
    // A client of HTTP/1.0 knows no interim answers (RFC 9110 section 15.2).
    let is_old = session.req_header().version == Version::HTTP_10;
    session.set_ignore_info_resp(is_old);
}

/// Refuses a request whose framing or headers could be read in two ways.
pub(super) fn framing(session: &Session) -> Result<()> {
    let head = session.as_downstream().as_http1().map(SessionV1::get_headers_raw_bytes);
    let checked = head.map_or(Ok(()), |head| framing::check(&head));
    checked.and_then(|()| framing::check_headers(&session.req_header().headers)).or_else(refused)
}

/// Refuses a request that no server should see: a TRACE, one of HTTP/1.1 without a host, or whose target is
/// neither a path nor an absolute URL (RFC 9112 section 3.2), or one for an unknown host.
pub(super) fn request(session: &Session, snapshot: &Snapshot) -> Result<()> {
    let header = session.req_header();
    if header.method == Method::TRACE {
        return Error::e_explain(METHOD_NOT_ALLOWED, "TRACE").map_err(Error::into_down);
    }
    let client = Client::of(session, &snapshot.trusted);
    let host = client.host().unwrap_or_default();
    if host.is_empty() && header.version != Version::HTTP_10 {
        return refused("no Host");
    }
    let target = header.raw_path();
    let is_path = target.first().is_some_and(|first| matches!(first, b'/' | b'?')) || target == b"*";
    if !is_path && !is_absolute(target) {
        return refused("the target is neither a path nor an absolute URL");
    }
    let origins = snapshot.discovery.discovery().origins();
    if snapshot.refuses_unknown_hosts && origins.of_request(host, client.scheme()).is_none() {
        return Error::e_explain(UNKNOWN_HOST, "a host that is no public URL's").map_err(Error::into_down);
    }
    Ok(())
}

pub(super) fn is_absolute(target: &[u8]) -> bool {
    ["http://", "https://"]
        .iter()
        .any(|scheme| target.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme.as_bytes())))
}

fn refused(why: &'static str) -> Result<()> {
    Error::e_explain(ErrorType::InvalidHTTPHeader, why).map_err(Error::into_down)
}
