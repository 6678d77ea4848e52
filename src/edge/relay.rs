//! The body of a server's answer on its way to the client, past Pingora: piece by piece, as it comes, and no faster
//! than the client takes it.

use std::{
    future::poll_fn,
    io,
    mem::MaybeUninit,
    task::{Context, Poll, ready},
};

use http::{Version, header};
use pingora::{
    Error, ErrorType, OrErr, Result,
    http::{HeaderNameVariant, ResponseHeader},
    protocols::http::date::get_cached_date,
};
use pingora_proxy::Session;
use tokio::{io::ReadBuf, time::Instant};

use super::{
    account::Written, answer::connection_lines, client_stream::ClientStream, exchange::Exchange, patience::Phase,
    server_io::Wanted, socket::PIECE, watch::Turn,
};
use crate::framing::{Body, Rest};

/// A body on its way.
struct Relay<'a> {
    client: &'a ClientStream,
    server: &'a Turn,
    left: Rest,
    written: &'a mut Written,
    /// The server has been waiting for the client.
    is_held_up: bool,
}

/// What the client of the request can do with its answer. HTTP/1.0 knows no chunks, HTTP/2 frames of its own, and
/// what answers `HEAD` has no body.
pub(super) fn wanted(session: &Session, exchange: &Exchange) -> Wanted {
    let request = session.req_header();
    let is_plain = request.version == Version::HTTP_11 && request.method != http::Method::HEAD;
    match ClientStream::of(session) {
        _ if exchange.is_websocket => Wanted::Websocket,
        Some(_) if is_plain => Wanted::Body,
        _ => Wanted::Any,
    }
}

/// Sends an answer to the client whose body Pingora has not seen, if it is one, and leaves Pingora an answer without.
pub(super) async fn answer(session: &mut Session, exchange: &mut Exchange, answer: &mut ResponseHeader) -> Result<()> {
    let Some((server, body, written)) = exchange.begin_relay(answer.status) else { return Ok(()) };
    let client = ClientStream::of(session).ok_or_else(|| Error::explain(ErrorType::InternalError, NO_CLIENT))?;
    let shown = ResponseHeader::build_no_case(answer.status, Some(3))?;
    head(&std::mem::replace(answer, shown), body, connection_lines(session), client.io().unsent())?;
    answer.insert_header(header::CONTENT_LENGTH, 0)?;
    let mut relay = Relay { client, server, left: Rest::new(body), written, is_held_up: false };
    if relay.left.is_over() {
        server.end_body(&[]);
    }
    poll_fn(|context| relay.poll(context)).await?;
    client.io().end_answer();
    Ok(())
}

const NO_CLIENT: &str = "a body to be relayed without a client";

/// Appends the head as HTTP/1.1 has it, with the true framing in the place of the one that Pingora was shown.
fn head(answer: &ResponseHeader, body: Body, connection: &[u8], head: &mut Vec<u8>) -> Result<()> {
    head.reserve(512);
    head.extend_from_slice(b"HTTP/1.1 ");
    head.extend_from_slice(answer.status.as_str().as_bytes());
    head.push(b' ');
    head.extend_from_slice(answer.get_reason_phrase().unwrap_or_default().as_bytes());
    head.extend_from_slice(b"\r\n");
    answer.map(|name, value| {
        let name = match name {
            HeaderNameVariant::Case(name) => name.as_slice(),
            HeaderNameVariant::Titled(name) => name.as_bytes(),
        };
        match name.len() {
            4 if name.eq_ignore_ascii_case(b"date") => return Ok(()),
            10 if name.eq_ignore_ascii_case(b"connection") => return Ok(()),
            14 if name.eq_ignore_ascii_case(b"content-length") => match body {
                Body::Length(length) => line(head, name, length.to_string().as_bytes()),
                Body::Chunked => line(head, b"Transfer-Encoding", b"chunked"),
            },
            _ => line(head, name, value.as_bytes()),
        }
        Ok(())
    })?;
    head.extend_from_slice(b"Date: ");
    head.extend_from_slice(get_cached_date().as_bytes());
    head.extend_from_slice(connection);
    Ok(())
}

fn line(head: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    for part in [name, b": ", value, b"\r\n"] {
        head.extend_from_slice(part);
    }
}

impl Relay<'_> {
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Result<()>> {
        loop {
            if self.left.is_over() {
                return self.client.io().poll_flush(context).map(to_client);
            }
            if self.client.io().poll_room(context).map(to_client)?.is_pending() {
                self.hold_up(true);
                return self.server.poll_limits(context).map(from_server);
            }
            self.hold_up(false);
            if self.poll_piece(context)?.is_pending() {
                return self.poll_client(context);
            }
        }
    }

    /// While the server waits for the client, the silence is not the server's.
    fn hold_up(&mut self, is_held_up: bool) {
        if self.is_held_up != is_held_up {
            self.is_held_up = is_held_up;
            self.server.enter(if is_held_up { Phase::HeldUp } else { Phase::Silence }, Instant::now());
        }
    }

    /// Passes on a piece of the body.
    fn poll_piece(&mut self, context: &mut Context<'_>) -> Poll<Result<()>> {
        // On the stack: a stream that waits keeps no memory for what may come.
        let mut piece = [const { MaybeUninit::uninit() }; PIECE];
        let mut piece = ReadBuf::uninit(&mut piece);
        from_server(ready!(self.server.poll_body(context, &mut piece)))?;
        if piece.filled().is_empty() {
            return Poll::Ready(
                Error::e_explain(ErrorType::ConnectionClosed, "before the end of an answer").map_err(Error::into_up),
            );
        }
        let followed = self.left.follow(piece.filled());
        let (count, data) =
            followed.or_else(|why| Error::e_explain(ErrorType::ReadError, why).map_err(Error::into_up))?;
        let (ours, behind) = piece.filled().split_at(count);
        to_client(self.client.io().pass(context, ours))?;
        self.written.body += data;
        if self.left.is_over() {
            self.server.end_body(behind);
        }
        Poll::Ready(Ok(()))
    }

    /// Nothing comes from the server: the client gets what there is, and may go.
    fn poll_client(&mut self, context: &mut Context<'_>) -> Poll<Result<()>> {
        let mut client = self.client.io();
        let _all_or_later = client.poll_flush(context).map(to_client)?;
        ready!(client.poll_gone(context)).or_err(ErrorType::ReadError, "from the client").map_err(Error::into_down)?;
        Poll::Ready(Error::e_explain(ErrorType::ConnectionClosed, "by the client").map_err(Error::into_down))
    }
}

fn from_server(read: io::Result<()>) -> Result<()> {
    read.or_err(ErrorType::ReadError, "the body of an answer").map_err(Error::into_up)
}

fn to_client(written: io::Result<()>) -> Result<()> {
    written.or_err(ErrorType::WriteError, "to the client").map_err(Error::into_down)
}
