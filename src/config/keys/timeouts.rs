//! The key `timeouts`.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::values::{null::empty_when_null, path_prefix::PathPrefix, patterns::Wait};

/// How long the edge waits for a server.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct Timeouts {
    /// For a connection to be made, TLS included. Default 5 s.
    #[serde(with = "crate::config::values::wait")]
    #[schemars(with = "Wait")]
    pub connect: Duration,
    /// For the first byte of an answer, after the last byte of the request. Default 15 min, because
    /// Bifrost sends nothing until the provider's first token.
    #[serde(with = "crate::config::values::wait")]
    #[schemars(with = "Wait")]
    pub first_byte: Duration,
    /// Between two bytes of an answer, a WebSocket aside, and how long a server may take nothing of a request or of a
    /// WebSocket. Default 15 min.
    #[serde(with = "crate::config::values::wait")]
    #[schemars(with = "Wait")]
    pub silence: Duration,
    /// For a whole request, from its head to the last byte of its answer. Default: no limit. Does not
    /// apply to a WebSocket.
    #[serde(with = "crate::config::values::wait")]
    #[schemars(with = "Option<Wait>")]
    pub request: Option<Duration>,
    /// How long an idle connection to a server is kept. Default 60 s; keep it below the server's own. One that says
    /// `Keep-Alive: timeout=N` is believed: its connections are kept a second less, if that is less.
    #[serde(with = "crate::config::values::wait")]
    #[schemars(with = "Wait")]
    pub idle: Duration,
    /// To a server with `http2`: so often it is asked whether it lives (PING, RFC 9113 section 6.7). One that does not
    /// answer within 5 s loses the connection, and what may be repeated of its requests goes on another one. Default 10 s.
    #[serde(with = "crate::config::values::wait")]
    #[schemars(with = "Wait")]
    pub ping: Duration,
    /// What becomes of a request whose client of HTTP/1 has closed its sending side. Default `abort`.
    pub half_close: HalfClose,
    /// Other limits for some paths; the longest prefix counts.
    #[serde(deserialize_with = "empty_when_null")]
    #[schemars(with = "Option<Vec<PathTimeouts>>")]
    pub paths: Vec<PathTimeouts>,
}

/// The limits of the paths under a prefix. What is left out is as for all.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PathTimeouts {
    /// The path as Bifrost has it and everything below it, and the same below the path of each public URL.
    pub prefix: PathPrefix,
    /// As `timeouts.connect`.
    #[serde(default, with = "crate::config::values::wait")]
    #[schemars(with = "Option<Wait>")]
    pub connect: Option<Duration>,
    /// As `timeouts.first_byte`.
    #[serde(default, with = "crate::config::values::wait")]
    #[schemars(with = "Option<Wait>")]
    pub first_byte: Option<Duration>,
    /// As `timeouts.silence`.
    #[serde(default, with = "crate::config::values::wait")]
    #[schemars(with = "Option<Wait>")]
    pub silence: Option<Duration>,
    /// As `timeouts.request`.
    #[serde(default, with = "crate::config::values::wait")]
    #[schemars(with = "Option<Wait>")]
    pub request: Option<Duration>,
    /// As `timeouts.half_close`.
    #[serde(default)]
    pub half_close: Option<HalfClose>,
}

/// What becomes of a request whose client of HTTP/1 has sent it whole, and then closed its sending side: one that goes
/// away looks the same, until it is sent something.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum HalfClose {
    /// It is given up at once, and the server with it: a call that nobody waits for costs money.
    #[default]
    Abort,
    /// It is answered (RFC 9112 section 9.6). The server learns that a client has gone when the next piece of the
    /// response does not reach it. Not where the server speaks HTTP/2.
    Answer,
}

impl Default for Timeouts {
    fn default() -> Self {
        Timeouts {
            connect: Duration::from_secs(5),
            first_byte: Duration::from_mins(15),
            silence: Duration::from_mins(15),
            request: None,
            half_close: HalfClose::Abort,
            idle: Duration::from_mins(1),
            ping: Duration::from_secs(10),
            paths: Vec::new(),
        }
    }
}
