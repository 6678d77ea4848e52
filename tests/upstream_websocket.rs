//! A WebSocket passes to a server behind TLS, in HTTP/1.1 even to one with HTTP/2.

use crate::support::{
    edge::{Edge, NO_ANSWER, is_error},
    http::Connection,
    tls_server::{BOTH, HTTP_1, Trust, edge, over, yaml},
    websocket::UPGRADE,
};

const LIMITS: &str = "timeouts: {first_byte: 300ms, silence: 300ms}\n";

/// Says something on a WebSocket and hears it again.
fn echoes(client: &mut Connection) {
    client.send(b"\x81\x05hello");
    assert_eq!(client.read_exactly(7), b"\x81\x05hello");
}

/// The client of a WebSocket that is open.
fn open(edge: &Edge) -> Connection {
    let mut client = edge.connect();
    client.send(edge.head("GET", "/websocket", UPGRADE));
    let head = client.read_head();
    assert_eq!((head.status, head.header("upgrade")), (101, Some("websocket")));
    client
}

/// Opens a WebSocket and says something over it.
fn websocket_works(edge: &Edge) {
    let mut client = open(edge);
    for _ in 0..3 {
        echoes(&mut client);
    }
}

#[test]
fn a_websocket_passes_over_tls() {
    let trust = Trust::new();
    let server = trust.server(BOTH);
    let edge = edge(trust.over_tls(&server));
    for _ in 0..10 {
        websocket_works(&edge);
    }
}

#[test]
fn a_websocket_passes_to_a_server_with_http2_that_offers_http_1_alone() {
    let trust = Trust::new();
    let server = trust.server(HTTP_1);
    let edge = edge(trust.over_http2(&server));
    for _ in 0..10 {
        websocket_works(&edge);
        assert_eq!(edge.get("/").status, 200);
    }
}

#[test]
fn a_websocket_passes_to_a_server_with_http2_over_http_1() {
    let trust = Trust::new();
    let server = trust.server(BOTH);
    let edge = edge(trust.over_http2(&server));
    for _ in 0..10 {
        websocket_works(&edge);
        assert_eq!(edge.get("/").json()["version"], "HTTP/2.0");
    }
}

#[test]
fn a_websocket_over_tls_that_is_not_answered_is_504() {
    let trust = Trust::new();
    let server = trust.server(HTTP_1);
    for http2 in [false, true] {
        let edge = Edge::start(&yaml(&[over(&server, &trust.ca, http2)], LIMITS));
        // Leaves an idle connection behind.
        assert_eq!(edge.get("/").status, 200);
        is_error(&edge.connect().ask("GET", "/hang", &edge.host(), UPGRADE), 504, NO_ANSWER);
    }
}

#[test]
fn a_silent_websocket_over_tls_outlives_the_limit_for_answers() {
    let trust = Trust::new();
    let server = trust.server(HTTP_1);
    for http2 in [false, true] {
        let edge = Edge::start(&yaml(&[over(&server, &trust.ca, http2)], LIMITS));
        let mut client = open(&edge);
        echoes(&mut client);
        // Began later and has run into the limit: so has the silent WebSocket.
        is_error(&edge.get("/hang"), 504, NO_ANSWER);
        client.send(b"\x81\x05again");
        assert_eq!(client.read_exactly(7), b"\x81\x05again", "http2: {http2}");
    }
}
