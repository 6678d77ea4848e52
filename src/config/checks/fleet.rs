//! The checks between the values about the servers.

use std::time::Duration;

use crate::config::{
    keys::{
        fleet::{HashKey, Policy, Retries, Server},
        site::Site,
    },
    problem::{Place, Problem, unique},
};

/// Nobody waits longer, and clocks can count so far.
const LONGEST: Duration = Duration::from_hours(366 * 24);

pub(super) fn problems(site: &Site, problems: &mut Vec<Problem>) {
    servers(site, problems);
    balance(site, problems);
    health(site, problems);
    breaker(site, problems);
    retries(site, problems);
    timeouts(site, problems);
}

pub(super) fn warnings(site: &Site, warnings: &mut Vec<Problem>) {
    if site.servers.is_empty() {
        warnings.push(Problem::new(
            site.place.key("servers"),
            "empty, so everything but discovery is answered 503; add a server",
        ));
    }
    let timeouts = &site.timeouts;
    if timeouts.request.is_some_and(|request| request < timeouts.first_byte) {
        warnings.push(Problem::new(
            site.place.key("timeouts").key("request"),
            "ends a request, long streams included, before first_byte does; most operators leave it out",
        ));
    }
    if let Some(HashKey::Header(name)) = &site.balance.hash_key
        && name == "mcp-session-id"
    {
        warnings.push(Problem::new(
            site.place.key("balance").key("hash_key"),
            "the server makes Mcp-Session-Id in its answer to the first request, which goes to any server, so that its \
             hash leads to one that may not know the session; write client_address, or a header or cookie that clients \
             send from the first request on. Bifrost's /mcp has no sessions and needs no hash",
        ));
    }
}

fn servers(site: &Site, problems: &mut Vec<Problem>) {
    let path = site.place.key("servers");
    let address = |place| path.index(place).key("address");
    unique(site.servers.iter().map(|server| server.address.as_str()).enumerate(), |place, first| {
        problems.push(Problem::repeated(address(place), address(first), "the same address again; remove one"));
    });
    for (place, server) in site.servers.iter().enumerate() {
        if server.weight > Server::MOST_WEIGHT {
            let message = format!("the greatest weight is {}; only the proportions count", Server::MOST_WEIGHT);
            problems.push(Problem::new(path.index(place).key("weight"), message));
        }
    }
    if site.servers.is_empty() {
        return;
    }
    if site.servers.iter().all(|server| server.backup) {
        let message = "every server is a backup, of nothing; leave backup out for those that do the work";
        problems.push(Problem::new(path.index(0).key("backup"), message));
    } else if site.servers.iter().filter(|server| !server.backup).all(|server| server.weight == 0) {
        let place = site.servers.iter().position(|server| !server.backup).unwrap_or_default();
        let message = "no server but a backup has a weight above 0, so none gets requests; give one a weight";
        problems.push(Problem::new(path.index(place).key("weight"), message));
    }
    let limits_requests =
        site.timeouts.request.is_some() || site.timeouts.paths.iter().any(|path| path.request.is_some());
    if limits_requests && let Some(place) = site.servers.iter().position(|server| server.http2) {
        let message = "timeouts.request is not kept on HTTP/2 connections to a server; leave one of them out";
        problems.push(Problem::new(path.index(place).key("http2"), message));
    }
}

fn balance(site: &Site, problems: &mut Vec<Problem>) {
    let (balance, path) = (&site.balance, site.place.key("balance"));
    match (balance.policy, &balance.hash_key) {
        (Policy::Hash, None) => {
            let message = "missing, and policy: hash needs it; add for example hash_key: client_address";
            problems.push(Problem::new(path.key("hash_key"), message));
        }
        (Policy::LeastRequests | Policy::RoundRobin, Some(_)) => {
            problems.push(Problem::new(path.key("hash_key"), "used with policy: hash alone; set that, or remove it"));
        }
        _ => {}
    }
    if !(1.0..=100.0).contains(&balance.hash_load) {
        let message = "must be from 1 to 100: how many times its fair share a server takes; write for example 1.25";
        problems.push(Problem::new(path.key("hash_load"), message));
    }
}

