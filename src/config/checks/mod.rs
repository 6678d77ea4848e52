//! What no single value can show: the checks between values.

mod access;
mod addresses;
pub(super) mod certificates;
mod clients;
pub(super) mod fixed;
mod fleet;
mod logins;
mod readiness;
mod sites;

use std::net::SocketAddr;

use crate::config::{
    discovery::checks as discovery,
    keys::{
        config::{Config, EdgeKeys},
        site::Site,
    },
    problem::{KeyPath, Problem},
};

/// Everything that makes the configuration wrong, although each value alone is well formed.
pub(super) fn problems(config: &Config) -> Vec<Problem> {
    let mut problems = Vec::new();
    let Config { edge, sites, .. } = config;
    clients::problems(edge, sites, &mut problems);
    threads(edge, &mut problems);
    for site in sites {
        access::problems(site, &mut problems);
        readiness::problems(edge, site, &mut problems);
        fleet::problems(site, &mut problems);
        loops(edge, site, &mut problems);
        discovery::problems(&site.into(), &site.place, &mut problems);
    }
    sites::problems(sites, &mut problems);
    problems
}

/// What is allowed and works, but that an operator should know before relying on it.
pub(super) fn warnings(config: &Config) -> Vec<Problem> {
    let mut warnings = Vec::new();
    for site in &config.sites {
        discovery::url_warnings(&site.into(), &site.place, &mut warnings);
    }
    clients::warnings(&config.edge, &mut warnings);
    for site in &config.sites {
        fleet::warnings(site, &mut warnings);
        discovery::profile_warnings(&site.into(), &site.place, &mut warnings);
        logins::warnings(site, &mut warnings);
        discovery::assumed(&site.into(), &site.place, &mut warnings);
        discovery::remarks(&site.into(), &site.place, false, &mut warnings);
    }
    sites::warnings(&config.sites, &mut warnings);
    warnings
}

/// What an operator may want to know, and need not act on.
pub(super) fn notes(config: &Config) -> Vec<Problem> {
    let mut notes = Vec::new();
    for site in &config.sites {
        discovery::remarks(&site.into(), &site.place, true, &mut notes);
    }
    notes
}

fn threads(edge: &EdgeKeys, problems: &mut Vec<Problem>) {
    if edge.threads.is_some_and(|threads| threads.get() > EdgeKeys::MOST_THREADS) {
        let message = format!("more than {} threads help nobody; leave it out for one a core", EdgeKeys::MOST_THREADS);
        problems.push(Problem::new(KeyPath::root("threads"), message));
    }
}

/// A server that is a listener of the edge would be a loop without an end, and its admin listener is none.
fn loops(edge: &EdgeKeys, site: &Site, problems: &mut Vec<Problem>) {
    let listeners = edge.listeners.iter().enumerate();
    let listeners = listeners
        .filter_map(|(place, listener)| Some((KeyPath::root("listeners").index(place), listener.address.ip()?)));
    let admin = edge.admin.iter().map(|admin| (KeyPath::root("admin"), admin.address.0));
    let ours: Vec<_> = listeners.chain(admin).collect();
    for (place, server) in site.servers.iter().enumerate() {
        let Some(server) = server.address.ip() else { continue };
        let is_server = |listener: SocketAddr| {
            let any_of_ours =
                listener.ip().is_unspecified() && (server.ip().is_loopback() || server.ip().is_unspecified());
            listener.port() == server.port() && (listener.ip() == server.ip() || any_of_ours)
        };
        if let Some((listener, _)) = ours.iter().find(|(_, listener)| is_server(*listener)) {
            problems.push(Problem::repeated(
                site.place.key("servers").index(place).key("address"),
                listener.key("address"),
                "the edge itself listens there, and would forward to itself without end; write a Bifrost's address",
            ));
        }
    }
}
