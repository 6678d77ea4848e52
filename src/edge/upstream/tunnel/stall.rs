//! A server of a WebSocket that does nothing any more.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::time::{Instant, Sleep, sleep};

use super::{End, flow::Flow};
use crate::edge::upstream::clock::LOOK;

/// For how long a server has done nothing: while it takes nothing the client is not read from, and only looked after.
pub(super) struct Stall {
    /// A server that takes nothing for so long is given up.
    most: Duration,
    /// Since when nothing has moved, and what had moved before.
    since: Option<(Instant, u64)>,
    timer: Option<Pin<Box<Sleep>>>,
}

/// So long a client that has said all waits for a server that does nothing. It has nearly always left: nobody closes one
/// half of a WebSocket (RFC 6455 section 7.1.1).
const FAREWELL: Duration = LOOK.saturating_mul(2);

impl Stall {
    pub fn new(most: Duration) -> Self {
        Stall { most, since: None, timer: None }
    }

    /// Waits until the server has done nothing for too long; less long for a client that has hung up. `heard` is how much
    /// the server has said; none while it waits for the client to take that.
    pub fn poll(
        &mut self,
        up: &Flow,
        heard: Option<u64>,
        has_hung_up: impl Fn() -> bool,
        context: &mut Context<'_>,
    ) -> Poll<End> {
        let waits = up.is_held_up() || (up.is_over() && heard.is_some());
        if !waits {
            (self.since, self.timer) = (None, None);
            return Poll::Pending;
        }
        let moved = up.written + heard.unwrap_or(0);
        let since = match self.since {
            Some((since, before)) if before == moved => since,
            _ => Instant::now(),
        };
        self.since = Some((since, moved));
        loop {
            let left = if up.is_held_up() { self.most.saturating_sub(since.elapsed()) } else { FAREWELL };
            ready!(self.timer.get_or_insert_with(|| Box::pin(sleep(left.min(LOOK)))).as_mut().poll(context));
            self.timer = None;
            let idle = since.elapsed();
            if up.is_over() && heard.is_some() && idle >= FAREWELL {
                return Poll::Ready(End::Left);
            }
            if up.is_held_up() && idle >= self.most {
                return Poll::Ready(End::Stalled);
            }
            // A server that is only slow still gets what a client said last.
            if up.is_held_up() && idle >= LOOK && has_hung_up() {
                return Poll::Ready(End::Left);
            }
        }
    }
}
