//! One server as it is measured: its requests, its health, its breaker. It outlives a reload.

use std::{
    mem,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    time::Instant,
};

use parking_lot::Mutex;
use tokio::sync::Notify;

use super::{
    balance,
    breaker::{Breaker, Sent, Verdict},
    health::Health,
    past::{Failure, Past},
};
use crate::{
    config::{self, BreakerOptions, HealthChecks, ServerAddress},
    latency::Latency,
};

/// One server: an address that the configuration names, or one of those behind a name in it.
#[derive(Debug)]
pub struct Server {
    name: ServerAddress,
    address: SocketAddr,
    is_named_by_address: bool,
    /// For rendezvous hashing, the same in every edge in front of the fleet.
    pub(super) id: u64,
    in_flight: AtomicUsize,
    health: Mutex<Health>,
    /// What `health` says, to be read without its lock.
    is_down: AtomicBool,
    breaker: Mutex<Breaker>,
    /// Whether the breaker has anything to remember, to be read without its lock.
    is_disturbed: AtomicBool,
    /// How often it has been down.
    downs: Arc<AtomicU64>,
    /// Told when it could not be connected to, or a check was bad.
    has_failed: Notify,
    pub(super) counts: Counts,
    pub(super) past: Mutex<Past>,
    /// How long it takes for the head of a response.
    pub(super) first_byte: Latency,
}

/// What has become of the attempts at a server.
#[derive(Debug, Default)]
pub(super) struct Counts {
    pub picks: AtomicU64,
    pub connect_failures: AtomicU64,
    pub broken: AtomicU64,
    pub stale: AtomicU64,
    pub server_errors: AtomicU64,
    pub breaker_openings: AtomicU64,
}

/// One request on one server, from its pick to its last byte. It counts as in flight as long as it
/// lives.
#[derive(Debug)]
pub struct Lease {
    server: Arc<Server>,
    breaker: BreakerOptions,
    /// Why it was sent, as far as the breaker waits for what becomes of it.
    sent: Sent,
}

/// The time in which a connection to a server was made: it ends when the server goes down, because a connection that
/// hangs may look alive.
#[derive(Debug, Clone, Default)]
pub struct Era {
    downs: Arc<AtomicU64>,
    /// How often it had been down.
    number: u64,
}

impl Era {
    /// Whether the server has been down since.
    pub fn is_over(&self) -> bool {
        self.downs.load(Ordering::Relaxed) != self.number
    }

    /// Counts the eras of a server.
    pub fn number(&self) -> u64 {
        self.number
    }
}

/// What became of an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The head of a response came, with a status below 500.
    Answered,
    /// The head of a response came, with a status from 500.
    ServerError,
    /// No connection could be made.
    ConnectFailed,
    /// The server broke off, or did not answer in time.
    Broken,
    /// The server broke off, or fell silent, within its response.
    CutShort,
    /// The response has come whole. Its head has been told before.
    Completed,
    /// An idle connection had died, which says nothing about the server.
    Stale,
}

/// A server has become available, or is not any longer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// The breaker has opened.
    Opened,
    /// The breaker has closed.
    Closed,
    /// The health checks are good.
    Up,
    /// The health checks are bad.
    Down,
}

/// Whether a server gets requests, and why not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum State {
    /// Not checked yet, or not at all. It gets requests.
    Unknown,
    /// Its health checks are good.
    Up,
    /// Its health checks are bad.
    Down,
    /// Its breaker is open.
    Open,
    /// It is no longer in the configuration, or behind its name, and finishes what it has.
    Draining,
}

impl State {
    /// Every state.
    pub const ALL: [State; 5] = [State::Unknown, State::Up, State::Down, State::Open, State::Draining];

    /// Its name in metrics.
    pub fn name(self) -> &'static str {
        match self {
            State::Unknown => "unknown",
            State::Up => "up",
            State::Down => "down",
            State::Open => "open",
            State::Draining => "draining",
        }
    }
}

