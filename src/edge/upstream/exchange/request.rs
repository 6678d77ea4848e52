//! The request on its way to the server.

use std::{
    future::Future,
    io,
    pin::pin,
    task::{Context, Poll},
};

use pingora::{Error, Result};
use tokio::time::Instant;

use super::{
    clock::Awaiting,
    exchanging::Exchanging,
    faults::of_client,
    upload::{count, frame},
};
use crate::{edge::client::ClientStream, framing::Body};

impl Exchanging<'_> {
    /// Sends the request, as it comes from the client, and as the server takes it.
    pub(super) fn poll_request(&mut self, context: &mut Context<'_>) -> Result<()> {
        if self.broken.is_some() || self.exchange.attempt.is_sent {
            return Ok(());
        }
        loop {
            let is_waiting = !self.upload.is_over() && self.server.has_room() && self.poll_body(context)?.is_pending();
            if self.broken.is_some() {
                return Ok(());
            }
            let mut taken = 0;
            let sent = self.server.poll_send(context, &mut taken);
            let now = Instant::now();
            match sent {
                Poll::Ready(Ok(())) => self.clock.sent(taken, now),
                Poll::Ready(Err(error)) => {
                    self.break_off(error, now);
                    return Ok(());
                }
                Poll::Pending => {
                    self.clock.blocked(taken, now);
                    return Ok(());
                }
            }
            if self.upload.is_over() {
                self.exchange.sent(now);
                if self.body.is_none() {
                    self.clock.enter(Awaiting::Head, now);
                }
                return Ok(());
            }
            if is_waiting {
                return Ok(());
            }
        }
    }

    /// The server takes no more of the request: what it may have said before that is read, but waited for no longer
    /// than for any response.
    fn break_off(&mut self, error: io::Error, now: Instant) {
        self.broken = Some(error);
        self.upload.abandon();
        if self.body.is_none() {
            self.clock.enter(Awaiting::Head, now);
        }
    }

    /// Reads a piece of the request's body, and hands it on.
    fn poll_body(&mut self, context: &mut Context<'_>) -> Result<Poll<()>> {
        let read = match self.client.clone().filter(|_| !self.upload.is_pingoras()) {
            Some(client) => self.poll_body_of_client(&client, context)?,
            None => self.poll_body_of_session(context)?,
        };
        let Poll::Ready(length) = read else { return Ok(Poll::Pending) };
        if self.clock.awaiting() == Awaiting::Head && self.body.is_none() {
            self.clock.enter(Awaiting::Request, Instant::now());
        }
        if length == 0 {
            self.upload.end(self.server);
        } else {
            count(length, self.exchange)?;
        }
        Ok(Poll::Ready(()))
    }

    fn poll_body_of_client(&mut self, client: &ClientStream, context: &mut Context<'_>) -> Result<Poll<usize>> {
        let Exchanging { server, upload, .. } = self;
        let (mut broken, mut taken) = (None, 0);
        let read = client.io().poll_body(context, |context, piece| {
            upload.keep(piece);
            if upload.framing == Some(Body::Chunked) {
                frame(upload.framing, server.unsent(), piece);
            } else if let Err(error) = server.pass(context, piece, &mut taken) {
                broken = Some(error);
            }
            Ok(())
        });
        let now = Instant::now();
        if taken > 0 {
            self.clock.sent(taken, now);
        }
        if let Some(error) = broken {
            self.break_off(error, now);
        }
        let Poll::Ready(length) = read.map(of_client)? else { return Ok(Poll::Pending) };
        self.exchange.account.body_read += length as u64;
        Ok(Poll::Ready(length))
    }

    fn poll_body_of_session(&mut self, context: &mut Context<'_>) -> Result<Poll<usize>> {
        let downstream = self.session.as_downstream_mut();
        if downstream.is_body_done() {
            return Ok(Poll::Ready(0));
        }
        let read = pin!(downstream.read_request_body()).poll(context);
        let Poll::Ready(piece) = read.map_err(Error::into_down)? else { return Ok(Poll::Pending) };
        let Some(piece) = piece else { return Ok(Poll::Ready(0)) };
        if piece.is_empty() {
            return self.poll_body_of_session(context);
        }
        self.upload.keep(&piece);
        frame(self.upload.framing, self.server.unsent(), &piece);
        Ok(Poll::Ready(piece.len()))
    }
}
