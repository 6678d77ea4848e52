//! What the edge asks of a session of Pingora's, and writes past it.

use std::sync::Arc;

use http::{StatusCode, Version, header, request::Parts};
use pingora::protocols::{
    SocketDigest,
    http::{ServerSession, v1::server::HttpSession},
};
use pingora_proxy::Session;
use tokio::time::timeout;

use super::{
    connection::Connection,
    stream::{ClientStream, LINGER},
};
use crate::framing::items;

/// A response of the edge's own that the session has not heard of.
pub(in crate::edge) struct Written {
    pub status: StatusCode,
    /// Bytes of its body.
    pub body: u64,
}

/// What becomes of a connection of HTTP/1 behind a response that the edge has written by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::edge) enum After {
    /// Another request may come.
    Request,
    /// It is closed, and what still comes is listened to for a while.
    Close,
    /// It is closed at once: nothing comes.
    CloseAtOnce,
}

impl After {
    /// Finds it out for a response that is small.
    pub fn small_response(session: &Session, client: &ClientStream) -> Self {
        if keeps_connection(session) {
            return After::Request;
        }
        let is_plain = Connection::of(session).is_some_and(|connection| !connection.is_tls);
        let is_last = is_plain && is_last_request(session) && client.io().unread().is_empty();
        if is_last { After::CloseAtOnce } else { After::Close }
    }
}

/// Whether the client has said that nothing comes after this request (RFC 9112 section 9.6). Of one with a body that is
/// not believed: some old clients send an empty line behind it (section 2.2).
fn is_last_request(session: &Session) -> bool {
    let Parts { version, headers, .. } = &**session.req_header();
    let says = |word: &[u8]| items(headers, header::CONNECTION).any(|item| item.eq_ignore_ascii_case(word));
    let has_body = [header::CONTENT_LENGTH, header::TRANSFER_ENCODING].iter().any(|name| headers.contains_key(name));
    !has_body && (says(b"close") || *version == Version::HTTP_10 && !says(b"keep-alive"))
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

/// Whether the client's connection stays for another request, as far as is known by now.
pub(in crate::edge) fn keeps_connection(session: &Session) -> bool {
    session.as_downstream().as_http1().is_some_and(HttpSession::will_keepalive)
}

/// Reads on for a while in a request whose response has been written. A connection of HTTP/1 that is closed with unread
/// bytes is reset, and takes the response along that is still on its way (RFC 9112 section 9.6); a stream of HTTP/2 that
/// is reset, also without an error, is one without a response to some clients.
pub(in crate::edge) async fn listen_on(downstream: &mut ServerSession) {
    if !downstream.is_body_done() {
        let read_on = async { while let Ok(Some(_)) = downstream.read_request_body().await {} };
        let _enough = timeout(LINGER, read_on).await;
    }
}

/// What a head of HTTP/1.1 ends with: whether its connection stays, and an empty line. It stands behind a value.
pub(in crate::edge) fn connection_lines(keeps: bool) -> &'static [u8] {
    if keeps { b"\r\nConnection: keep-alive\r\n\r\n" } else { b"\r\nConnection: close\r\n\r\n" }
}