impl Server {
    pub(super) fn new(configured: &config::Server, address: SocketAddr) -> Self {
        let name = configured.address.clone();
        Server {
            // Which of its addresses one server is reached at may differ from edge to edge.
            id: balance::id((name.as_str(), (!configured.is_one()).then_some(address))),
            is_named_by_address: name.ip() == Some(address),
            name,
            address,
            in_flight: AtomicUsize::new(0),
            health: Mutex::new(Health::default()),
            is_down: AtomicBool::new(false),
            breaker: Mutex::new(Breaker::CLOSED),
            is_disturbed: AtomicBool::new(false),
            downs: Arc::default(),
            has_failed: Notify::new(),
            counts: Counts::default(),
            past: Mutex::new(Past::new()),
            first_byte: Latency::default(),
        }
    }

    /// The address in the configuration.
    pub fn name(&self) -> &ServerAddress {
        &self.name
    }

    /// The address that is connected to.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Whether the configuration names it by that very address.
    pub fn is_named_by_address(&self) -> bool {
        self.is_named_by_address
    }

    /// The requests that it has now.
    pub fn in_flight(&self) -> usize {
        self.in_flight.load(Ordering::Relaxed)
    }

    /// Whether its health checks are bad.
    pub(super) fn is_down(&self) -> bool {
        self.is_down.load(Ordering::Relaxed)
    }

    /// Whether its breaker would let a request through.
    pub(super) fn is_permitted(&self, now: Instant) -> bool {
        !self.is_disturbed.load(Ordering::Relaxed) || self.breaker.lock().permits(now)
    }

    /// Whether its breaker is open, or lets one request at a time probe it.
    pub(super) fn is_breaker_open(&self) -> bool {
        self.is_disturbed.load(Ordering::Relaxed) && self.breaker.lock().is_open()
    }

    /// Gives it a request. `None` when its breaker has just let another one through as a probe;
    /// `anyway` sends it all the same.
    pub(super) fn lease(self: &Arc<Self>, breaker: BreakerOptions, now: Instant, anyway: bool) -> Option<Lease> {
        let mut sent = Sent::Regularly;
        if breaker.enabled && self.is_disturbed.load(Ordering::Relaxed) {
            let mut state = self.breaker.lock();
            if !state.permits(now) && !anyway {
                return None;
            }
            sent = state.begin(&breaker, now);
        }
        self.in_flight.fetch_add(1, Ordering::Relaxed);
        self.counts.picks.fetch_add(1, Ordering::Relaxed);
        Some(Lease { server: Arc::clone(self), breaker, sent })
    }

    /// The era of a connection that is made now.
    pub fn era(&self) -> Era {
        Era { downs: Arc::clone(&self.downs), number: self.downs.load(Ordering::Relaxed) }
    }

    /// The result of a health check.
    pub fn checked(&self, is_good: bool, options: &HealthChecks) -> Option<Change> {
        if !is_good {
            self.has_failed.notify_one();
        }
        let mut health = self.health.lock();
        let (before, after) = (*health, health.after(is_good, options));
        *health = after;
        if mem::discriminant(&before) != mem::discriminant(&after) {
            self.past.lock().health_changed();
        }
        self.is_down.store(after.is_down(), Ordering::Relaxed);
        match (before.is_down(), after.is_down()) {
            (false, true) => {
                self.downs.fetch_add(1, Ordering::Relaxed);
                Some(Change::Down)
            }
            (true, false) => Some(Change::Up),
            _ => None,
        }
    }

    /// A health check failed for this reason.
    pub fn failed_check(&self, why: &str) {
        self.past.lock().failed_for(why);
    }

    /// Whether its breaker is open, and its pause over.
    pub(super) fn is_probe_due(&self, now: Instant) -> bool {
        if !self.is_disturbed.load(Ordering::Relaxed) {
            return false;
        }
        let breaker = self.breaker.lock();
        breaker.is_open() && breaker.permits(now)
    }

