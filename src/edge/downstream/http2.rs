//! The life of a client's connection of HTTP/2: its requests share it.

use std::{future::poll_fn, sync::Arc, time::Duration};

use bytes::Bytes;
use h2::{
    RecvStream,
    server::{Builder, Connection as H2Connection, SendResponse},
};
use http::{Method, Request, header};
use log::{debug, warn};
use pingora::{
    apps::HttpServerApp,
    protocols::{Digest, http::ServerSession},
};
use tokio::{
    select,
    time::{Instant, sleep, timeout},
};
use tokio_util::task::TaskTracker;

use super::{
    listeners::{FIRST_WORD, Listeners},
    refused::{take_note, taken_back},
};
use crate::{
    config::Limits,
    edge::{
        client::{ClientStream, Connection, HasFragment, Http2Session, Resets, SessionStream},
        exchange::{ErrorResponse, new_request_id},
    },
    reason::{Reason, Refusal},
    telemetry::Closed,
};

/// So much of a body is taken before it is passed on. What streams may hold together is bounded in the whole process,
/// not by their connection: there, those that are held up would take the credit of all others (RFC 9113 section 5.2.1).
const STREAM_WINDOW: u32 = 256 * 1024;
const CONNECTION_WINDOW: u32 = (1 << 31) - 1;
/// So much of the response to each stream is kept for a client that does not take it.
const MOST_UNSENT: usize = 64 * 1024;
/// Resets that the library remembers.
const MOST_COUNTED: usize = 1000;

fn options(limits: &Limits) -> Builder {
    let mut options = Builder::new();
    options
        // Twice what is allowed: what is a little too large is refused where it is seen.
        .max_header_list_size(u32::try_from(limits.head.most().saturating_mul(2)).unwrap_or(u32::MAX))
        .max_concurrent_streams(limits.http2_streams)
        .initial_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_send_buffer_size(MOST_UNSENT)
        // Our own count decides, not those of the library, which cut all streams.
        .max_pending_accept_reset_streams(MOST_COUNTED)
        .max_concurrent_reset_streams(MOST_COUNTED)
        .max_local_error_reset_streams(None);
    options
}

/// A connection of HTTP/2 that has begun.
struct Http2<'a> {
    listeners: &'a Listeners,
    connection: &'a Connection,
    limits: Limits,
    stream: H2Connection<SessionStream, Bytes>,
    digest: Arc<Digest>,
    resets: Arc<Resets>,
    requests: TaskTracker,
    served: usize,
    /// When the client was told that there will be no more requests.
    ending: Option<Instant>,
    /// It had too many streams reset: there are no more for it.
    is_refused: bool,
}

/// A request, and how to answer it.
type Stream = (Request<RecvStream>, SendResponse<Bytes>);

/// What happens next on a connection.
#[expect(clippy::large_enum_variant, reason = "it is moved once")]
enum Event {
    Accepted(Option<Result<Stream, h2::Error>>),
    TooManyResets,
    Stopping,
    /// Nothing, for too long.
    Idle,
}

/// Serves a connection to its end.
pub(super) async fn serve(listeners: &Listeners, client: Arc<ClientStream>, connection: &Connection) {
    let (limits, is_trusted) = {
        let snapshot = listeners.snapshot.load();
        (snapshot.limits.clone(), snapshot.trusted.contains_peer(connection.peer) && !connection.is_anonymous)
    };
    // A trusted proxy may send the requests of many clients on one connection.
    let most = if is_trusted { usize::MAX } else { limits.http2_resets.most() };
    let resets = Arc::new(Resets::new(most, limits.http2_streams, Arc::clone(&listeners.counters)));
    client.io().begin_http2(Arc::clone(&resets));
    connection.begin_http2(Arc::clone(&resets));
    let digest = Arc::new(client.digest());
    let begun = timeout(limits.head_time, options(&limits).handshake(SessionStream(client))).await;
    let Ok(Ok(stream)) = begun else {
        listeners.close(Closed::Http2Handshake, connection.peer, "no preface, or none in time");
        return;
    };
    let requests = TaskTracker::new();
    // It may be waited for again and again; what comes later is tracked too.
    requests.close();
    let (served, ending, is_refused) = (0, None, false);
    let all = Arc::clone(&resets);
    Http2 { listeners, connection, limits, stream, digest, resets, requests, served, ending, is_refused }.run().await;
    all.end();
}

