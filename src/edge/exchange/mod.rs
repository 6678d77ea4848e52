//! What one request carries through its phases.

mod account;
mod error_response;
mod refusal;
mod request_id;
mod trace;

use std::{net::IpAddr, sync::Arc, time::Duration};

use http::{HeaderValue, StatusCode};
use pingora_proxy::Session;
use tokio::time::Instant;
use tokio_util::task::task_tracker::TaskTrackerToken;

pub(super) use self::{
    account::Account,
    error_response::ErrorResponse,
    refusal::refuse,
    request_id::{IdField, ServerId, X_BRIDGEHEAD_REQUEST_ID, X_REQUEST_ID, new_request_id},
    trace::{Trace, TracePlan},
};
use super::{
    client::Client,
    snapshot::{Site, Snapshot, Waits},
};
use crate::{
    config::{Profile, TraceTrust},
    fleet::{Attempts, Outcome, Picked, log_change},
    limits::Slot,
    reason::Reason,
    telemetry::ResponseKind,
};

/// One request and its response: the `CTX` of the edge's `ProxyHttp`.
pub struct Exchange {
    /// The configuration it began with, and ends with.
    pub(super) snapshot: Arc<Snapshot>,
    pub(super) attempts: Attempts,
    /// The attempt that is being made, or was the last one.
    pub(super) attempt: Attempt,
    /// How long to wait, for the path of the request.
    pub(super) waits: Waits,
    /// The place of the site that it is for, once that is known.
    pub(super) site: Option<usize>,
    /// How much of the path of the request is that of the public URL that it is for.
    pub(super) base_length: usize,
    /// When the whole request must be over.
    pub(super) end: Option<Instant>,
    pub(super) is_websocket: bool,
    /// Whether the head of a server's response has come.
    has_head: bool,
    request_id: Option<HeaderValue>,
    /// Who asks, as far as trusted proxies say.
    client: Option<IpAddr>,
    /// When a client that asks too often may ask again.
    pub(super) retry_after: Option<Duration>,
    pub(super) account: Account,
    /// The trace that it belongs to, where the edge traces.
    pub(super) trace: Option<Trace>,
    /// Its place among the requests in flight; none for what the edge answers by itself.
    pub(super) slot: Option<Slot>,
    /// Keeps a stopping edge alive until the exchange is over.
    _in_flight: TaskTrackerToken,
}

/// One attempt at a server.
#[derive(Default)]
pub(super) struct Attempt {
    /// The server that was picked for Pingora's half, until that asks for it.
    pub picked: Option<Picked>,
    /// Whether it is made on a connection that has carried another request.
    pub is_reused: bool,
    /// Bytes of the request's body that it has sent on.
    pub body_sent: u64,
    /// Whether the request has been sent whole.
    pub is_sent: bool,
    /// Whether any byte of a response has come.
    pub has_received: bool,
    /// The limit that it ran into.
    pub expired: Option<Expired>,
}

/// The limit that a request ran into.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Expired {
    /// Of the wait for a response.
    FirstByte,
    /// Of the silence within a response, or of a server that takes nothing of a request.
    Silence,
    /// Of the whole request.
    Request,
    /// The client's body comes too slowly.
    Body,
}

impl Exchange {
    /// Begins an exchange with the configuration of this moment.
    pub(super) fn new(snapshot: Arc<Snapshot>, in_flight: TaskTrackerToken) -> Self {
        Exchange {
            attempts: Attempts::default(),
            attempt: Attempt::default(),
            waits: snapshot.unsited.servers.common_waits(),
            site: None,
            base_length: 0,
            end: None,
            is_websocket: false,
            has_head: false,
            snapshot,
            request_id: None,
            client: None,
            retry_after: None,
            account: Account::begin(),
            trace: None,
            slot: None,
            _in_flight: in_flight,
        }
    }

    /// Tells the site that it is for; before that is known, what holds for none.
    pub(super) fn site(&self) -> &Site {
        self.snapshot.site(self.site)
    }

    /// Tells the generation of Bifrost's contract that it is answered by; `None` where several sites have their own, and
    /// it is for none of them.
    pub(super) fn profile(&self) -> Option<Profile> {
        let is_known = self.site.is_some() || self.snapshot.sites.len() == 1;
        is_known.then(|| self.site().profile)
    }

