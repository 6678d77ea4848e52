//! The circuit breaker of one server: a state machine that is told what became of its requests and
//! what time it is.

use std::time::Instant;

use crate::config::BreakerOptions;

/// Gives a server that fails again and again a pause, and lets one request at a time probe it after
/// that.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Breaker {
    state: State,
    /// Failures in a row: could not connect, broke off, timed out.
    failures: u32,
    /// Responses in a row with a status from 500.
    server_errors: u32,
    /// The last responses, each a bit: whether its status was from 500.
    answers: u128,
    /// Responses in a row that broke off after their head.
    cut_short: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Closed,
    /// No requests until then. It is the pause after so many failed probes in a row.
    Open {
        until: Instant,
        failed_probes: u32,
    },
    /// A request is probing. Should nothing have become of it by then, another one may.
    HalfOpen {
        until: Instant,
        failed_probes: u32,
    },
}

/// The share of errors is one of so many times the errors in a row.
const FEWEST: u32 = 3;

/// Why a request was sent to a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sent {
    /// The breaker was closed.
    Regularly,
    /// As a probe.
    ToProbe,
    /// For want of a better server: the breaker was open.
    AsLastResort,
}

/// What became of a request, as far as it says something about its server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The head of a good response came.
    Good,
    /// It could not connect, its response broke off or did not come in time.
    Failed,
    /// The response had a status from 500.
    ServerError,
    /// The response broke off after its head.
    CutShort,
    /// The response ended as it should.
    Whole,
}

impl Breaker {
    pub const CLOSED: Self = Breaker { state: State::Closed, failures: 0, server_errors: 0, answers: 0, cut_short: 0 };

    /// Whether it is closed and has nothing to remember.
    pub fn is_at_rest(&self) -> bool {
        *self == Self::CLOSED
    }

    /// Whether it is open or half open.
    pub fn is_open(&self) -> bool {
        self.state != State::Closed
    }

    /// Whether a request may be sent now.
    pub fn permits(&self, now: Instant) -> bool {
        match self.state {
            State::Closed => true,
            State::Open { until, .. } | State::HalfOpen { until, .. } => now >= until,
        }
    }

    /// Says that a request is sent now, permitted or not, and tells why.
    pub fn begin(&mut self, options: &BreakerOptions, now: Instant) -> Sent {
        match self.state {
            State::Closed => Sent::Regularly,
            State::Open { until, failed_probes } | State::HalfOpen { until, failed_probes } if now >= until => {
                self.state = State::HalfOpen { until: now + options.longest_open, failed_probes };
                Sent::ToProbe
            }
            _ => Sent::AsLastResort,
        }
    }

    /// What became of a request. While the breaker is not closed a probe counts, and a good response to one that was sent
    /// all the same; the others were sent before it opened.
    pub fn record(&mut self, verdict: Verdict, sent: Sent, options: &BreakerOptions, now: Instant) {
        let is_good = matches!(verdict, Verdict::Good | Verdict::Whole);
        match (self.state, sent) {
            (State::Closed, _) => self.count(verdict, options, now),
            (_, Sent::ToProbe | Sent::AsLastResort) if is_good => *self = Self::CLOSED,
            (State::HalfOpen { failed_probes, .. }, Sent::ToProbe) => {
                self.open(failed_probes.saturating_add(1), options, now);
            }
            _ => {}
        }
    }

    fn count(&mut self, verdict: Verdict, options: &BreakerOptions, now: Instant) {
        match verdict {
            Verdict::Good => {
                (self.failures, self.server_errors) = (0, 0);
                self.answers <<= 1;
            }
            Verdict::Failed => self.failures = self.failures.saturating_add(1),
            Verdict::ServerError => {
                self.failures = 0;
                self.server_errors = self.server_errors.saturating_add(1);
                self.answers = self.answers << 1 | 1;
            }
            Verdict::CutShort => self.cut_short = self.cut_short.saturating_add(1),
            Verdict::Whole => self.cut_short = 0,
        }
        let is_too_much = self.failures.max(self.cut_short) >= options.failures;
        let fails = self.server_errors >= options.server_errors && self.errs_nearly_always(options);
        if options.enabled && (is_too_much || fails) {
            self.open(0, options, now);
        }
    }

    /// Whether nearly all of the last responses were errors, as far back as the first of them: Bifrost passes on those of
    /// one provider while it serves the others. Before that one there was none, so a few do not count as all.
    fn errs_nearly_always(&self, options: &BreakerOptions) -> bool {
        let (errors, known) = (self.answers.count_ones(), u128::BITS - self.answers.leading_zeros());
        let all = known.max(options.server_errors.saturating_mul(FEWEST).min(u128::BITS));
        errors * 100 >= options.server_error_share * all
    }

