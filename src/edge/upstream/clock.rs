//! The time of one exchange with a server: how long each side is waited for. Pure but for the clock.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::time::{Instant, Sleep, sleep_until};

use crate::edge::exchange::{Exchange, Expired};

/// How long an exchange waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Limits {
    /// From the last byte sent to the first byte of the response.
    pub first_byte: Duration,
    /// Between two bytes of the response; also for a server that takes nothing of a request.
    pub silence: Duration,
    /// When the whole request must be over.
    pub end: Option<Instant>,
    /// Between two pieces of the request's body.
    pub client_silence: Duration,
    /// Bytes a second that the body must bring on average, after [`GRACE`].
    pub body_rate: Option<u64>,
}

/// So long a body may come as slowly as it likes.
const GRACE: Duration = Duration::from_secs(20);

/// What an exchange waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Awaiting {
    /// More of the request: the time is the client's, but while the server takes nothing.
    Request,
    /// The head of the response, interim ones aside.
    Head,
    /// More of the response's body.
    Body,
    /// That the client takes what has come of the response: the time is the client's.
    Client,
}

/// What is due next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Due {
    /// The exchange is given up.
    Expired(Expired),
    /// Somebody who cannot be read from is looked after.
    Look,
}

/// The time of one exchange.
pub(super) struct Clock {
    limits: Limits,
    awaiting: Awaiting,
    /// The last byte sent or received.
    since: Instant,
    upload: Upload,
    /// When to look, while the client cannot be heard.
    look: Option<Instant>,
}

/// How the request is being sent.
struct Upload {
    began: Instant,
    bytes: u64,
    /// The server takes nothing since then: the time is not the client's.
    blocked: Option<Instant>,
    /// For how long it took nothing before.
    was_blocked: Duration,
}

/// How often a client that cannot be heard is looked after.
pub(super) const LOOK: Duration = Duration::from_millis(500);

/// The alarm of a clock. It is kept with the connection: one that rings too early costs less than a new one for each
/// exchange.
#[derive(Default)]
pub(super) struct Timer(Option<Pin<Box<Sleep>>>);

impl Limits {
    pub fn of(exchange: &Exchange) -> Self {
        Limits {
            first_byte: exchange.waits.first_byte,
            silence: exchange.waits.silence,
            end: exchange.end,
            client_silence: exchange.snapshot.limits.client_silence,
            body_rate: exchange.snapshot.limits.body_rate.limit(),
        }
    }
}

impl Clock {
    /// Begins when a request begins to be sent.
    pub fn begin(limits: Limits, now: Instant) -> Self {
        let upload = Upload { began: now, bytes: 0, blocked: None, was_blocked: Duration::ZERO };
        Clock { limits, awaiting: Awaiting::Request, since: now, upload, look: None }
    }

    pub fn awaiting(&self) -> Awaiting {
        self.awaiting
    }

    /// Takes note of what is waited for now; its time begins.
    pub fn enter(&mut self, awaiting: Awaiting, now: Instant) {
        self.awaiting = awaiting;
        self.since = now;
        self.look = None;
    }

    /// Takes note that something was received.
    pub fn received(&mut self, now: Instant) {
        self.since = now;
    }

    /// Takes note that the server has taken so many bytes of the request, and all there are for it.
    pub fn sent(&mut self, bytes: usize, now: Instant) {
        self.upload.bytes += bytes as u64;
        let blocked = self.upload.blocked.take();
        if let Some(blocked) = blocked {
            self.upload.was_blocked += now - blocked;
            self.look = None;
        }
        // Nothing at all gives nobody more time.
        if bytes > 0 || blocked.is_some() {
            self.since = now;
        }
    }

    /// Takes note that the server does not take what there is for it, but so many bytes.
    pub fn blocked(&mut self, bytes: usize, now: Instant) {
        if bytes > 0 {
            self.sent(bytes, now);
        }
        self.upload.blocked.get_or_insert(now);
        self.look.get_or_insert(now + LOOK);
    }

    /// Asks for a look, for there is nothing that can be heard of the client.
    pub fn look(&mut self, now: Instant) {
        self.look.get_or_insert(now + LOOK);
    }

    /// Tells what is due next, and when.
    pub fn due(&self) -> Option<(Instant, Due)> {
        let limits = &self.limits;
        let next = match self.awaiting {
            Awaiting::Request => Some(self.upload.due(limits, self.since)),
            Awaiting::Head => Some((self.since + limits.first_byte, Expired::FirstByte)),
            Awaiting::Body => Some((self.since + limits.silence, Expired::Silence)),
            Awaiting::Client => None,
        };
        let end = limits.end.map(|end| (end, Expired::Request));
        let expires = next.into_iter().chain(end).map(|(due, limit)| (due, Due::Expired(limit)));
        expires.chain(self.look.map(|look| (look, Due::Look))).min_by_key(|(due, _)| *due)
    }

