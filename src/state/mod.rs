//! What a running edge knows: the [`Snapshot`] compiled from one version of the configuration.

use std::sync::Arc;

use crate::{
    config::{Config, Timeouts},
    edge::{DiscoveryFilter, Servers},
    trust::TrustedProxies,
};

/// Everything compiled from one version of the configuration. Immutable; a request keeps the one it
/// began with.
pub struct Snapshot {
    /// Answers discovery.
    pub discovery: DiscoveryFilter,
    /// Where everything else goes.
    pub servers: Servers,
    /// Whose `X-Forwarded-*` headers are believed.
    pub trusted: Arc<TrustedProxies>,
    /// How long a server is waited for.
    pub timeouts: Timeouts,
}

impl Snapshot {
    /// Compiles a configuration.
    pub fn compile(config: &Config) -> Self {
        let trusted = Arc::new(TrustedProxies::new(&config.trusted_proxies));
        Snapshot {
            discovery: DiscoveryFilter::with_trusted(config, Arc::clone(&trusted)),
            servers: Servers::new(config),
            trusted,
            timeouts: config.timeouts,
        }
    }
}
