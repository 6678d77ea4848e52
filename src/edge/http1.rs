//! The life of a client's connection of HTTP/1: one request after the other.
//!
//! The edge reads the heads itself: the whole head has a deadline, and whatever could be read in two ways is
//! refused before Pingora, or anybody behind it, sees it.

use bytes::{Buf, BytesMut};
use log::debug;
use memchr::memchr_iter;
use pingora::{apps::HttpServerApp, protocols::http::ServerSession};
use tokio::{
    pin, select,
    time::{Instant, sleep, sleep_until},
};

use super::{
    client_stream::ClientStream,
    connection::Connection,
    door::Door,
    exchange::new_request_id,
    failure::{self, ErrorAnswer},
    http2,
};
use crate::{
    config::Limits,
    framing::{self, Body, PREFACE},
    reason::{Reason, Refusal},
};

/// What comes next on a connection.
enum Next {
    /// A request whose head has so many bytes.
    Request(usize, Body),
    /// The preface of HTTP/2.
    Http2,
    Refused(Refusal),
    /// Nothing.
    Closed,
}

/// Serves a connection to its end.
pub(super) async fn serve(door: &Door, client: Box<ClientStream>, connection: &Connection) {
    let left = client.left();
    let was_idle = requests(door, client, connection).await;
    let has_sent_more = left.close().await;
    if was_idle && has_sent_more {
        // Its client knows: there is no answer, not even a part of one (RFC 9112 section 9.3.1).
        door.counters.missed();
        debug!("{}: a request came while its idle connection was being closed", connection.shown_peer());
    }
}

/// Takes one request after the other, until there is no next one. Whether the connection was waiting for one.
async fn requests(door: &Door, mut client: Box<ClientStream>, connection: &Connection) -> bool {
    let mut served = 0;
    loop {
        if !begins(door, &mut client, served == 0).await {
            let is_idle = client.unread().is_empty();
            client.end_with(&[]).await;
            return is_idle;
        }
        // Only now: a waiting connection keeps no version of the configuration.
        let snapshot = door.snapshot.load_full();
        let limits = &snapshot.limits;
        let head = match next(&mut client, limits, connection.has_http2 && served == 0).await {
            Next::Request(head, body) => client.begin(head, body, limits.client_silence),
            Next::Http2 => {
                drop(snapshot);
                Box::pin(http2::serve(door, client, connection)).await;
                return false;
            }
            Next::Refused(refusal) => {
                refuse(door, client, connection, refusal).await;
                return false;
            }
            Next::Closed => {
                client.end_with(&[]).await;
                return false;
            }
        };
        served += 1;
        if served >= limits.requests_per_connection.most() {
            connection.end_soon();
        }
        let idle = limits.idle.as_secs().max(1);
        drop(snapshot);
        let mut session = ServerSession::new_http1(client);
        session.set_keepalive(Some(idle));
        if let ServerSession::H1(session) = &mut session {
            session.set_pipelined_prefix(head);
        }
        let exchanges = connection.exchanges();
        let given_back = door.proxy.process_new_http(session, &door.stop).await;
        if connection.exchanges() == exchanges {
            let refusal = Refusal::malformed("a request that Pingora refused, or that broke off within its head");
            failure::take_note(&door.counters, refusal, connection, &new_request_id(), &[], None);
        }
        let Some((stream, _)) = given_back.map(pingora::apps::ReusedHttpStream::consume) else { return false };
        match ClientStream::given_back(stream) {
            Some(stream) => client = stream,
            None => return false,
        }
    }
}

/// Waits for the first byte of the next request. False: there will be none. Empty lines are no request, and give no
/// more time.
async fn begins(door: &Door, client: &mut ClientStream, is_new: bool) -> bool {
    let idle = sleep(door.snapshot.load().limits.idle);
    let is_over = async {
        select! {
            () = door.last_call() => {}
            () = door.crowded(is_new) => {}
            () = idle => {}
        }
    };
    pin!(is_over);
    while skip_empty_lines(client.unread()) {
        client.rest();
        select! {
            biased;
            first = client.fill() => if !first.is_ok_and(|read| read > 0) { return false },
            () = &mut is_over => return false,
        }
    }
    true
}

/// Reads the head of the next request.
async fn next(client: &mut ClientStream, limits: &Limits, has_http2: bool) -> Next {
    let deadline = sleep_until(Instant::now() + limits.head_time);
    pin!(deadline);
    let most = limits.head.most();
    let mut searched = 0;
    loop {
        match find_end(client, &mut searched) {
            Ok(Some(end)) if end > most => return too_large(),
            Ok(Some(end)) => return judge(client, end, limits, has_http2),
            Ok(None) if client.unread().len() > most => return too_large(),
            Ok(None) => {}
            Err(refusal) => return Next::Refused(refusal),
        }
        select! {
            biased;
            more = client.fill() => if !more.is_ok_and(|read| read > 0) { return Next::Closed },
            () = &mut deadline => {
                return Next::Refused(Refusal { reason: Reason::RequestTimedOut, why: "no whole head within limits.head_time" });
            }
        }
    }
}

fn too_large() -> Next {
    Next::Refused(Refusal { reason: Reason::HeadTooLarge, why: "a head larger than limits.head" })
}

fn judge(client: &mut ClientStream, end: usize, limits: &Limits, has_http2: bool) -> Next {
    let head = &client.unread()[..end];
    if has_http2 && PREFACE.starts_with(head) {
        return Next::Http2;
    }
    match framing::read(head, limits.headers) {
        Ok(body) => Next::Request(end, body),
        Err(refusal) => Next::Refused(refusal),
    }
}

/// Skips empty lines before a request (RFC 9112 section 2.2), and tells whether that was all.
fn skip_empty_lines(unread: &mut BytesMut) -> bool {
    while unread.starts_with(b"\r\n") {
        unread.advance(2);
    }
    unread.is_empty()
}

/// Where the head that is being read ends, if it has come whole.
fn find_end(client: &mut ClientStream, searched: &mut usize) -> Result<Option<usize>, Refusal> {
    let unread = client.unread();
    let from = *searched;
    for place in memchr_iter(b'\n', &unread[from..]) {
        let end = from + place + 1;
        if !unread[..end].ends_with(b"\r\n") {
            return Err(Refusal::malformed("a line feed without a carriage return"));
        }
        if unread[..end].ends_with(b"\r\n\r\n") {
            return Ok(Some(end));
        }
    }
    *searched = unread.len();
    Ok(None)
}

async fn refuse(door: &Door, mut client: Box<ClientStream>, connection: &Connection, refusal: Refusal) {
    let is_head = client.unread().starts_with(b"HEAD ");
    let id = new_request_id();
    let answer = ErrorAnswer::new(refusal.reason, &id);
    failure::take_note(&door.counters, refusal, connection, &id, client.unread(), Some(&answer));
    client.end_with(&answer.into_bytes(is_head)).await;
}

#[cfg(test)]
mod tests {
    use pingora::http::RequestHeader;
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Or Pingora would refuse it with an answer of its own.
        #[test]
        fn a_target_that_is_taken_is_taken_by_pingora_too(
            target in prop_oneof!["/[ -~\u{80}-\u{ff}]{0,12}", "http://x[/?\\\\:@-~]?[ -~]{0,8}", "[ -~]{0,8}"]
        ) {
            let head = format!("GET {target} HTTP/1.1\r\nHost: x\r\n\r\n");
            if framing::read(head.as_bytes(), 100).is_ok() {
                prop_assert!(RequestHeader::build("GET", target.as_bytes(), None).is_ok(), "{}", target);
            }
        }
    }
}