    /// Waits until something is due.
    pub fn poll(&mut self, timer: &mut Timer, context: &mut Context<'_>) -> Poll<Due> {
        loop {
            let Some((due, what)) = self.due() else { return Poll::Pending };
            let timer = timer.0.get_or_insert_with(|| Box::pin(sleep_until(due)));
            if timer.is_elapsed() || timer.deadline() > due {
                timer.as_mut().reset(due);
            }
            ready!(timer.as_mut().poll(context));
            if due <= Instant::now() {
                self.look = None;
                return Poll::Ready(what);
            }
        }
    }
}

impl Upload {
    /// Tells when the one whose turn it is has been too slow.
    fn due(&self, limits: &Limits, since: Instant) -> (Instant, Expired) {
        if let Some(blocked) = self.blocked {
            return (blocked + limits.silence, Expired::Silence);
        }
        let silent = since + limits.client_silence;
        let Some(rate) = limits.body_rate else { return (silent, Expired::Body) };
        // A year at most, which a clock can count.
        let brought = Duration::from_secs((self.bytes / rate.max(1)).min(366 * 24 * 3600));
        (silent.min(self.began + GRACE + self.was_blocked + brought), Expired::Body)
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use tokio::time::{advance, timeout};

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);
    const LIMITS: Limits = Limits {
        first_byte: Duration::from_mins(15),
        silence: Duration::from_mins(5),
        end: None,
        client_silence: Duration::from_mins(1),
        body_rate: Some(100),
    };

    async fn due(clock: &mut Clock, timer: &mut Timer) -> Due {
        poll_fn(|context| clock.poll(timer, context)).await
    }

    /// Sends so many bytes a second and says after how many seconds it was cut off.
    async fn cut_off_after(rate: usize, most: u64) -> Option<u64> {
        let (mut clock, mut timer) = (Clock::begin(LIMITS, Instant::now()), Timer::default());
        for second in 0..most {
            clock.sent(rate, Instant::now());
            if let Ok(due) = timeout(SECOND, due(&mut clock, &mut timer)).await {
                assert_eq!(due, Due::Expired(Expired::Body));
                return Some(second + 1);
            }
        }
        None
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_comes_too_slowly_is_cut_off_after_its_grace() {
        assert_eq!(cut_off_after(1, 100).await, Some(20));
        assert_eq!(cut_off_after(50, 100).await, Some(39));
        assert_eq!(cut_off_after(101, 1000).await, None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_falls_silent_is_cut_off() {
        let (begin, mut timer) = (Instant::now(), Timer::default());
        let mut clock = Clock::begin(Limits { body_rate: None, ..LIMITS }, begin);
        clock.sent(1, begin);
        assert_eq!(due(&mut clock, &mut timer).await, Due::Expired(Expired::Body));
        assert_eq!(begin.elapsed().as_secs(), 60);
    }

    #[tokio::test(start_paused = true)]
    async fn looking_again_and_again_gives_no_more_time() {
        for awaiting in [Awaiting::Request, Awaiting::Head, Awaiting::Body] {
            let begin = Instant::now();
            let (mut clock, mut timer) = (Clock::begin(Limits { body_rate: None, ..LIMITS }, begin), Timer::default());
            clock.enter(awaiting, begin);
            while begin.elapsed() < LIMITS.first_byte {
                advance(SECOND / 2).await;
                clock.sent(0, Instant::now());
            }
            assert!(matches!(due(&mut clock, &mut timer).await, Due::Expired(_)), "{awaiting:?}");
            assert_eq!(begin.elapsed(), LIMITS.first_byte, "{awaiting:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_server_that_takes_nothing_is_not_held_against_the_client_but_given_up() {
        let (begin, mut timer) = (Instant::now(), Timer::default());
        let mut clock = Clock::begin(LIMITS, begin);
        clock.blocked(16, begin);
        let mut looks = 0;
        let expired = loop {
            match due(&mut clock, &mut timer).await {
                Due::Look => {
                    looks += 1;
                    clock.look(Instant::now());
                }
                Due::Expired(expired) => break expired,
            }
        };
        assert_eq!((expired, begin.elapsed().as_secs()), (Expired::Silence, 300));
        assert!(looks > 500, "{looks}");

        let mut clock = Clock::begin(LIMITS, Instant::now());
        clock.blocked(16, Instant::now());
        advance(200 * SECOND).await;
        clock.sent(1, Instant::now());
        assert!(timeout(10 * SECOND, due(&mut clock, &mut timer)).await.is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn a_timer_that_is_kept_finds_the_later_limit() {
        let mut timer = Timer::default();
        let mut clock = Clock::begin(LIMITS, Instant::now());
        clock.enter(Awaiting::Head, Instant::now());
        assert!(timeout(800 * SECOND, due(&mut clock, &mut timer)).await.is_err());
        let begin = Instant::now();
        let mut clock = Clock::begin(LIMITS, begin);
        clock.enter(Awaiting::Head, begin);
        assert_eq!(due(&mut clock, &mut timer).await, Due::Expired(Expired::FirstByte));
        assert_eq!(begin.elapsed(), LIMITS.first_byte);
    }
}
