//! Tracing: a request that is recorded becomes spans, which a thread of its own sends to a collector by OTLP.
//!
//! A request notes what happens in a [`Recording`], hands it over and goes on. When the thread cannot keep up, or no
//! collector takes the spans, they are dropped and counted: no request ever waits for them. A span holds no query, no
//! value of a header but the host, and no body.

mod collector;
mod context;
mod environment;
mod export;
mod recording;
mod sampler;
mod spans;

use std::{
    sync::{Arc, atomic::AtomicBool, mpsc as std_mpsc},
    thread,
    time::Duration,
};

use log::info;
use tokio::{
    runtime,
    sync::{mpsc, watch},
};

use self::{collector::Collector, export::Exporting};
pub use self::{
    collector::TracingError,
    context::{TRACEPARENT, TRACESTATE, TraceContext, is_state},
    export::{SpanCounts, SpanReading},
    recording::{AttemptSpan, Event, Happened, Recording, RequestEnd},
    sampler::Sampler,
};
use crate::config;

/// Requests whose spans may wait to be sent.
const QUEUE: usize = 2048;
/// How long the end of the process waits for them to be sent.
const LAST_SPANS: Duration = Duration::from_secs(2);

/// The way of a recording to the collector.
#[derive(Debug)]
pub struct Tracer {
    queue: mpsc::Sender<Box<Recording>>,
    counts: Arc<SpanCounts>,
}

/// The thread that sends spans. Dropping it waits, for at most 2 s, until everything that was handed over is sent.
#[derive(Debug)]
pub struct RunningTracer {
    end: watch::Sender<bool>,
    /// Closed when the thread has ended.
    ended: std_mpsc::Receiver<()>,
}

impl Tracer {
    /// Starts the thread; `None` when the environment says that there are to be no traces (`OTEL_SDK_DISABLED`).
    ///
    /// # Errors
    /// When what the environment says cannot be used, or there is no thread to be had.
    pub fn start(
        config: &config::Tracing,
        counts: Arc<SpanCounts>,
    ) -> Result<Option<(Tracer, RunningTracer)>, TracingError> {
        if environment::is_off() {
            info!("tracing: off, as OTEL_SDK_DISABLED or OTEL_TRACES_EXPORTER say");
            return Ok(None);
        }
        let collector = Collector::of(config)?;
        let shown = collector.shown();
        let runtime = runtime::Builder::new_current_thread().enable_all().build().map_err(TracingError::Thread)?;
        let exporter = {
            let _within = runtime.enter();
            collector.exporter()?
        };
        let (queue, recordings) = mpsc::channel(QUEUE);
        let (end, until) = watch::channel(false);
        let (alive, ended) = std_mpsc::channel();
        let exporting = Exporting {
            exporter,
            queue: recordings,
            end: until,
            counts: Arc::clone(&counts),
            collector: shown,
            is_failing: AtomicBool::new(false),
        };
        let run = move || {
            runtime.block_on(exporting.run());
            drop::<std_mpsc::Sender<()>>(alive);
        };
        thread::Builder::new().name("tracing".into()).spawn(run).map_err(TracingError::Thread)?;
        Ok(Some((Tracer { queue, counts }, RunningTracer { end, ended })))
    }

    /// Hands over a request that is over. Never waits.
    pub fn add(&self, recording: Box<Recording>) {
        let spans = 1 + recording.attempts.len();
        if self.queue.try_send(recording).is_err() {
            self.counts.overflowed(spans);
        }
    }
}

impl Drop for RunningTracer {
    fn drop(&mut self) {
        self.end.send_replace(true);
        if self.ended.recv_timeout(LAST_SPANS) == Err(std_mpsc::RecvTimeoutError::Timeout) {
            info!("the last spans were not sent in time");
        }
    }
}
