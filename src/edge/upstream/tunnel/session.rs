//! A WebSocket on a session of Pingora's, which counts the bytes itself.

use std::{
    future::poll_fn,
    mem::MaybeUninit,
    pin::{Pin, pin},
    task::{Context, Poll, ready},
};

use bytes::{Bytes, BytesMut};
use pingora::{Error, protocols::http::ServerSession};
use pingora_proxy::Session;
use tokio::io::{AsyncRead, ReadBuf};

use super::{End, flow::Flow, stall::Stall};
use crate::edge::{
    client::{PIECE, Watched},
    upstream::connection::ServerStream,
};

/// Passes it through to its end. `first` has been read from the server.
pub(super) async fn through(session: &mut Session, mut server: ServerStream, first: BytesMut, mut stall: Stall) -> End {
    // A WebSocket may be silent for as long as it likes.
    session.set_read_timeout(None);
    let watched = Watched::of(session);
    let downstream = session.as_downstream_mut();
    let (mut piece, mut up, mut heard) = (first.freeze(), Flow::beginning_with(BytesMut::new()), 0);
    loop {
        if !piece.is_empty() {
            heard += piece.len() as u64;
            let mut writing = pin!(downstream.write_response_body(piece, false));
            let written = poll_fn(|context| {
                if let Poll::Ready(written) = writing.as_mut().poll(context) {
                    return Poll::Ready(written.map_err(broken).err());
                }
                if let Poll::Ready(Err(error)) = up.poll_write(&mut server, context) {
                    return Poll::Ready(Some(End::Broken(error)));
                }
                stall.poll(&up, None, || watched.has_hung_up(), context).map(Some)
            });
            if let Some(ended) = written.await {
                return ended;
            }
        }
        let next = poll_fn(|context| {
            if let Poll::Ready(ended) = poll_up(downstream, &mut server, &mut up, context) {
                return Poll::Ready(Err(ended));
            }
            if let Poll::Ready(read) = poll_down(&mut server, context) {
                return Poll::Ready(read);
            }
            stall.poll(&up, Some(heard), || watched.has_hung_up(), context).map(Err)
        });
        piece = match next.await {
            Ok(piece) => piece,
            Err(ended) => return ended,
        };
    }
}

/// Passes on what the client says. Ready only when it broke off.
fn poll_up(
    downstream: &mut ServerSession,
    server: &mut ServerStream,
    up: &mut Flow,
    context: &mut Context<'_>,
) -> Poll<End> {
    loop {
        match up.poll_write(server, context) {
            Poll::Ready(Err(error)) => return Poll::Ready(End::Broken(error)),
            Poll::Ready(Ok(())) if !up.is_over() => {}
            _ => return Poll::Pending,
        }
        match ready!(pin!(downstream.read_request_body()).poll(context)) {
            Ok(piece) => up.take(piece.as_deref()),
            Err(error) => return Poll::Ready(broken(error)),
        }
    }
}

/// Reads what the server says.
fn poll_down(server: &mut ServerStream, context: &mut Context<'_>) -> Poll<Result<Bytes, End>> {
    let mut piece = [const { MaybeUninit::uninit() }; PIECE];
    let mut piece = ReadBuf::uninit(&mut piece);
    Poll::Ready(match ready!(Pin::new(server).poll_read(context, &mut piece)) {
        Ok(()) if piece.filled().is_empty() => Err(End::Whole),
        Ok(()) => Ok(Bytes::copy_from_slice(piece.filled())),
        Err(error) => Err(End::Broken(error)),
    })
}

fn broken(error: Box<Error>) -> End {
    End::Broken(std::io::Error::other(error))
}
