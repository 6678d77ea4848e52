//! The body of a request on its way to a server.

use bytes::Bytes;
use http::{Method, StatusCode, Version, header};
use pingora::{
    Error, Result,
    http::{RequestHeader, ResponseHeader},
};
use pingora_proxy::Session;

use super::connection::Connection;
use crate::{
    edge::exchange::{Exchange, refuse},
    framing::{Body, write},
    reason::Reason,
};

/// A body, over all attempts to send it.
pub(in crate::edge) struct Upload {
    /// How a server is told where it ends; `None` when there is no body.
    pub framing: Option<Body>,
    /// What has been read of it, for another attempt; `None` when there can be none: it has become too much, or the
    /// request must not be repeated (RFC 9110 section 9.2.2).
    kept: Option<Vec<u8>>,
    read: Read,
    /// Whether the server is sent no more of it: it has all, or wants no more.
    is_over: bool,
    /// Whether Pingora may hold some of it, so that only the session can read on.
    is_pingoras: bool,
}

/// How much of a body has been read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Read {
    Nothing,
    Part,
    All,
}

/// So much of a body is kept.
const MOST_KEPT: usize = 64 * 1024;

impl Upload {
    /// Begins with the request of the session.
    pub fn new(session: &mut Session) -> Self {
        let has_body = !session.as_downstream_mut().is_body_empty();
        let request = session.req_header();
        let framing = has_body.then(|| {
            let length = request.headers.get(header::CONTENT_LENGTH);
            length.and_then(|length| length.to_str().ok()?.trim().parse().ok()).map_or(Body::Chunked, Body::Length)
        });
        let kept = request.method.is_idempotent().then(Vec::new);
        let read = if has_body { Read::Nothing } else { Read::All };
        Upload { framing, kept, read, is_over: !has_body, is_pingoras: false }
    }

    /// Takes over from Pingora's half, which may have read some of it for another server.
    pub fn take_over(session: &mut Session) -> Self {
        let mut upload = Upload { is_pingoras: true, ..Self::new(session) };
        if let (Some(kept), Some(read)) = (&mut upload.kept, session.as_ref().get_retry_buffer()) {
            kept.extend_from_slice(&read);
        }
        upload
    }

    /// Whether it can be sent from its beginning once more.
    pub fn is_repeatable(&self) -> bool {
        self.kept.is_some()
    }

    /// Whether nothing of it has been read, so that anybody may send it.
    pub fn is_untouched(&self) -> bool {
        self.framing.is_none() || self.read == Read::Nothing
    }

    /// Whether only the session can read on.
    pub fn is_pingoras(&self) -> bool {
        self.is_pingoras
    }

    /// Whether the server is sent no more of it.
    pub fn is_over(&self) -> bool {
        self.is_over
    }

    /// Whether it has been read to its end.
    pub fn is_read(&self) -> bool {
        self.read == Read::All
    }

    /// Begins another attempt: sends what has been read of it.
    pub fn begin(&mut self, server: &mut Connection, exchange: &mut Exchange) {
        if let Some(kept @ [_, ..]) = self.kept.as_deref() {
            exchange.attempt.body_sent = kept.len() as u64;
            frame(self.framing, server.unsent(), kept);
        }
        self.is_over = false;
        if self.is_read() {
            self.end(server);
        }
    }

    /// Takes note of a piece that has been read and sent on.
    pub fn keep(&mut self, piece: &[u8]) {
        self.read = Read::Part;
        let kept = self.kept.take();
        self.kept = kept.filter(|kept| kept.len() + piece.len() <= MOST_KEPT).map(|mut kept| {
            kept.extend_from_slice(piece);
            kept
        });
    }

    /// Takes note of its end, and tells the server.
    pub fn end(&mut self, server: &mut Connection) {
        self.read = Read::All;
        self.is_over = true;
        if self.framing == Some(Body::Chunked) {
            // What a client says in trailers is for nobody that Bifrost has.
            write::last_chunk(server.unsent(), b"");
        }
    }

    /// Takes note that the server wants no more of it.
    pub fn abandon(&mut self) {
        self.is_over = true;
    }
}

/// Appends a piece of a body as the server is to get it.
pub(super) fn frame(framing: Option<Body>, onto: &mut Vec<u8>, piece: &[u8]) {
    match framing {
        Some(Body::Chunked) => write::chunk(onto, piece),
        _ => onto.extend_from_slice(piece),
    }
}

/// Whether the client waits to be asked for the body (RFC 9110 section 10.1.1).
pub(super) fn waits_for_100(session: &Session) -> bool {
    let request = session.req_header();
    let expect = request.headers.get(header::EXPECT);
    request.version != Version::HTTP_10
        && expect.is_some_and(|expect| expect.as_bytes().eq_ignore_ascii_case(b"100-continue"))
}

/// Says of a request on its way to a server of HTTP/2 what becomes of its body. Pingora drops that server's interim
/// responses, so the edge asks for the body itself; and it may be a gateway to a server that wants a length (RFC 9110
/// section 8.6).
pub(in crate::edge) async fn announce(session: &mut Session, upstream: &mut RequestHeader) -> Result<()> {
    if session.as_downstream_mut().is_body_empty() {
        let has_length = upstream.headers.contains_key(header::CONTENT_LENGTH);
        if !has_length && matches!(upstream.method, Method::POST | Method::PUT | Method::PATCH) {
            upstream.insert_header(header::CONTENT_LENGTH, "0")?;
        }
        return Ok(());
    }
    if !waits_for_100(session) {
        return Ok(());
    }
    upstream.remove_header(&header::EXPECT);
    if session.body_bytes_read() > 0 {
        return Ok(());
    }
    // Pingora takes any response before the end of a body for the last one on its connection.
    session.set_close_on_response_before_downstream_finish(false);
    let asks = ResponseHeader::build(StatusCode::CONTINUE, Some(0))?;
    session.as_downstream_mut().write_response_header(Box::new(asks)).await.map_err(Error::into_down)
}

/// Refuses a body that says it is too large. `framing` has refused a length that is no number.
pub(in crate::edge) fn announced(session: &Session, exchange: &Exchange) -> Result<()> {
    if exchange.site().request_body.limit().is_none() {
        return Ok(());
    }
    let length = session.req_header().headers.get(header::CONTENT_LENGTH);
    let length = length.and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    within_limit(length.unwrap_or(0), exchange)
}

/// Counts a piece of a body, and refuses it when it is one too many. A body that turns out too large has reached a
/// server in part, which takes it for broken off.
pub(in crate::edge) fn count(piece: usize, exchange: &mut Exchange) -> Result<()> {
    exchange.attempt.body_sent += piece as u64;
    within_limit(exchange.attempt.body_sent, exchange)
}

/// Counts a piece of a body that Pingora sends on.
pub(in crate::edge) fn piece(body: &mut Option<Bytes>, is_end: bool, exchange: &mut Exchange) -> Result<()> {
    count(body.as_ref().map_or(0, Bytes::len), exchange)?;
    if is_end {
        exchange.sent(tokio::time::Instant::now());
    }
    // An empty last piece, as HTTP/2 clients send it, would end a chunked body twice: the second end
    // poisons the connection for the next request.
    if is_end && body.as_ref().is_some_and(Bytes::is_empty) {
        *body = None;
    }
    Ok(())
}

fn within_limit(length: u64, exchange: &Exchange) -> Result<()> {
    let most = exchange.site().request_body.limit();
    if most.is_some_and(|most| length > most) {
        return refuse(Reason::BodyTooLarge, "a body above limits.request_body");
    }
    Ok(())
}