    /// The result of a health check stands for a request that probes it, if one is due.
    pub(super) fn probed(&self, is_good: bool, options: &BreakerOptions) -> Option<Change> {
        if !options.enabled || !self.is_probe_due(Instant::now()) {
            return None;
        }
        self.change_breaker(options, |breaker, options, now| {
            let sent = breaker.begin(options, now);
            breaker.record(if is_good { Verdict::Good } else { Verdict::Failed }, sent, options, now);
        })
    }

    fn change_breaker(
        &self,
        options: &BreakerOptions,
        change: impl FnOnce(&mut Breaker, &BreakerOptions, Instant),
    ) -> Option<Change> {
        let mut breaker = self.breaker.lock();
        let was_open = breaker.is_open();
        change(&mut breaker, options, Instant::now());
        self.is_disturbed.store(!breaker.is_at_rest(), Ordering::Relaxed);
        if was_open != breaker.is_open() {
            self.past.lock().breaker_changed();
        }
        match (was_open, breaker.is_open()) {
            (false, true) => {
                self.counts.breaker_openings.fetch_add(1, Ordering::Relaxed);
                Some(Change::Opened)
            }
            (true, false) => Some(Change::Closed),
            _ => None,
        }
    }

    /// Waits until it cannot be connected to, or a health check is bad.
    pub async fn failed(&self) {
        self.has_failed.notified().await;
    }

    /// Forgets what earlier health checks said: they begin anew.
    pub fn unchecked(&self) {
        let before = mem::take(&mut *self.health.lock());
        if before != Health::Unknown {
            self.past.lock().health_changed();
        }
        self.is_down.store(false, Ordering::Relaxed);
    }

    /// Whether it gets requests, if health checks count.
    pub(super) fn state(&self, is_checked: bool) -> State {
        let health = if is_checked { *self.health.lock() } else { Health::Unknown };
        match health {
            Health::Down { .. } => State::Down,
            _ if self.breaker.lock().is_open() => State::Open,
            Health::Unknown => State::Unknown,
            Health::Up { .. } => State::Up,
        }
    }
}

impl Lease {
    /// The server that has the request.
    pub fn server(&self) -> &Server {
        &self.server
    }

    /// The same, to keep.
    pub(super) fn shared_server(&self) -> &Arc<Server> {
        &self.server
    }

    /// Says what became of the attempt. A response that breaks off later is told again.
    pub fn record(&mut self, outcome: Outcome) -> Option<Change> {
        let counts = &self.server.counts;
        let (failure, verdict) = match outcome {
            Outcome::Answered => (None, Verdict::Good),
            Outcome::ServerError => (Some((&counts.server_errors, Failure::ServerError)), Verdict::ServerError),
            Outcome::ConnectFailed => {
                self.server.has_failed.notify_one();
                (Some((&counts.connect_failures, Failure::Connect)), Verdict::Failed)
            }
            Outcome::Broken => (Some((&counts.broken, Failure::Broken)), Verdict::Failed),
            Outcome::CutShort => (Some((&counts.broken, Failure::Broken)), Verdict::CutShort),
            Outcome::Completed => (None, Verdict::Whole),
            Outcome::Stale => {
                counts.stale.fetch_add(1, Ordering::Relaxed);
                self.server.past.lock().failed(Failure::Stale);
                return None;
            }
        };
        if let Some((count, failure)) = failure {
            count.fetch_add(1, Ordering::Relaxed);
            self.server.past.lock().failed(failure);
        }
        // The usual case: a good response from a server that has given nothing but.
        if matches!(verdict, Verdict::Good | Verdict::Whole) && !self.server.is_disturbed.load(Ordering::Relaxed) {
            return None;
        }
        let sent = mem::replace(&mut self.sent, Sent::Regularly);
        self.change_breaker(|breaker, options, now| breaker.record(verdict, sent, options, now))
    }

    fn change_breaker(&self, change: impl FnOnce(&mut Breaker, &BreakerOptions, Instant)) -> Option<Change> {
        self.server.change_breaker(&self.breaker, change)
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.server.in_flight.fetch_sub(1, Ordering::Relaxed);
        if self.sent == Sent::ToProbe {
            self.change_breaker(|breaker, _, now| breaker.abandon(now));
        }
    }
}
