//! The checks between the keys that decide about discovery: public URLs, profile, what turns it on, MCP client table.

use std::time::Duration;

use super::{
    keys::DiscoveryKeys,
    mcp_client::{McpClient, judge::Remark},
    profile::{McpServerAuthMode, Profile},
};
use crate::{
    config::{
        problem::{Place, Problem, unique},
        values::public_url::{PublicUrl, Scheme},
    },
    generation::{self, VERSION},
};

/// Everything that makes the keys at this place wrong, although each value alone is well formed.
pub(in crate::config) fn problems(keys: &DiscoveryKeys<'_>, place: &Place, problems: &mut Vec<Problem>) {
    public_urls(keys, place, problems);
    max_age(keys, place, problems);
    profile(keys, place, problems);
    mcp_clients(keys, place, problems);
}

fn public_urls(keys: &DiscoveryKeys<'_>, place: &Place, problems: &mut Vec<Problem>) {
    let path = place.key("public_urls");
    let urls = || keys.public_urls.iter();
    unique(urls().map(PublicUrl::as_str).enumerate(), |place, first| {
        problems.push(Problem::repeated(path.index(place), path.index(first), "the same URL again; remove one"));
    });
    unique(urls().map(PublicUrl::authority).enumerate(), |place, first| {
        if keys.public_urls[place].scheme() != keys.public_urls[first].scheme() {
            let message = "the same host with another scheme, and a Host header does not say which is meant; keep the \
                           one that clients type";
            problems.push(Problem::repeated(path.index(place), path.index(first), message));
        }
    });
}

fn max_age(keys: &DiscoveryKeys<'_>, place: &Place, problems: &mut Vec<Problem>) {
    let max_age = keys.discovery.max_age;
    if max_age != Duration::from_secs(max_age.as_secs()) {
        problems.push(Problem::new(
            place.key("discovery").key("max_age"),
            "Cache-Control counts whole seconds; write for example 60s",
        ));
    }
}

fn profile(keys: &DiscoveryKeys<'_>, place: &Place, problems: &mut Vec<Problem>) {
    let path = place.key("mcp_server_auth_mode");
    match (keys.profile(), keys.mcp_server_auth_mode) {
        (Profile::PerUserOauth, Some(_)) => {
            let message = "used with profile: oauth2 alone; under per_user_oauth an MCP client with auth_type \
                           per_user_oauth turns discovery on. Set that profile, or remove this";
            problems.push(Problem::new(path, message));
        }
        (Profile::Oauth2, Some(mode)) if mode.is_on() && keys.public_urls.is_empty() => {
            let message = format!(
                "{} needs public_urls: Bifrost's tokens are for one issuer, and no client may name it by its Host; \
                 list the origin that Bifrost has as oauth2_server_config.issuer_url",
                mode.name()
            );
            problems.push(Problem::new(path, message));
        }
        _ => {}
    }
    if keys.claude_code_gateway && keys.public_urls.is_empty() {
        let message = "needs public_urls: the gateway's tokens are for one issuer, and no client may name it by its \
                       Host; list the URL that Bifrost has as oauth2_server_config.issuer_url";
        problems.push(Problem::new(place.key("claude_code_gateway"), message));
    }
}

fn mcp_clients(keys: &DiscoveryKeys<'_>, place: &Place, problems: &mut Vec<Problem>) {
    let clients: &[McpClient] = keys.mcp_clients;
    let name = |client: &McpClient| place.key("mcp_clients").index(client.place()).key("name");
    unique(clients.iter().map(|client| client.name.as_str()).enumerate(), |place, first| {
        let message = format!("the name {:?} again; rename one", clients[place].name);
        problems.push(Problem::repeated(name(&clients[place]), name(&clients[first]), message));
    });
    for client in clients.iter().filter(|client| client.name.trim().is_empty()) {
        problems.push(Problem::new(name(client), "empty; give the MCP client a name"));
    }
}

