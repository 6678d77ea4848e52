//! What the edge says of itself: its log and its metrics.

pub mod access_log;
mod counters;
mod discovery;
mod latency;
mod lines;
pub mod metrics;
mod program_log;
mod traffic;

pub use self::{
    counters::{Closed, Counters},
    discovery::{DiscoveryAnswer, DiscoveryCounters, DiscoveryOutcome, DocumentAsked},
    latency::{LATENCY_BOUNDS, Latency, LatencyReading},
    lines::{LineCounts, LineReading},
    program_log::{RunningLog, start},
    traffic::{AnsweredBy, CLIENT_GONE, Class, Finished, Traffic, TrafficCounters},
};
