//! The key `dns`.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::values::patterns::Wait;

/// How the names of servers are looked up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct Dns {
    /// Between two lookups of a name. Default 10 s. A name that does not resolve keeps its last
    /// addresses.
    #[serde(with = "crate::config::values::wait")]
    #[schemars(with = "Wait")]
    pub interval: Duration,
}

impl Default for Dns {
    fn default() -> Self {
        Dns { interval: Duration::from_secs(10) }
    }
}
