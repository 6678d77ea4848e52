//! What the edge says of itself: its log, its access log, and what it has counted.

pub mod access_log;
mod background;
mod counters;
mod lines;
mod log_limit;
#[cfg(feature = "program")]
mod log_record;
mod misdirected;
#[cfg(feature = "program")]
mod program_log;
mod sites;
pub mod tracing;
mod traffic;

#[cfg(feature = "program")]
pub(crate) use self::program_log::lines_dropped;
#[cfg(feature = "program")]
pub use self::program_log::{RunningLog, say_without_log, start};
pub use self::{
    background::{Background, BackgroundCounters},
    counters::{Closed, Counters},
    lines::{LineCounts, LineReading},
    misdirected::{MisdirectedHost, MisdirectedHosts},
    sites::{SiteCounters, SitesCounters},
    traffic::{AnsweredBy, CLIENT_GONE, Class, Finished, ResponseKind, Traffic, TrafficCounters},
};
