//! What the edge serves, compiled from one version of the configuration.

mod discovery;
mod peer;
mod servers;
mod site;
mod waits;

use std::{net::SocketAddr, sync::Arc, time::Duration};

pub use self::{
    discovery::DiscoveryAnswers,
    peer::system_authorities,
    servers::Servers,
    site::{Site, VerifyPlan},
};
pub(super) use self::{peer::ServerTls, servers::Upstream, waits::Waits};
use super::exchange::TracePlan;
use crate::{
    config::{
        self, AdminHost, CertificateLife, Config, Count, Dns, Limits, ReadinessPath, ServerAddress, StopOptions,
        UnknownHosts,
    },
    fleet::{self, Fleet, Report, Runtime},
    limits::OpenFiles,
    telemetry::SitesCounters,
    trust::TrustedProxies,
};

/// Everything compiled from one version of the configuration. Immutable; a request keeps the one it
/// began with.
pub struct Snapshot {
    /// Counts the configurations that this process has served, from 1.
    pub generation: u64,
    /// Answers discovery.
    pub discovery: DiscoveryAnswers,
    /// The sites, in the order of the configuration; at least one.
    pub sites: Vec<Site>,
    /// What holds for requests that are for none of them.
    pub unsited: Site,
    /// The place of the site that has the requests for unknown hosts; without one, they are refused.
    pub unknown_hosts: Option<usize>,
    /// Whether HTTP/2 is spoken to any server.
    pub has_http2: bool,
    /// How often the names of servers are looked up.
    pub dns: Dns,
    /// Whose `X-Forwarded-*` headers are believed.
    pub trusted: Arc<TrustedProxies>,
    /// How many connections clients may have, as far as there are open files for them.
    pub connections: usize,
    /// Certificates that expire within this time are warned of.
    pub expires_soon: Duration,
    /// How long the certificates for connections to servers hold.
    pub server_certificates: Vec<CertificateLife>,
    /// A new connection of a client whose file has this number, or a higher one, is closed.
    pub first_kept_file: usize,
    /// How many requests may be forwarded at a time.
    pub in_flight: InFlight,
    /// What is taken from clients.
    pub limits: Limits,
    /// How the edge stops.
    pub stop: StopOptions,
    /// Where the listeners say whether the edge is ready.
    pub readiness_path: Option<ReadinessPath>,
    /// Which traces are taken over, and which are recorded.
    pub(super) tracing: Option<TracePlan>,
    /// By which names the admin listener may be asked.
    pub admin_hosts: Vec<AdminHost>,
    runtime: Arc<Runtime>,
}

/// How many requests may be in flight, discovery aside.
pub struct InFlight {
    /// In all.
    pub most: usize,
    /// Of each client.
    pub most_of_client: usize,
}

impl Snapshot {
    /// Compiles a configuration, with what the runtime knows of its servers. Its sites go on to be counted where those
    /// of the same name were.
    pub fn compile(config: &Config, runtime: Arc<Runtime>, counters: &SitesCounters, generation: u64) -> Self {
        let Config { edge, sites, unsited } = config;
        let trusted = Arc::new(TrustedProxies::new(&edge.trusted_proxies));
        let files = OpenFiles::of_process();
        let is_one = sites.len() == 1;
        let compiled = sites.iter().map(|site| Site::new(site, is_one, Arc::clone(&runtime), counters));
        let forwards = |site: &config::Site| site.unknown_hosts == UnknownHosts::Forward || site.public_urls.is_empty();
        Snapshot {
            generation,
            discovery: DiscoveryAnswers::new(config, Arc::clone(&trusted)),
            sites: compiled.collect(),
            unsited: Site::new(unsited, true, Arc::clone(&runtime), counters),
            unknown_hosts: sites.iter().position(forwards),
            has_http2: sites.iter().flat_map(|site| &site.servers).any(|server| server.http2),
            dns: edge.dns,
            connections: edge.limits.connections.limit().map_or(usize::MAX, |most| most.min(files.connections())),
            expires_soon: edge.tls.expires_soon,
            server_certificates: server_certificates(sites),
            first_kept_file: files.first_kept_from_clients(),
            in_flight: InFlight::new(&edge.limits, files),
            limits: edge.limits.clone(),
            stop: edge.stop,
            readiness_path: edge.readiness_path.clone(),
            tracing: edge.tracing.as_ref().map(TracePlan::of),
            admin_hosts: edge.admin.as_ref().map(|admin| admin.hosts.clone()).unwrap_or_default(),
            trusted,
            runtime,
        }
    }

    /// Compiles the configuration that follows this one.
    pub(super) fn followed_by(&self, config: &Config, counters: &SitesCounters) -> Self {
        Self::compile(config, Arc::clone(&self.runtime), counters, self.generation + 1)
    }

    /// Finds a site by its place; without one, what holds for none.
    pub fn site(&self, place: Option<usize>) -> &Site {
        place.and_then(|place| self.sites.get(place)).unwrap_or(&self.unsited)
    }

    /// The fleets of all sites, in their order.
    pub fn fleets(&self) -> Vec<&Fleet> {
        self.sites.iter().map(|site| site.servers.fleet()).collect()
    }

    /// What the servers have done so far.
    pub fn report(&self) -> Report {
        fleet::report(&self.runtime, &self.fleets())
    }

    /// The first fleet that has a server by this name.
    pub fn fleet_of(&self, name: &ServerAddress) -> Option<&Fleet> {
        let mut fleets = self.sites.iter().map(|site| site.servers.fleet());
        fleets.find(|fleet| fleet.names().any(|known| known == name))
    }

    /// Says what the names of servers resolve to now. Whether that is something new.
    pub fn resolved(&self, names: impl IntoIterator<Item = (ServerAddress, Vec<SocketAddr>)>) -> bool {
        self.runtime.all_resolved(&self.fleets(), names)
    }

    /// Takes over from the one that was served before: a name may have been resolved anew in between, and those that no
    /// site has any more are forgotten.
    pub fn take_over(&self) {
        let fleets = self.fleets();
        for fleet in &fleets {
            fleet.refresh();
        }
        self.runtime.keep_names_of(&fleets);
    }
}

/// How long what the TLS files of servers hold is valid.
fn server_certificates(sites: &[config::Site]) -> Vec<CertificateLife> {
    let servers = sites.iter().flat_map(|site| &site.servers).filter_map(|server| server.tls.as_ref());
    servers.flat_map(|tls| tls.lives().into_iter().map(|(_, life)| life)).collect()
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
