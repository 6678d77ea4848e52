//! The keys about the servers: who they are, how one is chosen, how they are watched, and how often a request may be
//! tried.

use std::time::Duration;

use http::{HeaderName, StatusCode};
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{server_tls::ServerTls, shapes};
use crate::config::values::{
    invalid::InvalidValue,
    null,
    patterns::{self, Wait},
    server_address::ServerAddress,
};

/// One Bifrost server, or several behind one name.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Server {
    /// Host and port, for example `10.0.0.7:8080` or `bifrost.internal:8080`.
    pub address: ServerAddress,
    /// What the addresses of a name are: `each` a server, as those of a headless service of Kubernetes are, or all of
    /// them `one`, which is reached at the first of them that takes a connection. Default: `one` for `localhost` and
    /// names that end in `.localhost`, `each` for all others.
    #[serde(default)]
    pub addresses: Option<Addresses>,
    /// Its share next to the others, 0 to 100. Default 1. With 0 it gets no new
    /// requests.
    #[serde(default = "Server::default_weight")]
    #[schemars(range(max = Server::MOST_WEIGHT))]
    pub weight: u16,
    /// Whether it gets requests only while no other server is available. Default false.
    #[serde(default)]
    pub backup: bool,
    /// Connects with TLS. Default: plain.
    #[serde(default, deserialize_with = "tls_when_null")]
    pub tls: Option<ServerTls>,
    /// Speaks HTTP/2 to it: chosen by ALPN with TLS, with prior knowledge (RFC 9113 section 3.3)
    /// without. Default false: HTTP/1.1, which is all that Bifrost itself speaks.
    #[serde(default)]
    pub http2: bool,
}

/// What the addresses of a name are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Addresses {
    /// Each is a server of its own.
    Each,
    /// All of them are ways to one server.
    One,
}

/// How a server is chosen for a request.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(transform = shapes::hash_needs_its_key)]
#[non_exhaustive]
pub struct Balance {
    /// By which rule.
    pub policy: Policy,
    /// For `policy: hash`: what keeps to one server.
    pub hash_key: Option<HashKey>,
    /// For `policy: hash`: a server takes at most so many times its fair share of the requests in
    /// flight, but at least 10; what is above goes to the next server of that key. Default 1.25.
    #[schemars(range(min = 1, max = 100))]
    pub hash_load: f64,
}

/// The rule by which a server is chosen. Weights count in each of them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Policy {
    /// Of two servers drawn by lot, the one with fewer requests in flight for its weight.
    #[default]
    LeastRequests,
    /// In turn.
    RoundRobin,
    /// By rendezvous hashing: requests with the same key go to the same server as long as it is
    /// available, and only those of a server that goes away move. Requests without the key are spread
    /// as by `least_requests`.
    Hash,
}

/// What a request is hashed by: `header:NAME`, `cookie:NAME` or `client_address`. It keeps a session on its server only
/// if the client sends it from the first request on; `Mcp-Session-Id` is made by the server in its answer to that one.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(try_from = "String")]
#[schemars(with = "String", extend(
    "pattern" = patterns::HASH_KEY,
    "examples" = ["client_address", "header:X-Team", "cookie:team"]
))]
#[non_exhaustive]
pub enum HashKey {
    /// The value of this header.
    Header(HeaderName),
    /// The value of this cookie.
    Cookie(String),
    /// The address of the client, found behind the trusted proxies.
    ClientAddress,
}

/// The active checks of every server.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct HealthChecks {
    /// Whether servers are checked at all. Default true.
    pub enabled: bool,
    /// What is asked for with GET. Default `/health`.
    #[schemars(regex(pattern = "^/[!-~]*$"))]
    pub path: String,
    /// Between two checks of one server, give or take a tenth. Default 5 s.
    #[serde(with = "crate::config::values::wait")]
    #[schemars(with = "Wait")]
    pub interval: Duration,
    /// For one check, from connecting to the end of the answer. Default 5 s.
    #[serde(with = "crate::config::values::wait")]
    #[schemars(with = "Wait")]
    pub timeout: Duration,
    /// So many good checks in a row bring a server up. Default 2. The first check of all decides alone.
    #[schemars(range(min = 1))]
    pub rise: u32,
    /// So many bad checks in a row take it down. Default 3.
    #[schemars(range(min = 1))]
    pub fall: u32,
    /// The statuses of a good check. Default 200.
    #[schemars(length(min = 1))]
    pub statuses: Vec<HealthyStatus>,
}

/// A status from 100 to 599.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(try_from = "u16")]
#[schemars(with = "u16", extend("minimum" = 100, "maximum" = 599))]
pub struct HealthyStatus(StatusCode);

