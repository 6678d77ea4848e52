//! What the edge says of itself: its log, its access log, and what it has counted.

pub mod access_log;
mod background;
mod counters;
mod discovery;
mod lines;
mod log_limit;
mod log_record;
mod misdirected;
mod program_log;
mod sites;
pub mod tracing;
mod traffic;

pub(crate) use self::program_log::lines_dropped;
pub use self::{
    background::{Background, BackgroundCounters},
    counters::{Closed, Counters},
    discovery::{DiscoveryAnswer, DiscoveryCounters, DiscoveryOutcome, DocumentAsked},
    lines::{LineCounts, LineReading},
    misdirected::{MisdirectedHost, MisdirectedHosts},
    program_log::{RunningLog, say_without_log, start},
    sites::{SiteCounters, SitesCounters},
    traffic::{AnsweredBy, CLIENT_GONE, Class, Finished, ResponseKind, Traffic, TrafficCounters},
};
