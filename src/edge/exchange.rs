//! What one request carries through its phases.

use std::{
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::BytesMut;
use http::{HeaderValue, StatusCode};
use once_cell::sync::Lazy;
use pingora::protocols::Stream;
use pingora_proxy::Session;
use tokio::time::Instant;
use tokio_util::task::task_tracker::TaskTrackerToken;

use super::{
    account::{Account, Written},
    patience::{Expired, Limits, Phase},
    peer::Client,
    route::Waits,
    server_io::Wanted,
    snapshot::Snapshot,
    watch::{Turn, Watch},
    websocket,
};
use crate::{
    fleet::{Attempts, Outcome, log_change},
    framing::Body,
};

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
    /// How long to wait, for the path of the request.
    pub(super) waits: Waits,
    /// When the whole request must be over.
    end: Option<Instant>,
    pub(super) is_websocket: bool,
    /// Whether the request has been sent whole, and the head of its answer has come.
    is_sent: bool,
    has_head: bool,
    request_id: Option<HeaderValue>,
    /// Who asks, as far as trusted proxies say.
    client: Option<IpAddr>,
    /// When a client that asks too often may ask again.
    pub(super) retry_after: Option<Duration>,
    pub(super) account: Account,
    /// Keeps a stopping edge alive until the exchange is over.
    _in_flight: TaskTrackerToken,
}

impl Exchange {
    pub(super) fn new(snapshot: Arc<Snapshot>, in_flight: TaskTrackerToken) -> Self {
        Exchange {
            attempts: Attempts::default(),
            body_sent: 0,
            connection: None,
            turn: None,
            waits: snapshot.servers.common_waits(),
            end: None,
            is_websocket: false,
            is_sent: false,
            has_head: false,
            snapshot,
            request_id: None,
            client: None,
            retry_after: None,
            account: Account::begin(),
            _in_flight: in_flight,
        }
    }

    /// Names the request in the log, to the server and to the client. Made when it is first needed:
    /// discovery does without.
    pub(super) fn request_id(&mut self) -> &HeaderValue {
        self.request_id.get_or_insert_with(new_request_id)
    }

    /// Takes over the id that a trusted proxy has given the request, if it is one: other systems know it by
    /// that.
    pub(super) fn take_request_id(&mut self, session: &Session) {
        const LONGEST: usize = 128;
        if !Client::of(session, &self.snapshot.trusted).is_trusted() {
            return;
        }
        let given = session.req_header().headers.get(X_REQUEST_ID);
        let is_id = |id: &&HeaderValue| {
            let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.:+/=".contains(byte);
            (1..=LONGEST).contains(&id.len()) && id.as_bytes().iter().all(is_plain)
        };
        if let Some(id) = given.filter(is_id) {
            self.request_id = Some(id.clone());
        }
    }

    /// The same for the log.
    pub(super) fn shown_id(&mut self) -> String {
        self.request_id().to_str().unwrap_or_default().to_owned()
    }

    /// The address of the client.
    pub(super) fn client(&mut self, session: &Session) -> IpAddr {
        let trusted = &self.snapshot.trusted;
        *self.client.get_or_insert_with(|| Client::of(session, trusted).address())
    }

    /// The same for the log.
    pub(super) fn shown_client(&mut self, session: &Session) -> String {
        self.client(session).to_string()
    }

    /// The server of the last attempt, as the operator wrote it.
    pub(super) fn server(&self) -> &str {
        self.attempts.server().map_or("no server", |server| server.name().as_str())
    }

    /// The request is to be forwarded: settles for how long, and whether as a WebSocket.
    pub(super) fn admit(&mut self, session: &mut Session) {
        self.waits = self.snapshot.servers.waits(session.req_header().uri.path().as_bytes());
        self.end = self.waits.request.map(|request| Instant::now() + request);
        self.is_websocket = websocket::is_opened_by(session);
        if self.is_websocket {
            // One that Pingora has not written yet when the 101 comes would be lost in any case.
            session.set_ignore_info_resp(true);
        }
    }

    /// What is left of the time for the whole request.
    pub(super) fn left(&self) -> Option<Duration> {
        self.end.map(|end| end.saturating_duration_since(Instant::now()))
    }

    /// Forgets the last attempt, for the next one.
    pub(super) fn begin_attempt(&mut self) {
        self.body_sent = 0;
        self.is_sent = false;
        self.connection = None;
        self.turn = None;
        self.account.connect();
    }

