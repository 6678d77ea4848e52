//! The life of a client's connection of HTTP/1: one request after the other.
//!
//! The edge reads the heads itself: the whole head has a deadline, and whatever could be read in two ways is
//! refused before Pingora, or anybody behind it, sees it.

use std::{
    future::poll_fn,
    pin::Pin,
    sync::Arc,
    task::{Poll, ready},
    time::Duration,
};

use bytes::{Buf, BytesMut};
use log::debug;
use pingora::{apps::HttpServerApp, protocols::http::ServerSession};
use pingora_proxy::Session;
use tokio::{
    pin, select,
    sync::Notify,
    time::{Instant, Sleep, sleep, sleep_until},
};

use super::{
    hooks, http2,
    listeners::{FIRST_WORD, Listeners},
    refused::take_note,
};
use crate::{
    config::Limits,
    edge::{
        client::{After, ClientStream, Connection, SessionStream},
        exchange::{ErrorResponse, new_request_id},
    },
    framing::{self, Body, PREFACE, end_of_head},
    reason::{Reason, Refusal},
};

/// What comes next on a connection.
enum Next {
    /// A request whose head has so many bytes, and perhaps another form for whoever reads on.
    Request(usize, Body, Option<Vec<u8>>),
    /// The preface of HTTP/2.
    Http2,
    Refused(Refusal),
    /// Nothing.
    Closed,
}

/// Serves a connection to its end.
pub(super) async fn serve(listeners: &Listeners, client: Arc<ClientStream>, connection: &Connection) {
    let was_idle = requests(listeners, &client, connection).await;
    let has_sent_more = client.close().await;
    if was_idle && has_sent_more {
        // Its client knows: there is no response, not even a part of one (RFC 9112 section 9.3.1).
        listeners.counters.missed();
        debug!("{}: a request came while its idle connection was being closed", connection.shown_peer());
    }
}

