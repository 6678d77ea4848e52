//! How a client of HTTP/2 conducts itself on its connection.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use parking_lot::Mutex;
use tokio::{sync::Notify, time::Instant};

/// The streams of a connection that have been reset, and whether it stands still.
pub(super) struct Conduct {
    most: usize,
    /// When the minute began, and how many there were in it.
    minute: Mutex<(Instant, usize)>,
    /// There were too many.
    exceeded: Notify,
    /// The client takes nothing at the moment, and there is something for it.
    is_stalled: AtomicBool,
}

const MINUTE: Duration = Duration::from_mins(1);

impl Conduct {
    pub fn new(most: usize) -> Self {
        Conduct {
            most,
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

    /// Takes note of streams that were reset, by whichever side.
    pub fn count(&self, resets: usize) {
        if resets == 0 {
            return;
        }
        let mut minute = self.minute.lock();
        if minute.0.elapsed() >= MINUTE {
            *minute = (Instant::now(), 0);
        }
        minute.1 += resets;
        if minute.1 > self.most {
            self.exceeded.notify_one();
        }
    }
}
