//! A path that is closed to a client is closed in whatever spelling.

use crate::support::{
    bifrost::Bifrost,
    edge::{CLIENTS, Edge, PUBLIC_URLS, is_error, servers_yaml},
    h2c::H2cEdge,
};

const RULES: &str = "trusted_proxies: [\"127.0.0.1\"]\naccess:\n- {path: /api, allow: [\"10.0.0.0/8\", \"fd00::/8\"]}\n\
                     - {path: /api/oauth, deny: [\"192.0.2.66\"]}\n- {path: /.well-known, allow: [\"10.0.0.0/8\"]}\n";

fn yaml(bifrost: &Bifrost) -> String {
    format!("{PUBLIC_URLS}{}{CLIENTS}{RULES}", servers_yaml(&[bifrost.address()]))
}

fn status(edge: &Edge, client: &str, target: &str) -> u16 {
    edge.connect().ask("GET", target, &edge.host(), &format!("X-Forwarded-For: {client}\r\n")).status
}

#[test]
fn only_those_who_may_reach_a_path() {
    let bifrost = Bifrost::start();
    let edge = Edge::start(&yaml(&bifrost));
    for (client, target, is_open) in [
        ("198.51.100.7", "/echo", true),
        ("198.51.100.7", "/api/keys", false),
        ("10.1.2.3", "/api/keys", true),
        ("fd00::1", "/api/keys", true),
        ("2001:db8::1", "/api/keys", false),
        ("198.51.100.7", "/api/oauth/per-user/authorize", true),
        ("192.0.2.66", "/api/oauth/per-user/authorize", false),
    ] {
        assert_eq!(status(&edge, client, target) != 403, is_open, "{client} {target}");
    }
    let refused = edge.connect().ask("GET", "/api/keys?secret=1", &edge.host(), "X-Forwarded-For: 192.0.2.1\r\n");
    is_error(&refused, 403, "this path is closed to the client's address");
    assert_eq!(edge.metric("bridgehead_requests_failed_total{reason=\"forbidden\"}"), 4);
}

#[test]
fn no_spelling_gets_around_a_rule() {
    let bifrost = Bifrost::start();
    let edge = Edge::start(&yaml(&bifrost));
    for target in [
        "/%61pi/keys",
        "//api/keys",
        "/./api/keys",
        "/v1/../api/keys",
        "/v1/%2e%2e/api/keys",
        "/v1/..%2fapi/keys",
        "/API/keys",
        "/api;x=y/keys",
        "/api%2fkeys",
        "/%2561pi/keys",
        "/\\api\\keys",
        "/api/oauth/../keys",
        "/api?x",
        "http://{host}/api/keys",
    ] {
        let target = target.replace("{host}", &edge.host());
        assert_eq!(status(&edge, "198.51.100.7", &target), 403, "{target}");
    }
    assert!(bifrost.recorded().is_empty(), "{:?}", bifrost.recorded());
}

#[test]
fn discovery_is_open_to_everybody() {
    let bifrost = Bifrost::start();
    let edge = Edge::start(&yaml(&bifrost));
    assert_eq!(status(&edge, "198.51.100.7", "/.well-known/oauth-authorization-server"), 200);
    assert_eq!(status(&edge, "198.51.100.7", "/.well-known/security.txt"), 403);
}

#[test]
fn clients_of_http_2_are_held_to_them_too() {
    let bifrost = Bifrost::start();
    let edge = H2cEdge::start(&yaml(&bifrost));
    let request = |path| edge.request("GET", path).header("x-forwarded-for", "198.51.100.7");
    assert_eq!(edge.connect().ask(request("/api/keys")).status(), 403);
    assert_eq!(edge.connect().ask(request("//api/keys")).status(), 403);
    assert_eq!(edge.connect().ask(request("/echo")).status(), 200);
}
