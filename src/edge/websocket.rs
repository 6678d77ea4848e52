//! WebSockets (RFC 6455).

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use http::{Method, Version, header};
use log::debug;
use pingora::{Error, ErrorType, OrErr, Result, http::ResponseHeader};
use pingora_proxy::Session;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf, copy_bidirectional};

use super::{client_io::Detached, client_stream::ClientStream, exchange::Exchange};
use crate::framing::lists;

/// The WebSocket has ended; there is nothing left to do for Pingora.
pub(super) const OVER: ErrorType = ErrorType::Custom("WebSocketOver");

/// A connection whose bytes are counted.
struct Counted<T> {
    io: T,
    read: u64,
    written: u64,
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
pub(super) async fn tunnel(session: &mut Session, exchange: &mut Exchange, answer: &ResponseHeader) -> Result<()> {
    const WITHOUT: &str = "a WebSocket without its connections";
    session.as_downstream_mut().write_response_header(Box::new(answer.clone())).await?;
    let client = ClientStream::of(session).and_then(ClientStream::detach);
    let (Some(client), Some((mut server, first))) = (client, exchange.detach_server()) else {
        return Error::e_explain(ErrorType::InternalError, WITHOUT);
    };
    let Detached { transport: mut client, unread, unsent } = client;
    let head_sent = async {
        client.write_all(&unsent).await?;
        client.write_all(&first).await?;
        client.flush().await
    };
    head_sent.await.or_err(ErrorType::WriteError, "to the client").map_err(Error::into_down)?;
    // What the client sent together with its request has been read already.
    server.write_all(&unread).await.or_err(ErrorType::WriteError, "to the server").map_err(Error::into_up)?;
    server.flush().await.or_err(ErrorType::WriteError, "to the server").map_err(Error::into_up)?;
    let mut client = Counted { io: client, read: unread.len() as u64, written: first.len() as u64 };
    let copied = copy_bidirectional(&mut client, &mut server).await;
    exchange.account.tunnelled = (client.read, client.written);
    if let Err(error) = copied {
        debug!("a WebSocket broke off: {error}");
    }
    Error::e_explain(OVER, "both sides have said all").map_err(Error::into_down)
}

impl<T: AsyncRead + Unpin> AsyncRead for Counted<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.io).poll_read(context, buffer))?;
        self.read += (buffer.filled().len() - before) as u64;
        Poll::Ready(Ok(()))
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Counted<T> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.io).poll_write(context, bytes))?;
        self.written += written as u64;
        Poll::Ready(Ok(written))
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(context)
    }
}
