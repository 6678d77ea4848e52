//! The thread that writes the lines.

use std::{
    fs::File,
    io::{self, Write},
    sync::{
        Arc,
        mpsc::{Receiver, TryRecvError},
    },
    thread,
    time::Duration,
};

use super::counts::LineCounts;

/// So much is written at once.
const BATCH: usize = 64 * 1024;

/// For the thread that writes.
#[derive(Debug)]
pub(in crate::telemetry) enum Message<E> {
    Line(E),
    Reopen,
    Finish,
}

/// What the lines of a log look like, and where they go.
pub(in crate::telemetry) trait Scribe: Send + 'static {
    /// What becomes a line.
    type Entry: Send + 'static;

    /// So long lines gather before they are written. Meanwhile none wakes the thread, which would cost more than the
    /// line; but the queue must have room for all that come.
    const GATHERING: Duration = Duration::ZERO;

    /// Appends the line of an entry, its end included.
    fn append(&mut self, entry: Self::Entry, to: &mut Vec<u8>);

    /// Where the lines go.
    fn file(&mut self) -> &mut File;

    /// Opens the file anew: it may have been renamed. Whether there is another one now.
    fn reopen(&mut self) -> bool {
        false
    }

    /// After each write, with what was wrong with it: the place to say that lines were dropped. What it appends is
    /// written. The last time is at the end of the log.
    fn has_written(&mut self, fault: Option<&io::Error>, is_last: bool, to: &mut Vec<u8>);
}

/// Takes entries and writes lines.
pub(super) struct Writer<S> {
    scribe: S,
    counts: Arc<LineCounts>,
    /// Whole lines.
    batch: Vec<u8>,
    lines: u64,
    /// The last line was written in part.
    is_torn: bool,
}

impl<S: Scribe> Writer<S> {
    pub fn new(scribe: S, counts: Arc<LineCounts>) -> Self {
        Writer { scribe, counts, batch: Vec::with_capacity(BATCH + 4096), lines: 0, is_torn: false }
    }

    /// Writes until it is told that it is over.
    pub fn run(&mut self, messages: &Receiver<Message<S::Entry>>) {
        while let Ok(first) = messages.recv() {
            if !S::GATHERING.is_zero() {
                thread::sleep(S::GATHERING);
            }
            let mut next = Ok(first);
            loop {
                match next {
                    Ok(Message::Line(entry)) => {
                        self.scribe.append(entry, &mut self.batch);
                        self.lines += 1;
                    }
                    Ok(Message::Reopen) => self.reopen(),
                    Ok(Message::Finish) => return self.flush(true),
                    Err(TryRecvError::Empty | TryRecvError::Disconnected) => break,
                }
                if self.batch.len() >= BATCH {
                    self.flush(false);
                }
                next = messages.try_recv();
            }
            self.flush(false);
        }
    }

    /// Forgets what it had in hand when it failed: the lines that waited, and the one that it made.
    pub fn recover(&mut self) {
        self.counts.wrote(0, self.lines + 1);
        self.batch.clear();
        self.lines = 0;
    }

    /// Writes what there is, and what there is to say of that.
    fn flush(&mut self, is_last: bool) {
        let fault = self.write();
        self.scribe.has_written(fault.as_ref(), is_last, &mut self.batch);
        // What is wrong with these few words is wrong with the next lines too.
        let _fault = self.write();
    }

    fn write(&mut self) -> Option<io::Error> {
        if self.batch.is_empty() {
            return None;
        }
        if self.is_torn {
            self.batch.insert(0, b'\n');
        }
        let (written, fault) = write_all(self.scribe.file(), &self.batch);
        if written > 0 {
            self.is_torn = self.batch[written - 1] != b'\n';
        }
        let lost = memchr::memchr_iter(b'\n', &self.batch[written..]).count() as u64;
        let lost = lost.min(self.lines);
        self.counts.wrote(self.lines - lost, lost);
        self.batch.clear();
        self.lines = 0;
        fault
    }

    /// What waits to be written goes to the old file.
    fn reopen(&mut self) {
        self.flush(false);
        if self.scribe.reopen() {
            self.is_torn = false;
        }
    }
}

/// Writes as much as can be written: how many bytes that was, and why not all.
fn write_all(to: &mut impl Write, bytes: &[u8]) -> (usize, Option<io::Error>) {
    let mut written = 0;
    while written < bytes.len() {
        match to.write(&bytes[written..]) {
            Ok(0) => return (written, Some(io::ErrorKind::WriteZero.into())),
            Ok(more) => written += more,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            // A pipe that another program has made so. It is waited for as if it were none.
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => thread::sleep(Duration::from_millis(5)),
            Err(error) => return (written, Some(error)),
        }
    }
    (written, None)
}
