//! What the names of servers resolve to, for the fleets of all sites.

use std::{collections::HashSet, net::SocketAddr};

use super::{Fleet, Runtime};
use crate::config::ServerAddress;

impl Runtime {
    /// Says what names resolve to now, of [one server](Fleet::is_one) which of its addresses is used, and has every one
    /// of these fleets that has such a server know. Whether that is something new.
    pub fn all_resolved(
        &self,
        fleets: &[&Fleet],
        names: impl IntoIterator<Item = (ServerAddress, Vec<SocketAddr>)>,
    ) -> bool {
        let mut changed = HashSet::new();
        for (name, addresses) in names {
            if self.resolved(&name, addresses) {
                changed.insert(name);
            }
        }
        for fleet in fleets.iter().filter(|fleet| fleet.names().any(|name| changed.contains(name))) {
            fleet.refresh();
        }
        !changed.is_empty()
    }

    /// Forgets the addresses of all names but those of these fleets.
    pub fn keep_names_of(&self, fleets: &[&Fleet]) {
        let names: HashSet<_> = fleets.iter().flat_map(|fleet| fleet.names()).collect();
        self.keep_names(|name| names.contains(name));
    }
}
