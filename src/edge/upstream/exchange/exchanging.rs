//! What an exchange is made of.

use std::{io, sync::Arc};

use bytes::{Bytes, BytesMut};
use pingora::http::ResponseHeader;
use pingora_proxy::Session;
use tokio::{sync::watch, time::Instant};

use super::{
    clock::{Awaiting, Clock, Limits},
    connection::Connection,
    upload::{Upload, waits_for_100},
};
use crate::{
    edge::{client::ClientStream, exchange::Exchange, fields::write_request},
    framing::{Body, Rest},
    readiness::Stage,
};

/// One exchange on its way.
pub(in crate::edge) struct Exchanging<'a> {
    pub(super) session: &'a mut Session,
    pub(super) exchange: &'a mut Exchange,
    pub(super) server: &'a mut Connection,
    pub(super) upload: &'a mut Upload,
    /// The connection of a client of HTTP/1, which is written to directly.
    pub(super) client: Option<Arc<ClientStream>>,
    pub(super) clock: Clock,
    /// When something was heard of the server.
    pub(super) now: Instant,
    /// Why the server takes no more of the request. It may have said something before.
    pub(super) broken: Option<io::Error>,
    /// Has been read from the server and is not taken yet.
    pub(super) unread: BytesMut,
    /// Of `unread`, while it is a part of a head.
    pub(super) searched: usize,
    /// What is left of the response's body, once its head has been taken.
    pub(super) body: Option<Rest>,
    /// How the client is told where the body ends; not at all when it is told by the end of its connection.
    pub(super) framing: Option<Body>,
    /// The trailers of a body in chunks.
    pub(super) trailers: Vec<u8>,
    /// Whether the session has been told that the response is over.
    pub(super) is_told: bool,
    /// How many interim responses there were.
    pub(super) interims: usize,
    /// Whether the connection can carry another exchange.
    pub(super) can_rest: bool,
    /// How far the edge is with stopping: no client is told then that its connection stays.
    pub(super) phase: &'a watch::Receiver<Stage>,
}

/// What a session of Pingora's has to do next.
pub(super) enum Event {
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
    Whole { can_rest: bool, is_told: bool, now: Instant },
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
        if upload.framing.is_some() && waits_for_100(session) {
            // Until the client is asked for more, or does not wait for that.
            clock.enter(Awaiting::Head, now);
        }
        exchange.account.sends(now);
        exchange.attempt.is_reused = server.is_reused;
        if let Some(trace) = &mut exchange.trace {
            trace.connected(server.is_reused);
        }
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
            now,
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
}
