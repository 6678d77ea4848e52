//! What is settled about a connection when a request arrives on it.

use pingora::{Error, ErrorType, Result, upstreams::peer::HttpPeer};
use pingora_proxy::Session;

use super::{KEEPALIVE, peer::Client, snapshot::Snapshot};

/// Bounds the wait for the next request, which is endless in Pingora unless set for every request,
/// and lets a client send its next request while the last is being answered.
pub(super) fn connection(session: &mut Session) {
    if session.get_keepalive().is_some() {
        session.set_keepalive(Some(KEEPALIVE.as_secs()));
    }
    session.set_pipelining_enabled(true);
}

/// Refuses a request that no server should see. RFC 9112 section 3.2: without a host it is malformed.
pub(super) fn request(session: &Session, snapshot: &Snapshot) -> Result<()> {
    let host = Client::of(session, &snapshot.trusted).host().unwrap_or_default();
    if host.is_empty() {
        return Error::e_explain(ErrorType::InvalidHTTPHeader, "no Host").map_err(Error::into_down);
    }
    Ok(())
}

/// A WebSocket may be silent for as long as both ends like.
pub(super) fn upgrade(session: &mut Session, peer: &mut HttpPeer) {
    session.set_read_timeout(None);
    peer.options.read_timeout = None;
    peer.options.write_timeout = None;
}
