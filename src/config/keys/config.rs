//! The keys of `conf/proxy.yaml` that hold for the whole process, typed, and the sites. Every key that is in neither
//! is refused.

use std::{
    net::{Ipv4Addr, SocketAddr},
    num::NonZeroUsize,
    time::Duration,
};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    admin::{Admin, ReadinessPath},
    cors::Cors,
    dns::Dns,
    limits::Limits,
    listener::Listener,
    site::Site,
    stop::StopOptions,
    telemetry::{
        logs::{AccessLog, LogOptions},
        tracing::Tracing,
    },
};
use crate::config::values::{
    network::Network,
    null::{default_when_null, empty_when_null},
    patterns::WaitOrNone,
};

/// What the operator wrote in `conf/proxy.yaml`, and in the files that it includes.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Config {
    /// What holds for the whole process.
    pub edge: EdgeKeys,
    /// At least one. A file without `sites` is one, written at its top level.
    pub sites: Vec<Site>,
    /// What holds for requests that are for none of them: no public URL, no server, and what the top level says of the
    /// rest.
    pub unsited: Site,
}

/// The keys that hold for the whole process.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct EdgeKeys {
    /// Where clients connect. At least one.
    #[schemars(length(min = 1))]
    pub listeners: Vec<Listener>,
    /// Where the edge says of itself what it does: status page, metrics, readiness. Default: nowhere.
    #[serde(default)]
    pub admin: Option<Admin>,
    /// Where each request becomes a line. Default: nowhere. A change needs another process.
    #[serde(default)]
    pub access_log: Option<AccessLog>,
    /// The program's own log. A change needs another process.
    #[serde(default, deserialize_with = "default_when_null")]
    #[schemars(with = "Option<LogOptions>")]
    pub log: LogOptions,
    /// Where spans of requests go, and of which. Default: nowhere. A change of anything but `sample` and `trust` needs
    /// another process.
    #[serde(default)]
    pub tracing: Option<Tracing>,
    /// How it stops.
    #[serde(default, deserialize_with = "default_when_null")]
    #[schemars(with = "Option<StopOptions>")]
    pub stop: StopOptions,
    /// Worker threads of the listeners; a connection stays with the one that it is given to, that with the fewest. Default:
    /// one for each core the process may use.
    #[serde(default)]
    #[schemars(range(min = 1, max = EdgeKeys::MOST_THREADS))]
    pub threads: Option<NonZeroUsize>,
    /// A path at which every listener answers whether the edge is ready, whatever the `Host`: for load balancers
    /// that must check the port of the traffic. Default: none.
    #[serde(default)]
    pub readiness_path: Option<ReadinessPath>,
    /// What is so of all certificates.
    #[serde(default, deserialize_with = "default_when_null")]
    #[schemars(with = "Option<TlsOptions>")]
    pub tls: TlsOptions,
    /// How the names of servers are looked up.
    #[serde(default, deserialize_with = "default_when_null")]
    #[schemars(with = "Option<Dns>")]
    pub dns: Dns,
    /// What the edge takes from clients.
    #[serde(default, deserialize_with = "default_when_null")]
    #[schemars(with = "Option<Limits>")]
    pub limits: Limits,
    /// Which web pages may read what the edge itself says in a server's stead.
    #[serde(default, deserialize_with = "default_when_null")]
    #[schemars(with = "Option<Cors>")]
    pub cors: Cors,
    /// Peers whose `X-Forwarded-*` headers and PROXY protocol are believed. Default: none.
    #[serde(default, deserialize_with = "empty_when_null")]
    #[schemars(with = "Option<Vec<Network>>")]
    pub trusted_proxies: Vec<Network>,
}

/// What is so of all certificates, of listeners and for servers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct TlsOptions {
    /// A certificate is warned of when it expires within this time. Default 14 days.
    #[serde(with = "crate::config::values::wait")]
    #[schemars(with = "WaitOrNone")]
    pub expires_soon: Duration,
}

impl Default for TlsOptions {
    fn default() -> Self {
        TlsOptions { expires_soon: Duration::from_hours(14 * 24) }
    }
}

// === impl ===

impl EdgeKeys {
    /// No machine has more cores to give.
    pub(in crate::config) const MOST_THREADS: usize = 1024;

    /// Whether this address stands for all of the machine, and another one that is listened on for all of IPv4: then it
    /// is for IPv6 alone, and otherwise for both.
    pub fn is_beside_ipv4(&self, address: SocketAddr) -> bool {
        let ipv4 = SocketAddr::from((Ipv4Addr::UNSPECIFIED, address.port()));
        let admin = self.admin.iter().map(|admin| admin.address.0);
        let listeners = self.listeners.iter().filter_map(|listener| listener.address.ip());
        address.is_ipv6() && address.port() != 0 && listeners.chain(admin).any(|other| other == ipv4)
    }
}
