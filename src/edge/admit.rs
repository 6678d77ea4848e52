//! What is settled about a connection when a request arrives on it.

use pingora::upstreams::peer::HttpPeer;
use pingora_proxy::Session;

use super::KEEPALIVE;

/// Bounds the wait for the next request, which is endless in Pingora unless set for every request,
/// and lets a client send its next request while the last is being answered.
pub(super) fn connection(session: &mut Session) {
    if session.get_keepalive().is_some() {
        session.set_keepalive(Some(KEEPALIVE.as_secs()));
    }
    session.set_pipelining_enabled(true);
}

/// A WebSocket may be silent for as long as both ends like.
pub(super) fn upgrade(session: &mut Session, peer: &mut HttpPeer) {
    session.set_read_timeout(None);
    peer.options.read_timeout = None;
    peer.options.write_timeout = None;
}
