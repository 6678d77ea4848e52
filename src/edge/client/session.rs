//! What the edge asks of a session of Pingora's, and writes past it.

use std::{sync::Arc, time::Duration};

use http::{StatusCode, header};
use pingora::protocols::{SocketDigest, http::v1::server::HttpSession};
use pingora_proxy::Session;

/// A response of the edge's own that the session has not heard of.
pub(in crate::edge) struct Written {
    pub status: StatusCode,
    /// Bytes of its body.
    pub body: u64,
}

/// The socket of a session of HTTP/1, to be looked after while nobody reads from it.
pub(in crate::edge) struct Watched(Option<Arc<SocketDigest>>);

impl Watched {
    pub fn of(session: &Session) -> Self {
        let http1 = session.as_downstream().as_http1();
        Watched(http1.and_then(|session| session.digest().socket_digest.clone()))
    }

    /// Whether the client has said that it sends no more, or is gone, as the system knows of its TCP.
    pub fn has_hung_up(&self) -> bool {
        // ESTABLISHED, of the states of RFC 9293 section 3.3.2 as Linux numbers them.
        const OPEN: u8 = 1;
        let info = self.0.as_ref().and_then(|socket| socket.tcp_info());
        info.is_some_and(|info| info.tcpi_state != OPEN)
    }
}

/// A request body up to this size is read and thrown away, so that the connection can be kept; after
/// a larger one it is closed.
const MOST_DRAINED: usize = 64 * 1024;
/// And it must be there within this time.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(2);

/// Whether the client's connection stays for another request, as far as is known by now.
pub(in crate::edge) fn keeps_connection(session: &Session) -> bool {
    session.as_downstream().as_http1().is_some_and(HttpSession::will_keepalive)
}

/// What a head of HTTP/1.1 ends with: whether its connection stays, and an empty line. It stands behind a value.
pub(in crate::edge) fn connection_lines(keeps: bool) -> &'static [u8] {
    if keeps { b"\r\nConnection: keep-alive\r\n\r\n" } else { b"\r\nConnection: close\r\n\r\n" }
}

/// Reads a small request body, which none of the edge's own responses needs, so that what follows it on the
/// connection is the next request. After any other body the connection is closed: what follows might be
/// taken for a request.
pub(in crate::edge) async fn drain(session: &mut Session) {
    let downstream = session.as_downstream_mut();
    if downstream.is_body_done() {
        return;
    }
    let waits_to_be_asked = downstream.get_header(header::EXPECT).is_some();
    let is_drained = !waits_to_be_asked && {
        let read_all = async {
            let mut read = 0;
            while let Some(chunk) = downstream.read_request_body().await.ok()? {
                read += chunk.len();
                if read > MOST_DRAINED {
                    return None;
                }
            }
            Some(())
        };
        matches!(tokio::time::timeout(DRAIN_TIMEOUT, read_all).await, Ok(Some(())))
    };
    if !is_drained {
        downstream.set_keepalive(None);
    }
}