/// What is allowed and works, but that an operator should know before relying on it: of the public URLs.
pub(in crate::config) fn url_warnings(keys: &DiscoveryKeys<'_>, place: &Place, warnings: &mut Vec<Problem>) {
    if keys.public_urls.is_empty() {
        warnings.push(Problem::new(
            place.key("public_urls"),
            "not set, so every issuer is derived from the request's Host header, as Bifrost does it: whoever can \
             send a Host can name the issuer; list the origins that clients type",
        ));
    }
    for (number, url) in keys.public_urls.iter().enumerate() {
        let path = || place.key("public_urls").index(number);
        if url.scheme() == Scheme::Http && !url.is_loopback() {
            let message = format!("{url} is plain http: RFC 8414 wants https and some MCP clients refuse to log in");
            warnings.push(Problem::new(path(), message));
        }
        if let Some(base) = url.as_str().strip_suffix("/mcp") {
            let message = format!(
                "a public URL is what clients type in front of /mcp, so that the MCP server of this one is at \
                 {url}/mcp; if it is at {url}, write {base}"
            );
            warnings.push(Problem::new(path(), message));
        }
    }
}

/// The same of the profile, and of what turns discovery on.
pub(in crate::config) fn profile_warnings(keys: &DiscoveryKeys<'_>, place: &Place, warnings: &mut Vec<Problem>) {
    if let Some(mode) = keys.auth_mode() {
        switched_off(keys, place, warnings);
        several_issuers(keys, place, mode, warnings);
    }
    if keys.claude_code_gateway && keys.profile() == Profile::PerUserOauth {
        let message = "set, but no Bifrost of profile per_user_oauth has one: it came with 2. Set the profile to oauth2, \
                       or take this out";
        warnings.push(Problem::new(place.key("claude_code_gateway"), message));
    }
}

/// What is said of the MCP clients, as notes or as warnings.
pub(in crate::config) fn remarks(keys: &DiscoveryKeys<'_>, place: &Place, is_note: bool, found: &mut Vec<Problem>) {
    let (table, clients) = (place.key("mcp_clients"), keys.mcp_clients);
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

/// Nobody gets a generation of Bifrost without knowing it.
pub(in crate::config) fn assumed(keys: &DiscoveryKeys<'_>, place: &Place, warnings: &mut Vec<Problem>) {
    if keys.profile.is_some() {
        return;
    }
    let (assumed, other) = (&generation::PER_USER_OAUTH, &generation::OAUTH2);
    let message = format!(
        "not set, so {} is assumed, for Bifrost {}; Bifrost {}, 2.x among them, needs {}. GET {VERSION} of a server, or \
         bridgehead verify, tells which it is: write the profile here",
        assumed.name, assumed.versions, other.versions, other.name
    );
    warnings.push(Problem::new(place.key("profile"), message));
}

/// Discovery is off, and nothing in the file says that it was to be.
fn switched_off(keys: &DiscoveryKeys<'_>, place: &Place, warnings: &mut Vec<Problem>) {
    if keys.mcp_server_auth_mode.is_some() {
        return;
    }
    let message = if keys.has_per_user_oauth() {
        "oauth2, but mcp_server_auth_mode is not set, and headers is its default, as in Bifrost: discovery is off, and \
         no MCP client with auth_type per_user_oauth turns it on. Write what Bifrost has under \
         client.mcp_server_auth_mode"
    } else {
        "oauth2, but mcp_server_auth_mode is not set, and headers is its default, as in Bifrost: discovery is off. \
         Write what Bifrost has under client.mcp_server_auth_mode"
    };
    warnings.push(Problem::new(place.key("profile"), message));
}

/// A Bifrost that is told its issuer has no other, whatever the host of a request.
fn several_issuers(keys: &DiscoveryKeys<'_>, place: &Place, mode: McpServerAuthMode, warnings: &mut Vec<Problem>) {
    if mode.is_on() && keys.public_urls.len() > 1 {
        let message = "one more issuer, and Bifrost has a single one as soon as its oauth2_server_config.issuer_url is \
                       set, which newer versions demand: clients of any other URL cannot log in then. Keep that one \
                       alone; bridgehead verify tells which it is";
        warnings.push(Problem::new(place.key("public_urls").index(1), message));
    }
}
