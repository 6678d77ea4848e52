//! The checks between the sites: which of them are in the way of one another.

use std::collections::HashMap;

use crate::config::{
    keys::site::{Site, UnknownHosts},
    problem::{Place, Problem, unique},
    values::public_url::PublicUrl,
};

pub(super) fn problems(sites: &[Site], problems: &mut Vec<Problem>) {
    if let [site] = sites
        && site.name.is_none()
    {
        return;
    }
    for site in sites {
        if site.name.is_none() {
            let message = "missing; name the site, for example name: production";
            problems.push(Problem::new(site.place.key("name"), message));
        }
        if site.public_urls.is_empty() {
            let message = "empty, and what is for this site is told by its public URLs; list what its clients type";
            problems.push(Problem::new(site.place.key("public_urls"), message));
        }
    }
    let names = sites.iter().enumerate().filter_map(|(place, site)| Some((place, site.name.as_ref()?)));
    unique(names, |place, first| {
        let name = |place: usize| sites[place].place.key("name");
        problems.push(Problem::repeated(name(place), name(first), "another site has this name; rename one"));
    });
    public_urls(sites, problems);
    unknown_hosts(sites, problems);
}

/// At most one site takes what is for none.
fn unknown_hosts(sites: &[Site], problems: &mut Vec<Problem>) {
    let mut takes = sites.iter().filter(|site| site.unknown_hosts == UnknownHosts::Forward);
    let Some(first) = takes.next() else { return };
    let key = |site: &Site| site.place.key("unknown_hosts");
    for other in takes {
        let message = "forward, but one site alone can have the requests for unknown hosts; leave it out here or there";
        problems.push(Problem::repeated(key(other), key(first), message));
    }
}

/// The host and path of a request name one site. A path below another site's path would look like one of that site's.
fn public_urls(sites: &[Site], problems: &mut Vec<Problem>) {
    let mut by_host: HashMap<&str, Vec<(usize, &PublicUrl, Place)>> = HashMap::new();
    for (number, site) in sites.iter().enumerate() {
        for (place, url) in site.public_urls.iter().enumerate() {
            let place = site.place.key("public_urls").index(place);
            by_host.entry(url.authority()).or_default().push((number, url, place));
        }
    }
    for urls in by_host.into_values() {
        for (count, (number, url, place)) in urls.iter().enumerate() {
            let of_others = urls.iter().enumerate().filter(|(_, (other, ..))| other != number);
            let found = of_others.filter_map(|(at, (_, other, there))| Some((overlap(url, other, count > at)?, there)));
            // One line a URL is enough to mend it.
            if let Some((message, there)) = found.into_iter().next() {
                problems.push(Problem::repeated(place.clone(), there.clone(), message));
            }
        }
    }
}

/// What is wrong with a URL beside another site's of the same host. What holds for both is said of the later one.
fn overlap(url: &PublicUrl, other: &PublicUrl, is_later: bool) -> Option<&'static str> {
    let is_below = |path: &str| path.strip_prefix(other.path()).is_some_and(|rest| rest.starts_with('/'));
    if url.path() == other.path() {
        return is_later.then_some("another site has this URL; a URL is one site's, so remove one");
    }
    if !other.path().is_empty() && is_below(url.path()) {
        return Some("below the path of another site, whose own paths it would hide; give it a path beside that one");
    }
    (is_later && url.scheme() != other.scheme()).then_some(
        "another site has the same host with another scheme, and a Host header does not say which is meant; keep the \
         one that clients type",
    )
}

pub(super) fn warnings(sites: &[Site], warnings: &mut Vec<Problem>) {
    let mut first_with = HashMap::new();
    for site in sites {
        for (place, server) in site.servers.iter().enumerate() {
            let (first, _) = *first_with.entry(&server.address).or_insert((site, place));
            if first.health != site.health {
                let message = format!(
                    "also a server of site {}, and checked once, as health says there; give both the same health",
                    first.name.as_ref().map_or("", |name| name.as_str())
                );
                warnings.push(Problem::new(site.place.key("servers").index(place), message));
            }
        }
    }
}
