//! What a server went through: since when it is in its state, why it failed last, and how often of late. It is only
//! written when something fails or changes.

use std::time::{Duration, Instant, SystemTime};

use super::server::State;

/// Failures are counted for so long.
const SPAN: Duration = Duration::from_mins(10);
/// In so many steps, of which the oldest is forgotten as a whole.
const STEPS: usize = 20;

/// The past of one server.
#[derive(Debug)]
pub(super) struct Past {
    began: Instant,
    health_since: SystemTime,
    breaker_since: SystemTime,
    last: Option<LastFailure>,
    steps: [Step; STEPS],
}

/// Why a server failed last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastFailure {
    /// When it was.
    pub at: SystemTime,
    /// In words.
    pub why: String,
}

/// How often a server failed, by kind.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct FailureCounts {
    /// It could not be connected to.
    pub connect: u64,
    /// It broke off, or did not answer in time.
    pub broken: u64,
    /// An idle connection had died.
    pub stale: u64,
    /// It answered with a status from 500.
    pub server_errors: u64,
}

/// A kind of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Failure {
    Connect,
    Broken,
    Stale,
    ServerError,
}

/// The failures of one step of time.
#[derive(Debug, Clone, Copy, Default)]
struct Step {
    number: u64,
    counts: FailureCounts,
}

impl FailureCounts {
    fn add(&mut self, failure: Failure) {
        let count = match failure {
            Failure::Connect => &mut self.connect,
            Failure::Broken => &mut self.broken,
            Failure::Stale => &mut self.stale,
            Failure::ServerError => &mut self.server_errors,
        };
        *count += 1;
    }

    fn plus(self, other: Self) -> Self {
        FailureCounts {
            connect: self.connect + other.connect,
            broken: self.broken + other.broken,
            stale: self.stale + other.stale,
            server_errors: self.server_errors + other.server_errors,
        }
    }
}

impl Failure {
    /// What it says of the server; nothing for an idle connection, which may die at any time.
    fn why(self) -> Option<&'static str> {
        match self {
            Failure::Connect => Some("could not be connected to"),
            Failure::Broken => Some("broke off, or did not answer in time"),
            Failure::ServerError => Some("answered with a status from 500"),
            Failure::Stale => None,
        }
    }
}

impl Past {
    pub fn new() -> Self {
        let now = SystemTime::now();
        let steps = [Step::default(); STEPS];
        Past { began: Instant::now(), health_since: now, breaker_since: now, last: None, steps }
    }

    /// An attempt failed.
    pub fn failed(&mut self, failure: Failure) {
        self.count(failure, Instant::now());
        if let Some(why) = failure.why() {
            self.failed_for(why);
        }
    }

    /// A health check failed, or an attempt.
    pub fn failed_for(&mut self, why: &str) {
        let at = SystemTime::now();
        match &mut self.last {
            // Most fail as the one before.
            Some(last) if last.why == why => last.at = at,
            last => *last = Some(LastFailure { at, why: why.to_owned() }),
        }
    }

    fn count(&mut self, failure: Failure, now: Instant) {
        let number = self.number(now);
        let Some(step) = usize::try_from(number % STEPS as u64).ok().and_then(|place| self.steps.get_mut(place)) else {
            return;
        };
        if step.number != number {
            *step = Step { number, counts: FailureCounts::default() };
        }
        step.counts.add(failure);
    }

    fn number(&self, now: Instant) -> u64 {
        now.saturating_duration_since(self.began).as_secs() / (SPAN.as_secs() / STEPS as u64)
    }

    /// What its health checks say has changed.
    pub fn health_changed(&mut self) {
        self.health_since = SystemTime::now();
    }

    /// Its breaker has opened or closed.
    pub fn breaker_changed(&mut self) {
        self.breaker_since = SystemTime::now();
    }

    /// Since when it is in this state; nothing where nobody knows.
    pub fn since(&self, state: State) -> Option<SystemTime> {
        match state {
            State::Down => Some(self.health_since),
            State::Open | State::Up | State::Unknown => Some(self.health_since.max(self.breaker_since)),
            State::Draining => None,
        }
    }

    pub fn last(&self) -> Option<LastFailure> {
        self.last.clone()
    }

    /// How often it failed in the last ten minutes.
    pub fn recent(&self, now: Instant) -> FailureCounts {
        let number = self.number(now);
        let recent = self.steps.iter().filter(|step| step.number + STEPS as u64 > number);
        recent.fold(FailureCounts::default(), |sum, step| sum.plus(step.counts))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_are_forgotten_after_ten_minutes() {
        let mut past = Past::new();
        let after = |past: &Past, seconds| past.began + Duration::from_secs(seconds);
        for seconds in [0, 1, 29, 31, 300] {
            past.count(Failure::Connect, after(&past, seconds));
        }
        past.count(Failure::ServerError, after(&past, 300));
        let recent = |seconds| past.recent(after(&past, seconds));
        assert_eq!(recent(300), FailureCounts { connect: 5, server_errors: 1, ..FailureCounts::default() });
        assert_eq!(recent(599).connect, 5);
        assert_eq!(recent(600).connect, 2, "those of the first half minute are gone");
        assert_eq!(recent(630).connect, 1);
        assert_eq!(recent(900), FailureCounts::default());
    }

    #[test]
    fn a_step_that_comes_around_begins_anew() {
        let mut past = Past::new();
        let began = past.began;
        past.count(Failure::Broken, began);
        past.count(Failure::Broken, began + SPAN);
        assert_eq!(past.recent(began + SPAN).broken, 1);
    }

    #[test]
    fn an_idle_connection_that_died_is_no_reason() {
        let mut past = Past::new();
        past.failed(Failure::Stale);
        assert_eq!((past.last(), past.recent(Instant::now()).stale), (None, 1));
        past.failed(Failure::Connect);
        past.failed_for("refused");
        assert_eq!(past.last().map(|last| last.why), Some("refused".to_owned()));
    }
}
