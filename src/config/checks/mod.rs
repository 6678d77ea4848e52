//! What no single value can show: the checks between values.

mod clients;
pub(super) mod fixed;
mod fleet;
mod profile;
mod public_urls;

use std::{net::SocketAddr, time::Duration};

use crate::config::{
    keys::{
        config::Config,
        mcp_client::{AuthType, ConnectionType, McpClient},
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
    warnings
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
    let table = KeyPath::root("mcp_clients");
    unique(clients.iter().map(|client| client.name.as_str()).enumerate(), |place, first| {
        let name = |place| table.index(place).key("name");
        let message = format!("the name {:?} again; rename one", clients[place].name);
        problems.push(Problem::repeated(name(place), name(first), message));
    });
    for (place, client) in clients.iter().enumerate() {
        // The path is built only for a fault: a table may have 100,000 entries.
        if let Some((key, message)) = client_fault(client) {
            problems.push(Problem::new(table.index(place).key(key), message));
        }
    }
}

fn client_fault(client: &McpClient) -> Option<(&'static str, String)> {
    if client.name.trim().is_empty() {
        return Some(("name", "empty; give the MCP client a name".into()));
    }
    let has_url = client.connection_string.is_some_and(|secret| !secret.is_empty);
    match client.connection_type {
        ConnectionType::Http | ConnectionType::Sse if !has_url => {
            let message = "an http or sse client needs one; write its URL, or a reference such as env.NAME";
            return Some(("connection_string", message.into()));
        }
        ConnectionType::Stdio if client.stdio_config.is_none() => {
            return Some(("stdio_config", "a stdio client needs one; write at least {command: …}".into()));
        }
        _ => {}
    }
    let has_keys = client.per_user_header_keys.as_ref().is_some_and(|keys| !keys.is_empty());
    if client.auth_type() == AuthType::PerUserHeaders && !has_keys {
        let message = "auth_type per_user_headers needs at least one; name the headers that users supply";
        return Some(("per_user_header_keys", message.into()));
    }
    None
}
