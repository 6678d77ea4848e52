//! The checks of the public URLs, next to each other and to what else is at their paths.

use crate::config::{
    keys::{config::EdgeKeys, site::Site},
    problem::{Place, Problem, unique},
    values::public_url::{PublicUrl, Scheme},
};

pub(super) fn problems(edge: &EdgeKeys, site: &Site, problems: &mut Vec<Problem>) {
    let path = site.place.key("public_urls");
    let urls = || site.public_urls.iter();
    unique(urls().map(PublicUrl::as_str).enumerate(), |place, first| {
        problems.push(Problem::repeated(path.index(place), path.index(first), "the same URL again; remove one"));
    });
    unique(urls().map(PublicUrl::authority).enumerate(), |place, first| {
        if site.public_urls[place].scheme() != site.public_urls[first].scheme() {
            let message = "the same host with another scheme, and a Host header does not say which is meant; keep the \
                           one that clients type";
            problems.push(Problem::repeated(path.index(place), path.index(first), message));
        }
    });
    readiness_path(edge, site, problems);
}

/// It is nobody else's below the path of a public URL, either.
fn readiness_path(edge: &EdgeKeys, site: &Site, problems: &mut Vec<Problem>) {
    let Some(readiness) = &edge.readiness_path else { return };
    for (place, url) in site.public_urls.iter().enumerate().filter(|(_, url)| !url.path().is_empty()) {
        let below = readiness.as_str().strip_prefix(url.path()).filter(|below| below.starts_with('/'));
        if below.is_some_and(|below| {
            matches!(below.trim_end_matches('/'), "/mcp" | "/v1/mcp") || below.starts_with("/.well-known")
        }) {
            let message = format!("{url} has something else there; write a path of its own, such as \"/edge-readyz\"");
            let first = site.place.key("public_urls").index(place);
            problems.push(Problem::repeated(Place::root("readiness_path"), first, message));
        }
    }
}

pub(super) fn warnings(site: &Site, warnings: &mut Vec<Problem>) {
    if site.public_urls.is_empty() {
        warnings.push(Problem::new(
            site.place.key("public_urls"),
            "not set, so every issuer is derived from the request's Host header, as Bifrost does it: whoever can \
             send a Host can name the issuer; list the origins that clients type",
        ));
    }
    for (place, url) in site.public_urls.iter().enumerate() {
        let path = || site.place.key("public_urls").index(place);
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
