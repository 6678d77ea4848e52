//! What the edge serves, compiled from one version of the configuration.

mod peer;
mod servers;
mod waits;

use std::{sync::Arc, time::Duration};

pub(super) use self::{peer::ServerTls, servers::Upstream, waits::Waits};
pub use self::{peer::system_authorities, servers::Servers};
use super::plugin::DiscoveryFilter;
use crate::{
    config::{
        AdminHost, Config, Cors, Count, Dns, HealthChecks, Limits, Profile, ReadinessPath, StopOptions, UnknownHosts,
    },
    fleet::Runtime,
    limits::{AccessRules, OpenFiles},
    trust::TrustedProxies,
    verify::Expected,
};

/// Everything compiled from one version of the configuration. Immutable; a request keeps the one it
/// began with.
pub struct Snapshot {
    /// Counts the configurations that this process has served, from 1.
    pub generation: u64,
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
    /// Which clients may reach which paths.
    pub access: AccessRules,
    /// Which web pages may read what the edge says in a server's stead.
    pub cors: Cors,
    /// How many connections clients may have, as far as there are open files for them.
    pub connections: usize,
    /// How many requests may be forwarded at a time.
    pub in_flight: InFlight,
    /// What is taken from clients.
    pub limits: Limits,
    /// How the edge stops.
    pub stop: StopOptions,
    /// The generation of Bifrost that is served.
    pub profile: Profile,
    /// What the servers are verified against; `None` when they are not.
    pub verify: Option<VerifyPlan>,
    /// Where the listeners say whether the edge is ready.
    pub readiness_path: Option<ReadinessPath>,
    /// By which names the admin listener may be asked.
    pub admin_hosts: Vec<AdminHost>,
}

/// How many requests may be in flight, discovery aside.
pub struct InFlight {
    /// In all.
    pub most: usize,
    /// Of each client.
    pub most_of_client: usize,
}

/// How often the servers are verified, and against what.
pub struct VerifyPlan {
    /// Between two verifications, give or take a tenth; `None` when it is done once, to learn which generation of
    /// Bifrost they are.
    pub interval: Option<Duration>,
    /// What they should answer.
    pub expected: Arc<Expected>,
}

impl Snapshot {
    /// Compiles a configuration, with what the runtime knows of its servers.
    pub fn compile(config: &Config, runtime: Arc<Runtime>, generation: u64) -> Self {
        let trusted = Arc::new(TrustedProxies::new(&config.trusted_proxies));
        let files = OpenFiles::of_process();
        Snapshot {
            generation,
            discovery: DiscoveryFilter::with_trusted(config, Arc::clone(&trusted)),
            servers: Servers::new(config, runtime),
            health: config.health.clone(),
            dns: config.dns,
            refuses_unknown_hosts: config.unknown_hosts == UnknownHosts::Refuse && !config.public_urls.is_empty(),
            access: AccessRules::new(&config.access, &config.base_paths()),
            cors: config.cors.clone(),
            connections: config.limits.connections.0.map_or(usize::MAX, |most| most.min(files.connections())),
            in_flight: InFlight::new(&config.limits, files),
            limits: config.limits.clone(),
            stop: config.stop,
            profile: config.profile(),
            readiness_path: config.readiness_path.clone(),
            admin_hosts: config.admin.as_ref().map(|admin| admin.hosts.clone()).unwrap_or_default(),
            verify: VerifyPlan::of(config),
            trusted,
        }
    }
}

impl VerifyPlan {
    fn of(config: &Config) -> Option<Self> {
        let interval = config.verify.interval;
        let expected = match interval {
            Some(_) => Expected::new(config),
            None if config.verify.at_start => Expected::brief(config),
            None => return None,
        };
        Some(VerifyPlan { interval, expected: Arc::new(expected) })
    }
}

impl InFlight {
    /// Requests in flight of one client, where the configuration does not say.
    const OF_CLIENT: usize = 1000;

    fn new(limits: &Limits, files: OpenFiles) -> Self {
        let most = limits.requests_in_flight.map_or(files.requests(), Count::most);
        let of_client = Self::OF_CLIENT.min((most / 2).max(1));
        InFlight { most, most_of_client: limits.requests_in_flight_per_client.map_or(of_client, Count::most) }
    }
}
