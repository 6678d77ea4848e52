//! Requests that are refused before Pingora sees one: they are counted and logged here.

use std::time::SystemTime;

use http::{HeaderValue, Method, Version};
use log::info;

use crate::{
    edge::{client::Connection, exchange::ErrorResponse},
    framing::RequestLine,
    reason::{Reason, Refusal},
    telemetry::{
        Counters, Finished,
        access_log::{Entry, RequestText},
    },
};

/// Counts and logs a request that was refused before anything of it could be believed. `head` is what there is of
/// its head, and `answer` what it was answered, as far as the edge knows.
pub(in crate::edge) fn take_note(
    counters: &Counters,
    refusal: Refusal,
    connection: &Connection,
    id: &HeaderValue,
    head: &[u8],
    answer: Option<&ErrorResponse>,
) {
    counters.failed(refusal.reason);
    let bytes_out = answer.map_or(0, ErrorResponse::body_length);
    finish(counters, refusal.reason, connection, id, head, bytes_out);
    let peer = connection.shown_peer();
    if counters.may_log(refusal.reason.name()) {
        let id = id.to_str().unwrap_or_default();
        info!("request {id} of {peer} refused: {}: {}", refusal.reason, refusal.why);
    }
}

/// A request that was refused before anything of it could be believed: it is counted, and becomes a line of the
/// access log. `head` is what there is of its head, `bytes_out` the body of the answer.
fn finish(
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
    let line = RequestLine::read(&head[..end]).ok().filter(|line| line.target.starts_with(b"/"))?;
    let method = USUAL_METHODS.iter().find(|known| known.as_str().as_bytes() == line.method)?;
    Some((method.clone(), line.target, if line.is_1_0 { Version::HTTP_10 } else { Version::HTTP_11 }))
}

const USUAL_METHODS: [Method; 7] =
    [Method::GET, Method::POST, Method::HEAD, Method::OPTIONS, Method::PUT, Method::DELETE, Method::PATCH];
