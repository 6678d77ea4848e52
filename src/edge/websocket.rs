//! WebSockets (RFC 6455).

use std::{future::ready, io};

use http::{Method, Version, header};
use log::debug;
use pingora::{Error, ErrorType, OrErr, Result, http::ResponseHeader};
use pingora_proxy::Session;
use tokio::io::{AsyncWriteExt, copy_bidirectional};

use super::{exchange::Exchange, headers::lists, watch::Watch};

/// The WebSocket has ended; there is nothing left to do for Pingora.
pub(super) const OVER: ErrorType = ErrorType::Custom("WebSocketOver");

/// How far the answer to a request for a WebSocket has come. What follows its head belongs to the WebSocket,
/// so that no more than the head may be read.
#[derive(Default)]
pub(super) enum Handshake {
    /// The request is for something else, or the answer is no 101.
    #[default]
    None,
    /// So much of the head has been read.
    Head(Vec<u8>),
    /// The head was a 101: what follows is read from the detached connection.
    Done,
}

/// Whether the request opens a WebSocket (section 4.1). Pingora takes any `Upgrade` for one.
pub(super) fn is_opened_by(session: &mut Session) -> bool {
    let request = session.req_header();
    let is_opening = request.method == Method::GET
        && request.version == Version::HTTP_11
        && lists(&request.headers, header::UPGRADE, b"websocket")
        && lists(&request.headers, header::CONNECTION, b"upgrade");
    is_opening && session.as_downstream_mut().is_body_empty()
}

/// Passes a WebSocket through to its end, which comes when both sides have said all. Pingora would end
/// it when one of them has, and loses one now and then whose 101 comes within microseconds; so it is
/// relieved of both connections. Ends with the error [`OVER`].
pub(super) async fn tunnel(session: &mut Session, exchange: &Exchange, answer: &ResponseHeader) -> Result<()> {
    let downstream = session.as_downstream_mut();
    downstream.write_response_header(Box::new(answer.clone())).await?;
    let client = downstream.digest().and_then(Watch::of).and_then(|watch| watch.detach());
    let (Some(mut client), Some(mut server)) = (client, exchange.detach_server()) else {
        return Error::e_explain(ErrorType::InternalError, "a WebSocket without its connections");
    };
    client.flush().await.or_err(ErrorType::WriteError, "to the client").map_err(Error::into_down)?;
    // What the client sent together with its request has been read already.
    let early = tokio::select! {
        biased;
        read = downstream.read_request_body() => read?,
        () = ready(()) => None,
    };
    if let Some(early) = early {
        server.write_all(&early).await.or_err(ErrorType::WriteError, "to the server").map_err(Error::into_up)?;
    }
    if let Err(error) = copy_bidirectional(&mut client, &mut server).await {
        debug!("a WebSocket broke off: {error}");
    }
    Error::e_explain(OVER, "both sides have said all").map_err(Error::into_down)
}

impl Handshake {
    /// Takes note of what has been read, and looks at a head once it is whole.
    pub fn has_read(&mut self, bytes: &[u8]) -> io::Result<()> {
        const LONGEST: usize = 16 * 1024;
        let Handshake::Head(head) = self else { return Ok(()) };
        head.extend_from_slice(bytes);
        if head.len() > LONGEST {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "the head of the answer is too long"));
        }
        if !head.ends_with(b"\n\r\n") && !head.ends_with(b"\n\n") {
            return Ok(());
        }
        match head.get(b"HTTP/1.1 ".len()..b"HTTP/1.1 101".len()) {
            Some(b"101") => *self = Handshake::Done,
            // Another head follows an interim one (RFC 9110 section 15.2).
            Some([b'1', ..]) => head.clear(),
            _ => *self = Handshake::None,
        }
        Ok(())
    }
}
