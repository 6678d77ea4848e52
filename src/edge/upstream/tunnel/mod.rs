//! WebSockets (RFC 6455), once the server has switched to them: bytes pass both ways until both sides have said all.

mod flow;
mod session;
mod stall;

use std::{
    future::poll_fn,
    io,
    task::{Context, Poll},
};

use bytes::BytesMut;
use http::{Method, Version, header};
use log::debug;
use pingora::{Error, ErrorType, OrErr, Result};
use pingora_proxy::Session;
use tokio::io::AsyncWriteExt;

use self::{flow::Flow, stall::Stall};
use super::connection::ServerStream;
use crate::{
    edge::{
        client::{ClientStream, Detached, WriteLimit},
        exchange::{Exchange, Expired},
    },
    fleet::Outcome,
    framing::{items, lists},
};

/// How a tunnel ends.
enum End {
    /// Both sides have said all.
    Whole,
    /// One of them broke off.
    Broken(io::Error),
    /// The client has left, and the server does nothing about it.
    Left,
    /// The server takes nothing.
    Stalled,
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

/// Passes a WebSocket through to its end, which is no failure, unless the server stops taking what it is sent. `first`
/// has been read from the server.
pub(in crate::edge) async fn tunnel(
    session: &mut Session,
    exchange: &mut Exchange,
    server: ServerStream,
    first: BytesMut,
) -> Result<()> {
    let stall = Stall::new(exchange.waits.silence);
    let ended = match ClientStream::of(session).and_then(|client| client.detach()) {
        Some(client) => detached(client, exchange, server, first, stall).await?,
        None => session::through(session, server, first, stall).await,
    };
    match ended {
        End::Whole => {}
        End::Left => debug!("a WebSocket of {}: the client has left", exchange.server()),
        End::Broken(error) => debug!("a WebSocket of {} broke off: {error}", exchange.server()),
        End::Stalled => {
            exchange.attempt.expired = Some(Expired::Silence);
            exchange.record(Outcome::CutShort);
            let why = "the server takes nothing of a WebSocket";
            return Error::e_explain(ErrorType::WriteTimedout, why).map_err(Error::into_up);
        }
    }
    Ok(())
}

/// The same on a connection of the edge's own.
async fn detached(
    client: Detached,
    exchange: &mut Exchange,
    mut server: ServerStream,
    first: BytesMut,
    mut stall: Stall,
) -> Result<End> {
    let Detached { transport: mut client, unread, unsent } = client;
    client.write_all(&unsent).await.or_err(ErrorType::WriteError, "to the client").map_err(Error::into_down)?;
    // What the client sent together with its request has been read already.
    let (mut up, mut down) = (Flow::beginning_with(unread), Flow::beginning_with(first));
    let ended = poll_fn(|context| poll(&mut client, &mut server, &mut up, &mut down, &mut stall, context)).await;
    exchange.account.tunnelled = (up.read, down.written);
    Ok(ended)
}

fn poll(
    client: &mut WriteLimit,
    server: &mut ServerStream,
    up: &mut Flow,
    down: &mut Flow,
    stall: &mut Stall,
    context: &mut Context<'_>,
) -> Poll<End> {
    let ended = (up.poll(client, server, context), down.poll(server, client, context));
    match ended {
        (Poll::Ready(Err(error)), _) | (_, Poll::Ready(Err(error))) => Poll::Ready(End::Broken(error)),
        (Poll::Ready(Ok(())), Poll::Ready(Ok(()))) => Poll::Ready(End::Whole),
        _ => stall.poll(up, (!down.is_held_up()).then_some(down.read), || client.has_hung_up(), context),
    }
}
