//! A request taken through the phases that serve, as far as the pick of a server, with nobody at either end: what
//! `explain` tells is what happened here.

use std::{net::IpAddr, net::SocketAddr, os::fd::AsRawFd, sync::Arc, time::Duration};

use bytes::BytesMut;
use once_cell::sync::OnceCell;
use pingora::{
    Error, Result,
    protocols::{SocketDigest, l4::socket::SocketAddr as PingoraAddress, tls::SslDigest},
};
use pingora_proxy::Session;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::UnixStream,
    time::timeout,
};

use super::{
    client::{About, Client, ClientStream, Connection, SessionStream, Socket, Transport, slot},
    exchange::Exchange,
    fields::{own_url, write_request},
    phases::{admit, discovery, finish::class_of, forward, ready, redirect},
    proxy::Edge,
};
use crate::{
    config::{self, PathPrefix, PublicUrl, Scheme},
    discovery::DiscoveryAnswer,
    framing,
    reason::Reason,
    telemetry::Class,
};

/// A request of HTTP/1.1, and how it comes in.
pub struct Heard<'a> {
    /// The listener that takes it.
    pub listener: &'a config::Listener,
    /// The other end of the connection; none of a Unix socket.
    pub peer: Option<SocketAddr>,
    /// Its head.
    pub head: &'a [u8],
}

/// What became of it.
#[derive(Debug)]
pub struct Rehearsal {
    /// The place of its site, once that was known.
    pub site: Option<usize>,
    /// Its path as a Bifrost has it.
    pub bifrost_path: String,
    /// Who asks, as far as trusted proxies say.
    pub client: IpAddr,
    /// Whether the other end of the connection is believed about others.
    pub is_trusted: bool,
    /// The scheme that the client used.
    pub scheme: Scheme,
    /// The public URL that it is for, or the origin that is derived from it.
    pub own: Option<PublicUrl>,
    /// What it is counted as.
    pub class: Class,
    /// Whether it is held to `limits.logins`.
    pub is_login: bool,
    /// How it ended.
    pub end: End,
    /// What the client gets of the edge itself; empty when a server is asked.
    pub response: Vec<u8>,
}

/// How a request ended, or where it goes.
#[derive(Debug)]
pub enum End {
    /// It was refused.
    Refused(Reason, String),
    /// Discovery answered it.
    Discovery(DiscoveryAnswer),
    /// It asked whether the edge is ready.
    Readiness,
    /// It is to come again with `https`.
    Redirect,
    /// It goes to a server.
    Forwarded(Forwarded),
}

/// How a request goes to a server.
#[derive(Debug)]
pub struct Forwarded {
    /// Whether it opens a WebSocket.
    pub is_websocket: bool,
    /// How long the edge waits, by the keys of `timeouts`.
    pub waits: Vec<(&'static str, Option<Duration>)>,
    /// The prefix of `timeouts.paths` that says so.
    pub waits_of: Option<PathPrefix>,
    /// The head as a server of HTTP/1.1 gets it.
    pub head: Vec<u8>,
}

/// Nobody is waited for.
const LONGEST: Duration = Duration::from_secs(5);

impl Edge {
    /// Takes a request as far as the pick of a server. Of an edge that serves nobody: it would be counted.
    ///
    /// # Errors
    /// When the machine has no socket for it.
    pub async fn rehearse(&self, asked: &Heard<'_>) -> Result<Rehearsal, String> {
        let failed = |error: &dyn std::fmt::Display| format!("cannot be rehearsed: {error}");
        let (client, mut other_end) = UnixStream::pair().map_err(|error| failed(&error))?;
        other_end.shutdown().await.map_err(|error| failed(&error))?;
        let took = timeout(LONGEST, self.take(asked, client)).await;
        let mut rehearsal = took.map_err(|error| failed(&error))?.map_err(|error| failed(&error))?;
        let read = timeout(LONGEST, other_end.read_to_end(&mut rehearsal.response)).await;
        read.map_err(|error| failed(&error))?.map_err(|error| failed(&error))?;
        Ok(rehearsal)
    }

