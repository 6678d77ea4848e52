//! The access log: one line for each request, refused ones included.
//!
//! A request hands over an [`Entry`] and goes on; a thread of its own makes the line and writes it. When that thread
//! cannot keep up, lines are dropped and counted: no request ever waits for it. A line holds no query, no header
//! but the host, what the client says it is, and the ids of the request, and no body.

mod append;
mod entry;
mod line;
mod writer;

use std::{
    io,
    sync::{
        Arc,
        mpsc::{SyncSender, TrySendError},
    },
    time::Duration,
};

use log::info;
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    time::sleep,
};
use tokio_util::task::AbortOnDropHandle;

use self::writer::{AccessScribe, Complaints, Target};
pub use self::{
    entry::{Entry, LONGEST_METHOD, LONGEST_PATH, RequestText, Said, cut_method},
    line::append,
};
use super::lines::{LineCounts, Lines, Message, RunningLines};
use crate::config;

/// Lines that may wait to be written.
const QUEUE: usize = 8192;
/// How long the end of the process waits for them to be written.
const LAST_LINES: Duration = Duration::from_secs(2);

/// The way of an entry into the access log.
#[derive(Debug)]
pub struct AccessLog {
    lines: Lines<Box<Entry>>,
    complaints: Arc<Complaints>,
}

/// The running access log. Dropping it waits, for at most 2 s, until everything that was handed over is written.
#[derive(Debug)]
pub struct RunningAccessLog(RunningLines<Box<Entry>>);

/// Why the access log cannot begin.
#[derive(Debug, thiserror::Error)]
pub enum AccessLogError {
    /// It cannot be opened.
    #[error("access_log.to: {target} cannot be written: {source}; mend its permissions, or name another file")]
    Target {
        /// What cannot be opened.
        target: config::AccessLogTarget,
        /// Why not.
        source: io::Error,
    },
    /// The signal cannot be waited for.
    #[error("SIGUSR1 cannot be waited for: {0}")]
    Signal(io::Error),
}

impl AccessLog {
    /// Opens the log and starts its thread.
    ///
    /// # Errors
    /// When the file cannot be opened, or there is no thread to be had.
    pub fn start(
        config: &config::AccessLog,
        counts: Arc<LineCounts>,
    ) -> Result<(AccessLog, RunningAccessLog), AccessLogError> {
        let failed = |source| AccessLogError::Target { target: config.to.clone(), source };
        let target = Target::open(&config.to).map_err(failed)?;
        let complaints = Arc::new(Complaints::new(Arc::clone(&counts)));
        let scribe = AccessScribe { target, format: config.format, complaints: Arc::clone(&complaints) };
        let (lines, running) = Lines::start("access-log", QUEUE, scribe, counts).map_err(failed)?;
        Ok((AccessLog { lines, complaints }, RunningAccessLog(running)))
    }

    /// Hands over an entry. Never waits.
    pub fn add(&self, entry: Entry) {
        if !self.lines.add(Box::new(entry)) {
            self.complaints.complain(false);
        }
    }
}

/// Opens the file of the log anew with every SIGUSR1, for as long as what is returned lives; without a log, the signal
/// does nothing: it would end the process.
///
/// # Errors
/// When the signal cannot be waited for.
pub fn reopen_when_told(running: Option<&RunningAccessLog>) -> Result<AbortOnDropHandle<()>, AccessLogError> {
    let signals = signal(SignalKind::user_defined1()).map_err(AccessLogError::Signal)?;
    let queue = running.map(|running| running.0.queue().clone());
    Ok(AbortOnDropHandle::new(tokio::spawn(reopen_on_signal(signals, queue))))
}

async fn reopen_on_signal(mut signals: Signal, queue: Option<SyncSender<Message<Box<Entry>>>>) {
    while signals.recv().await.is_some() {
        let Some(queue) = &queue else {
            info!("SIGUSR1: there is no access log to open anew");
            continue;
        };
        // When the queue is full it does not last long.
        while let Err(TrySendError::Full(_)) = queue.try_send(Message::Reopen) {
            sleep(Duration::from_millis(10)).await;
        }
    }
}

impl Drop for RunningAccessLog {
    fn drop(&mut self) {
        if !self.0.finish(LAST_LINES) {
            info!("the last lines of the access log were not written in time");
        }
    }
}