    /// Tells the path of the request as a Bifrost has it: without that of the public URL. Before the request has been
    /// admitted, as it was sent.
    pub(super) fn bifrost_path<'a>(&self, session: &'a Session) -> &'a [u8] {
        let path = session.req_header().uri.path().as_bytes();
        path.get(self.base_length..).unwrap_or(path)
    }

    /// Names the request in the log, to the server and to the client. Made when it is first needed:
    /// discovery does without.
    pub(super) fn request_id(&mut self) -> &HeaderValue {
        self.request_id.get_or_insert_with(new_request_id)
    }

    /// Takes over the id that a trusted proxy has given the request, if it is one: other systems know it by
    /// that.
    pub(super) fn take_request_id(&mut self, session: &Session) {
        if !Client::of(session, &self.snapshot.trusted).is_trusted() {
            return;
        }
        let given = session.req_header().headers.get(X_REQUEST_ID);
        let is_id = |id: &&HeaderValue| {
            let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.:+/=".contains(byte);
            (1..=request_id::LONGEST).contains(&id.len()) && id.as_bytes().iter().all(is_plain)
        };
        if let Some(id) = given.filter(is_id) {
            self.request_id = Some(id.clone());
        }
    }

    /// Takes note of what the fields of a server's response say: whether it is a stream, and what the server calls the
    /// request, for which only the access log asks.
    pub(super) fn note_fields<'f, F>(&mut self, fields: impl Fn() -> F)
    where
        F: Iterator<Item = (&'f [u8], &'f [u8])>,
    {
        const EVENTS: &[u8] = b"text/event-stream";
        let is_stream = |(name, value): (&[u8], &[u8])| {
            name.eq_ignore_ascii_case(b"content-type")
                && value.get(..EVENTS.len()).is_some_and(|start| start.eq_ignore_ascii_case(EVENTS))
        };
        if self.is_websocket || fields().any(is_stream) {
            self.account.kind = ResponseKind::Stream;
        }
        if self.account.is_logged {
            self.account.server_id = ServerId::find(fields());
        }
    }

    /// Shows the id, for the log.
    pub(super) fn shown_id(&mut self) -> String {
        self.request_id().to_str().unwrap_or_default().to_owned()
    }

    /// Tells the address of the client.
    pub(super) fn client(&mut self, session: &Session) -> IpAddr {
        let trusted = &self.snapshot.trusted;
        *self.client.get_or_insert_with(|| Client::of(session, trusted).address())
    }

    /// Shows the address of the client, for the log.
    pub(super) fn shown_client(&mut self, session: &Session) -> String {
        self.client(session).to_string()
    }

    /// Names the server of the last attempt, as the operator wrote it.
    pub(super) fn server(&self) -> &str {
        self.attempts.server().map_or("no server", |server| server.name().as_str())
    }

    /// Tells how long a connection may take to be made: what is left of the time for the request, if that is less.
    pub(super) fn connect_within(&self) -> Duration {
        const SHORTEST: Duration = Duration::from_millis(1);
        self.left().map_or(self.waits.connect, |left| left.max(SHORTEST).min(self.waits.connect))
    }

    /// Tells what is left of the time for the whole request.
    pub(super) fn left(&self) -> Option<Duration> {
        self.end.map(|end| end.saturating_duration_since(Instant::now()))
    }

    /// Begins an attempt, and forgets the last one.
    pub(super) fn begin_attempt(&mut self, now: Instant) {
        self.attempt = Attempt::default();
        self.account.connect(now);
    }

    /// Takes note of a connection that Pingora has made, or taken from its pool: the request is about to be sent.
    pub(super) fn connected(&mut self, is_reused: bool, now: Instant) {
        self.attempt.is_reused = is_reused;
        self.account.connected(now);
        self.account.sends(now);
        if let Some(trace) = &mut self.trace {
            trace.connected(is_reused);
        }
    }

    /// Takes note that the request has been sent whole: the server's time begins.
    pub(super) fn sent(&mut self, now: Instant) {
        self.attempt.is_sent = true;
        self.account.sends(now);
    }

    /// Takes note of the head of the response.
    pub(super) fn take_head(&mut self, status: StatusCode, now: Instant) {
        self.has_head = true;
        if let Some(trace) = &mut self.trace {
            trace.first_byte(status);
        }
        if let Some(took) = self.account.take_head(now) {
            self.attempts.answered_after(took);
        }
        self.record(if status.is_server_error() { Outcome::ServerError } else { Outcome::Answered });
    }

    pub(super) fn has_head(&self) -> bool {
        self.has_head
    }

    /// Whether the client has been sent a response, or a part of one.
    pub(super) fn is_answered(&self, session: &Session) -> bool {
        self.account.written.is_some() || session.response_written().is_some_and(|head| !head.status.is_informational())
    }

    /// Whether any byte of a response has come.
    pub(super) fn has_received(&self) -> bool {
        self.has_head || self.attempt.has_received
    }

    /// Tells the limit that the request ran into.
    pub(super) fn expired(&self) -> Option<Expired> {
        let is_over = self.left().is_some_and(|left| left.is_zero());
        self.attempt.expired.or(is_over.then_some(Expired::Request))
    }

    /// Whether the server could have answered in time: not when the client took it to send its request.
    pub(super) fn is_servers_fault(&self) -> bool {
        self.attempt.is_sent || !matches!(self.expired(), Some(Expired::Request | Expired::Body))
    }

    /// Takes note that the response has ended, whole.
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
            if let Some(trace) = &mut self.trace {
                trace.server_changed(change);
            }
        }
    }

    /// Begins or goes on with a trace, where the edge traces: every request has one from its head on.
    pub(super) fn begin_trace(&mut self, session: &Session) {
        let Some(plan) = self.snapshot.tracing else { return };
        let is_trusted = plan.trust == TraceTrust::Anybody || Client::of(session, &self.snapshot.trusted).is_trusted();
        self.trace = Some(Trace::begin(&session.req_header().headers, plan, is_trusted));
    }

    /// Whether spans are made of it.
    pub(super) fn is_recorded(&self) -> bool {
        self.trace.as_ref().is_some_and(Trace::is_recorded)
    }

    /// Has the trace say where the attempt goes.
    pub(super) fn trace_attempt(&mut self, picked: &Picked) {
        let Some(trace) = self.trace.as_mut().filter(|trace| trace.is_recorded()) else { return };
        let upstream = self.snapshot.site(self.site).servers.upstream(picked.configured);
        trace.attempt(self.attempts.shared_server(), picked.address, upstream.is_http2 && !self.is_websocket);
    }

    /// Has the trace say why the attempt failed, and whether there is another one.
    pub(super) fn trace_failed(&mut self, reason: Reason, is_tried_again: bool) {
        if let Some(trace) = &mut self.trace {
            trace.failed(reason, is_tried_again);
        }
    }
}
