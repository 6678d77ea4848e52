//! The key `verify`.

use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::config::values::patterns::Wait;

/// Whether the servers agree with the edge about discovery.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Verify {
    /// Between two times that every server is asked, give or take a tenth. Default: never.
    #[serde(with = "humantime_serde")]
    #[schemars(with = "Option<Wait>")]
    pub interval: Option<Duration>,
}
