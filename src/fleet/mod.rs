//! The Bifrost servers, and which of them gets a request. Decides only; [`crate::edge`] connects.
//!
//! [`Fleet`] is what one configuration says of the servers of a site, [`Runtime`] what is measured of them and
//! outlives it. A request takes its [`Attempts`] to [`Fleet::pick`] and gets a [`Lease`] on a
//! [`Server`], which it keeps to its last byte.

mod balance;
mod breaker;
mod budget;
mod change;
mod health;
mod names;
mod past;
mod report;
mod runtime;
mod server;
mod table;

use std::{
    net::SocketAddr,
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};

use arc_swap::ArcSwap;
use smallvec::SmallVec;

pub(crate) use self::change::log_change;
use self::{
    balance::Candidate,
    runtime::SiteState,
    table::{Table, Tier},
};
pub use self::{
    past::{FailureCounts, LastFailure},
    report::report,
    runtime::{Report, Role, Runtime, ServerReport, SiteReport},
    server::{Change, Era, Lease, Outcome, Server, State},
};
use crate::config::{self, Balance, BreakerOptions, Policy, Retries, ServerAddress, Site, SiteName};

/// The servers of one site.
#[derive(Debug)]
pub struct Fleet {
    /// What the site is called.
    name: Option<SiteName>,
    configured: Vec<config::Server>,
    balance: Balance,
    breaker: BreakerOptions,
    retries: Retries,
    is_checked: bool,
    table: ArcSwap<Table>,
    runtime: Arc<Runtime>,
    measured: Arc<SiteState>,
}

/// The attempts to deliver one request.
#[derive(Debug, Default)]
pub struct Attempts {
    /// The servers that there were at the first attempt.
    table: Option<Arc<Table>>,
    /// The places of those that have been tried.
    tried: SmallVec<[usize; 4]>,
    made: usize,
    is_stale: bool,
    last: Option<Last>,
}

/// The server for an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Picked {
    /// Its place in the configuration.
    pub configured: usize,
    /// Its address.
    pub address: SocketAddr,
    /// Whether an idle connection of this request has turned out to be dead: there may be more.
    pub needs_new_connection: bool,
}

/// The last attempt.
#[derive(Debug)]
struct Last {
    place: usize,
    lease: Lease,
}

/// The places that may be chosen from. More servers than this are no problem, only an allocation.
type Candidates = SmallVec<[Candidate; 16]>;

impl Fleet {
    /// The servers of a site, with the state that the runtime knows of them. A server given by name has no address before
    /// the name is resolved. The site is measured under this name.
    pub fn new(site: &Site, name: Option<&SiteName>, runtime: Arc<Runtime>) -> Self {
        Fleet {
            name: name.cloned(),
            measured: runtime.site(name),
            table: ArcSwap::from_pointee(Table::new(&site.servers, site.balance.policy, &runtime)),
            configured: site.servers.clone(),
            balance: site.balance.clone(),
            breaker: site.breaker,
            retries: site.retries,
            is_checked: site.health.enabled,
            runtime,
        }
    }

    /// Every server there is now, with its place in the configuration.
    pub fn servers(&self) -> Vec<(usize, Arc<Server>)> {
        self.table.load().members.iter().map(|member| (member.configured, Arc::clone(&member.server))).collect()
    }

    /// What the server at this place of the configuration is for.
    fn role(&self, configured: usize) -> Option<Role> {
        self.configured.get(configured).map(|server| Role { weight: server.weight, backup: server.backup })
    }

    /// The names among the configured servers, which need to be resolved.
    pub fn names(&self) -> impl Iterator<Item = &ServerAddress> {
        self.configured.iter().map(|server| &server.address).filter(|address| address.ip().is_none())
    }

    /// Whether all addresses of a name are ways to one server.
    pub fn is_one(&self, name: &ServerAddress) -> bool {
        self.configured.iter().any(|server| server.address == *name && server.is_one())
    }

