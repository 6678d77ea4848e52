//! WebSockets (RFC 6455).

use http::{Method, header};
use pingora_proxy::Session;

use super::headers::lists;

/// Pingora 0.9.1 takes the end of the request, which it passes to the server's side through a channel,
/// for the end of the WebSocket when the server's 101 has been read before it. A server that answers
/// within microseconds wins that race now and then. So nothing is read before the head of the request
/// and its end have been flushed.
pub(super) const FLUSHES: u8 = 2;

/// Whether the request opens a WebSocket (section 4.1). Pingora takes any `Upgrade` for one.
pub(super) fn is_opened_by(session: &mut Session) -> bool {
    let request = session.req_header();
    let is_opening = request.method == Method::GET
        && lists(&request.headers, header::UPGRADE, b"websocket")
        && lists(&request.headers, header::CONNECTION, b"upgrade");
    is_opening && session.as_downstream_mut().is_body_empty()
}
