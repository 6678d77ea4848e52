//! A server may be given by name: each of its addresses is a server, unless all of them are ways to one.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use bridgehead::config::ServerAddress;

use crate::support::{bifrost::Bifrost, edge::Edge, until};

/// The addresses of the servers that are reported of.
fn reported(edge: &Edge) -> Vec<SocketAddr> {
    edge.report().servers.iter().map(|server| server.address).collect()
}

/// Whatever address the system has for it, a server on either loopback is found, and nothing else is counted as one.
#[test]
fn localhost_is_one_server_where_one_of_its_addresses_answers() {
    for loopback in [SocketAddr::from((Ipv6Addr::LOCALHOST, 0)), SocketAddr::from((Ipv4Addr::LOCALHOST, 0))] {
        for name in ["localhost", "bifrost.localhost"] {
            let bifrost = Bifrost::start_on(loopback).unwrap();
            let yaml = format!(
                "servers: [{{address: \"{name}:{}\"}}]\nhealth: {{interval: 10ms}}\n",
                bifrost.address().port()
            );
            let edge = Edge::start(&yaml);
            for _ in 0..10 {
                assert_eq!(edge.connect().ask("GET", "/echo", "x", "").status, 200, "{yaml}");
            }
            until("it has been checked", || bifrost.health_checks() > 5);
            assert_eq!(reported(&edge), [bifrost.address()]);
            let report = &edge.report().servers[0];
            assert_eq!((report.state.name(), report.connect_failures), ("up", 0));
        }
    }
}

/// The edge may be there before its server is, and the server may come back in the other family.
#[test]
fn localhost_is_found_again_at_the_other_address() {
    let first = Bifrost::start();
    let port = first.address().port();
    let edge = Edge::start(&format!("servers: [{{address: \"localhost:{port}\"}}]\n"));
    assert_eq!(edge.connect().ask("GET", "/echo", "x", "").status, 200);
    first.stop();
    let second = Bifrost::start_on(SocketAddr::from((Ipv6Addr::LOCALHOST, port))).unwrap();
    until("it is found", || edge.connect().ask("GET", "/echo", "x", "").status == 200);
    assert_eq!(second.recorded().len(), 1);
    assert_eq!(reported(&edge), [second.address()]);
}

/// As the operator says.
#[test]
fn the_addresses_of_a_name_are_servers_or_ways_to_one() {
    let bifrost = Bifrost::start();
    let dead = SocketAddr::from(([127, 0, 0, 2], bifrost.address().port()));
    for (addresses, expected) in [("", 2), (", addresses: each", 2), (", addresses: one", 1)] {
        let edge = Edge::start(&format!("servers: [{{address: \"bifrost.invalid:1\"{addresses}}}]\n"));
        let name = ServerAddress::try_from("bifrost.invalid:1".to_owned()).unwrap();
        edge.resolved(&name, vec![bifrost.address(), dead]);
        assert_eq!(edge.report().servers.len(), expected, "{addresses}");
    }
}

#[test]
fn a_name_is_looked_up_before_the_first_request() {
    let bifrost = Bifrost::start();
    let port = bifrost.address().port();
    let edge = Edge::start(&format!("servers: [{{address: \"localhost:{port}\"}}]\n"));
    assert_eq!(edge.connect().ask("GET", "/echo", "x", "").status, 200);
    let report = edge.report();
    assert!(report.servers.iter().all(|server| server.server == format!("localhost:{port}")));
    assert!(report.servers.iter().any(|server| server.address == bifrost.address()));
}

#[test]
fn a_name_that_a_reload_brings_is_looked_up_before_it_is_used() {
    let bifrost = Bifrost::start();
    let edge = Edge::in_front_of(&[bifrost.address()]);
    for _ in 0..3 {
        edge.reload(&format!("servers: [{{address: \"localhost:{}\"}}]\n", bifrost.address().port()));
        assert_eq!(edge.connect().ask("GET", "/echo", "x", "").status, 200);
        edge.reload("servers: []\n");
        assert_eq!(edge.connect().ask("GET", "/echo", "x", "").status, 503);
    }
}

#[test]
fn a_name_that_does_not_resolve_does_not_keep_the_edge_from_starting() {
    let bifrost = Bifrost::start();
    let name = "no-such-name.invalid:8080";
    let yaml = format!("servers: [{{address: \"{name}\"}}]\ndns: {{interval: 10ms}}\nhealth: {{interval: 10ms}}\n");
    let edge = Edge::start(&yaml);
    let response = edge.connect().ask("GET", "/echo", "x", "");
    assert_eq!(response.status, 503);
    assert!(response.text().contains("no Bifrost server is available"), "{}", response.text());

    // It resolves at last; that it does not any longer changes nothing.
    let other = Bifrost::start();
    let name = ServerAddress::try_from(name.to_owned()).unwrap();
    edge.resolved(&name, vec![bifrost.address(), other.address()]);
    for _ in 0..40 {
        assert_eq!(edge.connect().ask("GET", "/echo", "x", "").status, 200);
    }
    assert!(!bifrost.recorded().is_empty() && !other.recorded().is_empty());
    assert_eq!(bifrost.recorded().len() + other.recorded().len(), 40);
    edge.resolved(&name, vec![other.address()]);
    let before = bifrost.recorded().len();
    for _ in 0..20 {
        assert_eq!(edge.connect().ask("GET", "/echo", "x", "").status, 200);
    }
    assert_eq!(bifrost.recorded().len(), before);
    until("it is forgotten", || edge.report().servers.len() == 1);
}

#[test]
fn a_server_may_be_given_by_name() {
    let bifrost = Bifrost::start();
    let yaml = format!(
        "servers: [{{address: \"localhost:{}\"}}, {{address: \"no-such-name.invalid:1\"}}]\n",
        bifrost.address().port()
    );
    let edge = Edge::start(&yaml);
    for _ in 0..4 {
        assert_eq!(edge.connect().ask("GET", "/health", "x", "").status, 200);
    }
}
