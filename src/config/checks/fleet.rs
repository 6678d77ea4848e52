//! The checks between the values about the servers.

use std::time::Duration;

use crate::config::{
    keys::{
        config::Config,
        fleet::{HashKey, Policy, Retries, Server},
    },
    problem::{KeyPath, Problem, unique},
};

/// Nobody waits longer, and clocks can count so far.
const LONGEST: Duration = Duration::from_hours(366 * 24);

pub(super) fn problems(config: &Config, problems: &mut Vec<Problem>) {
    servers(config, problems);
    balance(config, problems);
    health(config, problems);
    breaker(config, problems);
    retries(config, problems);
    timeouts(config, problems);
}

pub(super) fn warnings(config: &Config, warnings: &mut Vec<Problem>) {
    if config.servers.is_empty() {
        warnings.push(Problem::new(
            KeyPath::root("servers"),
            "empty, so everything but discovery is answered 503; add a server",
        ));
    }
    let timeouts = &config.timeouts;
    if timeouts.request.is_some_and(|request| request < timeouts.first_byte) {
        warnings.push(Problem::new(
            KeyPath::root("timeouts").key("request"),
            "ends a request, long streams included, before first_byte does; most operators leave it out",
        ));
    }
    if let Some(HashKey::Header(name)) = &config.balance.hash_key
        && name == "mcp-session-id"
    {
        warnings.push(Problem::new(
            KeyPath::root("balance").key("hash_key"),
            "the server makes Mcp-Session-Id in its answer to the first request, which goes to any server, so that its \
             hash leads to one that may not know the session; write client_address, or a header or cookie that clients \
             send from the first request on. Bifrost's /mcp has no sessions and needs no hash",
        ));
    }
}

fn servers(config: &Config, problems: &mut Vec<Problem>) {
    let path = KeyPath::root("servers");
    let address = |place| path.index(place).key("address");
    unique(config.servers.iter().map(|server| server.address.as_str()).enumerate(), |place, first| {
        problems.push(Problem::repeated(address(place), address(first), "the same address again; remove one"));
    });
    for (place, server) in config.servers.iter().enumerate() {
        if server.weight > Server::MOST_WEIGHT {
            let message = format!("the greatest weight is {}; only the proportions count", Server::MOST_WEIGHT);
            problems.push(Problem::new(path.index(place).key("weight"), message));
        }
    }
    if config.servers.is_empty() {
        return;
    }
    if config.servers.iter().all(|server| server.backup) {
        let message = "every server is a backup, of nothing; leave backup out for those that do the work";
        problems.push(Problem::new(path.index(0).key("backup"), message));
    } else if config.servers.iter().filter(|server| !server.backup).all(|server| server.weight == 0) {
        let place = config.servers.iter().position(|server| !server.backup).unwrap_or_default();
        let message = "no server but a backup has a weight above 0, so none gets requests; give one a weight";
        problems.push(Problem::new(path.index(place).key("weight"), message));
    }
    let limits_requests =
        config.timeouts.request.is_some() || config.timeouts.paths.iter().any(|path| path.request.is_some());
    if limits_requests && let Some(place) = config.servers.iter().position(|server| server.http2) {
        let message = "timeouts.request is not kept on HTTP/2 connections to a server; leave one of them out";
        problems.push(Problem::new(path.index(place).key("http2"), message));
    }
}

fn balance(config: &Config, problems: &mut Vec<Problem>) {
    let (balance, path) = (&config.balance, KeyPath::root("balance"));
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

fn health(config: &Config, problems: &mut Vec<Problem>) {
    let (health, path) = (&config.health, KeyPath::root("health"));
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

fn breaker(config: &Config, problems: &mut Vec<Problem>) {
    let (breaker, path) = (&config.breaker, KeyPath::root("breaker"));
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

fn retries(config: &Config, problems: &mut Vec<Problem>) {
    let (retries, path) = (&config.retries, KeyPath::root("retries"));
    if !(1..=Retries::MOST_ATTEMPTS).contains(&retries.attempts) {
        let message = format!("must be from 1, no retry, to {}", Retries::MOST_ATTEMPTS);
        problems.push(Problem::new(path.key("attempts"), message));
    }
    if retries.budget > 100 {
        problems.push(Problem::new(path.key("budget"), "percent of all requests: 0, no retry, to 100"));
    }
}

fn timeouts(config: &Config, problems: &mut Vec<Problem>) {
    let (timeouts, path) = (&config.timeouts, KeyPath::root("timeouts"));
    sensible(&path, "connect", timeouts.connect, "5s", problems);
    sensible(&path, "first_byte", timeouts.first_byte, "15m", problems);
    sensible(&path, "silence", timeouts.silence, "15m", problems);
    sensible(&path, "request", timeouts.request, "1h, or leave it out", problems);
    sensible(&path, "idle", timeouts.idle, "60s", problems);
    sensible(&path, "ping", timeouts.ping, "10s", problems);
    sensible(&KeyPath::root("dns"), "interval", config.dns.interval, "10s", problems);
    sensible(&KeyPath::root("verify"), "interval", config.verify.interval, "5m, or leave it out", problems);
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
    path: &KeyPath,
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

fn at_least_one(path: &KeyPath, key: &str, value: u32, example: u32, problems: &mut Vec<Problem>) {
    if value == 0 {
        problems.push(Problem::new(path.key(key), format!("must be at least 1; write for example {example}")));
    }
}
