//! What the edge says of requests: its access log, and traces.

pub(in crate::config) mod logs;
pub(in crate::config) mod tracing;