    /// The request is about to be sent.
    pub(super) fn begin_turn(&mut self, wanted: Wanted) {
        let limits = Limits {
            first_byte: self.waits.first_byte,
            silence: self.waits.silence,
            end: self.end,
            client_silence: self.snapshot.limits.client_silence,
            body_rate: self.snapshot.limits.body_rate.0,
        };
        let now = Instant::now();
        self.account.sends(now);
        self.turn = self.connection.as_ref().map(|connection| connection.begin(limits, wanted, now));
    }

    /// The request has been sent whole: the server's time begins.
    pub(super) fn sent(&mut self) {
        let now = Instant::now();
        self.is_sent = true;
        self.account.sends(now);
        if let Some(turn) = &self.turn {
            turn.enter(Phase::FirstByte, now);
        }
    }

    /// The head of the answer is there.
    pub(super) fn take_head(&mut self, is_server_error: bool) {
        self.has_head = true;
        let now = Instant::now();
        if let Some(took) = self.account.take_head(now) {
            self.attempts.answered_after(took);
        }
        if let Some(turn) = &self.turn {
            turn.enter(Phase::Silence, now);
        }
        self.record(if is_server_error { Outcome::ServerError } else { Outcome::Answered });
    }

    pub(super) fn has_head(&self) -> bool {
        self.has_head
    }

    /// Takes the connection to the server out of Pingora's hands, and what has been read from it.
    pub(super) fn detach_server(&self) -> Option<(Stream, BytesMut)> {
        self.turn.as_ref()?.detach()
    }

    /// If Pingora does not see the body of the answer, what passes it on writes it into the account: where it comes
    /// from, what it is, and where it is accounted for.
    pub(super) fn begin_relay(&mut self, status: StatusCode) -> Option<(&Turn, Body, &mut Written)> {
        let turn = self.turn.as_ref()?;
        let body = turn.hidden_body()?;
        Some((turn, body, self.account.written.insert(Written { status, body: 0 })))
    }

    /// Whether the client has been sent an answer, or a part of one.
    pub(super) fn is_answered(&self, session: &Session) -> bool {
        self.account.written.is_some() || session.response_written().is_some_and(|head| !head.status.is_informational())
    }

    /// Whether the connection has carried another request before: of those that have rested in `edge::idle`, Pingora
    /// does not know that.
    pub(super) fn is_on_used_connection(&self) -> bool {
        self.turn.as_ref().is_some_and(|turn| !turn.is_first())
    }

    /// Whether any byte of an answer has come.
    pub(super) fn has_received(&self) -> bool {
        self.has_head || self.turn.as_ref().is_some_and(Turn::has_received)
    }

    /// The limit that the request ran into.
    pub(super) fn expired(&self) -> Option<Expired> {
        let is_over = self.left().is_some_and(|left| left.is_zero());
        let expired = self.turn.as_ref().and_then(Turn::expired);
        expired.or(is_over.then_some(Expired::Request))
    }

    /// Whether the server could have answered in time: not when the client took it to send its request.
    pub(super) fn is_servers_fault(&self) -> bool {
        self.is_sent || !matches!(self.expired(), Some(Expired::Request | Expired::Body))
    }

    /// The answer has ended, whole.
    pub(super) fn answered(&mut self) {
        if self.has_head {
            self.record(Outcome::Completed);
        }
    }

    /// Says what became of the attempt.
    pub(super) fn record(&mut self, outcome: Outcome) {
        let change = self.attempts.record(outcome);
        if let (Some(change), Some(server)) = (change, self.attempts.server()) {
            log_change(server, change, None);
        }
    }
}

/// The requests of one process are counted from a random place, and the processes told apart by
/// another.
static REQUEST_IDS: Lazy<(u64, AtomicU64)> = Lazy::new(|| (rand::random(), rand::random::<u64>().into()));

const HEX: &[u8; 16] = b"0123456789abcdef";

/// A new id, 32 hexadecimal digits.
pub(super) fn new_request_id() -> HeaderValue {
    let (process, next) = &*REQUEST_IDS;
    let number = next.fetch_add(1, Ordering::Relaxed);
    let mut digits = [0; 32];
    for (half, value) in digits.chunks_exact_mut(16).zip([*process, number]) {
        for (digit, byte) in half.chunks_exact_mut(2).zip(value.to_be_bytes()) {
            digit.copy_from_slice(&[HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]]);
        }
    }
    HeaderValue::from_bytes(&digits).expect("hexadecimal digits are a header value")
}
