//! How the edge stops.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::values::patterns::WaitOrNone;

/// How the edge stops when it is told to (SIGTERM), or is replaced by its successor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct StopOptions {
    /// It is not ready for so long before it takes no more connections, so that load balancers notice. Default
    /// 0 s; a replaced edge does not wait.
    #[serde(with = "crate::config::values::wait")]
    #[schemars(with = "WaitOrNone")]
    pub delay: Duration,
    /// Then a connection without a request is kept for so long, in case one is on its way. Default 1 s.
    #[serde(with = "crate::config::values::wait")]
    #[schemars(with = "WaitOrNone")]
    pub idle: Duration,
    /// And requests may take so long before they are cut. Default 30 s.
    #[serde(with = "crate::config::values::wait")]
    #[schemars(with = "WaitOrNone")]
    pub grace: Duration,
}

impl Default for StopOptions {
    fn default() -> Self {
        StopOptions { delay: Duration::ZERO, idle: Duration::from_secs(1), grace: Duration::from_secs(30) }
    }
}
