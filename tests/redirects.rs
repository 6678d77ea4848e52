//! A listener may send browsers from http to https, and nobody whom that would harm.

use crate::support::{
    bifrost::Bifrost,
    edge::{CLIENTS, Edge, servers_yaml},
    http::Response,
};

fn edge(bifrost: &Bifrost) -> Edge {
    let urls =
        "public_urls: [\"https://gw.example.com\", \"https://other.example.com:8443\", \"http://localhost:{port}\"]\n";
    let yaml = format!("{urls}unknown_hosts: refuse\n{}{CLIENTS}", servers_yaml(&[bifrost.address()]));
    Edge::listening("redirect_to_https: true", &yaml)
}

fn ask(edge: &Edge, method: &str, target: &str, host: &str) -> Response {
    edge.connect().ask(method, target, host, "Content-Length: 0\r\n")
}

#[test]
fn a_browser_is_sent_to_https() {
    let bifrost = Bifrost::start();
    let edge = edge(&bifrost);
    for (method, target, host, location) in [
        ("GET", "/", "gw.example.com", "https://gw.example.com/"),
        ("HEAD", "/a?b=c", "GW.example.com", "https://gw.example.com/a?b=c"),
        ("GET", "/a%2fb//c", "gw.example.com:80", "https://gw.example.com/a%2fb//c"),
        ("GET", "//evil.example.com/", "gw.example.com", "https://gw.example.com//evil.example.com/"),
        ("GET", "/x", "other.example.com", "https://other.example.com:8443/x"),
        ("GET", "/x", "other.example.com:8080", "https://other.example.com:8443/x"),
    ] {
        let response = ask(&edge, method, target, host);
        assert_eq!((response.status, response.header("location")), (308, Some(location)), "{method} {target} {host}");
    }
    assert!(bifrost.recorded().is_empty());
}

#[test]
fn a_connection_goes_on_after_a_redirect() {
    let bifrost = Bifrost::start();
    let edge = edge(&bifrost);
    let mut client = edge.connect();
    for _ in 0..3 {
        assert_eq!(client.ask("GET", "/", "gw.example.com", "").status, 308);
    }
}

/// Clients of MCP do not follow, and a POST that is redirected loses its body.
#[test]
fn discovery_mcp_posts_and_websockets_are_never_redirected() {
    let bifrost = Bifrost::start();
    let edge = edge(&bifrost);
    let host = "gw.example.com";
    for target in ["/.well-known/oauth-authorization-server", "/.well-known/oauth-protected-resource/mcp"] {
        let document = ask(&edge, "GET", target, host);
        assert_eq!(document.status, 200);
        assert!(document.text().contains("https://gw.example.com"), "{}", document.text());
    }
    assert_eq!(ask(&edge, "GET", "/.well-known/openid-configuration", host).status, 404);
    for (method, target) in
        [("GET", "/mcp"), ("GET", "/mcp/x"), ("POST", "/mcp"), ("POST", "/v1/chat/completions"), ("OPTIONS", "/v1")]
    {
        let response = ask(&edge, method, target, host);
        assert_ne!(response.status, 308, "{method} {target}");
        assert_eq!(bifrost.recorded().last().unwrap().header("x-forwarded-proto"), Some("https"), "{method} {target}");
    }
    let mut client = edge.connect();
    let upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    client.send(format!("GET /v1/realtime HTTP/1.1\r\nHost: {host}\r\n{upgrade}\r\n"));
    assert_ne!(client.read_head().status, 308);
}

#[test]
fn hosts_that_have_no_https_are_served_as_they_are() {
    let bifrost = Bifrost::start();
    let edge = edge(&bifrost);
    assert_eq!(ask(&edge, "GET", "/echo", &edge.host()).status, 200);
    assert_eq!(ask(&edge, "GET", "/echo", "evil.example.com").status, 421, "no redirect to a host that is not ours");
}
