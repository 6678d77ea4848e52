//! Requests that are refused before Pingora sees one: they are counted and logged here.

use std::time::SystemTime;

use http::{HeaderValue, Method, Version};
use log::info;

use crate::{
    edge::{
        client::Connection,
        exchange::{ErrorResponse, new_request_id},
    },
    framing::RequestLine,
    reason::{Reason, Refusal},
    telemetry::{
        Counters, Finished,
        access_log::{Entry, RequestText, Said, cut_method},
    },
};

/// Counts and logs a request that was refused before anything of it could be believed. `head` is what there is of
/// its head, and `response` what it was answered, as far as the edge knows.
pub(in crate::edge) fn take_note(
    counters: &Counters,
    refusal: Refusal,
    connection: &Connection,
    id: &HeaderValue,
    head: &[u8],
    response: Option<&ErrorResponse>,
) {
    counters.sites().unsited().failed(refusal.reason);
    let bytes_out = response.map_or(0, ErrorResponse::body_length);
    finish(counters, refusal.reason, connection, id, first_line(head), bytes_out);
    let peer = connection.shown_peer();
    if counters.may_log(refusal.reason.name()) {
        let id = id.to_str().unwrap_or_default();
        info!("request {id} of {peer} refused: {}: {}", refusal.reason, refusal.why);
    }
}

/// Counts and logs a request of HTTP/2 whose client has taken it back while Pingora heard nothing.
pub(super) fn taken_back(counters: &Counters, connection: &Connection, method: &Method, target: &[u8]) {
    counters.sites().unsited().failed(Reason::ClientGone);
    let line = target.starts_with(b"/").then(|| (cut_method(method), target, Version::HTTP_2));
    finish(counters, Reason::ClientGone, connection, &new_request_id(), line, 0);
}

/// A request of which no hook takes note: it is counted, and becomes a line of the access log. `line` is what is known
/// of it, `bytes_out` the body of the response.
fn finish(
    counters: &Counters,
    reason: Reason,
    connection: &Connection,
    id: &HeaderValue,
    line: Option<(Method, &[u8], Version)>,
    bytes_out: usize,
) {
    let finished = Finished::refused(reason);
    counters.sites().unsited().traffic().add(&finished);
    let Some(log) = counters.access_log() else { return };
    let (method, target, version) = match line {
        Some((method, target, version)) => (Some(method), target, Some(version)),
        None => (None, &b""[..], None),
    };
    log.add(Entry {
        at: SystemTime::now(),
        finished,
        request: RequestText::new(&Said { id, host: b"", target, agent: b"", server_id: b"" }),
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
        site: None,
        trace: None,
    });
}

/// Method, target and version, where a head that was refused begins as a usual one does. In any other, what looks
/// like a path may be anything, a key for example.
fn first_line(head: &[u8]) -> Option<(Method, &[u8], Version)> {
    let end = memchr::memmem::find(head, b"\r\n")?;
    let line = RequestLine::read(&head[..end]).ok().filter(|line| line.target.starts_with(b"/"))?;
    let method = USUAL_METHODS.iter().find(|known| known.as_str().as_bytes() == line.method)?;
    Some((method.clone(), line.target, if line.is_1_0 { Version::HTTP_10 } else { Version::HTTP_11 }))
}

const USUAL_METHODS: [Method; 7] =
    [Method::GET, Method::POST, Method::HEAD, Method::OPTIONS, Method::PUT, Method::DELETE, Method::PATCH];
