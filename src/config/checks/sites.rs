//! The checks between the sites: which of them are in the way of one another.

use std::collections::{HashMap, hash_map::Entry};

use crate::config::{
    discovery::keys::UnknownHosts,
    keys::site::Site,
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
    let mut first_of_host: HashMap<&str, (usize, &PublicUrl, Place)> = HashMap::new();
    let mut places: HashMap<(&str, &str), (usize, Place)> = HashMap::new();
    for (number, url, place) in urls(sites) {
        let first = first_of_host.entry(url.authority()).or_insert_with(|| (number, url, place.clone()));
        let (of_first, first, first_place) = first;
        // Within one site it is said of that.
        if *of_first != number && first.scheme() != url.scheme() {
            let message = "another site has the same host with another scheme, and a Host header does not say which is \
                           meant; keep the one that clients type";
            problems.push(Problem::repeated(place.clone(), first_place.clone(), message));
        }
        match places.entry((url.authority(), url.path())) {
            Entry::Vacant(free) => drop(free.insert((number, place))),
            Entry::Occupied(taken) if taken.get().0 != number => {
                let message = "another site has this URL; a URL is one site's, so remove one";
                problems.push(Problem::repeated(place, taken.get().1.clone(), message));
            }
            // A URL twice in one site is said of that site.
            Entry::Occupied(_) => {}
        }
    }
    for (number, url, place) in urls(sites) {
        let slashes = url.path().char_indices().filter(|(at, char)| *char == '/' && *at > 0);
        let above = slashes.filter_map(|(at, _)| places.get(&(url.authority(), url.path().get(..at)?)));
        if let Some((_, above)) = above.into_iter().find(|(other, _)| *other != number) {
            let message =
                "below the path of another site, whose own paths it would hide; give it a path beside that one";
            problems.push(Problem::repeated(place, above.clone(), message));
        }
    }
}

/// Every public URL with the number of its site and its place.
fn urls(sites: &[Site]) -> impl Iterator<Item = (usize, &PublicUrl, Place)> {
    sites.iter().enumerate().flat_map(|(number, site)| {
        let list = site.place.key("public_urls");
        site.public_urls.iter().enumerate().map(move |(place, url)| (number, url, list.index(place)))
    })
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
