//! What the fleets of all sites have done.

use std::{collections::HashMap, sync::Arc};

use super::{Fleet, Report, Role, Runtime, Server, ServerReport, State};
use crate::config::SiteName;

/// Where a server is known, as what, and whether it is checked there.
#[derive(Default)]
struct Known {
    sites: Vec<usize>,
    roles: Vec<Role>,
    is_checked: bool,
}

/// What the servers of these fleets, one for each site, have done so far, and those that only finish what they have.
pub fn report(runtime: &Runtime, fleets: &[&Fleet]) -> Report {
    let mut configured: HashMap<*const Server, Known> = HashMap::new();
    for (site, fleet) in fleets.iter().enumerate() {
        for (place, server) in fleet.servers() {
            let known = configured.entry(Arc::as_ptr(&server)).or_default();
            if known.sites.last() != Some(&site) {
                known.sites.push(site);
                known.roles.extend(fleet.role(place));
            }
            known.is_checked |= fleet.is_checked;
        }
    }
    let mut servers = runtime.servers();
    servers.sort_by(|one, other| (one.name().as_str(), one.address()).cmp(&(other.name().as_str(), other.address())));
    let mut report = |server: &Arc<Server>| match configured.remove(&Arc::as_ptr(server)) {
        Some(Known { sites, roles, is_checked }) => {
            Some(ServerReport::of(server, sites, roles, server.state(is_checked)))
        }
        None if server.in_flight() > 0 => Some(ServerReport::of(server, Vec::new(), Vec::new(), State::Draining)),
        None => None,
    };
    Report {
        servers: servers.iter().filter_map(&mut report).collect(),
        sites: fleets.iter().map(|fleet| fleet.measured.report(fleet.name.as_ref())).collect(),
    }
}

impl Report {
    /// The names of the sites that a server belongs to.
    pub fn site_names(&self, server: &ServerReport) -> impl Iterator<Item = &SiteName> {
        server.sites.iter().filter_map(|place| self.sites.get(*place)?.name.as_ref())
    }
}
