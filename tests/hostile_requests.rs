//! A request that two parsers could read in two ways reaches no server, and is seen in the metrics.

use crate::support::edge::{Edge, bifrost_and_edge, is_error};

const MALFORMED: &[&str] = &[
    // Where the body ends.
    "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nhi",
    "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nhi",
    "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2, 2\r\n\r\nhi",
    "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: +2\r\n\r\nhi",
    "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0x2\r\n\r\nhi",
    "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: \r\n\r\nhi",
    "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked, gzip\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: identity\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "POST / HTTP/1.0\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    // Where a line ends.
    "GET / HTTP/1.1\nHost: x\n\n",
    "GET / HTTP/1.1\r\nHost: x\r\nX: a\nY: b\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: x\n\r\n",
    "GET / HTTP/1.1\r\nHost: x\r\nX: a\rY: b\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: x\r\nX: a\r\n b\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: x\r\nX: a\r\n\tb: c\r\n\r\n",
    // What a name, a value and a target are.
    "GET / HTTP/1.1\r\nHost: x\r\nX : a\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: x\r\nX\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: x\r\nX: a\0b\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: x\r\nX: a\x7fb\r\n\r\n",
    "GET /a\0b HTTP/1.1\r\nHost: x\r\n\r\n",
    "GET /a\x01b HTTP/1.1\r\nHost: x\r\n\r\n",
    "GET /a\tb HTTP/1.1\r\nHost: x\r\n\r\n",
    "GET /a b HTTP/1.1\r\nHost: x\r\n\r\n",
    "GET /a#b HTTP/1.1\r\nHost: x\r\n\r\n",
    "GET /<a> HTTP/1.1\r\nHost: x\r\n\r\n",
    "GET /a?\"b\" HTTP/1.1\r\nHost: x\r\n\r\n",
    "GET http://[::1/ HTTP/1.1\r\nHost: [::1\r\n\r\n",
    "GET  / HTTP/1.1\r\nHost: x\r\n\r\n",
    "GET health HTTP/1.1\r\nHost: x\r\n\r\n",
    "GET http:/\\x HTTP/1.1\r\nHost: x\r\n\r\n",
    "G\x01T / HTTP/1.1\r\nHost: x\r\n\r\n",
    "GET /\r\n\r\n",
    // For whom it is.
    "GET / HTTP/1.1\r\n\r\n",
    "GET / HTTP/1.1\r\nHost:\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: x\r\nHost: x\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: user@x\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: x, y\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: x y\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: x/y\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: x\u{e9}\r\n\r\n",
    "GET http://y/ HTTP/1.1\r\nHost: x\r\n\r\n",
    "GET http://user@x/ HTTP/1.1\r\nHost: x\r\n\r\n",
    // What is deleted on the way, and what it becomes.
    "GET / HTTP/1.1\r\nHost: x\r\nConnection: keep-alive, Authorization\r\nAuthorization: Bearer x\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: x\r\nConnection: Host\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: x\r\nConnection: X-Bf-Vk\r\nX-Bf-Vk: x\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: x\r\nConnection: X-Request-Id\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: x\r\nConnection: X-Forwarded-For\r\n\r\n",
];

/// Sends a request and what might be taken for another one, and asserts that only the first is answered.
fn is_refused_and_closed(edge: &Edge, request: &str, status: u16, message: &str) {
    let mut client = edge.connect();
    client.send(request).send("GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n");
    let response = client.read_response("GET");
    is_error(&response, status, message);
    assert_eq!(response.header("connection"), Some("close"), "{request:?}");
    assert!(client.is_closed(), "{request:?}");
}

#[test]
fn what_can_be_read_in_two_ways_is_400_and_reaches_nobody() {
    let (bifrost, edge) = bifrost_and_edge();
    for request in MALFORMED {
        is_refused_and_closed(&edge, request, 400, "the request is malformed");
    }
    assert!(bifrost.recorded().is_empty(), "{:?}", bifrost.recorded());
    let counted = edge.metric("bridgehead_requests_failed_total{reason=\"malformed\"}");
    assert_eq!(counted, MALFORMED.len() as u64, "each is counted once");
}

#[test]
fn methods_that_show_or_tunnel_are_405() {
    let (bifrost, edge) = bifrost_and_edge();
    let trace = edge.connect().ask("TRACE", "/echo", &edge.host(), "");
    is_error(&trace, 405, "this method is not allowed");
    assert_eq!(trace.header("allow"), Some("GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"));
    is_refused_and_closed(&edge, "CONNECT x:443 HTTP/1.1\r\nHost: x:443\r\n\r\n", 405, "this method is not allowed");
    assert!(bifrost.recorded().is_empty());
    assert_eq!(edge.metric("bridgehead_requests_failed_total{reason=\"method_not_allowed\"}"), 2);
}

