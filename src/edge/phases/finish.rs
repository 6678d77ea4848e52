//! What becomes of a request that is over: it is counted, and a line of the access log.

use std::{net::IpAddr, time::SystemTime};

use http::{HeaderValue, StatusCode, header};
use pingora_proxy::Session;

use crate::{
    edge::{
        client::{Client, Connection},
        exchange::{Exchange, ServerId, Trace},
    },
    host::Host,
    plugin::request,
    reason::Reason,
    telemetry::{
        AnsweredBy, CLIENT_GONE, Class, Counters, Finished,
        access_log::{Entry, LONGEST_PATH, RequestText, Said, cut_method},
        tracing::{Happened, RequestEnd},
    },
};

/// A request is over, and was answered whole or not: it is counted, and becomes a line of the access log.
pub(in crate::edge) fn finish(session: &Session, exchange: &mut Exchange, counters: &Counters, is_whole: bool) {
    if is_whole {
        exchange.answered();
    }
    let finished = finished(session, exchange);
    if !exchange.account.is_probe {
        exchange.site().counters.traffic().add(&finished);
    }
    if let Some(answer) = exchange.account.discovery {
        exchange.site().counters.discovery().add(answer);
    }
    if exchange.account.reason == Some(Reason::UnknownHost) {
        let client = Client::of(session, &exchange.snapshot.trusted);
        counters.misdirected().add(client.scheme(), client.host().unwrap_or_default());
    }
    // Taken apart only once the line is made, which has its id.
    let recording = exchange.is_recorded().then(|| request_end(session, exchange, &finished));
    if let Some(log) = counters.access_log() {
        log.add(entry(session, exchange, finished));
    }
    let (Some(end), Some(trace), Some(tracer)) = (recording, exchange.trace.take(), counters.tracer()) else { return };
    if let Some(mut recording) = trace.into_recording() {
        if end.reason == Some(Reason::ClientGone) {
            recording.happens(Happened::ClientGone);
        }
        recording.request = Some(Box::new(end));
        tracer.add(recording);
    }
}

/// What it is counted as.
pub(in crate::edge) fn class_of(session: &Session, exchange: &Exchange) -> Class {
    match exchange.account.discovery {
        Some(_) => Class::Discovery,
        None if exchange.is_websocket => Class::Websocket,
        None => Class::of_path(exchange.bifrost_path(session)),
    }
}

/// What is counted of it.
fn finished(session: &Session, exchange: &Exchange) -> Finished {
    let account = &exchange.account;
    let class = class_of(session, exchange);
    let is_answer = |status: &StatusCode| !status.is_informational() || *status == StatusCode::SWITCHING_PROTOCOLS;
    let status = session.response_written().map(|head| head.status).filter(is_answer);
    let status = account.written.as_ref().map(|written| written.status).or(status);
    Finished {
        class,
        by: if exchange.has_head() && !account.is_told { AnsweredBy::Server } else { AnsweredBy::Edge },
        status: status.map_or(CLIENT_GONE, |status| status.as_u16()),
        took: Some(account.began.elapsed()),
        first_byte: account.first_byte,
        kind: account.kind,
    }
}

/// What its span says.
fn request_end(session: &Session, exchange: &mut Exchange, finished: &Finished) -> RequestEnd {
    let header = session.req_header();
    let path = header.uri.path();
    let host = request::host(session).and_then(Host::parse);
    RequestEnd {
        ended: SystemTime::now(),
        method: cut_method(&header.method),
        is_tls: is_tls(session),
        host: host.map(|host| (host.name.to_string().to_ascii_lowercase(), host.port)),
        path: path[..path.floor_char_boundary(LONGEST_PATH)].to_owned(),
        version: header.version,
        client: known_client(session, exchange),
        status: Some(finished.status).filter(|status| *status != CLIENT_GONE),
        reason: exchange.account.reason,
        class: finished.class,
        document: exchange.account.discovery.map(|answer| answer.document),
        site: exchange.site().name.clone(),
        generation: exchange.snapshot.generation,
    }
}

fn is_tls(session: &Session) -> bool {
    session.digest().is_some_and(|digest| digest.ssl_digest.is_some())
}

/// Behind a Unix socket there is the client that a trusted proxy names, or nobody.
fn known_client(session: &Session, exchange: &mut Exchange) -> Option<IpAddr> {
    let has_address = Connection::of(session).is_none_or(|connection| connection.peer.is_some());
    Some(exchange.client(session)).filter(|client| has_address || !client.is_loopback())
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
    let server_id = exchange.account.server_id.take();
    let server_id = server_id.as_ref().map(ServerId::as_bytes).unwrap_or_default();
    let agent = header.headers.get(header::USER_AGENT).map(HeaderValue::as_bytes).unwrap_or_default();
    let host = request::host(session).unwrap_or_default();
    let request = RequestText::new(&Said { id: exchange.request_id(), host, target, agent, server_id });
    let client = known_client(session, exchange);
    let account = &exchange.account;
    let (tunnelled_in, tunnelled_out) = account.tunnelled;
    let written = account.written.as_ref().map_or(0, |written| written.body);
    Entry {
        at: SystemTime::now(),
        finished,
        request,
        method: Some(cut_method(&header.method)),
        version: Some(header.version),
        client,
        is_tls: is_tls(session),
        bytes_in: session.body_bytes_read() as u64 + account.body_read + tunnelled_in,
        bytes_out: session.body_bytes_sent() as u64 + written + tunnelled_out,
        server: exchange.attempts.shared_server(),
        attempts: exchange.attempts.made(),
        connecting: account.connecting,
        reason: account.reason,
        discovery: account.discovery.map(|answer| (answer, exchange.profile())),
        generation: Some(exchange.snapshot.generation),
        site: exchange.site().name.clone(),
        trace: exchange.trace.as_ref().map(Trace::id),
    }
}
