//! What no single value can show: the checks between values.

mod access;
mod addresses;
pub(super) mod certificates;
mod clients;
pub(super) mod fixed;
mod fleet;
mod profile;
mod public_urls;
mod sites;

use std::{net::SocketAddr, time::Duration};

use crate::config::{
    keys::{
        config::{Config, EdgeKeys},
        mcp_client::{McpClient, judge::Remark},
        site::Site,
    },
    problem::{KeyPath, Problem, unique},
};

/// Everything that makes the configuration wrong, although each value alone is well formed.
pub(super) fn problems(config: &Config) -> Vec<Problem> {
    let mut problems = Vec::new();
    let Config { edge, sites, .. } = config;
    clients::problems(edge, sites, &mut problems);
    threads(edge, &mut problems);
    for site in sites {
        access::problems(site, &mut problems);
        public_urls::problems(edge, site, &mut problems);
        fleet::problems(site, &mut problems);
        loops(edge, site, &mut problems);
        discovery(site, &mut problems);
        profile::problems(site, &mut problems);
        mcp_clients(site, &mut problems);
    }
    sites::problems(sites, &mut problems);
    problems
}

/// What is allowed and works, but that an operator should know before relying on it.
pub(super) fn warnings(config: &Config) -> Vec<Problem> {
    let mut warnings = Vec::new();
    for site in &config.sites {
        public_urls::warnings(site, &mut warnings);
    }
    clients::warnings(&config.edge, &mut warnings);
    for site in &config.sites {
        fleet::warnings(site, &mut warnings);
        profile::warnings(site, &mut warnings);
        remarks(site, false, &mut warnings);
    }
    sites::warnings(&config.sites, &mut warnings);
    warnings
}

/// What an operator may want to know, and need not act on.
pub(super) fn notes(config: &Config) -> Vec<Problem> {
    let mut notes = Vec::new();
    for site in &config.sites {
        remarks(site, true, &mut notes);
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

fn discovery(site: &Site, problems: &mut Vec<Problem>) {
    let max_age = site.discovery.max_age;
    if max_age != Duration::from_secs(max_age.as_secs()) {
        problems.push(Problem::new(
            site.place.key("discovery").key("max_age"),
            "Cache-Control counts whole seconds; write for example 60s",
        ));
    }
}

fn mcp_clients(site: &Site, problems: &mut Vec<Problem>) {
    let clients: &[McpClient] = &site.mcp_clients;
    let name = |client: &McpClient| site.place.key("mcp_clients").index(client.place()).key("name");
    unique(clients.iter().map(|client| client.name.as_str()).enumerate(), |place, first| {
        let message = format!("the name {:?} again; rename one", clients[place].name);
        problems.push(Problem::repeated(name(&clients[place]), name(&clients[first]), message));
    });
    for client in clients.iter().filter(|client| client.name.trim().is_empty()) {
        problems.push(Problem::new(name(client), "empty; give the MCP client a name"));
    }
}

/// What is said of the MCP clients, as notes or as warnings.
fn remarks(site: &Site, is_note: bool, found: &mut Vec<Problem>) {
    let (table, clients) = (site.place.key("mcp_clients"), &site.mcp_clients);
    let remarks = clients.remarks().iter().filter(|(_, remark)| remark.is_note == is_note);
    found.extend(
        remarks.map(|(place, Remark { path, message, .. })| {
            Problem::new(table.index(*place).join(path), message.as_str())
        }),
    );
    if let more @ 1.. = clients.more()
        && !is_note
    {
        found.push(Problem::new(table, format!("and {more} more warnings of this kind")));
    }
}