/// Takes one request after the other, until there is no next one. Whether the connection was waiting for one.
async fn requests(listeners: &Listeners, client: &Arc<ClientStream>, connection: &Connection) -> bool {
    let mut served = 0;
    let (last_call, timer) = (listeners.last_call(), sleep(FIRST_WORD));
    pin!(last_call, timer);
    loop {
        if !begins(listeners, client, served == 0, last_call.as_mut(), timer.as_mut()).await {
            let is_idle = client.io().unread().is_empty();
            client.end_with(&[]).await;
            return is_idle;
        }
        // Only now: a waiting connection keeps no version of the configuration.
        let snapshot = listeners.snapshot.load_full();
        let limits = &snapshot.limits;
        let head = match next(client, limits, connection.has_http2 && served == 0).await {
            Next::Request(head, body, form) => {
                let head = client.io().begin(head, body, limits.client_silence);
                form.map_or(head, |form| BytesMut::from(&form[..]))
            }
            Next::Http2 => {
                drop(snapshot);
                Box::pin(http2::serve(listeners, Arc::clone(client), connection)).await;
                return false;
            }
            Next::Refused(refusal) => {
                refuse(listeners, client, connection, refusal).await;
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
        let stream = Box::new(SessionStream(Arc::clone(client)));
        let exchanges = connection.exchanges();
        let is_given_back = if snapshot.has_http2 {
            drop(snapshot);
            listeners.proxy.process_new_http(of_pingora(stream, head, idle), &listeners.stop).await.is_some()
        } else {
            Box::pin(hooks::drive(&listeners.edge, session(stream, head, idle), snapshot, &listeners.stop)).await
        };
        if connection.exchanges() == exchanges {
            let refusal = Refusal::malformed("a request that Pingora refused, or that broke off within its head");
            take_note(&listeners.counters, refusal, connection, &new_request_id(), &[], None);
        }
        let (after, has_read_body) = {
            let mut io = client.io();
            (io.end_request(), io.has_read_body())
        };
        match after {
            None if is_given_back && has_read_body => {}
            Some(After::Request) if has_read_body => {}
            // Pingora, which has written the response, has said that it is over.
            None | Some(After::CloseAtOnce) => return false,
            Some(After::Request | After::Close) => {
                client.end_with(&[]).await;
                return false;
            }
        }
    }
}

/// Makes a session for Pingora. A variable for it would stay in the future of an idle connection.
fn of_pingora(stream: Box<SessionStream>, head: BytesMut, idle: u64) -> ServerSession {
    let mut session = ServerSession::new_http1(stream);
    begin(&mut session, head, idle);
    session
}

/// Makes a session for the hooks.
fn session(stream: Box<SessionStream>, head: BytesMut, idle: u64) -> Session {
    let mut session = Session::new_h1(stream);
    begin(session.as_downstream_mut(), head, idle);
    session
}

/// Gives a session the head of its request, and says how long its connection may be idle.
fn begin(session: &mut ServerSession, head: BytesMut, idle: u64) {
    session.set_keepalive(Some(idle));
    session.set_pipelined_prefix(head);
}

/// Waits for the first byte of the next request. False: there will be none. Empty lines are no request, and give no
/// more time.
///
/// A busy connection waits here for microseconds, again and again. So `last_call`, the end of the edge, and `timer` are
/// waited for by one future each for the whole life of the connection, and only one that rests queues to make room.
async fn begins(
    listeners: &Listeners,
    client: &ClientStream,
    is_new: bool,
    mut last_call: Pin<&mut impl Future<Output = ()>>,
    mut timer: Pin<&mut Sleep>,
) -> bool {
    let since = Instant::now();
    let idle = since + listeners.snapshot.load().limits.idle;
    let rests = since + if is_new { FIRST_WORD } else { REST };
    let is_over = is_over(&listeners.is_crowded, timer.as_mut(), rests, idle);
    pin!(is_over);
    while skip_empty_lines(client.io().unread()) {
        client.io().rest();
        select! {
            biased;
            first = client.fill() => if !first.is_ok_and(|read| read > 0) { return false },
            () = last_call.as_mut() => return false,
            () = &mut is_over => return false,
        }
    }
    true
}

/// Waits until a connection that waits for a request is to be closed: when it is idle, or when it rests and it is its
/// turn to make room, which is that of the one that has rested for longest.
async fn is_over(is_crowded: &Notify, mut timer: Pin<&mut Sleep>, rests: Instant, idle: Instant) {
    rings(timer.as_mut(), rests.min(idle)).await;
    select! {
        () = is_crowded.notified() => {}
        () = rings(timer.as_mut(), idle) => {}
    }
}

/// One that asks again and again is not idle, either.
const REST: Duration = Duration::from_millis(100);

/// Waits until a moment on a timer that is kept: it is set only when it would ring too late, or has rung too early.
async fn rings(mut timer: Pin<&mut Sleep>, at: Instant) {
    poll_fn(|context| {
        loop {
            if timer.deadline() > at {
                timer.as_mut().reset(at);
            }
            ready!(timer.as_mut().poll(context));
            if timer.deadline() >= at {
                return Poll::Ready(());
            }
            timer.as_mut().reset(at);
        }
    })
    .await;
}

/// Reads the head of the next request.
async fn next(client: &ClientStream, limits: &Limits, has_http2: bool) -> Next {
    let most = limits.head.most();
    let mut searched = 0;
    // Nearly always the head is there already.
    if let Some(next) = judge(client, limits, has_http2, &mut searched, most) {
        return next;
    }
    let deadline = sleep_until(Instant::now() + limits.head_time);
    pin!(deadline);
    loop {
        select! {
            biased;
            more = client.fill() => if !more.is_ok_and(|read| read > 0) { return Next::Closed },
            () = &mut deadline => {
                return Next::Refused(Refusal { reason: Reason::RequestTimedOut, why: "no whole head within limits.head_time" });
            }
        }
        if let Some(next) = judge(client, limits, has_http2, &mut searched, most) {
            return next;
        }
    }
}

fn too_large() -> Next {
    Next::Refused(Refusal { reason: Reason::HeadTooLarge, why: "a head larger than limits.head" })
}

/// Judges what there is of a head; none when it has not come whole.
fn judge(client: &ClientStream, limits: &Limits, has_http2: bool, searched: &mut usize, most: usize) -> Option<Next> {
    let mut io = client.io();
    let unread = io.unread();
    let Some(end) = end_of_head(unread, searched) else { return (unread.len() > most).then(too_large) };
    if end > most {
        return Some(too_large());
    }
    let head = &unread[..end];
    if has_http2 && PREFACE.starts_with(head) {
        return Some(Next::Http2);
    }
    Some(match framing::read(head, limits.headers) {
        Ok(head) => {
            let form = head.line.is_absolute().then(|| framing::with_origin_form(&head));
            Next::Request(end, head.body, form)
        }
        Err(refusal) => Next::Refused(refusal),
    })
}

/// Skips empty lines before a request (RFC 9112 section 2.2), and tells whether that was all, perhaps but for the rest
/// of one.
fn skip_empty_lines(unread: &mut BytesMut) -> bool {
    while unread.starts_with(b"\r\n") {
        unread.advance(2);
    }
    matches!(&unread[..], b"" | b"\r")
}

async fn refuse(listeners: &Listeners, client: &ClientStream, connection: &Connection, refusal: Refusal) {
    let id = new_request_id();
    let response = ErrorResponse::new(refusal.reason, &id);
    let is_head = {
        let mut io = client.io();
        take_note(&listeners.counters, refusal, connection, &id, io.unread(), Some(&response));
        io.unread().starts_with(b"HEAD ")
    };
    client.end_with(&response.into_bytes(is_head)).await;
}

#[cfg(test)]
mod tests {
    use pingora::http::RequestHeader;
    use proptest::prelude::*;
    use tokio::{
        spawn,
        sync::mpsc::{UnboundedReceiver, error::TryRecvError, unbounded_channel},
        time::advance,
    };

    use super::*;

    const IDLE: Duration = Duration::from_mins(1);

    /// Connections that begin to wait one after the other; which of them are to be closed, and whether before they are
    /// idle.
    async fn waiting(is_crowded: &Arc<Notify>) -> UnboundedReceiver<(u32, bool)> {
        let (over, closing) = unbounded_channel();
        for number in 1..=3 {
            let (since, is_crowded, over) = (Instant::now(), Arc::clone(is_crowded), over.clone());
            spawn(async move {
                let timer = sleep(FIRST_WORD);
                pin!(timer);
                is_over(&is_crowded, timer, since + REST, since + IDLE).await;
                over.send((number, since.elapsed() < IDLE))
            });
            advance(REST / 2).await;
        }
        closing
    }

    #[tokio::test(start_paused = true)]
    async fn the_connection_that_has_rested_for_longest_makes_room() {
        let is_crowded = Arc::default();
        let mut closing = waiting(&is_crowded).await;
        sleep(REST).await;
        for number in 1..=3 {
            assert_eq!(closing.try_recv(), Err(TryRecvError::Empty));
            is_crowded.notify_one();
            assert_eq!(closing.recv().await, Some((number, true)));
        }
    }

    /// As long as none rests none is closed.
    #[tokio::test(start_paused = true)]
    async fn the_first_connection_that_rests_makes_room() {
        let is_crowded = Arc::<Notify>::default();
        is_crowded.notify_one();
        let mut closing = waiting(&is_crowded).await;
        assert_eq!(closing.recv().await, Some((1, true)));
        assert_eq!(closing.recv().await, Some((2, false)));
    }

    #[test]
    fn an_empty_line_before_a_request_may_come_in_pieces() {
        let mut unread = BytesMut::new();
        for (more, was_all) in [("\r", true), ("\n", true), ("\r\n\r", true), ("\nG", false)] {
            unread.extend_from_slice(more.as_bytes());
            assert_eq!(skip_empty_lines(&mut unread), was_all, "{more:?}");
        }
        assert_eq!(unread, "G");
    }

    proptest! {
        /// Or Pingora would refuse it with a response of its own.
        #[test]
        fn a_target_that_is_taken_is_taken_by_pingora_too(
            target in prop_oneof![
                "/[ -~\u{80}-\u{ff}]{0,12}".prop_map(String::into_bytes),
                "http://x[/?\\\\:@-~]?[ -~]{0,8}".prop_map(String::into_bytes),
                "[ -~]{0,8}".prop_map(String::into_bytes),
                prop::collection::vec(any::<u8>(), 0..3).prop_map(|bytes| [b"/".as_slice(), &bytes].concat()),
            ]
        ) {
            let head = [b"GET ".as_slice(), &target, b" HTTP/1.1\r\nHost: x\r\n\r\n"].concat();
            if framing::read(&head, 100).is_ok() {
                prop_assert!(RequestHeader::build("GET", &target, None).is_ok(), "{}", target.escape_ascii());
            }
        }
    }
}
