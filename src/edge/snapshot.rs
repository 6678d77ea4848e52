//! What the edge serves, compiled from one version of the configuration.

use std::sync::Arc;

use super::{answer::DiscoveryFilter, route::Servers};
use crate::{config::Config, trust::TrustedProxies};

/// Everything compiled from one version of the configuration. Immutable; a request keeps the one it
/// began with.
pub struct Snapshot {
    /// Answers discovery.
    pub discovery: DiscoveryFilter,
    /// Where everything else goes.
    pub servers: Servers,
    /// Whose `X-Forwarded-*` headers are believed.
    pub trusted: Arc<TrustedProxies>,
}

impl Snapshot {
    /// Compiles a configuration.
    pub fn compile(config: &Config) -> Self {
        let trusted = Arc::new(TrustedProxies::new(&config.trusted_proxies));
        Snapshot {
            discovery: DiscoveryFilter::with_trusted(config, Arc::clone(&trusted)),
            servers: Servers::new(config),
            trusted,
        }
    }
}
