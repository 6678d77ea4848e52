//! What is counted of each site, by its name, so that it outlives a reload.

use std::{
    array,
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use parking_lot::Mutex;

use super::{Traffic, TrafficCounters};
use crate::{config::SiteName, discovery::DiscoveryCounters, reason::Reason};

/// The requests of one site.
pub struct SiteCounters {
    traffic: TrafficCounters,
    discovery: DiscoveryCounters,
    /// By the place in [`Reason::ALL`].
    failed: [AtomicU64; Reason::ALL.len()],
}

/// The requests of all sites, and of none.
#[derive(Default)]
pub struct SitesCounters {
    /// Of what is for no site. A site that is the only one is counted here, too.
    unsited: Arc<SiteCounters>,
    sites: Mutex<BTreeMap<SiteName, Arc<SiteCounters>>>,
}

impl Default for SiteCounters {
    fn default() -> Self {
        SiteCounters {
            traffic: TrafficCounters::default(),
            discovery: DiscoveryCounters::default(),
            failed: array::from_fn(|_| AtomicU64::new(0)),
        }
    }
}

impl SiteCounters {
    /// The requests that are over.
    pub fn traffic(&self) -> &TrafficCounters {
        &self.traffic
    }

    /// The answers to discovery.
    pub fn discovery(&self) -> &DiscoveryCounters {
        &self.discovery
    }

    /// A request got no response from a server.
    pub fn failed(&self, reason: Reason) {
        if let Some(place) = Reason::ALL.iter().position(|known| *known == reason) {
            self.failed[place].fetch_add(1, Ordering::Relaxed);
        }
    }

    /// How many requests failed for each reason.
    pub fn failures(&self) -> impl Iterator<Item = (Reason, u64)> + '_ {
        Reason::ALL.into_iter().zip(self.failed.iter().map(|count| count.load(Ordering::Relaxed)))
    }
}

impl SitesCounters {
    /// Those of what is for no site, and of a site that is the only one.
    pub fn unsited(&self) -> &Arc<SiteCounters> {
        &self.unsited
    }

    /// Those of the site of this name, which are made if there are none yet.
    pub fn of(&self, name: Option<&SiteName>) -> Arc<SiteCounters> {
        let Some(name) = name else { return Arc::clone(&self.unsited) };
        Arc::clone(self.sites.lock().entry(name.clone()).or_default())
    }

    /// All of them, those of no site first.
    pub fn all(&self) -> Vec<(Option<SiteName>, Arc<SiteCounters>)> {
        let sites = self.sites.lock();
        let named = sites.iter().map(|(name, counters)| (Some(name.clone()), Arc::clone(counters)));
        std::iter::once((None, Arc::clone(&self.unsited))).chain(named).collect()
    }

    /// The traffic of all together.
    pub fn traffic(&self) -> Traffic {
        let mut traffic = Traffic::default();
        for (_, counters) in self.all() {
            counters.traffic.add_to(&mut traffic);
        }
        traffic
    }

    /// The failures of all together.
    pub fn failures(&self) -> Vec<(Reason, u64)> {
        let all = self.all();
        let sum = |place: usize| all.iter().map(|(_, site)| site.failed[place].load(Ordering::Relaxed)).sum();
        Reason::ALL.into_iter().enumerate().map(|(place, reason)| (reason, sum(place))).collect()
    }
}
