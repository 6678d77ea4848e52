//! A load on an edge: who sends what, and how much of it has ended.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Condvar, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::Instant,
};

use super::{super::PATIENCE, Account, Entry, Outcome, exchange::exchange};

/// Who sends what.
#[derive(Debug, Clone, Copy)]
pub struct Load {
    /// Each sends one request after the other, on one connection as long as that lasts.
    pub workers: usize,
    /// Each worker sends at most so many.
    pub requests: usize,
    /// In turn.
    pub kinds: &'static [Kind],
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Get,
    /// With a body of 1 to 100 KiB.
    Post,
    /// A GET that is answered with so many events.
    Stream(usize),
}

/// Four, lest each kind meet always the same one of three servers.
pub const MIXED: &[Kind] = &[Kind::Get, Kind::Post, Kind::Stream(5), Kind::Post];

/// More than a test sends before it stops the load.
pub const STEADY: Load = Load { workers: 4, requests: 5_000, kinds: MIXED };

/// A load that is being sent.
pub struct Running {
    stop: Arc<AtomicBool>,
    ended: Arc<Ended>,
    workers: Vec<JoinHandle<Vec<Entry>>>,
}

/// How many requests have ended.
#[derive(Default)]
struct Ended {
    count: Mutex<usize>,
    changed: Condvar,
}

impl Load {
    /// Starts to send.
    pub fn on(self, edge: SocketAddr) -> Running {
        let (stop, ended) = (Arc::new(AtomicBool::new(false)), Arc::<Ended>::default());
        let workers = (0..self.workers).map(|worker| {
            let (stop, ended) = (Arc::clone(&stop), Arc::clone(&ended));
            thread::spawn(move || self.send(edge, worker, &stop, &ended))
        });
        Running { workers: workers.collect(), stop, ended }
    }

    fn send(self, edge: SocketAddr, worker: usize, stop: &AtomicBool, ended: &Ended) -> Vec<Entry> {
        let mut connection = None;
        let numbers = (0..self.requests).take_while(|_| !stop.load(Ordering::Relaxed));
        let entries = numbers.map(|number| {
            let kind = self.kinds[(worker + number) % self.kinds.len()];
            let length = if kind == Kind::Post { 1024 * (1 + (7 * worker + 37 * number) % 100) } else { 0 };
            let id = format!("{worker}-{number}");
            let began = Instant::now();
            let outcome = exchange(&mut connection, edge, &id, kind, length).unwrap_or_else(|(cause, begun)| {
                connection = None;
                Outcome::Broken { cause, begun }
            });
            ended.add();
            Entry { id, kind, length, outcome, began, ended: Instant::now() }
        });
        entries.collect()
    }
}

impl Ended {
    fn add(&self) {
        *self.count.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        self.changed.notify_all();
    }
}

impl Running {
    /// Waits until so many more requests have ended.
    pub fn wait_for(&self, more: usize) {
        let count = self.ended.count.lock().unwrap();
        let enough = *count + more;
        let (count, timeout) = self.ended.changed.wait_timeout_while(count, PATIENCE, |count| *count < enough).unwrap();
        assert!(!timeout.timed_out(), "only {} of {enough} requests have ended", *count);
    }

    /// Lets the requests that are under way end, and sends no more.
    pub fn stop(self) -> Account {
        self.stop.store(true, Ordering::Relaxed);
        self.finish()
    }

    /// Waits for the end of the load.
    pub fn finish(self) -> Account {
        Account { entries: self.workers.into_iter().flat_map(|worker| worker.join().unwrap()).collect() }
    }
}
