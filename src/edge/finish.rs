//! What becomes of a request that is over: it is counted, and a line of the access log.

use std::time::SystemTime;

use http::{HeaderValue, Method, StatusCode, Version};
use pingora_proxy::Session;

use super::{connection::Connection, exchange::Exchange, peer::Client};
use crate::{
    reason::Reason,
    telemetry::{
        AnsweredBy, CLIENT_GONE, Class, Counters, Finished,
        access_log::{Entry, RequestText, cut_method},
    },
};

/// A request is over: it is counted, and becomes a line of the access log.
pub(super) fn finish(session: &Session, exchange: &mut Exchange, counters: &Counters) {
    let finished = finished(session, exchange);
    if !exchange.account.is_probe {
        counters.traffic_counters().add(&finished);
    }
    if let Some(answer) = exchange.account.discovery {
        counters.discovery().add(answer);
    }
    if let Some(log) = counters.access_log() {
        log.add(entry(session, exchange, finished));
    }
}

/// What is counted of it.
fn finished(session: &Session, exchange: &Exchange) -> Finished {
    let account = &exchange.account;
    let class = match account.discovery {
        Some(_) => Class::Discovery,
        None if exchange.is_websocket => Class::Websocket,
        None => Class::of_path(session.req_header().raw_path()),
    };
    let is_answer = |status: &StatusCode| !status.is_informational() || *status == StatusCode::SWITCHING_PROTOCOLS;
    let status = session.response_written().map(|head| head.status).filter(is_answer);
    let status = account.written.as_ref().map(|written| written.status).or(status);
    Finished {
        class,
        by: if exchange.has_head() && !account.is_told { AnsweredBy::Server } else { AnsweredBy::Edge },
        status: status.map_or(CLIENT_GONE, |status| status.as_u16()),
        took: Some(account.began.elapsed()),
        first_byte: account.first_byte,
    }
}

/// What its line says.
fn entry(session: &Session, exchange: &mut Exchange, finished: Finished) -> Entry {
    if exchange.account.discovery.is_some() {
        // Discovery does without an id, unless somebody writes it down.
        exchange.take_request_id(session);
    }
    let header = session.req_header();
    // Of another form than the usual one, an absolute URL for example, only the path counts.
    let target = Some(header.raw_path()).filter(|target| target.starts_with(b"/"));
    let target = target.unwrap_or(header.uri.path().as_bytes());
    let request = RequestText::new(exchange.request_id(), Client::host_of(session).unwrap_or_default(), target);
    let has_address = Connection::of(session).is_none_or(|connection| connection.peer.is_some());
    let client = exchange.client(session);
    let account = &exchange.account;
    let (tunnelled_in, tunnelled_out) = account.tunnelled;
    let written = account.written.as_ref().map_or(0, |written| written.body);
    Entry {
        at: SystemTime::now(),
        finished,
        request,
        method: Some(cut_method(&header.method)),
        version: Some(header.version),
        // Behind a Unix socket there is the client that a trusted proxy names, or nobody.
        client: Some(client).filter(|client| has_address || !client.is_loopback()),
        is_tls: session.digest().is_some_and(|digest| digest.ssl_digest.is_some()),
        bytes_in: session.body_bytes_read() as u64 + tunnelled_in,
        bytes_out: session.body_bytes_sent() as u64 + written + tunnelled_out,
        server: exchange.attempts.shared_server(),
        attempts: exchange.attempts.made(),
        connecting: account.connecting,
        reason: account.reason,
        discovery: account.discovery.map(|answer| (answer, exchange.snapshot.profile)),
        generation: Some(exchange.snapshot.generation),
    }
}

/// A request that was refused before anything of it could be believed: it is counted, and becomes a line of the
/// access log. `head` is what there is of its head, `bytes_out` the body of the answer.
pub(super) fn refused(
    counters: &Counters,
    reason: Reason,
    connection: &Connection,
    id: &HeaderValue,
    head: &[u8],
    bytes_out: usize,
) {
    let finished = Finished::refused(reason);
    counters.traffic_counters().add(&finished);
    let Some(log) = counters.access_log() else { return };
    let (method, target, version) = match first_line(head) {
        Some((method, target, version)) => (Some(method), target, Some(version)),
        None => (None, &b""[..], None),
    };
    log.add(Entry {
        at: SystemTime::now(),
        finished,
        request: RequestText::new(id, b"", target),
        method,
        version,
        client: connection.peer.map(|peer| peer.ip().to_canonical()),
        is_tls: connection.is_tls,
        bytes_in: 0,
        bytes_out: bytes_out as u64,
        server: None,
        attempts: 0,
        connecting: None,
        reason: Some(reason),
        discovery: None,
        generation: None,
    });
}

/// Method, target and version, where a head that was refused begins as a usual one does. In any other, what looks
/// like a path may be anything, a key for example.
fn first_line(head: &[u8]) -> Option<(Method, &[u8], Version)> {
    let end = memchr::memmem::find(head, b"\r\n")?;
    let mut parts = head[..end].split(|byte| *byte == b' ');
    let (method, target, version) = (parts.next()?, parts.next()?, parts.next()?);
    let known = USUAL_METHODS.iter().find(|known| known.as_str().as_bytes() == method)?;
    let version = match version {
        b"HTTP/1.1" => Version::HTTP_11,
        b"HTTP/1.0" => Version::HTTP_10,
        _ => return None,
    };
    (parts.next().is_none() && target.starts_with(b"/")).then(|| (known.clone(), target, version))
}

const USUAL_METHODS: [Method; 7] =
    [Method::GET, Method::POST, Method::HEAD, Method::OPTIONS, Method::PUT, Method::DELETE, Method::PATCH];
