//! The body of a request on its way to a server.

use bytes::Bytes;
use http::header;
use pingora::Result;
use pingora_proxy::Session;

use super::{exchange::Exchange, failure::refuse, snapshot::Snapshot};
use crate::reason::Reason;

/// Refuses a body that says it is too large. `framing` has refused a length that is no number.
pub(super) fn announced(session: &Session, snapshot: &Snapshot) -> Result<()> {
    let length = session.req_header().headers.get(header::CONTENT_LENGTH);
    let length = length.and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    within_limit(length.unwrap_or(0), snapshot)
}

/// One piece of a body, refused when it is one too many. A body that turns out too large has reached a server
/// in part, which takes it for broken off.
pub(super) fn piece(body: &mut Option<Bytes>, is_end: bool, exchange: &mut Exchange) -> Result<()> {
    exchange.body_sent += body.as_ref().map_or(0, |piece| piece.len() as u64);
    within_limit(exchange.body_sent, &exchange.snapshot)?;
    if is_end {
        exchange.sent();
    }
    // An empty last piece, as HTTP/2 clients send it, would end a chunked body twice: the second end
    // poisons the connection for the next request.
    if is_end && body.as_ref().is_some_and(Bytes::is_empty) {
        *body = None;
    }
    Ok(())
}

fn within_limit(length: u64, snapshot: &Snapshot) -> Result<()> {
    let most = snapshot.limits.request_body.0;
    if most.is_some_and(|most| length > most) {
        return refuse(Reason::BodyTooLarge, "a body above limits.request_body");
    }
    Ok(())
}
