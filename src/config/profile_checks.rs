//! The checks between the profile, what turns its discovery on, and what its logins pass through.

use super::{
    mcp_client::AuthType,
    problem::{KeyPath, Problem},
    profile::{McpServerAuthMode, Profile},
    schema::{AccessRule, Config},
};

pub(super) fn problems(config: &Config, problems: &mut Vec<Problem>) {
    let path = KeyPath::root("mcp_server_auth_mode");
    match (config.profile, config.mcp_server_auth_mode) {
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
        switched_off(config, mode, warnings);
        several_issuers(config, mode, warnings);
    }
    closed_logins(config, warnings);
}

/// Discovery is off, and something in the file suggests that it was to be on.
fn switched_off(config: &Config, mode: McpServerAuthMode, warnings: &mut Vec<Problem>) {
    if mode.is_on() {
        return;
    }
    if config.mcp_server_auth_mode.is_none() {
        let message = "oauth2, but mcp_server_auth_mode is not set, and headers is its default, as in Bifrost: \
                       discovery is off. Write what Bifrost has under client.mcp_server_auth_mode";
        warnings.push(Problem::new(KeyPath::root("profile"), message));
    }
    let mut clients = config.mcp_clients.iter();
    if let Some(place) = clients.position(|client| client.auth_type() == AuthType::PerUserOauth) {
        let message = "turns discovery on under profile: per_user_oauth alone; under oauth2 mcp_server_auth_mode does, \
                       which is headers";
        warnings.push(Problem::new(KeyPath::root("mcp_clients").index(place).key("auth_type"), message));
    }
}

/// A Bifrost that is told its issuer has no other, whatever the host of a request.
fn several_issuers(config: &Config, mode: McpServerAuthMode, warnings: &mut Vec<Problem>) {
    if mode.is_on() && config.public_urls.len() > 1 {
        let message = "one more issuer, and Bifrost has a single one as soon as its oauth2_server_config.issuer_url is \
                       set, which newer versions demand: clients of any other URL cannot log in then. Keep that one \
                       alone; bifrost-edge verify tells which it is";
        warnings.push(Problem::new(KeyPath::root("public_urls").index(1), message));
    }
}

/// Whoever may reach `/mcp` must be able to log in.
fn closed_logins(config: &Config, warnings: &mut Vec<Problem>) {
    let rule_of = |path: &str| {
        let covering = config.access.iter().enumerate().filter(|(_, rule)| rule.path.covers(path.as_bytes()));
        covering.max_by_key(|(_, rule)| rule.path.as_str().len())
    };
    let mcp = rule_of("/mcp").map(|(_, rule)| rule);
    let mut closed: Vec<usize> = Vec::new();
    for path in config.profile.login_paths() {
        let Some((place, rule)) = rule_of(path) else { continue };
        if !closed.contains(&place) && is_on(config) && !is_as_open(rule, mcp) {
            closed.push(place);
            let message = format!(
                "closes {path}, through which the logins of profile {} pass, to some who may reach /mcp; add a rule \
                 for {path} that lets them through",
                config.profile.name()
            );
            warnings.push(Problem::new(KeyPath::root("access").index(place).key("path"), message));
        }
    }
}

fn is_on(config: &Config) -> bool {
    match config.auth_mode() {
        Some(mode) => mode.is_on(),
        None => config.mcp_clients.iter().any(|client| client.auth_type() == AuthType::PerUserOauth),
    }
}

/// Whether a rule keeps out nobody but whom this other one, if there is one, keeps out, too.
fn is_as_open(rule: &AccessRule, other: Option<&AccessRule>) -> bool {
    let (allowed, denied) = other.map_or((&[][..], &[][..]), |other| (&other.allow[..], &other.deny[..]));
    let allows = rule.allow.is_empty() || (!allowed.is_empty() && allowed.iter().all(|one| rule.allow.contains(one)));
    allows && rule.deny.iter().all(|one| denied.contains(one))
}
