//! How many streams of a connection of HTTP/2 have been reset lately.

use std::time::Duration;

use parking_lot::Mutex;
use tokio::{sync::Notify, time::Instant};

/// The streams of a connection that have been reset.
pub(super) struct Resets {
    most: usize,
    /// When the minute began, and how many there were in it.
    minute: Mutex<(Instant, usize)>,
    /// There were too many.
    exceeded: Notify,
}

const MINUTE: Duration = Duration::from_mins(1);

impl Resets {
    pub fn new(most: usize) -> Self {
        Resets { most, minute: Mutex::new((Instant::now(), 0)), exceeded: Notify::new() }
    }

    /// Waits until there were too many.
    pub async fn exceeded(&self) {
        self.exceeded.notified().await;
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
