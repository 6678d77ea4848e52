//! The thread that sends spans to a collector, batch by batch.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use log::{info, warn};
use opentelemetry_sdk::{
    error::{OTelSdkError, OTelSdkResult},
    trace::{SpanData, SpanExporter},
};
use tokio::{
    sync::{mpsc, watch},
    time::{Instant, sleep},
};

use super::{recording::Recording, spans::spans};

/// So many spans are sent at once.
const BATCH: usize = 512;
/// A span waits at most so long for others.
const DELAY: Duration = Duration::from_secs(1);
/// So often the queue is looked into while a batch is collected.
const LOOK: Duration = Duration::from_millis(100);
/// Of a collector's own words so many signs are logged.
const MOST_WORDS: usize = 300;

/// What has become of the spans.
#[derive(Debug, Default)]
pub struct SpanCounts {
    exported: AtomicU64,
    overflowed: AtomicU64,
    failed: AtomicU64,
}

/// What has become of the spans, so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SpanReading {
    /// Those that a collector has taken.
    pub exported: u64,
    /// Those that were dropped because too many waited.
    pub overflowed: u64,
    /// Those that were dropped because no collector took them.
    pub failed: u64,
}

/// Sends what comes by the queue.
pub(super) struct Exporting<E> {
    pub exporter: E,
    pub queue: mpsc::Receiver<Box<Recording>>,
    /// What comes after this has been said is not waited for.
    pub end: watch::Receiver<bool>,
    pub counts: Arc<SpanCounts>,
    /// How the log calls the collector.
    pub collector: String,
    pub is_failing: AtomicBool,
}

impl SpanCounts {
    pub(super) fn overflowed(&self, spans: usize) {
        self.overflowed.fetch_add(spans as u64, Ordering::Relaxed);
    }

    /// What has become of the spans, so far.
    pub fn read(&self) -> SpanReading {
        SpanReading {
            exported: self.exported.load(Ordering::Relaxed),
            overflowed: self.overflowed.load(Ordering::Relaxed),
            failed: self.failed.load(Ordering::Relaxed),
        }
    }
}

impl<E: SpanExporter> Exporting<E> {
    /// Sends spans until the end has been said, and what waited then.
    pub async fn run(mut self) {
        loop {
            let is_end = self.export_next().await;
            if is_end {
                break;
            }
        }
        while let Ok(recording) = self.queue.try_recv() {
            let mut batch = spans(*recording);
            while batch.len() < BATCH
                && let Ok(recording) = self.queue.try_recv()
            {
                batch.extend(spans(*recording));
            }
            self.export(batch).await;
        }
    }

    /// Collects a batch, and sends it. Whether the end has been said.
    ///
    /// Between two looks into the queue nobody waits at it: whoever adds to it would have to wake this thread each time,
    /// and would pay for that.
    async fn export_next(&mut self) -> bool {
        let first = tokio::select! {
            first = self.queue.recv() => first,
            _ = self.end.wait_for(|is_end| *is_end) => return true,
        };
        let Some(first) = first else { return true };
        let mut batch = spans(*first);
        let until = Instant::now() + DELAY;
        let mut is_end = false;
        loop {
            while batch.len() < BATCH
                && let Ok(next) = self.queue.try_recv()
            {
                batch.extend(spans(*next));
            }
            if batch.len() >= BATCH || is_end || Instant::now() >= until {
                break;
            }
            tokio::select! {
                () = sleep(LOOK) => {}
                _ = self.end.wait_for(|is_end| *is_end) => is_end = true,
            }
        }
        self.export(batch).await;
        is_end
    }

    async fn export(&self, batch: Vec<SpanData>) {
        if batch.is_empty() {
            return;
        }
        let count = batch.len() as u64;
        let result = self.exporter.export(batch).await;
        let counter = if result.is_ok() { &self.counts.exported } else { &self.counts.failed };
        counter.fetch_add(count, Ordering::Relaxed);
        self.tell(&result);
    }

    /// Says once that the collector takes no spans, and once that it does again.
    fn tell(&self, result: &OTelSdkResult) {
        let was_failing = self.is_failing.swap(result.is_err(), Ordering::Relaxed);
        match result {
            Err(error) if !was_failing => {
                let why = match error {
                    OTelSdkError::InternalFailure(why) => why.clone(),
                    other => other.to_string(),
                };
                let why: String =
                    why.chars().take(MOST_WORDS).map(|sign| if sign.is_control() { ' ' } else { sign }).collect();
                warn!(
                    "tracing: the collector at {} does not take spans: {why}; they are dropped and counted until it does",
                    self.collector
                );
            }
            Ok(()) if was_failing => info!("tracing: the collector at {} takes spans again", self.collector),
            _ => {}
        }
    }
}
