//! The exchange of one request and its response with a server of HTTP/1.1, on a connection to it.
//!
//! Both directions move in one task, in [`Exchanging::poll`], so that a response that comes before the request has been
//! sent whole is heard, a client that leaves is heard whoever else stands still, and one clock sees all of it. To a
//! client of HTTP/1 on a listener of the edge's own, bodies pass from socket to socket. All other clients are Pingora's
//! sessions, which write one thing after the other: they are handed heads and pieces as [`Event`]s.

mod client;
mod faults;
mod request;
mod response;

use std::{
    future::poll_fn,
    io,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::{Bytes, BytesMut};
use http::StatusCode;
use pingora::{Error, ErrorType, Result, http::ResponseHeader};
use pingora_proxy::Session;
use tokio::{sync::watch, time::Instant};

pub(in crate::edge) use self::client::deliver;
use self::faults::gone_client;
use super::{
    clock::{self, Awaiting, Clock, Due, Limits},
    connection::Connection,
    upload::{self, Upload, waits_for_100},
};
use crate::{
    edge::{
        client::ClientStream,
        exchange::{Exchange, Expired},
        fields::write_request,
    },
    framing::{Body, Rest},
    readiness::Stage,
};

/// One exchange on its way.
pub(in crate::edge) struct Exchanging<'a> {
    session: &'a mut Session,
    exchange: &'a mut Exchange,
    server: &'a mut Connection,
    upload: &'a mut Upload,
    /// The connection of a client of HTTP/1, which is written to directly.
    client: Option<Arc<ClientStream>>,
    clock: Clock,
    /// Why the server takes no more of the request. It may have said something before.
    broken: Option<io::Error>,
    /// Has been read from the server and is not taken yet.
    unread: BytesMut,
    /// Of `unread`, while it is a part of a head.
    searched: usize,
    /// What is left of the response's body, once its head has been taken.
    body: Option<Rest>,
    /// How the client is told where the body ends; not at all when it is told by the end of its connection.
    framing: Option<Body>,
    /// The trailers of a body in chunks.
    trailers: Vec<u8>,
    /// Whether the session has been told that the response is over.
    is_told: bool,
    /// How many interim responses there were.
    interims: usize,
    /// Whether the connection can carry another exchange.
    can_rest: bool,
    /// How far the edge is with stopping: no client is told then that its connection stays.
    phase: &'a watch::Receiver<Stage>,
}

/// What a session of Pingora's has to do next.
enum Event {
    /// Write a head: an interim one, or the last one.
    Head(Box<ResponseHeader>),
    /// Write a piece of the body.
    Piece(Bytes),
    /// The server speaks another protocol from here on.
    Switched,
    /// The response is over.
    End,
}

/// How an exchange has ended.
pub(in crate::edge) enum Ended {
    /// The response has been read. Whether the connection can carry another one, and whether the session has been told.
    Whole { can_rest: bool, is_told: bool },
    /// Another protocol goes on, of which this has been read.
    Switched(BytesMut),
}

impl<'a> Exchanging<'a> {
    /// Begins an exchange: its request is ready to be sent.
    pub fn begin(
        session: &'a mut Session,
        exchange: &'a mut Exchange,
        server: &'a mut Connection,
        upload: &'a mut Upload,
        phase: &'a watch::Receiver<Stage>,
        now: Instant,
    ) -> Self {
        let mut clock = Clock::begin(Limits::of(exchange), now);
        if waits_for_100(session) && upload.framing.is_some() {
            // Until the client is asked for more, or does not wait for that.
            clock.enter(Awaiting::Head, now);
        }
        exchange.account.sends(now);
        exchange.attempt.is_reused = server.is_reused;
        write_request(server.unsent(), session, exchange, upload.framing);
        upload.begin(server, exchange);
        let client = ClientStream::of(session).cloned();
        let (broken, unread, searched, body) = (None, BytesMut::new(), 0, None);
        let (framing, trailers, is_told, interims, can_rest) = (None, Vec::new(), false, 0, true);
        Exchanging {
            session,
            exchange,
            server,
            upload,
            client,
            clock,
            broken,
            unread,
            searched,
            body,
            framing,
            trailers,
            is_told,
            interims,
            can_rest,
            phase,
        }
    }

    /// Carries the exchange to its end.
    pub async fn run(mut self) -> Result<Ended> {
        loop {
            match poll_fn(|context| self.poll(context)).await? {
                Event::Head(header) => {
                    let switches = header.status == StatusCode::SWITCHING_PROTOCOLS;
                    self.write_header(header).await?;
                    if switches {
                        return Ok(Ended::Switched(self.unread));
                    }
                }
                Event::Piece(piece) => self.write_piece(piece, false).await?,
                Event::Switched => return Ok(Ended::Switched(self.unread)),
                Event::End if self.is_request_over() => {
                    let can_rest = self.can_rest && self.exchange.attempt.is_sent;
                    return Ok(Ended::Whole { can_rest, is_told: self.is_told });
                }
                Event::End => {
                    // The server has answered, and may want the rest of the request all the same.
                    if self.client.is_none() && !self.is_told {
                        self.write_piece(Bytes::new(), true).await?;
                    }
                    self.is_told = true;
                    self.clock.enter(Awaiting::Request, Instant::now());
                }
            }
        }
    }

    /// Moves whatever can move, and tells what a session has to do. An error when the exchange is over before its time.
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Result<Event>> {
        self.poll_request(context)?;
        loop {
            if self.body.as_ref().is_some_and(Rest::is_over) {
                if !self.is_told || self.is_request_over() {
                    return Poll::Ready(Ok(Event::End));
                }
                self.poll_rest(context);
                break;
            }
            if self.is_held_up(context)? {
                break;
            }
            match self.poll_response(context)? {
                Poll::Ready(Some(event)) => return Poll::Ready(Ok(event)),
                Poll::Ready(None) => {}
                Poll::Pending => break,
            }
        }
        self.poll_client(context)?;
        self.poll_clock(context)
    }

    /// Whether the server has the request whole, or takes no more of it.
    fn is_request_over(&self) -> bool {
        self.exchange.attempt.is_sent || self.broken.is_some()
    }

    /// Waits until a limit passes.
    fn poll_clock<T>(&mut self, context: &mut Context<'_>) -> Poll<Result<T>> {
        loop {
            match ready!(self.clock.poll(&mut self.server.timer, context)) {
                Due::Expired(limit) => return Poll::Ready(self.expired(limit)),
                Due::Look if self.client.as_ref().is_some_and(|client| client.io().has_hung_up()) => {
                    return Poll::Ready(gone_client());
                }
                Due::Look => self.clock.look(Instant::now()),
            }
        }
    }

    fn expired<T>(&mut self, limit: Expired) -> Result<T> {
        self.exchange.attempt.expired = Some(limit);
        Error::e_explain(ErrorType::ReadTimedout, "the exchange took too long").map_err(Error::into_up)
    }
}