/// When a server is given a pause because of what became of its requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct BreakerOptions {
    /// Whether there is a breaker. Default true.
    pub enabled: bool,
    /// Opens after so many requests in a row that could not connect, broke off or timed out, or whose
    /// answers broke off. Default 5.
    #[schemars(range(min = 1))]
    pub failures: u32,
    /// Opens after so many answers in a row with a status from 500, if `server_error_share` holds, too. Default 20.
    #[schemars(range(min = 1))]
    pub server_errors: u32,
    /// And if so many percent of the last answers had such a status: of up to 128, and of at least three times
    /// `server_errors`. Default 99: Bifrost passes on the statuses of its providers, such as 529, and the trouble of one of
    /// them is not the server's as long as it has good answers for others.
    #[schemars(range(min = 1, max = 100))]
    pub server_error_share: u32,
    /// How long it stays open at first; then one request probes the server. Each failed probe doubles
    /// the time. Default 1 s.
    #[serde(with = "crate::config::values::wait")]
    #[schemars(with = "Wait")]
    pub open: Duration,
    /// It stays open no longer than this, and a probe that has said nothing for so long is followed by
    /// another. Default 30 s.
    #[serde(with = "crate::config::values::wait")]
    #[schemars(with = "Wait")]
    pub longest_open: Duration,
}

/// How often a request may be tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct Retries {
    /// Attempts to deliver one request, the first included, each to another server. Default 4.
    #[schemars(range(min = 1, max = Retries::MOST_ATTEMPTS))]
    pub attempts: usize,
    /// All retries together are at most so many percent of all requests, besides 100 at once. Default 50.
    #[schemars(range(max = 100))]
    pub budget: u32,
}

/// A `tls:` whose keys are all commented out is TLS all the same, never plain text.
fn tls_when_null<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<ServerTls>, D::Error> {
    null::default_when_null(deserializer).map(Some)
}

// === impl ===

impl Server {
    /// The greatest weight.
    pub const MOST_WEIGHT: u16 = 100;

    /// Whether all addresses of its name are ways to one server.
    pub fn is_one(&self) -> bool {
        self.addresses.map_or_else(|| self.address.is_localhost(), |addresses| addresses == Addresses::One)
    }

    fn default_weight() -> u16 {
        1
    }
}

impl Default for Balance {
    fn default() -> Self {
        Balance { policy: Policy::default(), hash_key: None, hash_load: 1.25 }
    }
}

impl Policy {
    /// The name as it is written in the file.
    pub fn name(self) -> &'static str {
        match self {
            Policy::LeastRequests => "least_requests",
            Policy::RoundRobin => "round_robin",
            Policy::Hash => "hash",
        }
    }
}

impl TryFrom<String> for HashKey {
    type Error = InvalidValue;

    fn try_from(text: String) -> Result<Self, InvalidValue> {
        let key = match text.split_once(':') {
            Some(("header", name)) => HeaderName::try_from(name.trim()).ok().map(HashKey::Header),
            // A cookie's name is a token, as a header's is (RFC 6265 section 4.1.1).
            Some(("cookie", name)) => {
                let name = name.trim();
                HeaderName::try_from(name).ok().map(|_| HashKey::Cookie(name.to_owned()))
            }
            None if text == "client_address" => Some(HashKey::ClientAddress),
            _ => None,
        };
        key.ok_or_else(|| {
            let how = "write \"header:NAME\", \"cookie:NAME\" or \"client_address\"";
            InvalidValue::new(format!("{text:?} is no key; {how}"))
        })
    }
}

impl Default for HealthChecks {
    fn default() -> Self {
        HealthChecks {
            enabled: true,
            path: "/health".into(),
            interval: Duration::from_secs(5),
            timeout: Duration::from_secs(5),
            rise: 2,
            fall: 3,
            statuses: vec![HealthyStatus(StatusCode::OK)],
        }
    }
}

impl HealthyStatus {
    /// The status as a number.
    pub fn as_u16(self) -> u16 {
        self.0.as_u16()
    }
}

impl TryFrom<u16> for HealthyStatus {
    type Error = InvalidValue;

    fn try_from(status: u16) -> Result<Self, InvalidValue> {
        let known = StatusCode::from_u16(status).ok().filter(|status| status.as_u16() < 600);
        known
            .map(HealthyStatus)
            .ok_or_else(|| InvalidValue::new(format!("{status} is no status; write one from 100 to 599")))
    }
}

impl Serialize for HealthyStatus {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.as_u16().serialize(serializer)
    }
}

impl Default for BreakerOptions {
    fn default() -> Self {
        BreakerOptions {
            enabled: true,
            failures: 5,
            server_errors: 20,
            server_error_share: 99,
            open: Duration::from_secs(1),
            longest_open: Duration::from_secs(30),
        }
    }
}

impl Retries {
    /// So many retries are allowed at once, whatever the budget; more are earned by requests.
    pub const BURST: u32 = 100;
    /// The most attempts that may be asked for.
    pub const MOST_ATTEMPTS: usize = 16;
}

impl Default for Retries {
    fn default() -> Self {
        Retries { attempts: 4, budget: 50 }
    }
}

impl Serialize for HashKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            HashKey::Header(name) => serializer.collect_str(&format_args!("header:{name}")),
            HashKey::Cookie(name) => serializer.collect_str(&format_args!("cookie:{name}")),
            HashKey::ClientAddress => serializer.serialize_str("client_address"),
        }
    }
}