    /// The first address of a name, if it has any.
    pub fn first_address(&self, name: &ServerAddress) -> Option<SocketAddr> {
        self.runtime.addresses(name).first().copied()
    }

    /// Takes over what names have been resolved to since this fleet was made.
    pub fn refresh(&self) {
        self.table.store(Arc::new(Table::new(&self.configured, self.balance.policy, &self.runtime)));
    }

    /// The names that have no address yet.
    pub fn unresolved(&self) -> impl Iterator<Item = &ServerAddress> {
        self.names().filter(|name| self.runtime.addresses(name).is_empty())
    }

    /// A server there is now, with its place in the configuration.
    pub fn server(&self, name: &ServerAddress, address: SocketAddr) -> Option<(usize, Arc<Server>)> {
        let table = self.table.load();
        table.find(name, address).map(|member| (member.configured, Arc::clone(&member.server)))
    }

    /// The result of a health check, for a server that gets no requests by which its breaker could find out that it may
    /// close again: a backup, or one without a weight.
    pub fn probed(&self, configured: usize, server: &Server, is_good: bool) -> Option<Change> {
        let is_idle = self.configured.get(configured).is_some_and(|server| server.backup || server.weight == 0);
        if is_idle { server.probed(is_good, &self.breaker) } else { None }
    }

    /// Gives the request to a server that has not had it yet: an available one, a backup only when no
    /// other is; when none is available, one that is not. `None` when there is none left. The server of the
    /// attempt before is released.
    pub fn pick(&self, attempts: &mut Attempts, hash_key: Option<&[u8]>) -> Option<Picked> {
        attempts.last = None;
        if attempts.made == 0 {
            self.measured.budget.earn(self.retries.budget);
        }
        let table = Arc::clone(attempts.table.get_or_insert_with(|| self.table.load_full()));
        let now = Instant::now();
        if let Some(found) = self.backup_to_probe(&table, attempts, now) {
            return Some(given(&table, attempts, found));
        }
        for (is_available, tier) in
            [(true, &table.primaries), (true, &table.backups), (false, &table.primaries), (false, &table.backups)]
        {
            let candidate = |listed| self.candidate(&table, listed, &attempts.tried, is_available.then_some(now));
            let lease =
                |place: usize| Some((place, table.members[place].server.lease(self.breaker, now, !is_available)?));
            let quickly = self.draw(tier, candidate, hash_key).and_then(lease);
            let found = quickly.or_else(|| {
                let mut candidates: Candidates = tier.places.iter().copied().filter_map(candidate).collect();
                while let Some(chosen) = self.choose(&candidates, hash_key) {
                    if let Some(found) = lease(chosen) {
                        return Some(found);
                    }
                    candidates.retain(|candidate| candidate.place != chosen);
                }
                None
            });
            let Some(found) = found else { continue };
            if !is_available {
                self.measured.last_resorts.fetch_add(1, Ordering::Relaxed);
            }
            return Some(given(&table, attempts, found));
        }
        None
    }

    /// A backup whose breaker is open, and whose pause is over. Where no health checks ask it, a request finds out
    /// whether it is well again.
    fn backup_to_probe(&self, table: &Table, attempts: &Attempts, now: Instant) -> Option<(usize, Lease)> {
        if self.is_checked || !self.breaker.enabled || attempts.made > 0 {
            return None;
        }
        let places = table.backups.places.iter().map(|(place, _)| (*place, &table.members[*place].server));
        let mut due = places.filter(|(_, server)| server.is_probe_due(now));
        due.find_map(|(place, server)| Some((place, server.lease(self.breaker, now, false)?)))
    }

    /// Whether the request may be tried once more; if so, the retry is paid for.
    pub fn may_retry(&self, attempts: &Attempts) -> bool {
        if attempts.made >= self.retries.attempts || !attempts.has_untried() {
            return false;
        }
        let is_paid = self.measured.budget.spend(self.retries.budget);
        let count = if is_paid { &self.measured.retries } else { &self.measured.retries_refused };
        count.fetch_add(1, Ordering::Relaxed);
        is_paid
    }

