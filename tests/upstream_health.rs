//! Health checks reach servers of TLS and HTTP/2 as requests do, on connections of their own.

use std::net::SocketAddr;

use bridgehead::fleet::State;

use crate::support::{
    bifrost::Bifrost,
    edge::Edge,
    tls_server::{BOTH, HTTP_1, Server, Speaks, Trust, both_ways, over, over_h2c, yaml},
    until,
};

const OFTEN: &str = "health: {interval: 20ms, timeout: 5s, rise: 1, fall: 1}\n";

#[test]
fn health_checks_connect_as_requests_do() {
    let (trust, other) = (Trust::new(), Trust::new());
    let tls = |trust: &Trust, protocols| Server::start(Speaks::tls(&trust.identity(), protocols));
    let demanding = || Server::start(Speaks::tls_for_clients_of(&trust.authority, &trust.identity(), BOTH));
    let right =
        [tls(&trust, HTTP_1), tls(&trust, BOTH), tls(&trust, HTTP_1), Server::start(Speaks::h2c()), demanding()];
    let wrong = [tls(&other, HTTP_1), tls(&other, BOTH), demanding()];
    let bifrost = Bifrost::start();
    let servers = [
        trust.over_tls(&right[0]),
        trust.over_http2(&right[1]),
        trust.over_http2(&right[2]),
        over_h2c(&right[3]),
        over(&right[4], &format!("{}, {}", trust.ca, trust.client("edge")), true),
        trust.over_tls(&wrong[0]),
        trust.over_http2(&wrong[1]),
        trust.over_tls(&wrong[2]),
        format!("{{address: \"{}\"}}", bifrost.address()),
    ];
    let edge = Edge::start(&yaml(&servers, OFTEN));
    let state = |server: SocketAddr| edge.report_of(&server).state;
    for server in &right {
        until(&format!("up: {:?}", edge.report()), || state(server.address()) == State::Up);
        assert_eq!(server.saw()[0].path, "/health");
    }
    until("the plain one up", || state(bifrost.address()) == State::Up);
    for server in &wrong {
        until("down", || state(server.address()) == State::Down);
        assert!(server.saw().is_empty());
    }
}

#[test]
fn each_health_check_has_a_connection_of_its_own() {
    let trust = Trust::new();
    let check = |server: &Server, configured: String| {
        let edge = Edge::start(&yaml(&[configured], OFTEN));
        until("three checks", || server.saw_at("/health").len() >= 3);
        drop(edge);
        assert_eq!(server.connections_used(), server.saw().len());
    };
    let server = trust.server(BOTH);
    check(&server, trust.over_tls(&server));
    both_ways(|server, configured| check(server, configured));
}

#[test]
fn with_http2_health_checks_say_where_they_go_as_requests_do() {
    both_ways(|server, configured| {
        let edge = Edge::start(&yaml(&[configured], OFTEN));
        until("a check", || !server.saw_at("/health").is_empty());
        assert_eq!(edge.get("/").status, 200);
        let (check, request) = (&server.saw_at("/health")[0], &server.saw_at("/")[0]);
        assert_eq!((&check.scheme, &check.host), (&request.scheme, &request.host));
        assert_eq!(check.authority, Some(server.address().to_string()));
    });
}

#[test]
fn a_reload_changes_how_health_checks_connect() {
    let (trust, other) = (Trust::new(), Trust::new());
    let server = trust.server(BOTH);
    for http2 in [false, true] {
        let [right, wrong] = [&trust.ca, &other.ca].map(|tls| yaml(&[over(&server, tls, http2)], OFTEN));
        let edge = Edge::start(&right);
        for (yaml, expected) in [(&right, State::Up), (&wrong, State::Down), (&right, State::Up)] {
            edge.reload(yaml);
            until("the other state", || edge.report().servers[0].state == expected);
        }
    }
}
