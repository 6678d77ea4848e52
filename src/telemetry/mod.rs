//! What the edge says of itself: its log and its metrics.

pub mod access_log;
mod counters;
mod discovery;
mod latency;
pub mod metrics;
mod traffic;

use std::io;

pub use self::{
    counters::{Closed, Counters},
    discovery::{DiscoveryAnswer, DiscoveryCounters, DiscoveryOutcome, DocumentAsked},
    latency::{LATENCY_BOUNDS, Latency, LatencyReading},
    traffic::{AnsweredBy, CLIENT_GONE, Class, Finished, Traffic, TrafficCounters},
};
use env_logger::{Builder, Env, Logger};
use log::{Level, LevelFilter, Log, Metadata, Record};

/// The log on standard error, at the levels of `RUST_LOG`, `info` when it is not set.
///
/// Below `info` only the edge's own lines are written, whatever `RUST_LOG` says: the libraries'
/// debug lines show whole request heads, with their keys, cookies and OAuth codes.
struct EdgeLog(Logger);

/// Starts the log of this process.
///
/// # Errors
/// When the process has a log already.
pub fn start() -> io::Result<()> {
    // Pingora's own lines below a warning are for its developers.
    let filter = Env::default().default_filter_or("info,pingora_core=warn,pingora_proxy=warn");
    let log = EdgeLog(Builder::from_env(filter).format_target(false).build());
    log::set_max_level(log.0.filter().min(LevelFilter::Debug));
    log::set_boxed_logger(Box::new(log)).map_err(io::Error::other)
}

impl Log for EdgeLog {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        let is_ours = metadata.target().starts_with("bifrost_edge");
        // It warns of what clients send, once for each of their handshakes.
        let is_flood = metadata.target().starts_with("rustls") && metadata.level() >= Level::Warn;
        (is_ours || metadata.level() <= Level::Info && !is_flood) && self.0.enabled(metadata)
    }

    fn log(&self, record: &Record<'_>) {
        if self.enabled(record.metadata()) {
            self.0.log(record);
        }
    }

    fn flush(&self) {
        self.0.flush();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_cannot_make_a_library_fill_the_log() {
        let log = EdgeLog(Builder::new().parse_filters("trace").build());
        let is_logged = |target, level| log.enabled(&Metadata::builder().target(target).level(level).build());
        // "Illegal SNI extension", for each handshake with an address for a name.
        assert!(!is_logged("rustls::msgs::handshake", Level::Warn));
        assert!(is_logged("rustls::msgs::handshake", Level::Error));
        assert!(is_logged("pingora_core::connectors", Level::Warn));
        assert!(!is_logged("pingora_core::protocols", Level::Debug));
        assert!(is_logged("bifrost_edge::edge::failure", Level::Trace));
    }
}
