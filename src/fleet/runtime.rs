//! What is measured of the fleet, and outlives a reload.

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{
        Arc, Weak,
        atomic::{AtomicU64, Ordering},
    },
    time::{Instant, SystemTime},
};

use parking_lot::Mutex;

use super::{
    budget::Budget,
    past::{FailureCounts, LastFailure},
    server::{Server, State},
};
use crate::{
    config::{self, ServerAddress, SiteName},
    latency::LatencyReading,
};

/// The state of all servers, by what the configuration calls them and their address. There is one for
/// each process.
#[derive(Debug, Default)]
pub struct Runtime {
    servers: Mutex<HashMap<(ServerAddress, SocketAddr), Weak<Server>>>,
    /// The last good response for each name.
    names: Mutex<HashMap<ServerAddress, Vec<SocketAddr>>>,
    /// By their names.
    sites: Mutex<HashMap<Option<SiteName>, Arc<SiteState>>>,
}

/// What is measured of all requests of one site.
#[derive(Debug)]
pub(super) struct SiteState {
    pub budget: Budget,
    pub retries: AtomicU64,
    pub retries_refused: AtomicU64,
    pub last_resorts: AtomicU64,
}

/// What the servers of all sites have done since the edge was started.
#[derive(Debug, Clone)]
pub struct Report {
    /// By name and address; one that several sites name is here once. One that is gone is here as long as it has
    /// requests.
    pub servers: Vec<ServerReport>,
    /// In the order of the configuration.
    pub sites: Vec<SiteReport>,
}

/// What the requests of one site have come to.
#[derive(Debug, Clone)]
pub struct SiteReport {
    /// What it is called; nothing where it is the only one.
    pub name: Option<SiteName>,
    /// Attempts beyond the first one of a request.
    pub retries: u64,
    /// Retries that the budget did not pay for.
    pub retries_refused: u64,
    /// Retries that the budget would pay for at once.
    pub retries_left: u64,
    /// Attempts sent to a server that was not available, because none was.
    pub last_resorts: u64,
}

/// What a server is for at a site.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Role {
    /// Its share; with 0 it gets no requests.
    pub weight: u16,
    /// It gets requests only while no other is available.
    pub backup: bool,
}

/// What one server has done.
#[derive(Debug, Clone)]
pub struct ServerReport {
    /// As the configuration names it.
    pub server: String,
    /// Where it is.
    pub address: SocketAddr,
    /// The places of the sites that name it.
    pub sites: Vec<usize>,
    /// What it is for at each of them.
    pub roles: Vec<Role>,
    /// Whether it gets requests, and why not.
    pub state: State,
    /// Since when; nothing while it is draining.
    pub since: Option<SystemTime>,
    /// Why it failed last; nothing where it never did.
    pub last_failure: Option<LastFailure>,
    /// How often it failed in the last ten minutes.
    pub recent_failures: FailureCounts,
    /// The requests that it has now.
    pub in_flight: usize,
    /// Attempts given to it.
    pub picks: u64,
    /// Attempts that could not connect.
    pub connect_failures: u64,
    /// Attempts whose answer broke off or did not come in time.
    pub broken: u64,
    /// Attempts on an idle connection that had died.
    pub stale: u64,
    /// Responses with a status from 500.
    pub server_errors: u64,
    /// Whether its breaker is open, or lets one request at a time probe it.
    pub is_breaker_open: bool,
    /// How often its breaker has opened.
    pub breaker_openings: u64,
    /// How long it took from the request to the head of its response.
    pub first_byte: LatencyReading,
}

impl SiteState {
    fn new() -> Self {
        SiteState {
            budget: Budget::new(),
            retries: AtomicU64::new(0),
            retries_refused: AtomicU64::new(0),
            last_resorts: AtomicU64::new(0),
        }
    }

    pub fn report(&self, name: Option<&SiteName>) -> SiteReport {
        SiteReport {
            name: name.cloned(),
            retries: self.retries.load(Ordering::Relaxed),
            retries_refused: self.retries_refused.load(Ordering::Relaxed),
            retries_left: self.budget.left(),
            last_resorts: self.last_resorts.load(Ordering::Relaxed),
        }
    }
}

impl Runtime {
    /// The addresses of a server in the configuration: its own, or what its name resolved to last.
    pub(super) fn addresses(&self, name: &ServerAddress) -> Vec<SocketAddr> {
        match name.ip() {
            Some(address) => vec![address],
            None => self.names.lock().get(name).cloned().unwrap_or_default(),
        }
    }

    /// Keeps what a name resolved to. Whether it is something new.
    pub(super) fn resolved(&self, name: &ServerAddress, mut addresses: Vec<SocketAddr>) -> bool {
        addresses.sort_unstable();
        addresses.dedup();
        let mut names = self.names.lock();
        if names.get(name) == Some(&addresses) {
            return false;
        }
        names.insert(name.clone(), addresses);
        true
    }

    pub(super) fn keep_names(&self, is_kept: impl Fn(&ServerAddress) -> bool) {
        self.names.lock().retain(|name, _| is_kept(name));
    }

    /// The server of this name at this address, with the state that it has if it is known.
    pub(super) fn server(&self, configured: &config::Server, address: SocketAddr) -> Arc<Server> {
        let mut servers = self.servers.lock();
        let known = servers.entry((configured.address.clone(), address)).or_default();
        known.upgrade().unwrap_or_else(|| {
            let server = Arc::new(Server::new(configured, address));
            *known = Arc::downgrade(&server);
            server
        })
    }

    /// The state of the site of this name.
    pub(super) fn site(&self, name: Option<&SiteName>) -> Arc<SiteState> {
        let mut sites = self.sites.lock();
        Arc::clone(sites.entry(name.cloned()).or_insert_with(|| Arc::new(SiteState::new())))
    }

    /// Forgets the servers that nobody has any more.
    pub(super) fn forget_the_gone(&self) {
        self.servers.lock().retain(|_, server| server.strong_count() > 0);
    }

    /// Every server that somebody still has.
    pub(super) fn servers(&self) -> Vec<Arc<Server>> {
        self.servers.lock().values().filter_map(Weak::upgrade).collect()
    }
}

impl ServerReport {
    pub(super) fn of(server: &Server, sites: Vec<usize>, roles: Vec<Role>, state: State) -> Self {
        let past = server.past.lock();
        ServerReport {
            server: server.name().to_string(),
            address: server.address(),
            sites,
            roles,
            state,
            since: past.since(state),
            last_failure: past.last(),
            recent_failures: past.recent(Instant::now()),
            in_flight: server.in_flight(),
            picks: server.counts.picks.load(Ordering::Relaxed),
            connect_failures: server.counts.connect_failures.load(Ordering::Relaxed),
            broken: server.counts.broken.load(Ordering::Relaxed),
            stale: server.counts.stale.load(Ordering::Relaxed),
            server_errors: server.counts.server_errors.load(Ordering::Relaxed),
            is_breaker_open: server.is_breaker_open(),
            breaker_openings: server.counts.breaker_openings.load(Ordering::Relaxed),
            first_byte: server.first_byte.read(),
        }
    }
}
