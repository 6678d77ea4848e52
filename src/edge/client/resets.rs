//! The streams that a client of HTTP/2 has reset, or the edge for its mistakes.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use parking_lot::Mutex;
use tokio::{sync::Notify, time::Instant};

use crate::telemetry::Counters;

/// The streams of a connection that have been reset, and whether it stands still.
pub(in crate::edge) struct Resets {
    most: usize,
    counters: Arc<Counters>,
    /// When the minute began, and how many there were in it.
    minute: Mutex<(Instant, usize)>,
    /// There were too many.
    exceeded: Notify,
    /// The client takes nothing at the moment, and there is something for it.
    is_stalled: AtomicBool,
}

const MINUTE: Duration = Duration::from_mins(1);

impl Resets {
    pub fn new(most: usize, counters: Arc<Counters>) -> Self {
        Resets {
            most,
            counters,
            minute: Mutex::new((Instant::now(), 0)),
            exceeded: Notify::new(),
            is_stalled: AtomicBool::new(false),
        }
    }

    /// Waits until there were too many.
    pub async fn exceeded(&self) {
        self.exceeded.notified().await;
    }

    /// Takes note of whether the client takes what there is for it.
    pub fn stall(&self, is_stalled: bool) {
        self.is_stalled.store(is_stalled, Ordering::Relaxed);
    }

    pub fn is_stalled(&self) -> bool {
        self.is_stalled.load(Ordering::Relaxed)
    }

    /// The client has reset a stream.
    pub fn reset(&self) {
        let mut minute = self.minute.lock();
        if minute.0.elapsed() >= MINUTE {
            *minute = (Instant::now(), 0);
        }
        minute.1 += 1;
        if minute.1 > self.most {
            self.exceeded.notify_one();
        }
    }

    /// The edge has reset a stream. What the client did wrong counts as if it had done it itself: a mistake of the
    /// protocol, of flow control, on a closed stream, or of a frame's size.
    pub fn reset_by_edge(&self, code: u32) {
        match h2::Reason::from(code) {
            h2::Reason::PROTOCOL_ERROR
            | h2::Reason::FLOW_CONTROL_ERROR
            | h2::Reason::STREAM_CLOSED
            | h2::Reason::FRAME_SIZE_ERROR => {
                self.counters.refused_stream();
                self.reset();
            }
            h2::Reason::REFUSED_STREAM => self.counters.refused_stream(),
            _ => {}
        }
    }
}
