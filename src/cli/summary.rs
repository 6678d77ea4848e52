//! What is served, in a few lines.

use crate::{
    config::{Loaded, PublicUrl, Site},
    discovery::{Discovery, SiteDiscovery},
};

/// Of many sites so many are described.
const MOST_SITES: usize = 20;

/// What is served, in a few lines for a person.
pub(super) fn summary(loaded: &Loaded, discovery: &Discovery) -> Vec<String> {
    let config = &loaded.config;
    let described = config.sites.iter().zip(discovery.sites()).enumerate();
    let mut lines = Vec::new();
    for (place, (site, served)) in described.take(MOST_SITES) {
        let urls: Vec<_> = discovery.origins().urls_of(place).collect();
        let prefix = served.name().map(|name| format!("site {name}: ")).unwrap_or_default();
        lines.extend(of_site(site, served, &urls).into_iter().map(|line| format!("{prefix}{line}")));
    }
    if let more @ 1.. = config.sites.len().saturating_sub(MOST_SITES) {
        lines.push(format!("and {more} more sites"));
    }
    let log = config.edge.access_log.as_ref();
    lines.extend(log.map(|log| format!("access log: {} to {}", log.format.name(), log.to)));
    if !loaded.environment.is_empty() {
        lines.push(format!("from the environment: {}", loaded.environment.join(", ")));
    }
    lines
}

fn of_site(site: &Site, served: &SiteDiscovery, urls: &[&PublicUrl]) -> Vec<String> {
    let urls_line = if urls.is_empty() {
        "public URLs: none, derived from each request".to_owned()
    } else {
        format!("public URLs: {}", first_few(urls, urls.len()))
    };
    let servers: Vec<_> = site.servers.iter().map(|server| &server.address).collect();
    let servers_line = match servers.len() {
        0 => "forwarding to no server".to_owned(),
        1 => format!("forwarding to 1 server: {}", servers[0]),
        count => {
            format!("forwarding to {count} servers, {}: {}", site.balance.policy.name(), first_few(&servers, count))
        }
    };
    let mut lines = vec![discovery_line(served), urls_line, servers_line];
    lines.extend(served.has_claude_code().then(|| "Claude Code gateway: its metadata is answered here".to_owned()));
    lines
}

/// Whether discovery is on, and why.
fn discovery_line(discovery: &SiteDiscovery) -> String {
    let (profile, clients) = (discovery.profile().name(), discovery.clients());
    let on_or_off = if discovery.is_on() { "on" } else { "off (404)" };
    let why = match (discovery.mode(), discovery.deciding_count()) {
        (Some(mode), _) => format!("mcp_server_auth_mode is {}; no MCP client decides ({clients} listed)", mode.name()),
        (None, 0) => format!("none of {} has auth_type per_user_oauth", counted(clients)),
        (None, deciding) => {
            let names = first_few(discovery.deciding_clients(), deciding);
            format!("{deciding} of {} with auth_type per_user_oauth: {names}", counted(clients))
        }
    };
    format!("discovery {on_or_off}, profile {profile}: {why}")
}

fn counted(clients: usize) -> String {
    format!("{clients} MCP client{}", if clients == 1 { "" } else { "s" })
}

/// The first of so many.
fn first_few<T: ToString>(items: &[T], count: usize) -> String {
    const FEW: usize = 5;
    let shown: Vec<_> = items.iter().take(FEW).map(ToString::to_string).collect();
    match count.saturating_sub(FEW) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}
