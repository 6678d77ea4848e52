//! The response as it comes from the server.

use std::{
    mem::{self, MaybeUninit},
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use bytes::BytesMut;
use http::{HeaderValue, Method, StatusCode, Version};
use pingora::{Error, ErrorType, Result};
use tokio::{io::ReadBuf, time::Instant};

use super::{
    clock::Awaiting,
    exchanging::{Event, Exchanging},
    faults::{malformed, of_server},
};
use crate::{
    edge::{
        client::{PIECE, Written, keeps_connection},
        fields::{ResponseRules, interim_header, write_interim},
    },
    framing::{Body, ResponseBody, ResponseHead, Rest, end_of_head, switches_to_websocket},
    readiness::Stage,
};

/// A head of a response that is longer is none.
const LONGEST_HEAD: usize = 256 * 1024;

/// So many interim responses are passed on: they are held for a client that reads nothing.
const MOST_INTERIMS: usize = 64;

impl Exchanging<'_> {
    /// Takes what has come from the server, or reads on. Something was taken when there is no event.
    pub(super) fn poll_response(&mut self, context: &mut Context<'_>) -> Result<Poll<Option<Event>>> {
        if !self.unread.is_empty() && (self.body.is_some() || self.searched < self.unread.len()) {
            let bytes = mem::take(&mut self.unread);
            return self.take(context, &bytes).map(Poll::Ready);
        }
        // On the stack: a stream that waits keeps no memory for what may come.
        let mut piece = [const { MaybeUninit::uninit() }; PIECE];
        let mut piece = ReadBuf::uninit(&mut piece);
        match self.server.poll_read(context, &mut piece) {
            Poll::Pending => return Ok(Poll::Pending),
            Poll::Ready(Ok(())) if piece.filled().is_empty() => return self.closed().map(Poll::Ready),
            Poll::Ready(read) => of_server(read, "the response")?,
        }
        self.exchange.attempt.has_received = true;
        self.now = Instant::now();
        self.clock.received(self.now);
        if self.unread.is_empty() {
            return self.take(context, piece.filled()).map(Poll::Ready);
        }
        let mut bytes = mem::take(&mut self.unread);
        bytes.extend_from_slice(piece.filled());
        self.take(context, &bytes).map(Poll::Ready)
    }

    /// The server has closed the connection.
    fn closed(&mut self) -> Result<Option<Event>> {
        if let Some(Rest::Close) = self.body {
            self.body = Some(Rest::NOTHING);
            return Ok(None);
        }
        let why = match (&self.broken, &self.body) {
            (Some(error), None) => format!("while the request was sent: {error}"),
            (_, None) => "before the end of a response's head".to_owned(),
            (_, Some(_)) => "before the end of a response".to_owned(),
        };
        Error::e_explain(ErrorType::ConnectionClosed, why).map_err(Error::into_up)
    }

    /// Takes bytes of the response: heads, as far as they are whole, and the body.
    fn take(&mut self, context: &mut Context<'_>, mut bytes: &[u8]) -> Result<Option<Event>> {
        while self.body.is_none() && !bytes.is_empty() {
            let Some(end) = end_of_head(bytes, &mut self.searched) else {
                if bytes.len() > LONGEST_HEAD {
                    return malformed("a head that is too long");
                }
                self.unread = BytesMut::from(bytes);
                return Ok(None);
            };
            self.searched = 0;
            let (head, rest) = bytes.split_at(end);
            bytes = rest;
            let head = ResponseHead::read(head).or_else(malformed)?;
            if let Some(event) = self.take_head(&head)? {
                self.unread = BytesMut::from(bytes);
                return Ok(Some(event));
            }
        }
        match (&self.client, bytes) {
            (_, []) => Ok(None),
            (Some(client), _) => {
                let client = Arc::clone(client);
                self.relay(&client, context, bytes).map(|()| None)
            }
            (None, _) => self.cut_piece(bytes),
        }
    }

    /// Takes a head, and tells the client.
    fn take_head(&mut self, head: &ResponseHead<'_>) -> Result<Option<Event>> {
        if head.status == StatusCode::SWITCHING_PROTOCOLS {
            return self.take_switch(head);
        }
        if head.status.is_informational() {
            return self.take_interim(head);
        }
        self.exchange.take_head(head.status, self.now);
        self.exchange.note_fields(|| head.fields());
        self.clock.enter(Awaiting::Body, self.now);
        let answers_head = self.session.req_header().method == Method::HEAD;
        let body = head.body(answers_head);
        let is_old = self.session.req_header().version == Version::HTTP_10;
        let framing = match body {
            // HTTP/1.0 knows no chunks (RFC 9112 section 6.1): the end of its connection ends the body.
            ResponseBody::Framed(Body::Chunked) if is_old => None,
            ResponseBody::Framed(body) => Some(body),
            ResponseBody::None if head.status == StatusCode::NO_CONTENT => None,
            ResponseBody::None if head.status == StatusCode::RESET_CONTENT => Some(Body::Length(0)),
            ResponseBody::None => head.framing().filter(|framing| !is_old || *framing != Body::Chunked),
            ResponseBody::Close => None,
        };
        self.framing = framing;
        let ends_with_connection = framing.is_none() && body != ResponseBody::None;
        if ends_with_connection || *self.phase.borrow() == Stage::Draining || !self.upload.is_read() {
            self.session.set_keepalive(None);
        }
        let has_content = head.status == StatusCode::RESET_CONTENT && head.framing() != Some(Body::Length(0));
        self.can_rest &= head.keeps_connection() && body != ResponseBody::Close && !has_content;
        if let Some(kept) = head.keeps_connection_for() {
            // A request that is sent when the server has had enough of waiting is lost.
            self.server.kept_for = Some(kept.saturating_sub((kept / 2).min(Duration::from_secs(1))));
        }
        self.body = Some(match body {
            ResponseBody::None => Rest::NOTHING,
            ResponseBody::Framed(body) => Rest::new(body),
            ResponseBody::Close => Rest::Close,
        });
        let keeps = keeps_connection(self.session);
        let rules = ResponseRules::new(self.session, self.exchange, head.status, head.nominated());
        let Some(client) = &self.client else {
            return Ok(Some(Event::Head(Box::new(rules.header(head, framing)?))));
        };
        rules.write(client.io().unsent(), head, framing, keeps);
        drop(rules);
        if ends_with_connection {
            client.io().end_with_response();
        }
        self.exchange.account.written = Some(Written { status: head.status, body: 0 });
        Ok(None)
    }

    fn take_interim(&mut self, head: &ResponseHead<'_>) -> Result<Option<Event>> {
        self.interims += 1;
        if self.interims > MOST_INTERIMS {
            return malformed("one interim response after the other");
        }
        if head.status == StatusCode::CONTINUE && !self.upload.is_over() {
            // It is the client's turn.
            self.clock.enter(Awaiting::Request, Instant::now());
        }
        // HTTP/1.0 knows none (RFC 9110 section 15.2), and not every client of WebSockets expects one.
        if self.session.req_header().version == Version::HTTP_10 || self.exchange.is_websocket {
            return Ok(None);
        }
        let Some(client) = &self.client else {
            return Ok(Some(Event::Head(Box::new(interim_header(head)?))));
        };
        write_interim(client.io().unsent(), head);
        Ok(None)
    }

    fn take_switch(&mut self, head: &ResponseHead<'_>) -> Result<Option<Event>> {
        if !self.exchange.is_websocket {
            return malformed("a 101 that was not asked for");
        }
        let key = self.session.req_header().headers.get("sec-websocket-key");
        switches_to_websocket(head, key.map(HeaderValue::as_bytes)).or_else(malformed)?;
        self.exchange.take_head(head.status, Instant::now());
        self.exchange.note_fields(|| head.fields());
        self.session.set_keepalive(None);
        let rules = ResponseRules::new(self.session, self.exchange, head.status, head.nominated());
        let Some(client) = &self.client else {
            return Ok(Some(Event::Head(Box::new(rules.switch_header(head)?))));
        };
        rules.write_switch(client.io().unsent(), head);
        drop(rules);
        self.exchange.account.written = Some(Written { status: head.status, body: 0 });
        Ok(Some(Event::Switched))
    }
}
