//! What no single value can show: the checks between values.

mod addresses;
mod clients;
pub(super) mod fixed;
mod fleet;
mod profile;
mod public_urls;

use std::{net::SocketAddr, time::Duration};

use crate::config::{
    keys::{
        config::Config,
        mcp_client::{McpClient, judge::Remark},
    },
    problem::{KeyPath, Problem, unique},
};

/// Everything that makes the configuration wrong, although each value alone is well formed.
pub(super) fn problems(config: &Config) -> Vec<Problem> {
    let mut problems = Vec::new();
    clients::problems(config, &mut problems);
    public_urls::problems(config, &mut problems);
    fleet::problems(config, &mut problems);
    loops(config, &mut problems);
    discovery(config, &mut problems);
    profile::problems(config, &mut problems);
    mcp_clients(&config.mcp_clients, &mut problems);
    if config.threads.is_some_and(|threads| threads.get() > Config::MOST_THREADS) {
        let message = format!("more than {} threads help nobody; leave it out for one a core", Config::MOST_THREADS);
        problems.push(Problem::new(KeyPath::root("threads"), message));
    }
    problems
}

/// What is allowed and works, but that an operator should know before relying on it.
pub(super) fn warnings(config: &Config) -> Vec<Problem> {
    let mut warnings = Vec::new();
    public_urls::warnings(config, &mut warnings);
    clients::warnings(config, &mut warnings);
    fleet::warnings(config, &mut warnings);
    profile::warnings(config, &mut warnings);
    remarks(config, false, &mut warnings);
    warnings
}

/// What an operator may want to know, and need not act on.
pub(super) fn notes(config: &Config) -> Vec<Problem> {
    let mut notes = Vec::new();
    remarks(config, true, &mut notes);
    notes
}

/// A server that is a listener of the edge would be a loop without an end, and its admin listener is none.
fn loops(config: &Config, problems: &mut Vec<Problem>) {
    let listeners = config.listeners.iter().enumerate();
    let listeners = listeners
        .filter_map(|(place, listener)| Some((KeyPath::root("listeners").index(place), listener.address.ip()?)));
    let admin = config.admin.iter().map(|admin| (KeyPath::root("admin"), admin.address.0));
    let ours: Vec<_> = listeners.chain(admin).collect();
    for (place, server) in config.servers.iter().enumerate() {
        let Some(server) = server.address.ip() else { continue };
        let is_server = |listener: SocketAddr| {
            let any_of_ours =
                listener.ip().is_unspecified() && (server.ip().is_loopback() || server.ip().is_unspecified());
            listener.port() == server.port() && (listener.ip() == server.ip() || any_of_ours)
        };
        if let Some((listener, _)) = ours.iter().find(|(_, listener)| is_server(*listener)) {
            problems.push(Problem::repeated(
                KeyPath::root("servers").index(place).key("address"),
                listener.key("address"),
                "the edge itself listens there, and would forward to itself without end; write a Bifrost's address",
            ));
        }
    }
}

fn discovery(config: &Config, problems: &mut Vec<Problem>) {
    let max_age = config.discovery.max_age;
    if max_age != Duration::from_secs(max_age.as_secs()) {
        problems.push(Problem::new(
            KeyPath::root("discovery").key("max_age"),
            "Cache-Control counts whole seconds; write for example 60s",
        ));
    }
}

fn mcp_clients(clients: &[McpClient], problems: &mut Vec<Problem>) {
    let name = |client: &McpClient| KeyPath::root("mcp_clients").index(client.place()).key("name");
    unique(clients.iter().map(|client| client.name.as_str()).enumerate(), |place, first| {
        let message = format!("the name {:?} again; rename one", clients[place].name);
        problems.push(Problem::repeated(name(&clients[place]), name(&clients[first]), message));
    });
    for client in clients.iter().filter(|client| client.name.trim().is_empty()) {
        problems.push(Problem::new(name(client), "empty; give the MCP client a name"));
    }
}

/// What is said of the MCP clients, as notes or as warnings.
fn remarks(config: &Config, is_note: bool, found: &mut Vec<Problem>) {
    let (table, clients) = (KeyPath::root("mcp_clients"), &config.mcp_clients);
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