fn health(site: &Site, problems: &mut Vec<Problem>) {
    let (health, path) = (&site.health, site.place.key("health"));
    if !health.path.starts_with('/') || !health.path.bytes().all(|byte| byte.is_ascii_graphic()) {
        problems.push(Problem::new(path.key("path"), "no path; write for example /health"));
    }
    sensible(&path, "interval", health.interval, "5s", problems);
    sensible(&path, "timeout", health.timeout, "5s", problems);
    at_least_one(&path, "rise", health.rise, 2, problems);
    at_least_one(&path, "fall", health.fall, 3, problems);
    if health.statuses.is_empty() {
        let message = "empty, so no check could ever be good; write for example [200]";
        problems.push(Problem::new(path.key("statuses"), message));
    }
}

fn breaker(site: &Site, problems: &mut Vec<Problem>) {
    let (breaker, path) = (&site.breaker, site.place.key("breaker"));
    at_least_one(&path, "failures", breaker.failures, 5, problems);
    at_least_one(&path, "server_errors", breaker.server_errors, 20, problems);
    if !(1..=100).contains(&breaker.server_error_share) {
        problems.push(Problem::new(
            path.key("server_error_share"),
            "percent of the last answers: 1 to 100, for example 99",
        ));
    }
    sensible(&path, "open", breaker.open, "1s", problems);
    sensible(&path, "longest_open", breaker.longest_open, "30s", problems);
    if breaker.longest_open < breaker.open {
        problems.push(Problem::new(path.key("longest_open"), "shorter than open; write for example 30s"));
    }
}

fn retries(site: &Site, problems: &mut Vec<Problem>) {
    let (retries, path) = (&site.retries, site.place.key("retries"));
    if !(1..=Retries::MOST_ATTEMPTS).contains(&retries.attempts) {
        let message = format!("must be from 1, no retry, to {}", Retries::MOST_ATTEMPTS);
        problems.push(Problem::new(path.key("attempts"), message));
    }
    if retries.budget > 100 {
        problems.push(Problem::new(path.key("budget"), "percent of all requests: 0, no retry, to 100"));
    }
}

fn timeouts(site: &Site, problems: &mut Vec<Problem>) {
    let (timeouts, path) = (&site.timeouts, site.place.key("timeouts"));
    sensible(&path, "connect", timeouts.connect, "5s", problems);
    sensible(&path, "first_byte", timeouts.first_byte, "15m", problems);
    sensible(&path, "silence", timeouts.silence, "15m", problems);
    sensible(&path, "request", timeouts.request, "1h, or leave it out", problems);
    sensible(&path, "idle", timeouts.idle, "60s", problems);
    sensible(&path, "ping", timeouts.ping, "10s", problems);
    sensible(&site.place.key("verify"), "interval", site.verify.interval, "5m, or leave it out", problems);
    let paths = path.key("paths");
    unique(timeouts.paths.iter().map(|path| &path.prefix).enumerate(), |place, first| {
        let prefix = |place| paths.index(place).key("prefix");
        problems.push(Problem::repeated(prefix(place), prefix(first), "the same prefix again; put both in one"));
    });
    for (place, limits) in timeouts.paths.iter().enumerate() {
        let path = paths.index(place);
        sensible(&path, "connect", limits.connect, "5s", problems);
        sensible(&path, "first_byte", limits.first_byte, "15m", problems);
        sensible(&path, "silence", limits.silence, "15m", problems);
        sensible(&path, "request", limits.request, "1h, or leave it out", problems);
    }
}

/// A time that can be waited for, unless it is left out.
pub(super) fn sensible(
    path: &Place,
    key: &str,
    value: impl Into<Option<Duration>>,
    example: &str,
    problems: &mut Vec<Problem>,
) {
    let Some(value) = value.into() else { return };
    let fault = if value.is_zero() {
        "0 leaves no time for anything"
    } else if value > LONGEST {
        "longer than a year"
    } else {
        return;
    };
    problems.push(Problem::new(path.key(key), format!("{fault}; write for example {example}")));
}

fn at_least_one(path: &Place, key: &str, value: u32, example: u32, problems: &mut Vec<Problem>) {
    if value == 0 {
        problems.push(Problem::new(path.key(key), format!("must be at least 1; write for example {example}")));
    }
}