    /// A listed server, if it is untried; with a time, if it is available then.
    fn candidate(
        &self,
        table: &Table,
        (place, weight): (usize, u32),
        tried: &[usize],
        now: Option<Instant>,
    ) -> Option<Candidate> {
        let server = &table.members[place].server;
        let is_available =
            |now| !(self.is_checked && server.is_down()) && (!self.breaker.enabled || server.is_permitted(now));
        let is_wanted = !tried.contains(&place) && now.is_none_or(is_available);
        is_wanted.then(|| Candidate { place, weight, in_flight: server.in_flight(), id: server.id })
    }

    /// The place of a server that the policy finds without a look at all of the tier, which there may be many of.
    fn draw(
        &self,
        tier: &Tier,
        candidate: impl Fn((usize, u32)) -> Option<Candidate>,
        hash_key: Option<&[u8]>,
    ) -> Option<usize> {
        let drawn = match (self.balance.policy, hash_key) {
            (Policy::RoundRobin, _) => tier.turns.next(|place| candidate((place, 1))),
            (Policy::Hash, Some(_)) => None,
            (Policy::LeastRequests | Policy::Hash, _) => {
                tier.lots.least_requests(|listed| candidate(tier.places[listed]), lot)
            }
        };
        drawn.map(|candidate| candidate.place)
    }

    /// The place of the candidate that the policy prefers.
    fn choose(&self, candidates: &[Candidate], hash_key: Option<&[u8]>) -> Option<usize> {
        let chosen = match (self.balance.policy, hash_key) {
            (Policy::RoundRobin, _) => candidates.first(),
            _ if candidates.len() < 2 => candidates.first(),
            (Policy::Hash, Some(key)) => balance::rendezvous(candidates, key, self.balance.hash_load),
            (Policy::LeastRequests | Policy::Hash, _) => balance::least_requests(candidates, lot),
        };
        chosen.map(|candidate| candidate.place)
    }
}

/// Takes note of the server that an attempt is given to.
fn given(table: &Table, attempts: &mut Attempts, (place, lease): (usize, Lease)) -> Picked {
    attempts.made += 1;
    attempts.tried.push(place);
    attempts.last = Some(Last { place, lease });
    let member = &table.members[place];
    Picked { configured: member.configured, address: member.server.address(), needs_new_connection: attempts.is_stale }
}

/// A random number below another.
fn lot(below: u32) -> u32 {
    rand::Rng::gen_range(&mut rand::thread_rng(), 0..below)
}

impl Attempts {
    /// The server of the last attempt.
    pub fn server(&self) -> Option<&Server> {
        self.last.as_ref().map(|last| last.lease.server())
    }

    /// The same, to keep.
    pub fn shared_server(&self) -> Option<Arc<Server>> {
        self.last.as_ref().map(|last| Arc::clone(last.lease.shared_server()))
    }

    /// How many there were so far.
    pub fn made(&self) -> usize {
        self.made
    }

    /// The head of a response has come so long after the server had the request.
    pub fn answered_after(&self, took: Duration) {
        if let Some(server) = self.server() {
            server.first_byte.add(took);
        }
    }

    /// Says what became of the last attempt.
    pub fn record(&mut self, outcome: Outcome) -> Option<Change> {
        self.last.as_mut()?.lease.record(outcome)
    }

    /// Lets the server of the last attempt be tried again: its connection had died, it never had the
    /// request.
    pub fn forgive(&mut self) {
        self.is_stale = true;
        if let Some(last) = &self.last {
            self.tried.retain(|place| *place != last.place);
        }
    }

    /// Whether there is a server that has not been tried.
    pub fn has_untried(&self) -> bool {
        let Some(table) = &self.table else { return true };
        let mut places = table.primaries.places.iter().chain(&table.backups.places);
        places.any(|(place, _)| !self.tried.contains(place))
    }
}

#[cfg(test)]
mod tests;