    async fn take(&self, asked: &Heard<'_>, client: UnixStream) -> Result<Rehearsal> {
        let snapshot = self.snapshot().load_full();
        let mut exchange = self.context(Arc::clone(&snapshot));
        let (body, form) = match framing::read(asked.head, snapshot.limits.headers) {
            Ok(head) => (head.body, head.line.is_absolute().then(|| framing::with_origin_form(&head))),
            Err(refusal) => return Ok(unread(asked, &exchange, refusal.reason, refusal.why)),
        };
        if asked.head.len() > snapshot.limits.head.most() {
            return Ok(unread(asked, &exchange, Reason::HeadTooLarge, "a head larger than limits.head"));
        }
        let client = stream(asked, client, snapshot.limits.client_silence)?;
        client.io().begin(0, body, snapshot.limits.client_silence);
        let mut session = Session::new_h1(Box::new(SessionStream(client)));
        session.as_downstream_mut().set_keepalive(None);
        let head = BytesMut::from(form.as_deref().unwrap_or(asked.head));
        session.as_downstream_mut().set_pipelined_prefix(head);
        session.as_downstream_mut().read_request().await?;
        let end = match self.end(&mut session, &mut exchange).await {
            Ok(end) => end,
            Err(error) => {
                let why = error.context.as_ref().map_or_else(String::new, |why| why.as_str().to_owned());
                self.fail(&mut session, &error, &mut exchange).await;
                End::Refused(exchange.account.reason.unwrap_or(Reason::Internal), why)
            }
        };
        let rehearsal = told(&session, &mut exchange, end);
        session.as_downstream_mut().shutdown().await;
        Ok(rehearsal)
    }

    /// The phases in the order of `Edge::serve`.
    async fn end(&self, session: &mut Session, exchange: &mut Exchange) -> Result<End, Box<Error>> {
        self.begin(session, exchange)?;
        if discovery::answer(session, exchange, &self.0.counters).await? {
            let Some(answer) = exchange.account.discovery else { return Ok(End::Readiness) };
            return Ok(End::Discovery(answer));
        }
        if ready::answer(session, exchange, &self.0.phase).await? {
            return Ok(End::Readiness);
        }
        exchange.take_request_id(session);
        if redirect::answer(session, exchange, false).await? {
            return Ok(End::Redirect);
        }
        admit::request(session, exchange, &self.0.rates, &self.0.requests)?;
        forward::settle(session, exchange);
        let path = session.req_header().uri.path().as_bytes();
        let waits_of = exchange.site().servers.waits_of(path).cloned();
        let mut head = Vec::new();
        write_request(&mut head, session, exchange, None);
        let waits = exchange.waits;
        Ok(End::Forwarded(Forwarded {
            is_websocket: exchange.is_websocket,
            waits: vec![
                ("connect", Some(waits.connect)),
                ("first_byte", Some(waits.first_byte)),
                ("silence", Some(waits.silence)),
                ("request", waits.request.filter(|_| !exchange.is_websocket)),
            ],
            waits_of,
            head,
        }))
    }
}

/// What is known of a request at its end.
fn told(session: &Session, exchange: &mut Exchange, end: End) -> Rehearsal {
    let address = exchange.client(session);
    let snapshot = Arc::clone(&exchange.snapshot);
    let client = Client::of(session, &snapshot.trusted);
    let bifrost_path = exchange.bifrost_path(session);
    let generation = exchange.site().profile.generation();
    Rehearsal {
        site: exchange.site,
        client: address,
        is_trusted: client.is_trusted(),
        scheme: client.scheme(),
        own: own_url(&client, snapshot.discovery.discovery().origins()).map(std::borrow::Cow::into_owned),
        class: class_of(session, exchange),
        is_login: generation.is_login(&session.req_header().method, bifrost_path),
        bifrost_path: String::from_utf8_lossy(bifrost_path).into_owned(),
        end,
        response: Vec::new(),
    }
}

/// What is known of a request whose head was refused before anybody read it.
fn unread(asked: &Heard<'_>, exchange: &Exchange, reason: Reason, why: &str) -> Rehearsal {
    let peer = asked.peer.map_or(std::net::Ipv4Addr::LOCALHOST.into(), |peer| peer.ip());
    Rehearsal {
        site: None,
        bifrost_path: String::new(),
        client: peer,
        is_trusted: exchange.snapshot.trusted.contains(peer),
        scheme: if asked.listener.tls.is_some() { Scheme::Https } else { Scheme::Http },
        own: None,
        class: Class::Other,
        is_login: false,
        end: End::Refused(reason, why.to_owned()),
        response: Vec::new(),
    }
}

/// The connection by which it comes in, as the listener makes it.
fn stream(asked: &Heard<'_>, socket: UnixStream, most_stalled: Duration) -> Result<Arc<ClientStream>> {
    let Heard { listener, peer, .. } = asked;
    let id = socket.as_raw_fd();
    let is_tls = listener.tls.is_some();
    let connection = Connection::new(listener.redirect_to_https, listener.has_http2(), is_tls, *peer);
    let mut digest = SocketDigest::from_raw_fd(id);
    digest.peer_addr = OnceCell::with_value(peer.map(PingoraAddress::Inet));
    let about = About {
        tls: is_tls.then(|| Arc::new(SslDigest::new("", "", None, None, Vec::new()))),
        connection: slot(Arc::new(connection))?,
        socket: Arc::new(digest),
    };
    Ok(ClientStream::new(id, Transport::Plain(Socket::Unix(socket)), about, most_stalled))
}
