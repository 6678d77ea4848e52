//! What the edge serves, compiled from one version of the configuration.

use std::sync::Arc;

use super::{answer::DiscoveryFilter, route::Servers};
use crate::{
    config::{Config, Dns, HealthChecks, UnknownHosts},
    fleet::Runtime,
    trust::TrustedProxies,
};

/// Everything compiled from one version of the configuration. Immutable; a request keeps the one it
/// began with.
pub struct Snapshot {
    /// Answers discovery.
    pub discovery: DiscoveryFilter,
    /// Where everything else goes.
    pub servers: Servers,
    /// How the servers are checked.
    pub health: HealthChecks,
    /// How often their names are looked up.
    pub dns: Dns,
    /// Whose `X-Forwarded-*` headers are believed.
    pub trusted: Arc<TrustedProxies>,
    /// Whether a request must be for a public URL.
    pub refuses_unknown_hosts: bool,
    /// The largest body of a request, in bytes.
    pub most_body: Option<u64>,
}

impl Snapshot {
    /// Compiles a configuration, with what the runtime knows of its servers.
    pub fn compile(config: &Config, runtime: Arc<Runtime>) -> Self {
        let trusted = Arc::new(TrustedProxies::new(&config.trusted_proxies));
        Snapshot {
            discovery: DiscoveryFilter::with_trusted(config, Arc::clone(&trusted)),
            servers: Servers::new(config, runtime),
            health: config.health.clone(),
            dns: config.dns,
            refuses_unknown_hosts: config.unknown_hosts == UnknownHosts::Refuse && !config.public_urls.is_empty(),
            most_body: config.limits.request_body.0,
            trusted,
        }
    }
}
