//! WebSockets (RFC 6455), once the server has switched to them: bytes pass both ways until both sides have said all.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::BytesMut;
use http::{Method, Version, header};
use log::debug;
use pingora::{Error, ErrorType, OrErr, Result};
use pingora_proxy::Session;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf, copy_bidirectional},
    select,
};

use super::connection::ServerStream;
use crate::{
    edge::{
        client::{ClientStream, Detached},
        exchange::Exchange,
    },
    framing::{items, lists},
};

/// A connection whose bytes are counted.
struct Counted<T> {
    io: T,
    read: u64,
    written: u64,
}

/// Whether the request opens a WebSocket (section 4.1), and nothing but that is asked for.
pub(in crate::edge) fn is_opened_by(session: &mut Session) -> bool {
    let request = session.req_header();
    let is_opening = request.method == Method::GET
        && request.version == Version::HTTP_11
        && lists(&request.headers, header::UPGRADE, b"websocket")
        && items(&request.headers, header::UPGRADE).all(|to| to.is_empty() || to.eq_ignore_ascii_case(b"websocket"))
        && lists(&request.headers, header::CONNECTION, b"upgrade");
    is_opening && session.as_downstream_mut().is_body_empty()
}

/// Passes a WebSocket through to its end, which is no failure, whatever it is. `first` has been read from the server.
pub(in crate::edge) async fn tunnel(
    session: &mut Session,
    exchange: &mut Exchange,
    mut server: ServerStream,
    first: BytesMut,
) -> Result<()> {
    let Some(client) = ClientStream::of(session).and_then(|client| client.detach()) else {
        return through_session(session, exchange, server, first).await;
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
    Ok(())
}

/// The same on a session of Pingora's, which counts the bytes itself.
async fn through_session(
    session: &mut Session,
    exchange: &mut Exchange,
    mut server: ServerStream,
    first: BytesMut,
) -> Result<()> {
    // A WebSocket may be silent for as long as it likes.
    session.set_read_timeout(None);
    let downstream = session.as_downstream_mut();
    let mut piece = first;
    let mut is_client_done = false;
    let ended = loop {
        if !piece.is_empty()
            && let Err(error) = downstream.write_response_body(piece.split().freeze(), false).await
        {
            break error.to_string();
        }
        piece.reserve(16 * 1024);
        select! {
            read = server.read_buf(&mut piece) => match read {
                Ok(0) => break "the server has said all".to_owned(),
                Ok(_) => {}
                Err(error) => break error.to_string(),
            },
            read = downstream.read_request_body(), if !is_client_done => {
                let sent = match read {
                    Ok(Some(piece)) => async { server.write_all(&piece).await?; server.flush().await }.await,
                    Ok(None) => { is_client_done = true; server.shutdown().await }
                    Err(error) => break error.to_string(),
                };
                if let Err(error) = sent {
                    break error.to_string();
                }
            }
        }
    };
    debug!("a WebSocket of {} has ended: {ended}", exchange.server());
    Ok(())
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
