//! The key `cors`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::values::{
    null::empty_when_null,
    origin_pattern::{AllowedHeader, OriginPattern},
};

/// Which web pages may read what the edge itself says in a server's stead: its errors, and its responses to
/// preflights (Fetch standard) that no server can answer. Give both keys what Bifrost has under the same names in
/// `client`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct Cors {
    /// The origins of the pages, read as Bifrost reads them: an origin, one with `*` for one or more characters other
    /// than `.` and `/`, or `*` for all. Pages of `localhost` and `127.0.0.1` always may. Default: all.
    #[serde(deserialize_with = "empty_when_null")]
    #[schemars(with = "Option<Vec<OriginPattern>>")]
    pub allowed_origins: Vec<OriginPattern>,
    /// Request headers that a page may send besides those that Bifrost always allows; `*` for all. Default: none.
    #[serde(deserialize_with = "empty_when_null")]
    #[schemars(with = "Option<Vec<AllowedHeader>>")]
    pub allowed_headers: Vec<AllowedHeader>,
}

impl Default for Cors {
    fn default() -> Self {
        Cors { allowed_origins: vec![OriginPattern::any()], allowed_headers: Vec::new() }
    }
}
