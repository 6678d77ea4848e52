//! With HTTP/2 to a server, over TLS or with prior knowledge, requests and answers pass as with HTTP/1.1.

use std::time::{Duration, Instant};

use crate::support::{
    bifrost::Bifrost,
    edge::{Edge, NO_ANSWER, UNREACHABLE, is_error},
    tls_server::{HTTP_1, Server, Speaks, Trust, both_ways, edge, over_h2c, yaml},
    until,
};

#[test]
fn with_http2_a_request_arrives_as_it_was_sent() {
    both_ways(|_, configured| {
        let scheme = if configured.contains("tls") { "https" } else { "http" };
        let edge = edge(configured);
        let sent = "X-Two: a\r\nX-Two: b\r\nCookie: c=d\r\nCookie: e=f\r\nTE: trailers\r\nX-Bf-Vk: sk\r\n";
        let response = edge.connect().ask("GET", "/a//b/%2e?q=1&q=%2F", &edge.host(), sent);
        let told = response.json();
        assert_eq!((response.status, told["version"].as_str()), (200, Some("HTTP/2.0")));
        assert_eq!((told["method"].as_str(), told["path"].as_str()), (Some("GET"), Some("/a//b/%2e?q=1&q=%2F")));
        assert_eq!((told["authority"].as_str(), told["scheme"].as_str()), (Some(edge.host().as_str()), Some(scheme)));
        assert!(told["host"].is_null(), "{told}");
        let headers: Vec<(String, String)> = serde_json::from_value(told["headers"].clone()).unwrap();
        let all = |name: &str| -> Vec<&str> {
            let values = headers.iter().filter(|(found, _)| found == name);
            values.map(|(_, value)| value.as_str()).collect()
        };
        assert_eq!(all("x-two"), ["a", "b"]);
        assert_eq!(all("cookie"), ["c=d; e=f"]);
        assert_eq!(all("x-bf-vk"), ["sk"]);
        assert_eq!(all("x-forwarded-host"), [edge.host()]);
        assert_eq!(all("x-forwarded-for"), ["127.0.0.1"]);
        let cookies = response.headers.iter().filter(|(name, _)| name == "set-cookie");
        assert_eq!(cookies.map(|(_, value)| value.as_str()).collect::<Vec<_>>(), ["a=1", "b=2"]);
    });
}

#[test]
fn with_http2_bodies_of_either_framing_arrive_whole() {
    both_ways(|_, configured| {
        let edge = edge(configured);
        let host = edge.host();
        let body = vec![b'x'; 3 * 1024 * 1024];
        let mut connection = edge.connect();
        connection.send(format!("POST / HTTP/1.1\r\nHost: {host}\r\nContent-Length: {}\r\n\r\n", body.len()));
        assert_eq!(connection.send(&body).read_response("POST").json()["body"], body.len());
        connection.send(format!("PUT / HTTP/1.1\r\nHost: {host}\r\nTransfer-Encoding: chunked\r\n\r\n"));
        for chunk in body.chunks(100_000) {
            connection.send_chunk(chunk);
        }
        assert_eq!(connection.send("0\r\n\r\n").read_response("PUT").json()["body"], body.len());
        connection.send(format!("POST / HTTP/1.1\r\nHost: {host}\r\nContent-Length: 0\r\n\r\n"));
        assert_eq!(connection.read_response("POST").json()["body"], 0);
    });
}

#[test]
fn with_http2_requests_share_a_connection() {
    both_ways(|server, configured| {
        let edge = edge(configured);
        for _ in 0..3 {
            assert_eq!(edge.get("/").status, 200);
            assert_eq!(edge.post("/").status, 200);
        }
        // At the same time, too: the stream is still open when the next request is sent.
        let mut stream = edge.connect();
        stream.send(edge.head("GET", "/stream/1", ""));
        assert_eq!(stream.read_head().status, 200);
        assert_eq!(edge.get("/").status, 200);
        server.release();
        while stream.read_chunk().is_some() {}
        assert_eq!(server.saw().len(), 8);
        // It takes the next request a moment after the last answer, perhaps too late for one of them.
        assert!(server.connections_used() <= 2);
    });
}

#[test]
fn with_http2_more_requests_than_a_server_takes_on_a_connection_have_another() {
    let server = Server::start(Speaks::h2c().at_a_time(2));
    let edge = edge(over_h2c(&server));
    let mut streams = [edge.connect(), edge.connect()];
    for stream in &mut streams {
        stream.send(edge.head("GET", "/stream/1", ""));
        assert_eq!(stream.read_head().status, 200);
    }
    assert_eq!(edge.get("/").status, 200);
    let connections: Vec<_> = server.saw().iter().map(|saw| saw.connection).collect();
    assert_eq!(connections, [1, 1, 2]);
}

#[test]
fn with_http2_each_piece_of_a_stream_passes_before_the_next_is_sent() {
    both_ways(|server, configured| {
        let edge = edge(configured);
        server.streams_through(&edge);
    });
}

#[test]
fn with_http2_an_answer_cut_short_is_never_passed_off_as_whole() {
    both_ways(|_, configured| {
        let edge = edge(configured);
        let mut client = edge.connect();
        client.send(edge.head("GET", "/broken", ""));
        let head = client.read_head();
        assert_eq!((head.status, head.header("transfer-encoding")), (200, Some("chunked")));
        let received = client.read_to_end();
        assert!(!received.ends_with(b"0\r\n\r\n"), "{:?}", String::from_utf8_lossy(&received));
    });
}

#[test]
fn with_http2_a_server_that_does_not_answer_within_the_larger_limit_is_504() {
    both_ways(|server, configured| {
        for limits in ["first_byte: 50ms, silence: 500ms", "first_byte: 500ms, silence: 50ms"] {
            let edge = Edge::start(&yaml(std::slice::from_ref(&configured), &format!("timeouts: {{{limits}}}\n")));
            let begun = Instant::now();
            is_error(&edge.get("/hang"), 504, NO_ANSWER);
            assert!(begun.elapsed() >= Duration::from_millis(500), "{limits}");
        }
        assert_eq!(server.saw().len(), 2);
    });
}

#[test]
fn a_server_that_offers_http_1_alone_is_spoken_to_in_it() {
    let trust = Trust::new();
    for protocols in [HTTP_1, &[]] {
        let server = trust.server(protocols);
        let edge = edge(trust.over_http2(&server));
        assert_eq!(edge.get("/").json()["version"], "HTTP/1.1");
        let told = edge.post("/").json();
        assert_eq!((told["version"].as_str(), told["body"].as_u64()), (Some("HTTP/1.1"), Some(2)));
        assert_eq!(told["host"].as_str(), Some(edge.host().as_str()));
        until("a connection is used again", || edge.get("/").status == 200 && server.is_reused());
    }
}

#[test]
fn without_http2_a_server_that_offers_http2_alone_is_502() {
    let trust = Trust::new();
    let server = trust.server(&["h2"]);
    is_error(&edge(trust.over_tls(&server)).get("/"), 502, UNREACHABLE);
    assert!(server.saw().is_empty());
}

#[test]
fn a_server_that_knows_no_http2_is_502_with_prior_knowledge() {
    let bifrost = Bifrost::start();
    let edge = edge(format!("{{address: \"{}\", http2: true}}", bifrost.address()));
    assert_eq!(edge.get("/").status, 502);
    assert_eq!(edge.post("/").status, 502);
}
