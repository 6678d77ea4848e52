//! A request for a host that is none of the public URLs' reaches no server.

use bridgehead::reason::Reason;

use crate::support::{
    bifrost::Bifrost,
    edge::{CLIENTS, Edge, is_error},
    h2c::H2cEdge,
};

const REFUSE: &str = "unknown_hosts: refuse\n";
const URLS: &str = "public_urls: [\"https://gw.example.com\", \"http://localhost:{port}\"]\n";

#[test]
fn an_unknown_host_is_421_and_a_known_one_is_forwarded() {
    let bifrost = Bifrost::start();
    let edge = Edge::with(&[bifrost.address()], &format!("{REFUSE}{URLS}{CLIENTS}"));
    let message = Reason::UnknownHost.to_string();
    for host in ["evil.example.com", "gw.example.com:8443", "127.0.0.1", "localhost", "gw.example.com.evil"] {
        let response = edge.connect().ask("GET", "/echo", host, "");
        is_error(&response, 421, &message);
        assert!(!response.text().contains(host), "{host}");
    }
    let mut old = edge.connect();
    old.send("GET /echo HTTP/1.0\r\n\r\n");
    assert_eq!(old.read_response("GET").status, 421);
    assert!(bifrost.recorded().is_empty());
    for host in ["gw.example.com", "GW.example.com:443", &edge.host()] {
        assert_eq!(edge.connect().ask("GET", "/echo", host, "").status, 200, "{host}");
    }
}

#[test]
fn without_public_urls_no_host_is_unknown() {
    let bifrost = Bifrost::start();
    let edge = Edge::with(&[bifrost.address()], REFUSE);
    assert_eq!(edge.connect().ask("GET", "/echo", "any.example.com", "").status, 200);
}

#[test]
fn the_authority_of_http_2_counts_as_the_host() {
    let bifrost = Bifrost::start();
    let servers = format!("servers: [{{address: \"{}\"}}]\n", bifrost.address());
    let edge = H2cEdge::start(&format!("{REFUSE}public_urls: [\"https://gw.example.com\"]\n{servers}"));
    assert_eq!(edge.connect().ask(edge.request("GET", "/echo")).status(), 421);
    assert!(bifrost.recorded().is_empty());
}
