//! How long a request waits, for its server and for its client. Pure but for the clock.

use std::{io, task::Poll, time::Duration};

use tokio::time::Instant;

/// How long a request waits for its server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Limits {
    /// From the last byte sent to the first byte of the answer.
    pub first_byte: Duration,
    /// Between two bytes of the answer.
    pub silence: Duration,
    /// When the whole request must be over.
    pub end: Option<Instant>,
    /// Between two pieces of the request's body.
    pub client_silence: Duration,
    /// Bytes a second that the body must bring on average, after [`GRACE`].
    pub body_rate: Option<u64>,
}

/// So long a body may come as slowly as it likes.
pub(super) const GRACE: Duration = Duration::from_secs(20);

/// The limit that a request ran into.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Expired {
    FirstByte,
    Silence,
    Request,
    /// The client's body comes too slowly.
    Body,
}

/// How far a request has come.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Phase {
    /// It is being sent: the time is the client's.
    #[default]
    Sending,
    /// Its answer is waited for, interim ones aside.
    FirstByte,
    /// Its answer comes.
    Silence,
    /// Its answer waits for the client to take what has come: the time is the client's.
    HeldUp,
}

/// The time of one request on a connection; of none while the connection is idle.
#[derive(Default)]
pub(super) struct Clock {
    limits: Option<Limits>,
    /// The last byte sent or received.
    since: Option<Instant>,
    sending: Sending,
    phase: Phase,
}

/// How the request is being sent.
#[derive(Default)]
struct Sending {
    began: Option<Instant>,
    bytes: u64,
    /// The server takes nothing at the moment: the time is not the client's.
    blocked: Option<Instant>,
    /// For how long it took nothing before.
    was_blocked: Duration,
}

impl Clock {
    /// A request begins to be sent.
    pub fn begin(limits: Limits, now: Instant) -> Self {
        let sending = Sending { began: Some(now), ..Sending::default() };
        Clock { limits: Some(limits), since: Some(now), sending, phase: Phase::Sending }
    }

    /// It has come so far; the time of the next phase begins.
    pub fn enter(&mut self, phase: Phase, now: Instant) {
        self.phase = phase;
        self.since = Some(now);
    }

    /// Whether the request has been sent whole, and the head of its answer is not there yet.
    pub fn is_sent(&self) -> bool {
        self.phase == Phase::FirstByte
    }

    /// Something was sent or received.
    pub fn touch(&mut self) {
        self.since = Some(Instant::now());
    }

    /// Takes note of how a write to the server went.
    pub fn wrote(&mut self, written: &Poll<io::Result<usize>>) {
        self.sending.wrote(written);
        if let Poll::Ready(Ok(1..)) = written {
            self.touch();
        }
    }

    /// The next limit and when it passes.
    pub fn due(&self) -> Option<(Instant, Expired)> {
        let (limits, since) = (self.limits?, self.since?);
        let next = match self.phase {
            Phase::Sending => self.sending.due(limits, since).map(|due| (due, Expired::Body)),
            Phase::FirstByte => Some((since + limits.first_byte, Expired::FirstByte)),
            Phase::Silence => Some((since + limits.silence, Expired::Silence)),
            Phase::HeldUp => None,
        };
        let end = limits.end.map(|end| (end, Expired::Request));
        next.into_iter().chain(end).min_by_key(|(due, _)| *due)
    }
}

impl Sending {
    /// When the client is too slow.
    fn due(&self, limits: Limits, since: Instant) -> Option<Instant> {
        if self.blocked.is_some() {
            return None;
        }
        let silent = since + limits.client_silence;
        let Some((began, rate)) = self.began.zip(limits.body_rate) else { return Some(silent) };
        // A year at most, which a clock can count.
        let brought = Duration::from_secs((self.bytes / rate.max(1)).min(366 * 24 * 3600));
        Some(silent.min(began + GRACE + self.was_blocked + brought))
    }

    fn wrote(&mut self, written: &Poll<io::Result<usize>>) {
        match written {
            Poll::Pending => {
                self.blocked.get_or_insert_with(Instant::now);
            }
            Poll::Ready(written) => {
                self.bytes += written.as_ref().map_or(0, |written| *written as u64);
                if let Some(blocked) = self.blocked.take() {
                    self.was_blocked += blocked.elapsed();
                }
            }
        }
    }
}
