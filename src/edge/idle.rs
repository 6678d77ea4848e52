//! The idle connections to servers.
//!
//! Pingora's pool watches each with a task of its own, which is begun and ended again with every request. Here they
//! rest without one: whoever takes one out looks whether it still lives, and all are looked at every second.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Weak},
    task::{Context, Waker},
    time::Duration,
};

use parking_lot::Mutex;
use tokio::{
    spawn,
    time::{Instant, MissedTickBehavior, interval},
};

use super::watch::Watched;

/// The idle connections.
pub(super) struct Idle {
    connections: Mutex<Connections>,
    most: usize,
}

/// By what they can be used for, the one that has rested least last.
#[derive(Default)]
struct Connections {
    resting: HashMap<u64, VecDeque<Resting>>,
    count: usize,
}

struct Resting {
    connection: Watched,
    /// It is closed then, if ever.
    until: Option<Instant>,
}

/// Where a connection goes when it is idle.
pub(super) struct Home {
    idle: Arc<Idle>,
    key: u64,
    rests: Option<Duration>,
}

const LOOK: Duration = Duration::from_secs(1);

impl Idle {
    /// A place for so many connections.
    pub fn new(most: usize) -> Arc<Self> {
        let idle = Arc::new(Idle { connections: Mutex::default(), most });
        spawn(look_after(Arc::downgrade(&idle)));
        idle
    }

    /// The home of connections that can be used for this, and rest so long at most.
    pub fn home(self: &Arc<Self>, key: u64, rests: Option<Duration>) -> Home {
        Home { idle: Arc::clone(self), key, rests }
    }
}

impl Home {
    /// The connection that has rested least.
    pub fn take(&self) -> Option<Watched> {
        let mut connections = self.idle.connections.lock();
        let Connections { resting, count } = &mut *connections;
        let those = resting.get_mut(&self.key)?;
        let now = Instant::now();
        while let Some(Resting { connection, until }) = those.pop_back() {
            *count -= 1;
            if until.is_none_or(|until| now < until) && connection.lives(&mut Context::from_waker(Waker::noop())) {
                return Some(connection);
            }
        }
        None
    }

    /// Lets a connection rest. Where there are too many, the one that has rested longest is closed.
    pub fn put(&self, connection: Watched) {
        let resting = Resting { connection, until: self.rests.map(|rests| Instant::now() + rests) };
        let mut connections = self.idle.connections.lock();
        let is_full = connections.count >= self.idle.most;
        let those = connections.resting.entry(self.key).or_default();
        those.push_back(resting);
        if is_full {
            let _closed = those.pop_front();
        } else {
            connections.count += 1;
        }
    }
}

/// Closes what has rested for too long, and what the server has closed.
async fn look_after(idle: Weak<Idle>) {
    let mut looks = interval(LOOK);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let now = looks.tick().await;
        let Some(idle) = idle.upgrade() else { return };
        let mut connections = idle.connections.lock();
        let mut context = Context::from_waker(Waker::noop());
        connections.resting.retain(|_, those| {
            those.retain(|resting| {
                resting.until.is_none_or(|until| now < until) && resting.connection.lives(&mut context)
            });
            !those.is_empty()
        });
        connections.count = connections.resting.values().map(VecDeque::len).sum();
    }
}
