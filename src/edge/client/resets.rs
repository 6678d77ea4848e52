//! The streams that a client of HTTP/2 has reset, or the edge for its mistakes.

use std::{
    collections::{HashMap, HashSet},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use ahash::RandomState;
use parking_lot::Mutex;
use tokio::{sync::Notify, time::Instant};

use crate::{framing::Told, telemetry::Counters};

/// The streams of a connection that have been reset, and whether it stands still.
pub(in crate::edge) struct Resets {
    most: usize,
    /// So many above that are only there for a client that has not heard yet that they are too many.
    more: usize,
    counters: Arc<Counters>,
    streams: Mutex<Streams>,
    /// There were too many.
    exceeded: Notify,
    /// The client takes nothing at the moment, and there is something for it.
    is_stalled: AtomicBool,
}

struct Streams {
    /// When the minute began, and how many resets there were in it.
    since: Instant,
    reset: usize,
    /// Whose response has begun. To cancel one is ordinary: it is how a token stream is stopped.
    answered: HashSet<u32, RandomState>,
    /// Who is to hear when they are reset.
    watched: HashMap<u32, Arc<Notify>, RandomState>,
    /// Whose path has a fragment, and which have not been accepted yet.
    fragments: HashSet<u32, RandomState>,
    /// There may be more of them, which nobody can see.
    hides_fragments: bool,
}

/// Streams that are never accepted must not fill the memory.
const MOST_FRAGMENTS: usize = 10_000;
const MINUTE: Duration = Duration::from_mins(1);

impl Resets {
    /// Allows so many within a minute, for a client of so many streams at a time.
    pub fn new(most: usize, streams: u32, counters: Arc<Counters>) -> Self {
        let begun = Streams {
            since: Instant::now(),
            reset: 0,
            answered: HashSet::default(),
            watched: HashMap::default(),
            fragments: HashSet::default(),
            hides_fragments: false,
        };
        Resets {
            most,
            more: 2 * usize::try_from(streams).unwrap_or(usize::MAX / 2),
            counters,
            streams: Mutex::new(begun),
            exceeded: Notify::new(),
            is_stalled: AtomicBool::new(false),
        }
    }

    /// Waits until there were too many.
    pub async fn exceeded(&self) {
        self.exceeded.notified().await;
    }

    /// Whether there were more than a client can have sent that has not heard yet that they are too many.
    pub fn are_abuse(&self) -> bool {
        self.streams.lock().reset > self.most.saturating_add(self.more)
    }

    /// Takes note of whether the client takes what there is for it.
    pub fn stall(&self, is_stalled: bool) {
        self.is_stalled.store(is_stalled, Ordering::Relaxed);
    }

    pub fn is_stalled(&self) -> bool {
        self.is_stalled.load(Ordering::Relaxed)
    }

    /// The response on a stream has begun.
    pub fn answers(&self, stream: u32) {
        self.streams.lock().answered.insert(stream);
    }

    /// A stream is over.
    pub fn is_over(&self, stream: u32) {
        let mut streams = self.streams.lock();
        streams.answered.remove(&stream);
        streams.watched.remove(&stream);
    }

    /// Has somebody hear when the client resets a stream, or is gone.
    pub fn watch(&self, stream: u32) -> Arc<Notify> {
        Arc::clone(self.streams.lock().watched.entry(stream).or_default())
    }

    /// The client is gone.
    pub fn end(&self) {
        self.streams.lock().watched.values().for_each(|watched| watched.notify_one());
    }

    /// Takes note of what a client sends.
    pub fn told_of_client(&self, stream: u32, told: Told) {
        match told {
            Told::Reset(_) => self.reset(stream),
            Told::Fragment { is_indexed } => self.fragment(stream, is_indexed),
        }
    }

    /// Takes note of what the edge sends.
    pub fn told_of_edge(&self, told: Told) {
        if let Told::Reset(code) = told {
            self.reset_by_edge(code);
        }
    }

    /// The client has reset a stream.
    fn reset(&self, stream: u32) {
        let streams = self.streams.lock();
        if let Some(watched) = streams.watched.get(&stream) {
            watched.notify_one();
        }
        let is_ordinary = streams.answered.contains(&stream);
        drop(streams);
        if !is_ordinary {
            self.mistake();
        }
    }

    /// The path of a stream has a fragment, which may be meant in later requests, too.
    fn fragment(&self, stream: u32, is_indexed: bool) {
        let mut streams = self.streams.lock();
        if streams.fragments.len() < MOST_FRAGMENTS {
            streams.fragments.insert(stream);
        }
        if is_indexed && !std::mem::replace(&mut streams.hides_fragments, true) {
            self.exceeded.notify_one();
        }
    }

    /// Whether there may be more of them, which nobody can see.
    pub fn hides_fragments(&self) -> bool {
        self.streams.lock().hides_fragments
    }

    /// Whether the path of a stream that has been accepted has a fragment.
    pub fn has_fragment(&self, stream: u32) -> bool {
        self.streams.lock().fragments.remove(&stream)
    }

    /// The client has made a mistake, which counts as a reset.
    pub fn mistake(&self) {
        let mut streams = self.streams.lock();
        if streams.since.elapsed() >= MINUTE {
            (streams.since, streams.reset) = (Instant::now(), 0);
        }
        streams.reset += 1;
        if streams.reset > self.most {
            self.exceeded.notify_one();
        }
    }

    /// The edge has reset a stream. What the client did wrong counts as if it had done it itself: a mistake of the
    /// protocol, of flow control, on a closed stream, or of a frame's size.
    fn reset_by_edge(&self, code: u32) {
        match h2::Reason::from(code) {
            h2::Reason::PROTOCOL_ERROR
            | h2::Reason::FLOW_CONTROL_ERROR
            | h2::Reason::STREAM_CLOSED
            | h2::Reason::FRAME_SIZE_ERROR => {
                self.counters.refused_stream();
                self.mistake();
            }
            h2::Reason::REFUSED_STREAM => self.counters.refused_stream(),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn only_what_is_reset_before_its_response_counts_and_only_for_a_minute() {
        let resets = Resets::new(2, 10, Arc::default());
        for stream in 0..100 {
            resets.answers(stream);
            resets.reset(stream);
            resets.is_over(stream);
        }
        let is_exceeded = async || tokio::time::timeout(Duration::ZERO, resets.exceeded()).await.is_ok();
        (0..2).for_each(|stream| resets.reset(stream));
        assert!(!is_exceeded().await);
        tokio::time::advance(MINUTE).await;
        (0..2).for_each(|stream| resets.reset(stream));
        assert!(!is_exceeded().await);
        resets.reset(0);
        assert!(is_exceeded().await && !resets.are_abuse());
        (0..19).for_each(|stream| resets.reset(stream));
        assert!(!resets.are_abuse());
        resets.mistake();
        assert!(resets.are_abuse());
    }
}
