//! An `Upgrade` to anything but a WebSocket is ignored (RFC 9110 section 7.8): the request is served as if there were
//! none, and its connection stays.

use crate::support::{
    bifrost::Recorded,
    edge::{Edge, bifrost_and_edge, servers_yaml},
    tls_server::{HTTP_1, Trust, edge},
};

/// What the clients named send with a request, and what only resembles that.
const UPGRADES: [&str; 12] = [
    // Java's HttpClient, and curl with --http2.
    "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAEAAEAAAAIAAAABAAMAAABkAAQBAAAAAAUAAEAA\r\n",
    // Apache HttpClient from 5.4 on.
    "Connection: Upgrade\r\nUpgrade: TLS/1.2\r\n",
    "Upgrade: TLS/1.0, TLS/1.1, TLS/1.2\r\nConnection: keep-alive, Upgrade\r\n",
    "Connection: Upgrade\r\nUpgrade: foo/1\r\n",
    "Connection: Upgrade\r\nUpgrade: HTTP/3.0\r\n",
    "Connection: Upgrade\r\nUpgrade: h2c\r\nUpgrade: foo\r\n",
    "Connection: Upgrade\r\nUpgrade: websocket, h2c\r\n",
    "Connection: Upgrade\r\nUpgrade: websocket/13\r\n",
    "Connection: Upgrade\r\nUpgrade:\r\n",
    "Connection: Upgrade\r\nUpgrade: ,\r\n",
    "Upgrade: h2c\r\n",
    "HTTP2-Settings: AAEAAEAA\r\nConnection: HTTP2-Settings\r\n",
];

fn has_none(request: &Recorded, of: &str) {
    for name in ["upgrade", "http2-settings", "connection"] {
        assert_eq!(request.header(name), None, "{of}");
    }
}

#[test]
fn a_request_is_served_in_http_1_and_its_connection_stays() {
    let (bifrost, edge) = bifrost_and_edge();
    for upgrade in UPGRADES {
        let mut client = edge.connect();
        for _ in 0..2 {
            assert_eq!(client.ask("GET", "/echo", &edge.host(), upgrade).status, 200, "{upgrade}");
            client.send(edge.head("POST", "/echo", &format!("{upgrade}Content-Length: 5\r\n")) + "hello");
            assert_eq!(client.read_response("POST").json()["body_length"], 5, "{upgrade}");
            let chunked = edge.head("POST", "/echo", &format!("{upgrade}Transfer-Encoding: chunked\r\n"));
            client.send(chunked + "5\r\nhello\r\n0\r\n\r\n");
            assert_eq!(client.read_response("POST").json()["body_length"], 5, "{upgrade}");
        }
        let recorded = bifrost.recorded();
        recorded[recorded.len() - 6..].iter().for_each(|request| has_none(request, upgrade));
    }
    assert_eq!(bifrost.recorded().len(), UPGRADES.len() * 6);
}

#[test]
fn discovery_and_refusals_are_answered_all_the_same() {
    let (bifrost, edge) = bifrost_and_edge();
    for upgrade in UPGRADES {
        let mut client = edge.connect();
        for (target, status) in [("/.well-known/oauth-authorization-server", 200), ("/.well-known/jwks.json", 404)] {
            assert_eq!(client.ask("GET", target, &edge.host(), upgrade).status, status, "{upgrade}");
            client.send(edge.head("POST", target, &format!("{upgrade}Content-Length: 2\r\n")) + "{}");
            assert!([404, 405].contains(&client.read_response("POST").status), "{upgrade}");
        }
    }
    assert!(bifrost.recorded().is_empty());
}

#[test]
fn a_client_of_http_1_0_is_served() {
    let (bifrost, edge) = bifrost_and_edge();
    for upgrade in UPGRADES {
        let mut client = edge.connect();
        client.send(format!("GET /echo HTTP/1.0\r\nHost: {}\r\n{upgrade}\r\n", edge.host()));
        assert_eq!(client.read_response("GET").status, 200, "{upgrade}");
        has_none(&bifrost.recorded().pop().unwrap(), upgrade);
    }
}

#[test]
fn a_listener_of_http_2_serves_it_in_http_1_too() {
    let (bifrost, _) = bifrost_and_edge();
    let edge = Edge::listening("http2: true", &servers_yaml(&[bifrost.address()]));
    for upgrade in UPGRADES {
        let mut client = edge.connect();
        for _ in 0..2 {
            assert_eq!(client.ask("GET", "/echo", &edge.host(), upgrade).status, 200, "{upgrade}");
        }
    }
}

/// By way of Pingora's half, which knows WebSockets of its own.
#[test]
fn a_server_of_http_2_that_offers_http_1_alone_is_asked_for_none() {
    let trust = Trust::new();
    let server = trust.server(HTTP_1);
    let edge = edge(trust.over_http2(&server));
    let websocket = "Connection: Upgrade\r\nUpgrade: websocket\r\n";
    for upgrade in UPGRADES.into_iter().chain([websocket]) {
        let mut client = edge.connect();
        for _ in 0..2 {
            client.send(edge.head("POST", "/", &format!("{upgrade}Content-Length: 2\r\n")) + "hi");
            assert_eq!(client.read_response("POST").json()["body"], 2, "{upgrade}");
        }
    }
    for saw in server.saw() {
        let has = |wanted: &str| saw.headers.iter().any(|(name, _)| name == wanted);
        assert!(!has("upgrade") && !has("connection") && !has("http2-settings"), "{:?}", saw.headers);
    }
}
