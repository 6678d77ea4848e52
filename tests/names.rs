//! A server may be given by name: each of its addresses is a server.

use bridgehead::config::ServerAddress;

use crate::support::{bifrost::Bifrost, edge::Edge, until};

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
