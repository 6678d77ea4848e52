//! The check of the path at which the edge says whether it is ready.

use crate::config::{
    keys::{config::EdgeKeys, site::Site},
    problem::{Place, Problem},
};

/// It is nobody else's below the path of a public URL, either.
pub(super) fn problems(edge: &EdgeKeys, site: &Site, problems: &mut Vec<Problem>) {
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
