//! The checks between the profile, what turns its discovery on, and what its logins pass through.

use std::collections::BTreeMap;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use crate::{
    config::{
        keys::{
            config::{AccessRule, Config},
            mcp_client::AuthType,
            profile::{McpServerAuthMode, Profile},
        },
        problem::{KeyPath, Problem},
        values::network::Network,
    },
    generation::{self, VERSION},
};

pub(super) fn problems(config: &Config, problems: &mut Vec<Problem>) {
    let path = KeyPath::root("mcp_server_auth_mode");
    match (config.profile(), config.mcp_server_auth_mode) {
        (Profile::PerUserOauth, Some(_)) => {
            let message = "used with profile: oauth2 alone; under per_user_oauth an MCP client with auth_type \
                           per_user_oauth turns discovery on. Set that profile, or remove this";
            problems.push(Problem::new(path, message));
        }
        (Profile::Oauth2, Some(mode)) if mode.is_on() && config.public_urls.is_empty() => {
            let message = format!(
                "{} needs public_urls: Bifrost's tokens are for one issuer, and no client may name it by its Host; \
                 list the origin that Bifrost has as oauth2_server_config.issuer_url",
                mode.name()
            );
            problems.push(Problem::new(path, message));
        }
        _ => {}
    }
}

pub(super) fn warnings(config: &Config, warnings: &mut Vec<Problem>) {
    if let Some(mode) = config.auth_mode() {
        switched_off(config, warnings);
        several_issuers(config, mode, warnings);
    }
    closed_logins(config, warnings);
    assumed(config, warnings);
}

/// Nobody gets a generation of Bifrost without knowing it.
fn assumed(config: &Config, warnings: &mut Vec<Problem>) {
    if config.profile.is_some() {
        return;
    }
    let (assumed, other) = (&generation::PER_USER_OAUTH, &generation::OAUTH2);
    let message = format!(
        "not set, so {} is assumed, for Bifrost {}; Bifrost {}, 2.x among them, needs {}. GET {VERSION} of a server, or \
         bridgehead verify, tells which it is: write the profile here",
        assumed.name, assumed.versions, other.versions, other.name
    );
    warnings.push(Problem::new(KeyPath::root("profile"), message));
}

/// Discovery is off, and nothing in the file says that it was to be.
fn switched_off(config: &Config, warnings: &mut Vec<Problem>) {
    if config.mcp_server_auth_mode.is_some() {
        return;
    }
    let message = if has_per_user_oauth(config) {
        "oauth2, but mcp_server_auth_mode is not set, and headers is its default, as in Bifrost: discovery is off, and \
         no MCP client with auth_type per_user_oauth turns it on. Write what Bifrost has under \
         client.mcp_server_auth_mode"
    } else {
        "oauth2, but mcp_server_auth_mode is not set, and headers is its default, as in Bifrost: discovery is off. \
         Write what Bifrost has under client.mcp_server_auth_mode"
    };
    warnings.push(Problem::new(KeyPath::root("profile"), message));
}

fn has_per_user_oauth(config: &Config) -> bool {
    config.mcp_clients.iter().any(|client| client.auth_type == AuthType::PerUserOauth)
}

/// A Bifrost that is told its issuer has no other, whatever the host of a request.
fn several_issuers(config: &Config, mode: McpServerAuthMode, warnings: &mut Vec<Problem>) {
    if mode.is_on() && config.public_urls.len() > 1 {
        let message = "one more issuer, and Bifrost has a single one as soon as its oauth2_server_config.issuer_url is \
                       set, which newer versions demand: clients of any other URL cannot log in then. Keep that one \
                       alone; bridgehead verify tells which it is";
        warnings.push(Problem::new(KeyPath::root("public_urls").index(1), message));
    }
}

/// Whoever may reach `/mcp` must be able to log in.
fn closed_logins(config: &Config, warnings: &mut Vec<Problem>) {
    let is_on = config.auth_mode().map_or_else(|| has_per_user_oauth(config), McpServerAuthMode::is_on);
    if !is_on {
        return;
    }
    let rule_of = |path: &str| {
        let covering = config.access.iter().enumerate().filter(|(_, rule)| rule.path.covers(path.as_bytes()));
        covering.max_by_key(|(_, rule)| rule.path.as_str().len())
    };
    let mcp = rule_of("/mcp").map(|(_, rule)| rule);
    let mut closed: BTreeMap<usize, Vec<&str>> = BTreeMap::new();
    for path in config.profile().generation().login_paths() {
        if let Some((place, rule)) = rule_of(path)
            && !is_as_open(rule, mcp)
        {
            closed.entry(place).or_default().push(path);
        }
    }
    for (place, paths) in closed {
        let networks: Vec<_> = reaching(mcp).iter().map(|network| format!("\"{network}\"")).collect();
        let networks = networks.join(", ");
        let remedy = match &paths[..] {
            // A second rule for the same path would be refused.
            [path] if *path == config.access[place].path.as_str() => format!("write allow: [{networks}] there"),
            _ => format!("add a rule for each of them, such as {{path: {}, allow: [{networks}]}}", paths[0]),
        };
        let message = format!(
            "closes {}, through which the logins of profile {} pass, to some who may reach /mcp; {remedy}",
            paths.join(", "),
            config.profile().name()
        );
        warnings.push(Problem::new(KeyPath::root("access").index(place).key("path"), message));
    }
}

/// The networks that a rule lets through, those that it denies among them; without a rule, all.
fn reaching(rule: Option<&AccessRule>) -> Vec<IpNet> {
    match rule {
        Some(rule) if !rule.allow.is_empty() => nets(&rule.allow),
        _ => vec![IpNet::V4(Ipv4Net::default()), IpNet::V6(Ipv6Net::default())],
    }
}

/// Whether a rule keeps out none of the networks that this other one, if there is one, lets through. To deny a part of
/// them is to keep somebody out for a reason, and closes nothing.
fn is_as_open(rule: &AccessRule, other: Option<&AccessRule>) -> bool {
    let covers = |nets: &[IpNet], net: &IpNet| IpNet::aggregate(&nets.to_vec()).iter().any(|one| one.contains(net));
    let (allowed, denied) = (reaching(Some(rule)), nets(&rule.deny));
    let denied_there = other.map_or_else(Vec::new, |other| nets(&other.deny));
    let mut wanted = reaching(other).into_iter().filter(|net| !covers(&denied_there, net));
    wanted.all(|net| covers(&allowed, &net) && !covers(&denied, &net))
}

fn nets(networks: &[Network]) -> Vec<IpNet> {
    networks.iter().map(|network| network.0).collect()
}
