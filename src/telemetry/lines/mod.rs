//! A log that nobody ever waits for: lines wait in a bounded queue, and a thread of its own writes them.
//!
//! What does not fit is dropped and counted. The access log and the program's own log are two of them.

mod counts;
mod writer;

use std::{
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc,
        mpsc::{self, RecvTimeoutError, SyncSender, TrySendError},
    },
    thread,
    time::{Duration, Instant},
};

use log::error;

pub use self::counts::{LineCounts, LineReading};
use self::writer::Writer;
pub(super) use self::writer::{Message, Scribe};

/// The way of an entry into the queue.
#[derive(Debug)]
pub(super) struct Lines<E> {
    queue: SyncSender<Message<E>>,
    counts: Arc<LineCounts>,
}

/// The thread that writes.
#[derive(Debug)]
pub(super) struct RunningLines<E> {
    queue: SyncSender<Message<E>>,
    /// Closed when the thread has ended.
    ended: mpsc::Receiver<()>,
}

impl<E: Send + 'static> Lines<E> {
    /// Starts the thread of this name, for which so many lines may wait.
    ///
    /// # Errors
    /// When there is no thread to be had.
    pub fn start(
        name: &str,
        room: usize,
        scribe: impl Scribe<Entry = E>,
        counts: Arc<LineCounts>,
    ) -> io::Result<(Self, RunningLines<E>)> {
        let (queue, messages) = mpsc::sync_channel(room);
        let (end, ended) = mpsc::channel();
        let mut writer = Writer::new(scribe, Arc::clone(&counts));
        let called = name.to_owned();
        let run = move || {
            // A fault of this program costs the lines that waited to be written, not those to come.
            while catch_unwind(AssertUnwindSafe(|| writer.run(&messages))).is_err() {
                writer.recover();
                error!("the thread {called} has failed and goes on, please report it");
            }
            drop(end);
        };
        thread::Builder::new().name(name.into()).spawn(run)?;
        Ok((Lines { queue: queue.clone(), counts }, RunningLines { queue, ended }))
    }

    /// Hands over an entry, or drops it: whether there was room. Never waits.
    pub fn add(&self, entry: E) -> bool {
        let has_room = self.queue.try_send(Message::Line(entry)).is_ok();
        if !has_room {
            self.counts.overflowed();
        }
        has_room
    }
}

impl<E> RunningLines<E> {
    pub fn queue(&self) -> &SyncSender<Message<E>> {
        &self.queue
    }

    /// Waits until everything that was handed over is written: whether it was, within this time.
    pub fn finish(&self, within: Duration) -> bool {
        let deadline = Instant::now() + within;
        while let Err(TrySendError::Full(_)) = self.queue.try_send(Message::Finish) {
            if Instant::now() > deadline {
                return false;
            }
            thread::sleep(Duration::from_millis(5));
        }
        let left = deadline.saturating_duration_since(Instant::now());
        self.ended.recv_timeout(left) != Err(RecvTimeoutError::Timeout)
    }
}