#[test]
fn other_versions_of_http_1_are_505() {
    let (bifrost, edge) = bifrost_and_edge();
    for version in ["HTTP/1.2", "HTTP/2.0", "HTTP/0.9", "HTTP/3"] {
        let request = format!("GET / {version}\r\nHost: x\r\n\r\n");
        is_refused_and_closed(&edge, &request, 505, "this version of HTTP is not supported");
    }
    is_refused_and_closed(&edge, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505, "this version of HTTP is not supported");
    assert!(bifrost.recorded().is_empty());
}

#[test]
fn a_head_that_is_too_large_is_431() {
    let (bifrost, edge) = bifrost_and_edge();
    let message = "the request's head is larger than the edge allows";
    let large = format!("GET / HTTP/1.1\r\nHost: x\r\nX: {}\r\n\r\n", "a".repeat(64 * 1024));
    is_refused_and_closed(&edge, &large, 431, message);
    let endless = format!("GET /{} ", "a".repeat(70 * 1024));
    is_refused_and_closed(&edge, &endless, 431, message);
    let many = format!("GET / HTTP/1.1\r\nHost: x\r\n{}\r\n", "X: a\r\n".repeat(100));
    is_refused_and_closed(&edge, &many, 431, message);
    assert!(bifrost.recorded().is_empty());
    assert_eq!(edge.metric("bridgehead_requests_failed_total{reason=\"head_too_large\"}"), 3);
    let enough = edge.head("GET", "/health", &"X: a\r\n".repeat(99));
    let mut client = edge.connect();
    assert_eq!(client.send(enough).read_response("GET").status, 200);
}

#[test]
fn a_malformed_chunk_breaks_off_the_request_and_nothing_after_it_is_read() {
    let (bifrost, edge) = bifrost_and_edge();
    for body in [
        "ZZ\r\n",
        "3\r\nabcXX0\r\n\r\n",
        "3\nabc\r\n0\r\n\r\n",
        "3;a\nabc\r\n0\r\n\r\n",
        "-1\r\n\r\n",
        "3 \r\nabc\r\n0\r\n\r\n",
        "3;a \r\nabc\r\n0\r\n\r\n",
        "3\r\nabc\r\n0\r\nno field\r\n\r\n",
        "3\r\nabc\r\n0\r\nX : y\r\n\r\n",
        "3\r\nabc\r\n0\r\n: y\r\n\r\n",
    ] {
        let mut client = edge.connect();
        client.send(edge.head("POST", "/echo", "Transfer-Encoding: chunked\r\n") + body);
        client.send("GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n");
        is_error(&client.read_response("POST"), 400, "the request is malformed");
        assert!(client.is_closed(), "{body:?}");
    }
    let recorded = bifrost.recorded();
    assert!(recorded.iter().all(|request| request.target == "/echo" && !request.body_complete), "{recorded:?}");
}

#[test]
fn an_empty_line_before_a_request_is_skipped_however_its_bytes_come() {
    let (_bifrost, edge) = bifrost_and_edge();
    let mut client = edge.connect();
    client.sender().set_nodelay(true).unwrap();
    let request = edge.head("GET", "/health", "");
    let (method, rest) = request.split_at(3);
    for pieces in [
        &["\r", "\n", &request][..],
        &["\r", &format!("\n{request}")],
        &["\r\n", &request],
        &["\r\n\r", "\n", method, rest],
        &[&format!("{request}\r"), &format!("\n{request}")],
        &[&format!("{request}\r\n{request}")],
    ] {
        for piece in pieces {
            client.send(piece);
            // While this is answered the piece arrives.
            assert_eq!(edge.get("/health").status, 200);
        }
        for _ in 0..pieces.iter().map(|piece| piece.matches(rest).count()).sum() {
            assert_eq!(client.read_response("GET").status, 200, "{pieces:?}");
        }
    }
}

#[test]
fn empty_lines_before_a_request_are_skipped() {
    let (_bifrost, edge) = bifrost_and_edge();
    let mut client = edge.connect();
    for _ in 0..2 {
        client.send("\r\n\r\n".to_owned() + &edge.head("GET", "/health", ""));
        assert_eq!(client.read_response("GET").status, 200);
    }
}
