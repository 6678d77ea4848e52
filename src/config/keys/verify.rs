//! The key `verify`.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::values::patterns::Wait;

/// Whether the servers agree with the edge about discovery.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct Verify {
    /// Whether every server is asked once, after the start and after each reload, for the documents of one public URL:
    /// they show which generation of Bifrost it is, and a warning says when that is not the profile's.
    pub at_start: bool,
    /// Between two times that every server is asked for everything, give or take a tenth. Default: never.
    #[serde(with = "crate::config::values::wait")]
    #[schemars(with = "Option<Wait>")]
    pub interval: Option<Duration>,
}

impl Default for Verify {
    fn default() -> Self {
        Verify { at_start: true, interval: None }
    }
}
