//! The checks between the addresses that are listened on: which of them are in the way of one another.

use std::net::SocketAddr;

use crate::config::{
    keys::{config::EdgeKeys, listener::ListenAddress},
    problem::{KeyPath, Problem, unique},
};

pub(super) fn problems(edge: &EdgeKeys, problems: &mut Vec<Problem>) {
    let path = KeyPath::root("listeners");
    if edge.listeners.is_empty() {
        problems.push(Problem::new(path.clone(), "empty; add at least one, for example {address: \"0.0.0.0:8000\"}"));
    }
    let address = |place| path.index(place).key("address");
    let addresses = edge.listeners.iter().map(|listener| &listener.address);
    let chosen = addresses.enumerate().filter(|(_, address)| address.ip().is_none_or(|ip| ip.port() != 0));
    unique(chosen, |place, first| {
        problems.push(Problem::repeated(address(place), address(first), "the same address again; remove one"));
    });
    let admin = edge.admin.as_ref().map(|admin| admin.address.0).filter(|admin| admin.port() != 0);
    let hosts = edge.admin.iter().flat_map(|admin| admin.hosts.iter().enumerate());
    unique(hosts, |place, first| {
        let host = |place| KeyPath::root("admin").key("hosts").index(place);
        problems.push(Problem::repeated(host(place), host(first), "the same host again; remove one"));
    });
    let is_admins = |listener: &ListenAddress| admin.is_some() && listener.ip() == admin;
    if let Some(place) = edge.listeners.iter().position(|listener| is_admins(&listener.address)) {
        let message = "a listener has this address; choose another port";
        problems.push(Problem::repeated(KeyPath::root("admin").key("address"), address(place), message));
    }
    overlaps(edge, problems);
}

/// What listens on all addresses of the machine is in the way of what listens on one of them. Only all of IPv4 and all
/// of IPv6 can be had side by side (RFC 3493 section 5.3).
fn overlaps(edge: &EdgeKeys, problems: &mut Vec<Problem>) {
    let listeners = edge.listeners.iter().enumerate().filter_map(|(place, listener)| {
        Some((KeyPath::root("listeners").index(place).key("address"), listener.address.ip()?))
    });
    let admin = edge.admin.iter().map(|admin| (KeyPath::root("admin").key("address"), admin.address.0));
    let all: Vec<_> = listeners.chain(admin).collect();
    for (path, address) in &all {
        // No wildcard stands for itself.
        if let Some((wider, _)) = all.iter().find(|(_, wider)| is_part_of(*address, *wider, edge)) {
            let message = "an address of the machine, on all of which the other one listens; remove one of them, or \
                           choose another port";
            problems.push(Problem::repeated(path.clone(), wider.clone(), message));
        }
    }
}

/// Whether an address is one of those that a wildcard stands for.
fn is_part_of(address: SocketAddr, wider: SocketAddr, edge: &EdgeKeys) -> bool {
    let (one, all) = (address.ip().to_canonical(), wider.ip());
    let is_candidate =
        address.port() == wider.port() && address.port() != 0 && all.is_unspecified() && !one.is_unspecified();
    is_candidate && (one.is_ipv4() == all.is_ipv4() || one.is_ipv4() && !edge.is_beside_ipv4(wider))
}
