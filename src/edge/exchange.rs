//! What one request carries through its phases.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use http::HeaderValue;
use log::warn;
use once_cell::sync::Lazy;
use pingora::protocols::Stream;
use tokio::time::Instant;
use tokio_util::task::task_tracker::TaskTrackerToken;

use super::{
    route::Waits,
    snapshot::Snapshot,
    watch::{Expired, Limits, Turn, Watch},
};
use crate::fleet::{Attempts, Change, Outcome, Server};

pub(super) const X_REQUEST_ID: &str = "X-Request-Id";

/// One request and its answer: the `CTX` of the edge's `ProxyHttp`.
pub struct Exchange {
    /// The configuration it began with, and ends with.
    pub(super) snapshot: Arc<Snapshot>,
    pub(super) attempts: Attempts,
    /// Bytes of the request's body that this attempt has sent on.
    pub(super) body_sent: u64,
    /// The connection of this attempt, before the request is sent on it, and after.
    pub(super) connection: Option<Arc<Watch>>,
    turn: Option<Turn>,
    /// Whether the head of an answer has come.
    has_head: bool,
    started: Instant,
    request_id: Option<HeaderValue>,
    /// Keeps a stopping edge alive until the exchange is over.
    _in_flight: TaskTrackerToken,
}

impl Exchange {
    pub(super) fn new(snapshot: Arc<Snapshot>, in_flight: TaskTrackerToken) -> Self {
        Exchange {
            snapshot,
            attempts: Attempts::default(),
            body_sent: 0,
            connection: None,
            turn: None,
            has_head: false,
            started: Instant::now(),
            request_id: None,
            _in_flight: in_flight,
        }
    }

    /// Names the request in the log, to the server and to the client. Made when it is first needed:
    /// discovery does without.
    pub(super) fn request_id(&mut self) -> &HeaderValue {
        self.request_id.get_or_insert_with(new_request_id)
    }

    /// The server of the last attempt, as the operator wrote it.
    pub(super) fn server(&self) -> &str {
        self.attempts.server().map_or("no server", |server| server.name().as_str())
    }

    /// Forgets the last attempt, for the next one.
    pub(super) fn begin_attempt(&mut self) {
        self.body_sent = 0;
        self.connection = None;
        self.turn = None;
    }

    /// The request is about to be sent.
    pub(super) fn begin_turn(&mut self, waits: Waits, is_websocket: bool) {
        let limits = Limits {
            first_byte: waits.first_byte,
            silence: waits.silence,
            end: waits.request.map(|request| self.started + request),
        };
        self.turn = self.connection.as_ref().map(|connection| connection.begin(limits, is_websocket));
    }

    /// The head of the answer is there.
    pub(super) fn has_head(&mut self, is_server_error: bool) {
        self.has_head = true;
        self.record(if is_server_error { Outcome::ServerError } else { Outcome::Answered });
    }

    /// Takes the connection to the server out of Pingora's hands.
    pub(super) fn detach_server(&self) -> Option<Stream> {
        self.turn.as_ref()?.detach()
    }

    /// Whether any byte of an answer has come.
    pub(super) fn has_received(&self) -> bool {
        self.has_head || self.turn.as_ref().is_some_and(Turn::has_received)
    }

    /// The limit that the request ran into.
    pub(super) fn expired(&self) -> Option<Expired> {
        self.turn.as_ref()?.expired()
    }

    /// Says what became of the attempt.
    pub(super) fn record(&mut self, outcome: Outcome) {
        let change = self.attempts.record(outcome);
        if let (Some(change), Some(server)) = (change, self.attempts.server()) {
            log_change(server, change, None);
        }
    }
}

/// Logs that a server has become available, or is not any longer, and why.
pub(super) fn log_change(server: &Server, change: Change, why: Option<&String>) {
    let (name, address) = (server.name(), server.address());
    let place = if name.ip().is_some() { String::new() } else { format!(" at {address}") };
    let why = why.map(|why| format!(" ({why})")).unwrap_or_default();
    let now = match change {
        Change::Opened => "its requests fail one after the other; it gets a pause, then a probe",
        Change::Closed => "its requests are answered again",
        Change::Up => "its health checks are good again",
        Change::Down => "its health checks are bad; it gets no requests while another is available",
    };
    warn!("server {name}{place}: {now}{why}");
}

/// The requests of one process are counted from a random place, and the processes told apart by
/// another.
static REQUEST_IDS: Lazy<(u64, AtomicU64)> = Lazy::new(|| (rand::random(), rand::random::<u64>().into()));

/// A new id, 32 hexadecimal digits.
fn new_request_id() -> HeaderValue {
    let (process, next) = &*REQUEST_IDS;
    let number = next.fetch_add(1, Ordering::Relaxed);
    HeaderValue::from_str(&format!("{process:016x}{number:016x}")).expect("hexadecimal digits are a header value")
}