    /// The probe ended without saying anything about the server: the next request is the probe.
    pub fn abandon(&mut self, now: Instant) {
        if let State::HalfOpen { failed_probes, .. } = self.state {
            self.state = State::Open { until: now, failed_probes };
        }
    }

    fn open(&mut self, failed_probes: u32, options: &BreakerOptions, now: Instant) {
        let doubled = options.open.saturating_mul(1_u32.checked_shl(failed_probes).unwrap_or(u32::MAX));
        let until = now + doubled.min(options.longest_open);
        *self = Breaker { state: State::Open { until, failed_probes }, ..Self::CLOSED };
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    fn options() -> BreakerOptions {
        BreakerOptions {
            enabled: true,
            failures: 3,
            server_errors: 4,
            server_error_share: 80,
            open: Duration::from_secs(1),
            longest_open: Duration::from_secs(5),
        }
    }

    fn opened(now: Instant) -> Breaker {
        let mut breaker = Breaker::CLOSED;
        for _ in 0..3 {
            assert!(breaker.permits(now));
            breaker.record(Verdict::Failed, Sent::Regularly, &options(), now);
        }
        breaker
    }

    fn begins_to_probe(breaker: &mut Breaker, now: Instant) -> bool {
        breaker.begin(&options(), now) == Sent::ToProbe
    }

    /// Has it answer with so many errors and so many good responses in turn, and says after how many it opened.
    fn opens_after(breaker: &mut Breaker, errors: u32, good: u32, most: u32) -> Option<u32> {
        let (options, now) = (BreakerOptions::default(), Instant::now());
        (1..=most).find(|answer| {
            let is_error = (answer - 1) % (errors + good) < errors;
            let verdict = if is_error { Verdict::ServerError } else { Verdict::Good };
            breaker.record(verdict, Sent::Regularly, &options, now);
            breaker.is_open()
        })
    }

    #[test]
    fn errors_of_a_provider_do_not_open_it_while_others_answer_but_a_storm_does_at_once() {
        assert_eq!(opens_after(&mut { Breaker::CLOSED }, 1, 0, 200), Some(60));
        for (errors, good) in [(1, 1), (19, 1), (25, 1), (40, 1), (50, 20)] {
            let mut breaker = Breaker::CLOSED;
            assert_eq!(opens_after(&mut breaker, errors, good, 20_000), None, "{errors} to {good}");
            // And then nobody answers any more.
            let storm = opens_after(&mut breaker, 1, 0, 200);
            assert!(storm.is_some_and(|errors| errors <= 128), "{errors} to {good}: {storm:?}");
        }
    }

    #[test]
    fn a_good_answer_to_a_request_that_was_sent_all_the_same_closes_it() {
        let now = Instant::now();
        let mut breaker = opened(now);
        assert_eq!(breaker.begin(&options(), now), Sent::AsLastResort);
        breaker.record(Verdict::ServerError, Sent::AsLastResort, &options(), now);
        assert!(breaker.is_open());
        breaker.record(Verdict::Good, Sent::AsLastResort, &options(), now);
        assert!(breaker.is_at_rest());
    }

    #[test]
    fn failures_in_a_row_open_it_and_a_good_probe_closes_it() {
        let now = Instant::now();
        let mut breaker = opened(now);
        assert!(breaker.is_open() && !breaker.permits(now));
        let later = now + options().open;
        assert!(breaker.permits(later) && begins_to_probe(&mut breaker, later));
        assert!(!breaker.permits(later) && !begins_to_probe(&mut breaker, later));
        breaker.record(Verdict::Good, Sent::ToProbe, &options(), later);
        assert!(breaker.is_at_rest());
    }

    #[test]
    fn each_failed_probe_doubles_the_pause_up_to_the_longest() {
        let mut now = Instant::now();
        let mut breaker = opened(now);
        for pause in [1, 2, 4, 5, 5] {
            let due = now + Duration::from_secs(pause);
            let almost = now + Duration::from_secs(pause).mul_f64(0.999);
            assert!(!breaker.permits(almost) && begins_to_probe(&mut breaker, due), "{pause}");
            breaker.record(Verdict::Failed, Sent::ToProbe, &options(), due);
            now = due;
        }
    }

    #[test]
    fn a_probe_that_says_nothing_leaves_its_place_to_the_next_request() {
        let now = Instant::now();
        let mut breaker = opened(now);
        let due = now + options().open;
        assert!(begins_to_probe(&mut breaker, due));
        breaker.abandon(due);
        assert!(begins_to_probe(&mut breaker, due));
    }

    #[test]
    fn it_stays_closed_when_it_is_switched_off() {
        let (now, mut breaker) = (Instant::now(), Breaker::CLOSED);
        let options = BreakerOptions { enabled: false, ..options() };
        for _ in 0..1000 {
            breaker.record(Verdict::Failed, Sent::Regularly, &options, now);
            assert!(!breaker.is_open());
        }
    }

    #[test]
    fn a_probe_that_takes_its_time_is_followed_by_another() {
        let now = Instant::now();
        let mut breaker = opened(now);
        let due = now + options().open;
        assert!(begins_to_probe(&mut breaker, due));
        let later = due + options().longest_open;
        assert!(breaker.permits(later) && begins_to_probe(&mut breaker, later) && !breaker.permits(later));
    }

    #[test]
    fn answers_that_break_off_open_it_although_their_heads_were_good() {
        let (now, mut breaker) = (Instant::now(), Breaker::CLOSED);
        for _ in 0..2 {
            breaker.record(Verdict::Good, Sent::Regularly, &options(), now);
            breaker.record(Verdict::CutShort, Sent::Regularly, &options(), now);
        }
        breaker.record(Verdict::Whole, Sent::Regularly, &options(), now);
        assert!(breaker.is_at_rest());
        for _ in 0..3 {
            assert!(!breaker.is_open());
            breaker.record(Verdict::Good, Sent::Regularly, &options(), now);
            breaker.record(Verdict::CutShort, Sent::Regularly, &options(), now);
        }
        assert!(breaker.is_open());
    }

    #[derive(Debug, Clone)]
    enum Event {
        Wait(u64),
        Request(Option<Verdict>),
        Straggler(Verdict),
    }

    fn verdict() -> impl Strategy<Value = Verdict> {
        prop_oneof![
            Just(Verdict::Good),
            Just(Verdict::Failed),
            Just(Verdict::ServerError),
            Just(Verdict::CutShort),
            Just(Verdict::Whole),
        ]
    }

    fn event() -> impl Strategy<Value = Event> {
        prop_oneof![
            (0..6000_u64).prop_map(Event::Wait),
            proptest::option::of(verdict()).prop_map(Event::Request),
            verdict().prop_map(Event::Straggler),
        ]
    }

    proptest! {
        /// Whatever happens: never two probes within the longest pause, never open for longer than the longest pause,
        /// never opened by less than the failures in a row, never closed but by a good response to what was sent since.
        #[test]
        fn it_never_does_what_it_must_not(events in proptest::collection::vec(event(), 0..200)) {
            let (options, mut now, mut breaker) = (options(), Instant::now(), Breaker::CLOSED);
            let (mut failures, mut errors, mut cuts, mut answers) = (0, 0, 0, Vec::new());
            for event in events {
                let was_open = breaker.is_open();
                match event {
                    Event::Wait(milliseconds) => now += Duration::from_millis(milliseconds),
                    Event::Request(outcome) => {
                        let permitted = breaker.permits(now);
                        let sent = breaker.begin(&options, now);
                        let is_probe = sent == Sent::ToProbe;
                        prop_assert_eq!(is_probe, permitted && was_open);
                        if is_probe {
                            prop_assert!(!breaker.permits(now + options.longest_open.mul_f64(0.999)));
                        }
                        match outcome {
                            Some(verdict) => breaker.record(verdict, sent, &options, now),
                            None if is_probe => breaker.abandon(now),
                            None => {}
                        }
                        if was_open && !breaker.is_open() {
                            prop_assert!(matches!(outcome, Some(Verdict::Good | Verdict::Whole)));
                        }
                        if !was_open {
                            match outcome {
                                Some(Verdict::Good) => {
                                    (failures, errors) = (0, 0);
                                    answers.push(false);
                                }
                                Some(Verdict::Failed) => failures += 1,
                                Some(Verdict::ServerError) => {
                                    (failures, errors) = (0, errors + 1);
                                    answers.push(true);
                                }
                                Some(Verdict::CutShort) => cuts += 1,
                                Some(Verdict::Whole) => cuts = 0,
                                None => {}
                            }
                        }
                    }
                    Event::Straggler(verdict) if was_open => {
                        let before = breaker;
                        breaker.record(verdict, Sent::Regularly, &options, now);
                        prop_assert_eq!(before, breaker);
                    }
                    Event::Straggler(_) => {}
                }
                if !was_open {
                    let nearly_always = {
                        let last = &answers[answers.len().saturating_sub(128)..];
                        let since = last.iter().position(|is_error| *is_error).map_or(0, |first| last.len() - first);
                        let all = since.max(12);
                        last.iter().filter(|is_error| **is_error).count() * 100 >= all * 80
                    };
                    let is_too_much = failures.max(cuts) >= options.failures;
                    prop_assert_eq!(breaker.is_open(), is_too_much || (errors >= options.server_errors && nearly_always));
                }
                if breaker.is_open() {
                    (failures, errors, cuts) = (0, 0, 0);
                    answers.clear();
                    prop_assert!(breaker.permits(now + options.longest_open));
                }
            }
        }
    }
}