impl Http2<'_> {
    async fn run(mut self) {
        loop {
            let is_over = match self.next().await {
                // One who does not want to hear that there will be no more requests.
                Event::Accepted(Some(Ok(_))) if self.has_ended() => {
                    self.listeners.counters.missed();
                    self.requests.is_empty()
                }
                Event::Accepted(Some(Ok((request, response)))) => {
                    self.accept(request, response);
                    false
                }
                Event::Accepted(None) => true,
                Event::Accepted(Some(Err(error))) => {
                    self.broke_off(&error);
                    true
                }
                Event::TooManyResets if !self.resets.are_abuse() => {
                    self.refuse_more();
                    false
                }
                Event::TooManyResets => {
                    self.refuse_more();
                    self.stream.abrupt_shutdown(h2::Reason::ENHANCE_YOUR_CALM);
                    let _told = timeout(FAREWELL, poll_fn(|context| self.stream.poll_closed(context))).await;
                    true
                }
                Event::Idle if self.ending.is_some() => true,
                Event::Stopping | Event::Idle => {
                    self.end();
                    false
                }
            };
            if is_over {
                return;
            }
        }
    }

    async fn next(&mut self) -> Event {
        let (listeners, requests, is_ending) = (self.listeners, &self.requests, self.ending.is_some());
        let is_new = self.served == 0;
        let idle = async {
            requests.wait().await;
            if is_ending {
                // It is up to the client, who may never answer. One that takes nothing is cut off by its stream.
                loop {
                    sleep(FAREWELL).await;
                    if !self.resets.is_stalled() {
                        return;
                    }
                }
            }
            let crowded = async {
                if is_new {
                    sleep(FIRST_WORD).await;
                }
                listeners.is_crowded.notified().await;
            };
            select! {
                () = sleep(self.limits.idle) => {}
                () = crowded => {}
            }
        };
        select! {
            biased;
            () = self.resets.exceeded() => Event::TooManyResets,
            () = listeners.stopping(), if !is_ending => Event::Stopping,
            accepted = self.stream.accept() => Event::Accepted(accepted),
            () = idle => Event::Idle,
        }
    }

    /// Says that there will be no more requests, and finishes those there are.
    fn end(&mut self) {
        self.stream.graceful_shutdown();
        self.ending = Some(Instant::now());
    }

    /// Whether the client has had the time to hear that there will be no more requests.
    fn has_ended(&self) -> bool {
        let farewell = FAREWELL.max(self.listeners.snapshot.load().stop.idle);
        self.ending.is_some_and(|since| since.elapsed() > farewell)
    }

    /// Says that there will be no more requests, because too many were reset. Those there are go on: they may be other
    /// users'.
    fn refuse_more(&mut self) {
        if std::mem::replace(&mut self.is_refused, true) {
            return;
        }
        if self.resets.hides_fragments() {
            let why = "a fragment in a path, which may be meant again";
            self.listeners.close(Closed::Http2Malformed, self.connection.peer, why);
        } else {
            self.too_many_resets();
        }
        if self.ending.is_none() {
            self.end();
        }
    }

    /// Takes a request, if there is room for what may come of its body.
    fn accept(&mut self, mut request: Request<RecvStream>, mut response: SendResponse<Bytes>) {
        let has_fragment = self.resets.has_fragment(response.stream_id().as_u32());
        if has_fragment {
            request.extensions_mut().insert(HasFragment);
        }
        if self.is_refused && !has_fragment {
            self.resets.mistake();
            return response.send_reset(h2::Reason::REFUSED_STREAM);
        }
        let held = if request.body().is_end_stream() {
            None
        } else {
            let most = self.listeners.snapshot.load().limits.http2_uploads.most();
            let held = self.listeners.uploads.hold(most_of_body(&request), most);
            if held.is_none() {
                self.no_room();
                return response.send_reset(h2::Reason::REFUSED_STREAM);
            }
            held
        };
        let (digest, resets) = (Arc::clone(&self.digest), Arc::clone(&self.resets));
        self.begin(Http2Session::new(request, response, digest, held, resets));
    }

    fn no_room(&self) {
        if self.listeners.counters.may_log("http2_uploads") {
            warn!("{}: a request of HTTP/2 refused: limits.http2_uploads", self.connection.shown_peer());
        }
    }

    fn begin(&mut self, session: Http2Session) {
        self.served += 1;
        if self.served >= self.limits.requests_per_connection.most() && self.ending.is_none() {
            self.end();
        }
        if session.request().method == Method::CONNECT {
            // Pingora would refuse it without a word to anybody else.
            let refusal = Refusal { reason: Reason::MethodNotAllowed, why: "CONNECT" };
            let id = new_request_id();
            let response = ErrorResponse::new(refusal.reason, &id);
            take_note(&self.listeners.counters, refusal, self.connection, &id, &[], Some(&response));
            self.requests.spawn(response.write_to(session));
            return;
        }
        if self.listeners.snapshot.load().has_http2 {
            return self.begin_watched(session);
        }
        let (proxy, stop) = (Arc::clone(&self.listeners.proxy), self.listeners.stop.clone());
        let session = ServerSession::new_custom(Box::new(session));
        self.requests.spawn(async move { proxy.process_new_http(session, &stop).await });
    }

    /// Begins a request that may go to a server of HTTP/2: while that takes nothing of a body, Pingora hears nothing of
    /// the client.
    fn begin_watched(&self, session: Http2Session) {
        let (proxy, stop) = (Arc::clone(&self.listeners.proxy), self.listeners.stop.clone());
        let (counters, digest) = (Arc::clone(&self.listeners.counters), Arc::clone(&self.digest));
        let gone = self.resets.watch(session.stream());
        let (method, target) = (session.request().method.clone(), session.request().raw_path().to_vec());
        let session = ServerSession::new_custom(Box::new(session));
        self.requests.spawn(async move {
            let stuck = async {
                gone.notified().await;
                sleep(HEARD).await;
            };
            select! {
                _ = proxy.process_new_http(session, &stop) => {}
                () = stuck => {
                    if let Some(connection) = Connection::of_digest(&digest) {
                        taken_back(&counters, connection, &method, &target);
                    }
                }
            }
        });
    }

    fn broke_off(&self, error: &h2::Error) {
        match Some(error).filter(|error| error.is_library()).and_then(h2::Error::reason) {
            Some(h2::Reason::ENHANCE_YOUR_CALM) => self.too_many_resets(),
            Some(reason) => self.listeners.close(Closed::Http2Malformed, self.connection.peer, reason.description()),
            None => debug!("{}: HTTP/2 broke off: {error}", self.connection.shown_peer()),
        }
    }

    fn too_many_resets(&self) {
        self.listeners.close(Closed::Http2Resets, self.connection.peer, "limits.http2_resets");
    }
}

/// So much of a body may have come before any of it is read: its window, or less when it says so.
fn most_of_body(request: &Request<RecvStream>) -> usize {
    let length = request.headers().get(header::CONTENT_LENGTH);
    let length = length.and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
    length.unwrap_or(usize::MAX).min(STREAM_WINDOW as usize)
}

/// What hears of its client by itself has done so after this.
const HEARD: Duration = Duration::from_secs(1);
/// How long a client has to read why its connection is closed.
const FAREWELL: Duration = Duration::from_secs(1);
