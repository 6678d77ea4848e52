//! The response on its way to the client, and what is heard of the client meanwhile.

use std::{
    future::{Future, poll_fn},
    io,
    pin::pin,
    task::{Context, Poll, ready},
};

use bytes::{Bytes, BytesMut};
use pingora::{Error, Result, http::ResponseHeader, protocols::http::ServerSession};
use pingora_proxy::Session;
use tokio::{
    io::ReadBuf,
    time::{Instant, timeout_at},
};

use super::{
    clock::{Awaiting, Due},
    exchanging::{Event, Exchanging},
    faults::{gone_client, malformed_body, of_client, to_client},
};
use crate::{
    config::HalfClose,
    edge::{
        client::{After, ClientStream, keeps_connection, listen_on},
        exchange::Exchange,
    },
    framing::{Body, Rest, write},
};

impl Exchanging<'_> {
    /// Whether the response waits for a client that does not take what there is for it: the silence is not the
    /// server's then.
    pub(super) fn is_held_up(&mut self, context: &mut Context<'_>) -> Result<bool> {
        let (Some(client), Some(_)) = (&self.client, &self.body) else { return Ok(false) };
        let is_held_up = client.io().poll_room(context).map(to_client)?.is_pending();
        if is_held_up != (self.clock.awaiting() == Awaiting::Client) {
            self.clock.enter(if is_held_up { Awaiting::Client } else { Awaiting::Body }, Instant::now());
        }
        Ok(is_held_up)
    }

    /// Passes a part of the body on to the client: chunks as the edge frames them, all else as it is.
    pub(super) fn relay(&mut self, client: &ClientStream, context: &mut Context<'_>, bytes: &[u8]) -> Result<()> {
        let Some(body) = self.body.as_mut().filter(|body| !body.is_over()) else {
            // What comes behind a response is nobody's, and neither is what follows it.
            self.can_rest = false;
            return Ok(());
        };
        let is_chunked = self.framing == Some(Body::Chunked);
        let (mut io, mut used, mut passed) = (client.io(), 0, 0);
        while used < bytes.len() && !body.is_over() {
            let is_in_trailers = body.is_in_trailers();
            let (more, of_data) = body.next(&bytes[used..]).or_else(malformed_body)?;
            used += more;
            passed += of_data;
            let data = &bytes[used - of_data..used];
            match () {
                () if is_in_trailers => self.trailers.extend_from_slice(&bytes[used - more..used]),
                () if data.is_empty() => {}
                () if is_chunked => write::chunk(io.unsent(), data),
                () => to_client(io.pass(context, data))?,
            }
        }
        if body.is_over() && is_chunked {
            write::last_chunk(io.unsent(), &self.trailers);
        }
        if let Some(written) = &mut self.exchange.account.written {
            written.body += passed as u64;
        }
        self.can_rest &= used == bytes.len();
        Ok(())
    }

    /// Cuts off the data that comes first, for a session.
    pub(super) fn cut_piece(&mut self, bytes: &[u8]) -> Result<Option<Event>> {
        let Some(body) = &mut self.body else { return Ok(None) };
        let (mut used, mut piece) = (0, None);
        while used < bytes.len() && !body.is_over() && piece.is_none() {
            let (more, of_data) = body.next(&bytes[used..]).or_else(malformed_body)?;
            used += more;
            piece = (of_data > 0).then(|| Bytes::copy_from_slice(&bytes[used - of_data..used]));
        }
        self.unread = BytesMut::from(&bytes[used..]);
        if body.is_over() && !self.unread.is_empty() {
            // Nobody's, as in `relay`.
            self.can_rest = false;
            self.unread.clear();
        }
        Ok(piece.map(Event::Piece))
    }

    /// Hears, while the rest of a request goes on after its response, whether the server has hung up.
    pub(super) fn poll_rest(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let mut byte = [0];
        // Whatever it says behind its response is nobody's.
        self.server.poll_read(context, &mut ReadBuf::new(&mut byte)).map(|_| {
            self.can_rest = false;
            self.broken = Some(io::ErrorKind::UnexpectedEof.into());
        })
    }

    /// Sends the client what there is for it, and hears whether it is gone.
    pub(super) fn poll_client(&mut self, context: &mut Context<'_>) -> Result<()> {
        let is_read = self.upload.is_read();
        let Some(client) = &self.client else { return self.poll_session(context, is_read) };
        let mut io = client.io();
        let _all_or_later = io.poll_flush(context).map(to_client)?;
        let is_deaf = if is_read {
            match io.poll_gone(context) {
                // Only what is sent to it shows whether it has gone.
                Poll::Ready(Ok(())) if self.exchange.waits.half_close == HalfClose::Answer => true,
                Poll::Ready(gone) => return of_client(gone).and_then(|()| gone_client()),
                Poll::Pending => io.is_full(),
            }
        } else {
            // The rest of its request is not wanted any more.
            self.upload.is_over()
        };
        if is_deaf {
            self.clock.look(Instant::now());
        }
        Ok(())
    }

    pub(super) fn poll_session(&mut self, context: &mut Context<'_>, is_read: bool) -> Result<()> {
        let downstream = self.session.as_downstream_mut();
        if is_read || downstream.is_custom() {
            let gone = pin!(downstream.read_body_or_idle(true)).poll(context);
            return match gone.map_err(Error::into_down)? {
                Poll::Ready(_) | Poll::Pending => Ok(()),
            };
        }
        // Of HTTP/2 the end of a stream is heard also while its body waits.
        match downstream.watch_h2_stream_close().map(|closed| pin!(closed).poll(context)) {
            Some(Poll::Ready(_)) => gone_client(),
            _ => Ok(()),
        }
    }

    /// Has the session write a head.
    pub(super) async fn write_header(&mut self, header: Box<ResponseHeader>) -> Result<()> {
        if let ServerSession::H2(session) = self.session.as_downstream_mut() {
            // One that says how long the body would be, and has none, ends its stream by itself (RFC 9113 section
            // 8.1.1).
            self.is_told = self.body.as_ref().is_some_and(Rest::is_over);
            return session.write_response_header(header, self.is_told).map_err(Error::into_down);
        }
        // It fits into the socket, or fails by the session's own limit.
        self.session.as_downstream_mut().write_response_header(header).await.map_err(Error::into_down)
    }

    /// Has the session write a piece, while the rest of the request is sent, and the clock goes on.
    pub(super) async fn write_piece(&mut self, piece: Bytes, is_end: bool) -> Result<()> {
        let Exchanging { session, server, clock, .. } = self;
        clock.enter(Awaiting::Client, Instant::now());
        // Boxed, because no other client needs it.
        let mut writing = Box::pin(session.as_downstream_mut().write_response_body(piece, is_end));
        let written = poll_fn(|context| {
            if let Poll::Ready(written) = writing.as_mut().poll(context) {
                return Poll::Ready(Ok(written));
            }
            // What comes of it is seen when the exchange goes on.
            let _sent = server.poll_send(context, &mut 0);
            loop {
                match ready!(clock.poll(&mut server.timer, context)) {
                    Due::Expired(limit) => return Poll::Ready(Err(limit)),
                    Due::Look => {}
                }
            }
        });
        match written.await {
            Ok(written) => written.map_err(Error::into_down)?,
            Err(limit) => {
                drop(writing);
                return self.expired(limit);
            }
        }
        drop(writing);
        self.clock.enter(Awaiting::Body, Instant::now());
        Ok(())
    }
}

/// Ends the response for the client. The server is not waited for any more.
pub(in crate::edge) async fn deliver(session: &mut Session, exchange: &Exchange, is_told: bool) -> Result<()> {
    let Some(client) = ClientStream::of(session).cloned() else {
        let downstream = session.as_downstream_mut();
        if !is_told {
            downstream.write_response_body(Bytes::new(), true).await.map_err(Error::into_down)?;
        }
        listen_on(downstream).await;
        return Ok(());
    };
    let flush = poll_fn(|context| client.io().poll_flush(context));
    let flushed = match exchange.end {
        Some(end) => timeout_at(end, flush).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())),
        None => flush.await,
    };
    to_client(flushed)?;
    let after = if keeps_connection(session) { After::Request } else { After::Close };
    client.io().end_response(after);
    Ok(())
}
