//! A load balancer that can only check the port of the traffic finds out there whether the edge is ready.

use std::thread;

use crate::support::{
    bifrost::Bifrost,
    edge::{CLIENTS, Edge, PUBLIC_URLS, servers_yaml},
    h2c::H2cEdge,
    http::Connection,
    in_time::Joined,
    until,
};

/// The edge, once it serves.
fn serving(edge: Edge) -> Edge {
    until("it is ready", || edge.ask_admin("/readyz").status == 200);
    edge
}

const PATH: &str = "readiness_path: /edge-readyz\n";

#[test]
fn the_path_is_answered_for_any_host_before_anything_that_could_refuse_it() {
    let bifrost = Bifrost::start();
    let refusals = "unknown_hosts: refuse\naccess: [{path: /, deny: [\"0.0.0.0/0\"]}]\n\
                    limits: {requests: {per_second: 0.001, burst: 1}}\n";
    let urls = "public_urls: [\"https://gw.example.com\"]\n";
    let yaml = format!("{urls}{}{CLIENTS}{PATH}{refusals}", servers_yaml(&[bifrost.address()]));
    let edge = serving(Edge::listening("redirect_to_https: true", &yaml));
    for host in ["gw.example.com", "10.0.0.7", "elb-healthcheck", "10.0.0.7:8000"] {
        let mut connection = edge.connect();
        for target in ["/edge-readyz", "/edge-readyz?from=lb"] {
            let answer = connection.ask("GET", target, host, "");
            assert_eq!((answer.status, answer.text()), (200, "ready\n"), "{host}");
            assert_eq!(answer.header("content-type"), Some("text/plain; charset=utf-8"));
            assert_eq!(answer.header("cache-control"), Some("no-store"));
            assert_eq!(connection.ask("HEAD", target, host, "").status, 200, "{host}");
        }
    }
    let mut old = edge.connect();
    old.send("GET /edge-readyz HTTP/1.0\r\n\r\n");
    assert_eq!(old.read_response("GET").status, 200);
    assert!(bifrost.recorded().is_empty());
    assert_eq!(edge.counters().sites().traffic().requests, 0, "probes are no traffic");
}

#[test]
fn other_methods_and_spellings_are_ordinary_requests() {
    let bifrost = Bifrost::start();
    let edge = Edge::with(&[bifrost.address()], PATH);
    for (method, target) in [
        ("POST", "/edge-readyz"),
        ("DELETE", "/edge-readyz"),
        ("GET", "/edge-readyz/"),
        ("GET", "/Edge-readyz"),
        ("GET", "//edge-readyz"),
        ("GET", "/edge%2Dreadyz"),
        ("GET", "/edge-readyzx"),
    ] {
        edge.connect().ask(method, target, &edge.host(), "Content-Length: 0\r\n");
        assert_eq!(bifrost.recorded().last().unwrap().target, target);
    }
    assert_eq!(bifrost.recorded().len(), 7);
    let without = Edge::with(&[bifrost.address()], "");
    without.get("/edge-readyz");
    assert_eq!(bifrost.recorded().len(), 8, "there is no such path unless the configuration has it");
}

#[test]
fn over_http_2_it_is_the_same() {
    let edge = H2cEdge::start(&format!(
        "{PATH}unknown_hosts: refuse\npublic_urls: [\"https://gw.example.com\"]\nservers: []\n"
    ));
    until("it is ready", || edge.connect().ask(edge.request("GET", "/edge-readyz")).status() == 200);
}

/// While it takes new connections, it says that it will not for long.
#[test]
fn an_edge_that_is_told_to_stop_is_not_ready_before_it_closes_its_listener() {
    let bifrost = Bifrost::start();
    let yaml = format!("{PUBLIC_URLS}{}{CLIENTS}{PATH}stop: {{delay: 5s}}\n", servers_yaml(&[bifrost.address()]));
    let edge = serving(Edge::start(&yaml));
    assert_eq!(edge.get("/edge-readyz").status, 200);
    let (address, host, admin) = (edge.address, edge.host(), edge.admin);
    let stopping = thread::spawn(move || edge.stop());
    let ask = |target| Connection::to(address).ask("GET", target, &host, "");
    until("it is not ready", || ask("/edge-readyz").status == 503);
    assert!(ask("/edge-readyz").text().starts_with("leaving: told to stop"));
    assert_eq!(ask("/echo").status, 200, "it still serves");
    let ready = Connection::to(admin).ask("GET", "/readyz", &admin.to_string(), "");
    assert_eq!((ready.status, ready.json()["phase"].clone()), (503, "leaving".into()));
    assert_eq!(stopping.joined(), 0);
}
