//! The exchange from its beginning to its end.

use std::{
    future::poll_fn,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http::StatusCode;
use pingora::{Error, ErrorSource, ErrorType, Result};
use tokio::time::Instant;

use super::{
    clock::{Awaiting, Due},
    exchanging::{Ended, Event, Exchanging},
    faults::gone_client,
    upload::waits_for_100,
};
use crate::{
    config::HalfClose,
    edge::{
        client::{Watched, Written},
        exchange::Expired,
    },
    framing::Rest,
};

impl Exchanging<'_> {
    /// Carries the exchange to its end.
    pub async fn run(mut self) -> Result<Ended> {
        loop {
            let event = match poll_fn(|context| self.poll(context)).await {
                // The response is there: what a client sends no more is not missed.
                Err(error) if self.is_told && *error.esource() == ErrorSource::Downstream => {
                    return Ok(Ended::Whole { can_rest: false, is_told: true, now: self.now });
                }
                event => event?,
            };
            match event {
                Event::Head(header) => {
                    let switches = header.status == StatusCode::SWITCHING_PROTOCOLS;
                    self.write_header(header).await?;
                    if switches {
                        // Of which nothing more is told by a head.
                        self.exchange.account.written =
                            Some(Written { status: StatusCode::SWITCHING_PROTOCOLS, body: 0 });
                        return Ok(Ended::Switched(self.unread));
                    }
                }
                Event::Piece(piece) => self.write_piece(piece, false).await?,
                Event::Switched => return Ok(Ended::Switched(self.unread)),
                Event::End if self.is_request_over() || self.is_body_kept_back() => {
                    let can_rest = self.can_rest && self.exchange.attempt.is_sent;
                    return Ok(Ended::Whole { can_rest, is_told: self.is_told, now: self.now });
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
                if self.poll_rest(context).is_ready() {
                    continue;
                }
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

    /// Whether nothing more is to come of the request: a client that waits to be asked for its body, and is told a
    /// final status instead, keeps it (RFC 9110 section 10.1.1).
    fn is_body_kept_back(&self) -> bool {
        self.interims == 0 && self.upload.is_untouched() && waits_for_100(self.session)
    }

    /// Waits until a limit passes.
    fn poll_clock<T>(&mut self, context: &mut Context<'_>) -> Poll<Result<T>> {
        loop {
            match ready!(self.clock.poll(&mut self.server.timer, context)) {
                Due::Expired(limit) => return Poll::Ready(self.expired(limit)),
                Due::Look if self.has_hung_up() => return Poll::Ready(gone_client()),
                Due::Look => self.clock.look(Instant::now()),
            }
        }
    }

    /// Whether the client has hung up, as far as that can be seen without reading.
    fn has_hung_up(&self) -> bool {
        match &self.client {
            Some(client) if self.exchange.waits.half_close == HalfClose::Answer => client.io().is_reset(),
            Some(client) => client.io().has_hung_up(),
            None => Watched::of(self.session).has_hung_up(),
        }
    }

    pub(super) fn expired<T>(&mut self, limit: Expired) -> Result<T> {
        self.exchange.attempt.expired = Some(limit);
        Error::e_explain(ErrorType::ReadTimedout, "the exchange took too long").map_err(Error::into_up)
    }
}
