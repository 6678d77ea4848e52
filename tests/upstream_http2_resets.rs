//! When a server resets a stream of HTTP/2, no POST is sent twice and no other stream suffers.

use crate::support::{
    edge::{BROKEN_OFF, Edge, is_error},
    tls_server::{Server, Speaks, both_ways, edge, yaml},
};

// Codes of RST_STREAM (RFC 9113 section 7).
const INTERNAL_ERROR: u32 = 2;
const REFUSED_STREAM: u32 = 7;
const HTTP_1_1_REQUIRED: u32 = 13;

/// The paths on which a server breaks off a request.
fn break_offs(server: &Server) -> [String; 4] {
    let reset = |code| format!("/reset/{code}/{}", server.port());
    [reset(INTERNAL_ERROR), reset(REFUSED_STREAM), reset(HTTP_1_1_REQUIRED), format!("/cut/{}", server.port())]
}

/// An edge that turns to the other server when the configured one fails.
fn with_backup(configured: &str, other: &Server) -> Edge {
    let backup = format!("{{address: \"{}\", http2: true, backup: true}}", other.address());
    Edge::start(&yaml(&[configured.to_owned(), backup], ""))
}

#[test]
fn with_http2_a_post_is_not_sent_twice() {
    for is_reused in [false, true] {
        both_ways(|server, configured| {
            let other = Server::start(Speaks::h2c());
            for path in break_offs(server) {
                let edge = with_backup(&configured, &other);
                if is_reused {
                    assert_eq!(edge.get("/").status, 200);
                }
                is_error(&edge.post(&path), 502, BROKEN_OFF);
                assert_eq!((server.saw_at(&path).len(), other.saw().len()), (1, 0), "{path}, reused: {is_reused}");
            }
        });
    }
}

#[test]
fn with_http2_a_get_without_a_byte_of_an_answer_goes_to_another_server() {
    for is_reused in [false, true] {
        both_ways(|server, configured| {
            let other = Server::start(Speaks::h2c());
            for path in break_offs(server) {
                let edge = with_backup(&configured, &other);
                if is_reused {
                    assert_eq!(edge.get("/").status, 200);
                }
                let response = edge.get(&path);
                assert_eq!(response.status, 200, "{path}, reused: {is_reused}: {response:?}");
                assert_eq!(other.saw_at(&path).len(), 1, "{path}, reused: {is_reused}");
                // It had the request, also on a connection that may have died idle.
                assert_eq!(server.saw_at(&path).len(), 1, "{path}, reused: {is_reused}");
                assert_eq!(edge.report_of(&server.address()).broken, 1, "{path}, reused: {is_reused}");
            }
        });
    }
}

#[test]
fn with_http2_a_put_goes_to_another_server_with_its_body() {
    both_ways(|server, configured| {
        let other = Server::start(Speaks::h2c());
        let edge = with_backup(&configured, &other);
        let path = format!("/reset/{INTERNAL_ERROR}/{}", server.port());
        let mut connection = edge.connect();
        connection.send(edge.head("PUT", &path, "Content-Length: 2\r\n") + "hi");
        assert_eq!(connection.read_response("PUT").json()["body"], 2);
        assert_eq!((server.saw_at(&path).len(), other.saw_at(&path).len()), (1, 1));
    });
}

#[test]
fn a_server_that_resets_a_stream_on_a_living_connection_is_not_asked_again() {
    both_ways(|server, configured| {
        let edge = edge(configured);
        assert_eq!(edge.get("/").status, 200);
        for (code, so_far) in [(INTERNAL_ERROR, 1), (REFUSED_STREAM, 2)] {
            let path = format!("/reset/{code}/{}", server.port());
            is_error(&edge.get(&path), 502, BROKEN_OFF);
            assert_eq!(server.saw_at(&path).len(), 1, "{path}");
            let report = edge.report_of(&server.address());
            assert_eq!((report.broken, report.stale), (so_far, 0), "{path}");
        }
    });
}

#[test]
fn a_stream_that_is_reset_leaves_the_others_on_its_connection_alone() {
    both_ways(|server, configured| {
        let edge = edge(configured);
        let mut stream = edge.connect();
        stream.send(edge.head("GET", "/stream/1", ""));
        assert_eq!(stream.read_head().status, 200);
        is_error(&edge.post(&format!("/reset/{INTERNAL_ERROR}/{}", server.port())), 502, BROKEN_OFF);
        assert_eq!(edge.get("/").status, 200);
        server.release();
        assert_eq!(stream.read_chunk().unwrap(), b"piece1\n");
        assert_eq!(stream.read_chunk(), None);
        assert_eq!(server.connections_used(), 1);
    });
}
