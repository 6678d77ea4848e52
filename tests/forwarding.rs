//! Everything that is not discovery reaches a server unharmed, and its answer the client.

use crate::support::edge::{bifrost_and_edge, is_error};

#[test]
fn a_request_arrives_as_it_was_sent() {
    let (bifrost, edge) = bifrost_and_edge();
    let target = "/echo/a//b/./%2e/..;x?q=1&q=%2F#".trim_end_matches('#');
    let headers =
        "Authorization: Bearer x\r\nX-Bf-Vk: sk-bf-1\r\nX-Two: a\r\nX-Two: b\r\nCookie: c=d\r\nUser-Agent: t\r\n";
    let response = edge.connect().ask("PATCH", target, &edge.host(), headers);
    assert_eq!(response.status, 200);
    let request = bifrost.only();
    assert_eq!((request.method.as_str(), request.target.as_str()), ("PATCH", target));
    assert_eq!(request.header("host"), Some(edge.host().as_str()));
    assert_eq!(request.header("authorization"), Some("Bearer x"));
    assert_eq!(request.header("x-bf-vk"), Some("sk-bf-1"));
    assert_eq!(request.headers_all("x-two"), ["a", "b"]);
    assert_eq!(request.header("cookie"), Some("c=d"));
    assert_eq!(request.header("user-agent"), Some("t"));
}

#[test]
fn an_unknown_host_and_an_absolute_target_are_forwarded_with_their_host() {
    let (bifrost, edge) = bifrost_and_edge();
    edge.connect().ask("GET", "http://other.example.com/echo?x=1", "other.example.com", "");
    let request = bifrost.only();
    assert_eq!(request.header("host"), Some("other.example.com"));
    assert_eq!(request.target, "/echo?x=1");
    assert_eq!(request.header("x-forwarded-proto"), Some("http"));
}

#[test]
fn a_request_without_a_host_or_with_no_path_is_nobody() {
    let (bifrost, edge) = bifrost_and_edge();
    for request in [
        "GET /health HTTP/1.1\r\n\r\n",
        "GET /health HTTP/1.1\r\nHost:\r\n\r\n",
        "GET health HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET evil:80 HTTP/1.1\r\nHost: evil:80\r\n\r\n",
        "GET .well-known/oauth-authorization-server HTTP/1.1\r\nHost: x\r\n\r\n",
    ] {
        let mut connection = edge.connect();
        connection.send(request);
        is_error(&connection.read_response("GET"), 400, "the request is malformed");
        assert!(connection.is_closed());
    }
    assert!(bifrost.recorded().is_empty());
}

#[test]
fn a_probe_of_http_1_0_needs_no_host() {
    let (_bifrost, edge) = bifrost_and_edge();
    let mut connection = edge.connect();
    connection.send("GET /health HTTP/1.0\r\n\r\n");
    assert_eq!(connection.read_response("GET").status, 200);
}

#[test]
fn the_statuses_and_errors_of_a_server_are_passed_as_they_are() {
    let (_bifrost, edge) = bifrost_and_edge();
    for status in [204, 400, 404, 429, 500, 503] {
        let response = edge.connect().ask("GET", &format!("/status/{status}"), &edge.host(), "");
        assert_eq!(response.status, status);
        assert_eq!(response.header("server"), Some("fasthttp"));
    }
}

#[test]
fn each_event_of_a_stream_passes_before_the_next_is_sent() {
    let (bifrost, edge) = bifrost_and_edge();
    let gate = bifrost.gate();
    let mut connection = edge.chat();
    let mut seen = String::new();
    for number in 1..=5 {
        // The server sends this event only now; had the edge held it back, nothing would arrive.
        gate.release_one();
        while !seen.contains(&format!("word{number} ")) {
            seen += &String::from_utf8(connection.read_chunk().unwrap()).unwrap();
        }
        assert!(!seen.contains(&format!("word{} ", number + 1)), "{seen}");
    }
    seen += std::str::from_utf8(&connection.read_chunks()).unwrap();
    assert!(seen.ends_with("data: [DONE]\n\n"), "{seen}");
}

#[test]
fn an_answer_cut_short_is_never_passed_off_as_whole() {
    let (_bifrost, edge) = bifrost_and_edge();
    let mut connection = edge.connect();
    connection.send(format!("GET /truncate HTTP/1.1\r\nHost: {}\r\n\r\n", edge.host()));
    let head = connection.read_head();
    assert_eq!((head.status, head.header("content-length")), (200, Some("100")));
    assert_eq!(connection.read_to_end(), b"0123456789");
}
