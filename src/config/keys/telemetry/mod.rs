//! What the edge says of requests: its access log, and traces.

pub(in crate::config) mod access_log;
pub(in crate::config) mod tracing;
