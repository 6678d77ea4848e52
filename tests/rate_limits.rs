//! A client may ask no more often than allowed, discovery aside.

use crate::support::{
    bifrost::Bifrost,
    edge::{CLIENTS, Edge, PUBLIC_URLS, is_error, servers_yaml},
    http::{Connection, Response},
};

fn edge(bifrost: &Bifrost, more: &str) -> Edge {
    Edge::start(&format!("{PUBLIC_URLS}{}{CLIENTS}{more}", servers_yaml(&[bifrost.address()])))
}

fn ask(edge: &Edge, method: &str, target: &str, headers: &str) -> Response {
    edge.connect().ask(method, target, &edge.host(), headers)
}

#[test]
fn a_request_too_many_is_429_and_says_when_to_come_again() {
    let bifrost = Bifrost::start();
    let edge = edge(&bifrost, "limits: {requests: {per_second: 0.1, burst: 3}}\n");
    for _ in 0..3 {
        assert_eq!(ask(&edge, "GET", "/health", "").status, 200);
    }
    let refused = ask(&edge, "GET", "/health", "");
    is_error(&refused, 429, "too many requests from the client's address");
    // It may have taken a while to get here.
    let wait: u64 = refused.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=10).contains(&wait), "{wait}");
    assert_eq!(bifrost.recorded().len(), 3);
    assert_eq!(edge.metric("bridgehead_requests_failed_total{reason=\"too_many_requests\"}"), 1);
}

/// Platforms that ask for many users come from few addresses, and a client that gets 429 there does not log in.
#[test]
fn discovery_is_never_refused() {
    let bifrost = Bifrost::start();
    let edge = edge(&bifrost, "limits: {requests: {per_second: 0.1, burst: 1}}\n");
    assert_eq!(ask(&edge, "GET", "/health", "").status, 200);
    for path in ["oauth-authorization-server", "oauth-protected-resource", "oauth-protected-resource/mcp"] {
        for _ in 0..5 {
            assert_eq!(ask(&edge, "GET", &format!("/.well-known/{path}"), "").status, 200);
        }
    }
    assert_eq!(ask(&edge, "GET", "/health", "").status, 429);
}

#[test]
fn logins_have_a_limit_of_their_own() {
    let bifrost = Bifrost::start();
    let edge = edge(&bifrost, "limits: {logins: {per_second: 0.1, burst: 2}}\n");
    let post = |path| ask(&edge, "POST", path, "Content-Length: 0\r\n");
    assert_ne!(post("/api/oauth/per-user/register").status, 429);
    assert_ne!(post("/api/oauth/per-user/token").status, 429);
    for path in ["/api/oauth/per-user/register", "/api/oauth/per-user/token", "/api/oauth/per-user/token?x=1"] {
        assert_eq!(post(path).status, 429, "{path}");
    }
    assert_ne!(ask(&edge, "GET", "/api/oauth/per-user/authorize", "").status, 429);
    assert_ne!(post("/mcp").status, 429);
}

#[test]
fn clients_behind_a_trusted_proxy_are_told_apart() {
    let bifrost = Bifrost::start();
    let edge = edge(&bifrost, "trusted_proxies: [\"127.0.0.1\"]\nlimits: {requests: {per_second: 0.1, burst: 1}}\n");
    let from = |client: &str| ask(&edge, "GET", "/health", &format!("X-Forwarded-For: {client}\r\n")).status;
    assert_eq!((from("192.0.2.1"), from("192.0.2.2")), (200, 200));
    assert_eq!(
        (from("192.0.2.1"), from("203.0.113.9, 192.0.2.1")),
        (429, 429),
        "what the client itself says is not read"
    );
    assert_eq!(
        (from("2001:db8::1"), from("2001:db8::2"), from("2001:db8:1::1")),
        (200, 429, 200),
        "a network of 64 bits"
    );
    // A proxy that does not say who asks stands for all.
    for _ in 0..3 {
        assert_eq!(ask(&edge, "GET", "/health", "").status, 200);
    }
}

#[test]
fn an_untrusted_client_cannot_pass_for_another() {
    let bifrost = Bifrost::start();
    let edge = edge(&bifrost, "limits: {requests: {per_second: 0.1, burst: 1}}\n");
    let from = |client: &str| ask(&edge, "GET", "/health", &format!("X-Forwarded-For: {client}\r\n")).status;
    assert_eq!((from("192.0.2.1"), from("192.0.2.2")), (200, 429));
}

#[test]
fn a_connection_is_closed_with_the_refusal() {
    let bifrost = Bifrost::start();
    let edge = edge(&bifrost, "limits: {requests: {per_second: 0.1, burst: 1}}\n");
    let mut client: Connection = edge.connect();
    assert_eq!(client.ask("GET", "/health", &edge.host(), "").status, 200);
    assert_eq!(client.ask("GET", "/health", &edge.host(), "").status, 429);
    assert!(client.is_closed());
}
