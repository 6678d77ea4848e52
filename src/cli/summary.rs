//! What is served, in a few lines.

use crate::{config::Loaded, discovery::Discovery};

/// What is served, in a few lines for a person.
pub(super) fn summary(loaded: &Loaded, discovery: &Discovery) -> Vec<String> {
    let config = &loaded.config;
    let discovery_line = discovery_line(discovery);
    let urls = discovery.origins().urls();
    let urls_line = if urls.is_empty() {
        "public URLs: none, derived from each request".to_owned()
    } else {
        format!("public URLs: {}", first_few(urls, urls.len()))
    };
    let servers: Vec<_> = config.servers.iter().map(|server| &server.address).collect();
    let servers_line = match servers.len() {
        0 => "forwarding to no server".to_owned(),
        1 => format!("forwarding to 1 server: {}", servers[0]),
        count => {
            format!("forwarding to {count} servers, {}: {}", config.balance.policy.name(), first_few(&servers, count))
        }
    };
    let mut lines = vec![discovery_line, urls_line, servers_line];
    lines.extend(discovery.has_claude_code().then(|| "Claude Code gateway: its metadata is answered here".to_owned()));
    lines.extend(config.access_log.as_ref().map(|log| format!("access log: {} to {}", log.format.name(), log.to)));
    lines
}

/// Whether discovery is on, and why.
fn discovery_line(discovery: &Discovery) -> String {
    let (profile, clients) = (discovery.profile().name(), discovery.clients());
    let on_or_off = if discovery.is_on() { "on" } else { "off (404)" };
    let why = match (discovery.mode(), discovery.deciding_count()) {
        (Some(mode), _) => format!("mcp_server_auth_mode is {}; no MCP client decides ({clients} listed)", mode.name()),
        (None, 0) => format!("none of {clients} MCP clients has auth_type per_user_oauth"),
        (None, deciding) => {
            let names = first_few(discovery.deciding_clients(), deciding);
            format!("{deciding} of {clients} MCP clients with auth_type per_user_oauth: {names}")
        }
    };
    format!("discovery {on_or_off}, profile {profile}: {why}")
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
