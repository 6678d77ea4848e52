//! A request that two parsers could read in two ways reaches no server.

use crate::support::edge::{bifrost_and_edge, is_error};

/// Refused by the edge, and said so in its shape.
const REFUSED: &[&str] = &[
    "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nhi",
    "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2, 2\r\n\r\nhi",
    "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "GET / HTTP/1.1\nHost: x\n\n",
    "GET / HTTP/1.1\r\nHost: x\r\nX: a\nY: b\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: x\r\nConnection: keep-alive, Authorization\r\nAuthorization: Bearer x\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: x\r\nConnection: X-Bf-Vk\r\nX-Bf-Vk: x\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: x\r\nConnection: X-Request-Id\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket, h2c\r\n\r\n",
    "GET / HTTP/1.1\r\n\r\n",
    "GET / HTTP/1.1\r\nHost:\r\n\r\n",
    "GET health HTTP/1.1\r\nHost: x\r\n\r\n",
];

/// Refused by Pingora before the edge sees it.
const REFUSED_BEFORE: &[&str] = &[
    "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nhi",
    "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: +2\r\n\r\nhi",
    "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked, gzip\r\n\r\n",
    "POST / HTTP/1.0\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: x\r\nHost: x\r\n\r\n",
    "GET http://y/ HTTP/1.1\r\nHost: x\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: x\r\nX: a\r\n b\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: x\r\nX : a\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: x\r\nX: a\0b\r\n\r\n",
];

#[test]
fn what_can_be_read_in_two_ways_is_400_and_reaches_nobody() {
    let (bifrost, edge) = bifrost_and_edge();
    for request in REFUSED {
        let mut client = edge.connect();
        // What might be taken for another request.
        client.send(request).send("GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n");
        is_error(&client.read_response("GET"), 400, "the request is malformed");
        assert!(client.is_closed(), "{request:?}");
    }
    for request in REFUSED_BEFORE {
        let mut client = edge.connect();
        client.send(request).send("GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n");
        assert_eq!(client.read_response("GET").status, 400, "{request:?}");
        assert!(client.is_closed(), "{request:?}");
    }
    assert!(bifrost.recorded().is_empty(), "{:?}", bifrost.recorded());
}

#[test]
fn methods_that_show_or_tunnel_are_405() {
    let (bifrost, edge) = bifrost_and_edge();
    let trace = edge.connect().ask("TRACE", "/echo", &edge.host(), "");
    is_error(&trace, 405, "this method is not allowed");
    assert_eq!(trace.header("allow"), Some("GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"));
    let mut client = edge.connect();
    client.send("CONNECT x:443 HTTP/1.1\r\nHost: x:443\r\n\r\n");
    assert_eq!(client.read_response("GET").status, 405);
    assert!(bifrost.recorded().is_empty());
}
