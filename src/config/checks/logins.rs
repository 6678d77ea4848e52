//! The checks of the paths that logins pass through.

use std::collections::BTreeMap;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use crate::{
    config::{
        discovery::{keys::DiscoveryKeys, profile::McpServerAuthMode},
        keys::site::{AccessRule, Site},
        problem::Problem,
        values::{network::Network, path_prefix::below_bases, public_url::PublicUrl},
    },
    generation::{CLAUDE_CODE_MESSAGES, claude_code_login_paths},
};

pub(super) fn warnings(site: &Site, warnings: &mut Vec<Problem>) {
    closed_logins(site, warnings);
    half_closed(site, warnings);
}

/// Whoever may reach `/mcp`, or the Claude Code gateway, must be able to log in.
fn closed_logins(site: &Site, warnings: &mut Vec<Problem>) {
    let keys = DiscoveryKeys::from(site);
    let is_on = keys.auth_mode().map_or_else(|| keys.has_per_user_oauth(), McpServerAuthMode::is_on);
    if is_on {
        let whose = format!("the logins of profile {}", site.profile().name());
        closed(site, "/mcp", site.profile().generation().login_paths(), &whose, warnings);
    }
    if site.claude_code_gateway {
        closed(site, CLAUDE_CODE_MESSAGES, claude_code_login_paths(), "the logins of Claude Code", warnings);
    }
}

/// The rules that close any of these paths to some who may reach this one, at any public URL.
fn closed(
    site: &Site,
    entry: &str,
    paths: impl Iterator<Item = &'static str>,
    whose: &str,
    warnings: &mut Vec<Problem>,
) {
    let rules = site.access.iter().enumerate().map(|(place, rule)| (rule.path.clone(), (place, rule)));
    let rules = below_bases(rules, &site.base_paths());
    let rule_of = |path: &str| rules.iter().find(|(prefix, _)| prefix.covers(path.as_bytes())).map(|(_, rule)| *rule);
    let mut bases: Vec<_> = site.public_urls.iter().map(PublicUrl::path).collect();
    if bases.is_empty() {
        bases.push("");
    }
    let mut closed: BTreeMap<usize, (Vec<String>, Option<&AccessRule>)> = BTreeMap::new();
    let paths: Vec<_> = paths.collect();
    for base in bases {
        let reached = rule_of(&format!("{base}{entry}")).map(|(_, rule)| rule);
        for path in &paths {
            let Some((place, rule)) = rule_of(&format!("{base}{path}")) else { continue };
            // As the rule is written: for Bifrost's own path, or for that at one public URL.
            let shown = if rule.path.covers(path.as_bytes()) { (*path).to_owned() } else { format!("{base}{path}") };
            let (known, _) = closed.entry(place).or_insert((Vec::new(), reached));
            if !is_as_open(rule, reached) && !known.contains(&shown) {
                known.push(shown);
            }
        }
    }
    for (place, (paths, reached)) in closed.into_iter().filter(|(_, (paths, _))| !paths.is_empty()) {
        let networks: Vec<_> = reaching(reached).iter().map(|network| format!("\"{network}\"")).collect();
        let networks = networks.join(", ");
        let remedy = match &paths[..] {
            // A second rule for the same path would be refused.
            [path] if *path == site.access[place].path.as_str() => format!("write allow: [{networks}] there"),
            _ => format!("add a rule for each of them, such as {{path: {}, allow: [{networks}]}}", paths[0]),
        };
        let paths = paths.join(", ");
        let message = format!("closes {paths}, through which {whose} pass, to some who may reach {entry}; {remedy}");
        warnings.push(Problem::new(site.place.key("access").index(place).key("path"), message));
    }
}

/// A Bifrost below a path takes requests without that path, too.
fn half_closed(site: &Site, warnings: &mut Vec<Problem>) {
    let bases = site.base_paths();
    for (place, rule) in site.access.iter().enumerate() {
        let Some(base) = bases.iter().rfind(|base| rule.path.is_at_or_below(base)) else { continue };
        let own = rule.path.as_str().get(base.len()..).filter(|own| !own.is_empty()).unwrap_or("/");
        let message = format!(
            "begins with {base}, the path of a public URL, and a Bifrost below a path takes requests without it as \
             well: they are not held to this rule. Write {own}, which holds below every public URL, too"
        );
        warnings.push(Problem::new(site.place.key("access").index(place).key("path"), message));
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
    networks.iter().map(Network::net).collect()
}
