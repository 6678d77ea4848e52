//! What the edge says: its access log, the program's own log, and traces.

pub(in crate::config) mod logs;
pub(in crate::config) mod tracing;
