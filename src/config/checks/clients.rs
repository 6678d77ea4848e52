//! The checks between the values about clients: where they connect, and what they may do.

use std::net::{IpAddr, Ipv4Addr};

use super::{addresses, fleet::sensible};
use crate::config::{
    keys::{
        config::EdgeKeys,
        limits::{ClientRate, Limits},
        listener::{ListenAddress, Listener},
        site::Site,
        stop::StopOptions,
    },
    problem::{KeyPath, Place, Problem},
    values::public_url::Scheme,
};

pub(super) fn problems(edge: &EdgeKeys, sites: &[Site], problems: &mut Vec<Problem>) {
    addresses::problems(edge, problems);
    for (place, listener) in edge.listeners.iter().enumerate() {
        listener_options(edge, sites, listener, &KeyPath::root("listeners").index(place), problems);
    }
    limits(&edge.limits, problems);
    stop(&edge.stop, problems);
    sensible(&Place::root("dns"), "interval", edge.dns.interval, "10s", problems);
}

fn stop(stop: &StopOptions, problems: &mut Vec<Problem>) {
    let path = Place::root("stop");
    for (key, value, example) in [("delay", stop.delay, "15s"), ("idle", stop.idle, "1s"), ("grace", stop.grace, "30s")]
    {
        // None at all is a choice.
        sensible(&path, key, Some(value).filter(|value| !value.is_zero()), example, problems);
    }
}

pub(super) fn warnings(edge: &EdgeKeys, warnings: &mut Vec<Problem>) {
    unix_sockets(edge, warnings);
    for (place, network) in edge.trusted_proxies.iter().enumerate() {
        if network.prefix_len() == 0 {
            let message = "trusts the whole world, so that every client can name any address as its own; list the \
                           addresses of your load balancers";
            warnings.push(Problem::new(KeyPath::root("trusted_proxies").index(place), message));
        }
    }
}

/// Whoever connects to a Unix socket is a proxy on the same machine, which stands for all its clients.
fn unix_sockets(edge: &EdgeKeys, warnings: &mut Vec<Problem>) {
    let loopback: IpAddr = Ipv4Addr::LOCALHOST.into();
    if edge.trusted_proxies.iter().any(|network| network.contains(loopback)) {
        return;
    }
    for (place, listener) in edge.listeners.iter().enumerate() {
        if matches!(listener.address, ListenAddress::Unix(_)) {
            let message = "all who connect to it count as one client, 127.0.0.1; add that to trusted_proxies, so that \
                           their X-Forwarded-For is believed";
            warnings.push(Problem::new(KeyPath::root("listeners").index(place).key("address"), message));
        }
    }
}

fn listener_options(edge: &EdgeKeys, sites: &[Site], listener: &Listener, path: &KeyPath, problems: &mut Vec<Problem>) {
    let is_unix = matches!(listener.address, ListenAddress::Unix(_));
    if listener.mode.is_some() && !is_unix {
        problems.push(Problem::new(path.key("mode"), "only a Unix socket has one; remove it"));
    }
    if listener.proxy_protocol && edge.trusted_proxies.is_empty() {
        let message = "believed from trusted_proxies alone, and there are none; add the addresses of the load \
                       balancers (127.0.0.1 for a Unix socket)";
        problems.push(Problem::new(path.key("proxy_protocol"), message));
    }
    if !listener.redirect_to_https {
        return;
    }
    let path = path.key("redirect_to_https");
    if listener.tls.is_some() {
        problems
            .push(Problem::new(path, "this listener has tls, and is where clients would be redirected to; remove it"));
    } else if sites.iter().flat_map(|site| &site.public_urls).all(|url| url.scheme() == Scheme::Http) {
        let message = "no public URL is https, so there is nowhere to redirect to; add one to public_urls";
        problems.push(Problem::new(path, message));
    }
}

fn limits(limits: &Limits, problems: &mut Vec<Problem>) {
    let path = Place::root("limits");
    let mut wrong = |key: &str, message: String| problems.push(Problem::new(path.key(key), message));
    if !(1024..=Limits::LARGEST_HEAD).contains(&limits.head.most()) {
        wrong("head", "must be from 1KiB to 512KiB; write for example 64KiB".into());
    }
    if !(1..=Limits::MOST_HEADERS).contains(&limits.headers) {
        wrong("headers", format!("must be from 1 to {}; write for example 100", Limits::MOST_HEADERS));
    }
    if !(1..=10_000).contains(&limits.http2_streams) {
        wrong("http2_streams", "must be from 1 to 10000; write for example 100".into());
    }
    for (key, ClientRate(rate)) in [("requests", limits.requests), ("logins", limits.logins)] {
        let is_rate = |rate: f64| rate.is_finite() && (0.001..=1e9).contains(&rate);
        if rate.is_some_and(|rate| !is_rate(rate.per_second) || rate.burst == 0) {
            let message = "per_second must be from 0.001 to 1000000000 and burst at least 1; write for example \
                           {per_second: 100, burst: 200}, or \"unlimited\"";
            wrong(key, message.into());
        }
    }
    sensible(&path, "head_time", limits.head_time, "10s", problems);
    sensible(&path, "idle", limits.idle, "75s", problems);
    sensible(&path, "client_silence", limits.client_silence, "60s", problems);
}
