//! The exchange of one request and its response with a server of HTTP/1.1, on a connection to it.
//!
//! Both directions move in one task, in [`Exchanging::poll`], so that a response that comes before the request has been
//! sent whole is heard, a client that leaves is heard whoever else stands still, and one clock sees all of it. To a
//! client of HTTP/1 on a listener of the edge's own, bodies pass from socket to socket. All other clients are Pingora's
//! sessions, which write one thing after the other: they are handed heads and pieces as [`Event`]s.

use std::{
    future::{Future, poll_fn},
    io,
    mem::{self, MaybeUninit},
    pin::pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::{Bytes, BytesMut};
use http::{Method, StatusCode, Version};
use pingora::{Error, ErrorType, OrErr, Result, http::ResponseHeader};
use pingora_proxy::Session;
use tokio::{
    io::ReadBuf,
    sync::watch,
    time::{Instant, timeout_at},
};

use super::{
    clock::{Clock, Due, Limits, Stage},
    connection::{Connection, of_server},
    upload::{Upload, count, frame, waits_for_100},
};
use crate::{
    edge::{
        client::{ClientStream, PIECE, Written, keeps_connection},
        exchange::{Exchange, Expired},
        fields::{ResponseRules, interim_header, write_interim, write_request},
    },
    framing::{Body, ResponseBody, ResponseHead, Rest, end_of_head, write},
    state::Phase,
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
    /// Whether the connection can carry another exchange.
    can_rest: bool,
    /// How far the edge is with stopping: no client is told then that its connection stays.
    phase: &'a watch::Receiver<Phase>,
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

/// A head of a response that is longer is none.
const LONGEST_HEAD: usize = 256 * 1024;

impl<'a> Exchanging<'a> {
    /// Begins an exchange: its request is ready to be sent.
    pub fn begin(
        session: &'a mut Session,
        exchange: &'a mut Exchange,
        server: &'a mut Connection,
        upload: &'a mut Upload,
        name: &str,
        phase: &'a watch::Receiver<Phase>,
        now: Instant,
    ) -> Self {
        let mut clock = Clock::begin(Limits::of(exchange), now);
        if waits_for_100(session) && upload.framing.is_some() {
            // Until the client is asked for more, or does not wait for that.
            clock.enter(Stage::FirstByte, now);
        }
        exchange.account.sends(now);
        exchange.attempt.is_reused = server.is_reused;
        write_request(server.unsent(), session, exchange, upload.framing, name);
        upload.begin(server, exchange);
        let client = ClientStream::of(session).cloned();
        let (broken, unread, searched, body) = (None, BytesMut::new(), 0, None);
        let (framing, trailers, is_told, can_rest) = (None, Vec::new(), false, true);
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
                Event::End if self.upload.is_over() => {
                    let can_rest = self.can_rest && self.exchange.attempt.is_sent;
                    return Ok(Ended::Whole { can_rest, is_told: self.is_told });
                }
                Event::End => {
                    // The server has answered, and may want the rest of the request all the same.
                    if self.client.is_none() {
                        self.write_piece(Bytes::new(), true).await?;
                    }
                    self.is_told = true;
                    self.clock.enter(Stage::Sending, Instant::now());
                }
            }
        }
    }

    /// Moves whatever can move, and tells what a session has to do. An error when the exchange is over before its time.
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Result<Event>> {
        self.poll_request(context)?;
        loop {
            if self.body.as_ref().is_some_and(Rest::is_over) {
                if !self.is_told || self.upload.is_over() {
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

    /// Sends the request, as it comes from the client, and as the server takes it.
    fn poll_request(&mut self, context: &mut Context<'_>) -> Result<()> {
        if self.broken.is_some() || self.exchange.attempt.is_sent {
            return Ok(());
        }
        loop {
            let is_waiting = !self.upload.is_over() && self.server.has_room() && self.poll_body(context)?.is_pending();
            let mut taken = 0;
            let sent = self.server.poll_send(context, &mut taken);
            let now = Instant::now();
            match sent {
                Poll::Ready(Ok(())) => self.clock.sent(taken, now),
                Poll::Ready(Err(error)) => return self.break_off(error, now),
                Poll::Pending => {
                    self.clock.blocked(taken, now);
                    return Ok(());
                }
            }
            if self.upload.is_over() {
                self.exchange.sent(now);
                if self.body.is_none() {
                    self.clock.enter(Stage::FirstByte, now);
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
    #[expect(clippy::unnecessary_wraps, reason = "it ends what may fail")]
    fn break_off(&mut self, error: io::Error, now: Instant) -> Result<()> {
        self.broken = Some(error);
        self.upload.abandon();
        if self.body.is_none() {
            self.clock.enter(Stage::FirstByte, now);
        }
        Ok(())
    }

    /// Reads a piece of the request's body, and hands it on.
    fn poll_body(&mut self, context: &mut Context<'_>) -> Result<Poll<()>> {
        let read = match self.client.clone() {
            Some(client) => self.poll_body_of_client(&client, context)?,
            None => self.poll_body_of_session(context)?,
        };
        let Poll::Ready(length) = read else { return Ok(Poll::Pending) };
        if self.clock.stage() == Stage::FirstByte && self.body.is_none() {
            self.clock.enter(Stage::Sending, Instant::now());
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
            self.break_off(error, now)?;
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

    /// Whether the response waits for a client that does not take what there is for it: the silence is not the
    /// server's then.
    fn is_held_up(&mut self, context: &mut Context<'_>) -> Result<bool> {
        let (Some(client), Some(_)) = (&self.client, &self.body) else { return Ok(false) };
        let is_held_up = client.io().poll_room(context).map(to_client)?.is_pending();
        if is_held_up != (self.clock.stage() == Stage::HeldUp) {
            self.clock.enter(if is_held_up { Stage::HeldUp } else { Stage::Silence }, Instant::now());
        }
        Ok(is_held_up)
    }

    /// Takes what has come from the server, or reads on. Something was taken when there is no event.
    fn poll_response(&mut self, context: &mut Context<'_>) -> Result<Poll<Option<Event>>> {
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
        self.clock.received(Instant::now());
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

    /// Passes a part of the body on to the client: chunks as the edge frames them, all else as it is.
    fn relay(&mut self, client: &ClientStream, context: &mut Context<'_>, bytes: &[u8]) -> Result<()> {
        let Some(body) = &mut self.body else { return Ok(()) };
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
        // What comes behind a response is nobody's, and neither is what follows it.
        self.can_rest &= used == bytes.len();
        Ok(())
    }

    /// Cuts off the data that comes first, for a session.
    fn cut_piece(&mut self, bytes: &[u8]) -> Result<Option<Event>> {
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

    /// Takes a head, and tells the client.
    fn take_head(&mut self, head: &ResponseHead<'_>) -> Result<Option<Event>> {
        if head.status == StatusCode::SWITCHING_PROTOCOLS {
            return self.take_switch(head);
        }
        if head.status.is_informational() {
            return self.take_interim(head);
        }
        let now = Instant::now();
        self.exchange.take_head(head.status.is_server_error(), now);
        self.clock.enter(Stage::Silence, now);
        let answers_head = self.session.req_header().method == Method::HEAD;
        let body = head.body(answers_head);
        let is_old = self.session.req_header().version == Version::HTTP_10;
        let framing = match body {
            // HTTP/1.0 knows no chunks (RFC 9112 section 6.1): the end of its connection ends the body.
            ResponseBody::Framed(Body::Chunked) if is_old => None,
            ResponseBody::Framed(body) => Some(body),
            ResponseBody::None if head.status == StatusCode::NO_CONTENT => None,
            ResponseBody::None => head.framing().filter(|framing| !is_old || *framing != Body::Chunked),
            ResponseBody::Close => None,
        };
        self.framing = framing;
        let ends_with_connection = framing.is_none() && body != ResponseBody::None;
        if ends_with_connection || *self.phase.borrow() == Phase::Draining || !self.upload.is_read() {
            self.session.set_keepalive(None);
        }
        self.can_rest &= head.keeps_connection() && body != ResponseBody::Close;
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
        self.exchange.account.written = Some(Written { status: head.status, body: 0 });
        Ok(None)
    }

    fn take_interim(&mut self, head: &ResponseHead<'_>) -> Result<Option<Event>> {
        if head.status == StatusCode::CONTINUE && !self.upload.is_over() {
            // It is the client's turn.
            self.clock.enter(Stage::Sending, Instant::now());
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
        self.exchange.take_head(false, Instant::now());
        self.session.set_keepalive(None);
        let Some(client) = &self.client else {
            return Ok(Some(Event::Head(Box::new(interim_header(head)?))));
        };
        write_interim(client.io().unsent(), head);
        self.exchange.account.written = Some(Written { status: head.status, body: 0 });
        Ok(Some(Event::Switched))
    }

    /// Hears, while the rest of a request goes on after its response, whether the server has hung up.
    fn poll_rest(&mut self, context: &mut Context<'_>) {
        let mut byte = [0];
        if self.server.poll_read(context, &mut ReadBuf::new(&mut byte)).is_ready() {
            self.can_rest = false;
            self.upload.abandon();
        }
    }

    /// Sends the client what there is for it, and hears whether it is gone.
    fn poll_client(&mut self, context: &mut Context<'_>) -> Result<()> {
        let is_read = self.upload.is_read();
        let Some(client) = &self.client else { return self.poll_session(context, is_read) };
        let mut io = client.io();
        let _all_or_later = io.poll_flush(context).map(to_client)?;
        let is_deaf = match is_read {
            true => match io.poll_gone(context) {
                Poll::Ready(gone) => return of_client(gone).and_then(|()| gone_client()),
                Poll::Pending => io.is_full(),
            },
            // The rest of its request is not wanted any more, or not yet.
            false => self.upload.is_over(),
        };
        if is_deaf {
            self.clock.look(Instant::now());
        }
        Ok(())
    }

    fn poll_session(&mut self, context: &mut Context<'_>, is_read: bool) -> Result<()> {
        let downstream = self.session.as_downstream_mut();
        if is_read {
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

    /// Has the session write a head.
    async fn write_header(&mut self, header: Box<ResponseHeader>) -> Result<()> {
        // It fits into the socket, or fails by the session's own limit.
        self.session.as_downstream_mut().write_response_header(header).await.map_err(Error::into_down)
    }

    /// Has the session write a piece, while the rest of the request is sent, and the clock goes on.
    async fn write_piece(&mut self, piece: Bytes, is_end: bool) -> Result<()> {
        let Exchanging { session, server, clock, .. } = self;
        clock.enter(Stage::HeldUp, Instant::now());
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
        self.clock.enter(Stage::Silence, Instant::now());
        Ok(())
    }
}

/// Ends the response for the client. The server is not waited for any more.
pub(in crate::edge) async fn deliver(session: &mut Session, exchange: &Exchange, is_told: bool) -> Result<()> {
    let Some(client) = ClientStream::of(session).cloned() else {
        if is_told {
            return Ok(());
        }
        return session.as_downstream_mut().write_response_body(Bytes::new(), true).await.map_err(Error::into_down);
    };
    let flush = poll_fn(|context| client.io().poll_flush(context));
    let flushed = match exchange.end {
        Some(end) => timeout_at(end, flush).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())),
        None => flush.await,
    };
    to_client(flushed)?;
    client.io().end_response(keeps_connection(session));
    Ok(())
}

fn malformed<T>(why: &'static str) -> Result<T> {
    Error::e_explain(ErrorType::InvalidHTTPHeader, why).map_err(Error::into_up)
}

fn malformed_body<T>(why: &'static str) -> Result<T> {
    Error::e_explain(ErrorType::ReadError, why).map_err(Error::into_up)
}

fn to_client(written: io::Result<()>) -> Result<()> {
    written.or_err(ErrorType::WriteError, "to the client").map_err(Error::into_down)
}

fn of_client<T>(read: io::Result<T>) -> Result<T> {
    read.or_err(ErrorType::ReadError, "from the client").map_err(Error::into_down)
}

fn gone_client<T>() -> Result<T> {
    Error::e_explain(ErrorType::ConnectionClosed, "by the client").map_err(Error::into_down)
}
