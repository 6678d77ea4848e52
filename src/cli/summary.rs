//! What is served, in a few lines.

use crate::{config::Loaded, discovery::Discovery};

/// What is served, in a few lines for a person.
pub(super) fn summary(loaded: &Loaded, discovery: &Discovery) -> Vec<String> {
    let config = &loaded.config;
    let clients = config.mcp_clients.len();
    let deciding = discovery.deciding_clients();
    let profile = config.profile.name();
    let discovery_line = if discovery.is_on() {
        format!(
            "discovery on, profile {profile}: {} of {clients} MCP clients with auth_type per_user_oauth: {}",
            discovery.deciding_count(),
            first_few(deciding, discovery.deciding_count())
        )
    } else {
        format!("discovery off (404), profile {profile}: none of {clients} MCP clients has auth_type per_user_oauth")
    };
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
    lines.extend(config.access_log.as_ref().map(|log| format!("access log: {} to {}", log.format.name(), log.to)));
    lines
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
