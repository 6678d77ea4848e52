//! What the server keeps of the requests that reached it, shared by its connections.

use std::{
    net::SocketAddr,
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::{Semaphore, watch};

use super::Mood;

/// A request whose head has arrived whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recorded {
    pub method: String,
    pub target: String,
    /// The value of `x-test-id`, empty without one.
    pub id: String,
    pub body_bytes: usize,
    pub body_complete: bool,
    /// The status of the answer, once a byte of it has been sent.
    pub begun: Option<u16>,
    /// Whether the answer was sent whole.
    pub answered: bool,
}

/// What the connections share.
pub(super) struct Shared {
    pub(super) address: SocketAddr,
    pub(super) tally: Mutex<Tally>,
    pub(super) changed: Condvar,
    pub(super) mood: watch::Sender<Mood>,
    /// Permits for the events of held streams.
    pub(super) released: Semaphore,
}

#[derive(Default)]
pub(super) struct Tally {
    pub(super) records: Vec<Recorded>,
    pub(super) health_checks: usize,
    pub(super) connections: usize,
}

impl Shared {
    pub(super) fn new(address: SocketAddr) -> Self {
        Shared {
            address,
            tally: Mutex::default(),
            changed: Condvar::new(),
            mood: watch::channel(Mood::Well).0,
            released: Semaphore::new(0),
        }
    }

    pub(super) fn tally(&self) -> MutexGuard<'_, Tally> {
        self.tally.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn change<T>(&self, change: impl FnOnce(&mut Tally) -> T) -> T {
        let changed = change(&mut self.tally());
        self.changed.notify_all();
        changed
    }

    pub(super) fn mood(&self) -> Mood {
        *self.mood.borrow()
    }
}
