//! Everything that is not discovery reaches a server unharmed, and its answer the client.

use std::{io::Write, net::SocketAddr};

use base64::Engine;
use sha2::{Digest, Sha256};

use crate::support::{
    bifrost::{Bifrost, Recorded},
    edge::{CLIENTS, Edge, PUBLIC_URLS, servers_yaml},
    http::Response,
    nobody, raw,
};

fn setup() -> (Bifrost, Edge) {
    let bifrost = Bifrost::start();
    let edge = Edge::in_front_of(&[bifrost.address()]);
    (bifrost, edge)
}

fn only(bifrost: &Bifrost) -> Recorded {
    let mut recorded = bifrost.recorded();
    assert_eq!(recorded.len(), 1);
    recorded.remove(0)
}

fn encoded(text: &str) -> String {
    form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

#[test]
fn a_request_arrives_as_it_was_sent() {
    let (bifrost, edge) = setup();
    let target = "/echo/a//b/./%2e/..;x?q=1&q=%2F#".trim_end_matches('#');
    let headers =
        "Authorization: Bearer x\r\nX-Bf-Vk: sk-bf-1\r\nX-Two: a\r\nX-Two: b\r\nCookie: c=d\r\nUser-Agent: t\r\n";
    let response = edge.connect().ask("PATCH", target, &edge.host(), headers);
    assert_eq!(response.status, 200);
    let request = only(&bifrost);
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
    let (bifrost, edge) = setup();
    edge.connect().ask("GET", "http://other.example.com/echo?x=1", "other.example.com", "");
    let request = only(&bifrost);
    assert_eq!(request.header("host"), Some("other.example.com"));
    assert_eq!(request.target, "/echo?x=1");
    assert_eq!(request.header("x-forwarded-proto"), Some("http"));
}

#[test]
fn the_edge_says_who_the_client_is_and_nobody_else_may() {
    let (bifrost, edge) = setup();
    let spoofed = "X-Forwarded-For: 6.6.6.6\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: evil\r\nX-Forwarded-Port: 1\r\n\
                   X-Real-IP: 6.6.6.6\r\nForwarded: for=6.6.6.6\r\nX-Bf-Forwarded-Proto: https\r\nX-Request-Id: evil\r\n";
    let response = edge.connect().ask("GET", "/echo", &edge.host(), spoofed);
    let request = only(&bifrost);
    assert_eq!(request.headers_all("x-forwarded-for"), ["127.0.0.1"]);
    assert_eq!(request.headers_all("x-forwarded-proto"), ["http"]);
    assert_eq!(request.headers_all("x-forwarded-host"), [edge.host()]);
    assert_eq!(request.headers_all("x-real-ip"), ["127.0.0.1"]);
    for name in ["x-forwarded-port", "forwarded", "x-bf-forwarded-proto"] {
        assert_eq!(request.header(name), None, "{name}");
    }
    let id = request.header("x-request-id").unwrap();
    assert_eq!((id.len(), response.header("x-request-id")), (32, Some(id)));
}

#[test]
fn what_a_trusted_proxy_says_is_passed_on() {
    let bifrost = Bifrost::start();
    let yaml = format!("{}trusted_proxies: [\"127.0.0.0/8\"]\n{CLIENTS}", servers_yaml(&[bifrost.address()]));
    let edge = Edge::start(&yaml);
    let told = "X-Forwarded-For: 6.6.6.6, 203.0.113.9, 127.0.0.9\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: gw.example.com\r\nX-Forwarded-Port: 443\r\n";
    edge.connect().ask("GET", "/echo", &edge.host(), told);
    let request = only(&bifrost);
    assert_eq!(request.headers_all("x-forwarded-for"), ["6.6.6.6, 203.0.113.9, 127.0.0.9, 127.0.0.1"]);
    assert_eq!(request.headers_all("x-real-ip"), ["203.0.113.9"]);
    assert_eq!(request.headers_all("x-forwarded-proto"), ["https"]);
    assert_eq!(request.headers_all("x-forwarded-host"), ["gw.example.com"]);
    assert_eq!(request.headers_all("x-forwarded-port"), ["443"]);
}

#[test]
fn the_scheme_that_bifrost_is_told_is_the_public_urls() {
    let bifrost = Bifrost::start();
    let urls = "public_urls: [\"https://gw.example.com\"]\n";
    let edge = Edge::start(&format!("{urls}{}{CLIENTS}", servers_yaml(&[bifrost.address()])));
    edge.connect().ask("GET", "/echo", "gw.example.com", "X-Forwarded-Proto: http\r\n");
    assert_eq!(only(&bifrost).headers_all("x-forwarded-proto"), ["https"]);
}

#[test]
fn bodies_of_either_framing_arrive_whole() {
    let (_bifrost, edge) = setup();
    let host = edge.host();
    let body: Vec<u8> = (0..8 * 1024 * 1024).map(Bifrost::byte_at).collect();
    let digest = base64::engine::general_purpose::STANDARD.encode(Sha256::digest(&body));
    let mut connection = edge.connect();
    connection
        .send(format!("POST /echo HTTP/1.1\r\nHost: {host}\r\nContent-Length: {}\r\n\r\n", body.len()))
        .send(&body);
    let by_length = connection.read_response("POST").json();
    connection.send(format!("POST /echo HTTP/1.1\r\nHost: {host}\r\nTransfer-Encoding: chunked\r\n\r\n"));
    for chunk in body.chunks(100_000) {
        connection.send(format!("{:x}\r\n", chunk.len())).send(chunk).send("\r\n");
    }
    connection.send("0\r\n\r\n");
    let chunked = connection.read_response("POST").json();
    for answer in [by_length, chunked] {
        assert_eq!(
            (answer["body_length"].as_u64(), answer["body_sha256"].as_str()),
            (Some(body.len() as u64), Some(digest.as_str()))
        );
    }
    let download = connection.ask("GET", &format!("/bytes/{}", body.len()), &host, "");
    assert!(download.body == body);
}

#[test]
fn each_event_of_a_stream_passes_before_the_next_is_sent() {
    let (bifrost, edge) = setup();
    let gate = bifrost.gate();
    let body = r#"{"model":"m","stream":true}"#;
    let mut connection = edge.connect();
    let host = edge.host();
    connection.send(format!(
        "POST /v1/chat/completions HTTP/1.1\r\nHost: {host}\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    ));
    let head = connection.read_head();
    assert_eq!((head.status, head.header("content-type")), (200, Some("text/event-stream")));
    let mut seen = String::new();
    for number in 1..=5 {
        // The server sends this event only now; had the edge held it back, nothing would arrive.
        gate.release_one();
        while !seen.contains(&format!("word{number} ")) {
            seen += &String::from_utf8(connection.read_chunk().unwrap()).unwrap();
        }
        assert!(!seen.contains(&format!("word{} ", number + 1)), "{seen}");
    }
    while let Some(chunk) = connection.read_chunk() {
        seen += &String::from_utf8(chunk).unwrap();
    }
    assert!(seen.ends_with("data: [DONE]\n\n"), "{seen}");
}

#[test]
fn servers_take_turns() {
    let fleet = [Bifrost::start(), Bifrost::start(), Bifrost::start()];
    let servers = servers_yaml(&fleet.each_ref().map(Bifrost::address));
    let edge = Edge::start(&format!("{PUBLIC_URLS}{servers}balance: {{policy: round_robin}}\n"));
    let mut connection = edge.connect();
    for _ in 0..9 {
        assert_eq!(connection.ask("GET", "/health", &edge.host(), "").status, 200);
    }
    assert_eq!(fleet.each_ref().map(|bifrost| bifrost.recorded().len()), [3, 3, 3]);
}

#[test]
fn a_request_that_cannot_connect_goes_to_the_next_server_even_a_post() {
    let bifrost = Bifrost::start();
    let edge = Edge::in_front_of(&[nobody(), bifrost.address(), nobody()]);
    for _ in 0..6 {
        let mut connection = edge.connect();
        connection.send(format!("POST /echo HTTP/1.1\r\nHost: {}\r\nContent-Length: 2\r\n\r\nhi", edge.host()));
        assert_eq!(connection.read_response("POST").json()["body_length"], 2);
    }
    assert_eq!(bifrost.recorded().len(), 6);
}

#[test]
fn a_server_may_be_given_by_name() {
    let bifrost = Bifrost::start();
    let yaml = format!(
        "servers: [{{address: \"localhost:{}\"}}, {{address: \"no-such-name.invalid:1\"}}]\n",
        bifrost.address().port()
    );
    let edge = Edge::start(&yaml);
    for _ in 0..4 {
        assert_eq!(edge.connect().ask("GET", "/health", "x", "").status, 200);
    }
}

#[test]
fn a_request_without_a_host_or_with_no_path_is_nobody() {
    let (bifrost, edge) = setup();
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
    let (_bifrost, edge) = setup();
    let mut connection = edge.connect();
    connection.send("GET /health HTTP/1.0\r\n\r\n");
    assert_eq!(connection.read_response("GET").status, 200);
}

#[test]
fn a_repeated_length_goes_on_as_one() {
    let (bifrost, edge) = setup();
    for lengths in ["Content-Length: 2, 2\r\n", "Content-Length: 2\r\nContent-Length: 2\r\n"] {
        let mut connection = edge.connect();
        connection.send(format!("POST /echo HTTP/1.1\r\nHost: x\r\n{lengths}\r\nhi"));
        assert_eq!(connection.read_response("POST").json()["body_length"], 2);
    }
    assert!(bifrost.recorded().iter().all(|request| request.headers_all("content-length") == ["2"]));
}

#[test]
fn only_a_websocket_is_waited_for_without_limit() {
    let bifrost = Bifrost::start();
    let edge =
        Edge::start(&format!("{PUBLIC_URLS}{}timeouts: {{first_byte: 200ms}}\n", servers_yaml(&[bifrost.address()])));
    for (method, headers) in [
        ("GET", "Upgrade: foo\r\nConnection: upgrade\r\n"),
        ("GET", "Upgrade: websocket\r\n"),
        ("POST", "Upgrade: websocket\r\nConnection: upgrade\r\nContent-Length: 0\r\n"),
    ] {
        assert_eq!(edge.connect().ask(method, "/hang", &edge.host(), headers).status, 504, "{method} {headers}");
    }
}

#[test]
fn without_public_urls_a_redirect_to_https_is_left_alone() {
    let bifrost = Bifrost::start();
    let edge = Edge::start(&servers_yaml(&[bifrost.address()]));
    let location = "https://gw.example.com/oauth/consent";
    let response = edge.connect().ask("GET", &format!("/redirect?to={}", encoded(location)), "gw.example.com", "");
    assert_eq!(response.header("location"), Some(location));
}

/// A server with one answer.
fn answers(answer: &'static str) -> SocketAddr {
    raw::serve(vec![Box::new(|mut stream| {
        raw::read_head(&mut stream);
        stream.write_all(answer.as_bytes()).unwrap();
    })])
}

#[test]
fn what_a_server_means_for_the_edge_alone_does_not_reach_the_client() {
    let edge = Edge::in_front_of(&[answers(
        "HTTP/1.1 200 OK\r\nConnection: keep-alive, X-Hop\r\nX-Hop: 1\r\nKeep-Alive: timeout=5\r\nProxy-Authenticate: x\r\n\
         Upgrade: h2c\r\nTrailer: x\r\nX-End: 2\r\nContent-Length: 2\r\n\r\nok",
    )]);
    let response = edge.connect().ask("GET", "/", &edge.host(), "");
    for name in ["x-hop", "keep-alive", "proxy-authenticate", "upgrade", "trailer"] {
        assert_eq!(response.header(name), None, "{name}");
    }
    assert_eq!((response.header("x-end"), response.text()), (Some("2"), "ok"));
}

#[test]
fn a_client_of_http_1_0_gets_no_chunks() {
    let edge =
        Edge::in_front_of(&[answers("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n")]);
    let mut connection = edge.connect();
    connection.send(format!("GET / HTTP/1.0\r\nHost: {}\r\nConnection: keep-alive\r\n\r\n", edge.host()));
    let response = connection.read_response("GET");
    assert_eq!((response.header("transfer-encoding"), response.header("connection")), (None, Some("close")));
    assert_eq!(response.text(), "ok");
}

/// The one shape of the edge's own errors.
fn is_error(response: &Response, status: u16, message: &str) {
    assert_eq!(response.status, status, "{response:?}");
    assert_eq!(response.header("content-type"), Some("application/json"));
    let id = response.header("x-request-id").unwrap();
    let expected = format!(
        "{{\"is_bifrost_error\":false,\"status_code\":{status},\"error\":{{\"message\":\"{message} (request id {id})\"}},\"extra_fields\":{{}}}}\n"
    );
    assert_eq!(response.text(), expected);
}

#[test]
fn a_server_that_cannot_be_reached_is_502() {
    let edge = Edge::in_front_of(&[nobody()]);
    let response = edge.connect().ask("GET", "/v1/models", &edge.host(), "");
    is_error(&response, 502, "the Bifrost server cannot be reached");
    let edge = Edge::start("servers: [{address: \"no-such-name.invalid:1\"}]\n");
    is_error(&edge.connect().ask("GET", "/", "x", ""), 503, "no Bifrost server is available");
}

#[test]
fn a_server_that_breaks_off_is_502_and_a_post_is_not_sent_twice() {
    let (bifrost, edge) = setup();
    let mut connection = edge.connect();
    connection.send(format!("POST /reset HTTP/1.1\r\nHost: {}\r\nContent-Length: 2\r\n\r\nhi", edge.host()));
    is_error(&connection.read_response("POST"), 502, "the Bifrost server broke off without a complete answer");
    assert_eq!(bifrost.recorded().len(), 1);
}

/// A server that answers the first request on its first connection and dies on the second, then answers
/// one request on its second connection.
fn dies_on_the_second_request() -> SocketAddr {
    const OK: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
    raw::serve(vec![
        Box::new(|mut stream| {
            raw::read_head(&mut stream);
            stream.write_all(OK).unwrap();
            raw::read_head(&mut stream);
        }),
        Box::new(|mut stream| {
            raw::read_head(&mut stream);
            stream.write_all(OK).unwrap();
        }),
    ])
}

#[test]
fn a_connection_that_died_idle_costs_a_get_nothing() {
    let edge = Edge::in_front_of(&[dies_on_the_second_request()]);
    let mut connection = edge.connect();
    for _ in 0..2 {
        assert_eq!(connection.ask("GET", "/", &edge.host(), "").text(), "ok");
    }
}

/// A server whose first connections are kept idle together, and close on their second request.
fn has_many_dead_connections(count: usize) -> SocketAddr {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let all_there = std::sync::Arc::new(std::sync::Barrier::new(count));
    std::thread::spawn(move || {
        for number in 0..=count {
            let (mut stream, _) = listener.accept().unwrap();
            let all_there = std::sync::Arc::clone(&all_there);
            std::thread::spawn(move || {
                raw::read_head(&mut stream);
                if number < count {
                    all_there.wait();
                }
                stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").unwrap();
                raw::read_head(&mut stream);
            });
        }
    });
    address
}

#[test]
fn many_connections_that_died_idle_cost_a_get_no_more_than_one() {
    const COUNT: usize = 6;
    let edge = Edge::in_front_of(&[has_many_dead_connections(COUNT)]);
    let mut clients: Vec<_> = (0..COUNT).map(|_| edge.connect()).collect();
    for client in &mut clients {
        client.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    }
    for client in &mut clients {
        assert_eq!(client.read_response("GET").text(), "ok");
    }
    assert_eq!(edge.connect().ask("GET", "/", "x", "").text(), "ok");
    assert_eq!(edge.report().servers[0].stale, 1);
}

/// A 100 is no answer: what comes of the request is still told.
#[test]
fn a_server_that_dies_after_an_interim_answer_is_502() {
    let edge = Edge::in_front_of(&[answers("HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n")]);
    let mut client = edge.connect();
    client.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_eq!(client.read_head().status, 103);
    is_error(&client.read_response("GET"), 502, "the Bifrost server broke off without a complete answer");
}

#[test]
fn a_connection_that_died_idle_is_502_for_a_post_which_is_not_sent_twice() {
    let edge = Edge::in_front_of(&[dies_on_the_second_request()]);
    let mut connection = edge.connect();
    assert_eq!(connection.ask("GET", "/", &edge.host(), "").text(), "ok");
    let response = connection.ask("POST", "/", &edge.host(), "Content-Length: 0\r\n");
    is_error(&response, 502, "the Bifrost server broke off without a complete answer");
    // The second connection's answer is still there for the next request.
    assert_eq!(edge.connect().ask("GET", "/", &edge.host(), "").text(), "ok");
}

#[test]
fn an_answer_cut_short_is_never_passed_off_as_whole() {
    let (_bifrost, edge) = setup();
    let mut connection = edge.connect();
    connection.send(format!("GET /truncate HTTP/1.1\r\nHost: {}\r\n\r\n", edge.host()));
    let head = connection.read_head();
    assert_eq!((head.status, head.header("content-length")), (200, Some("100")));
    assert_eq!(connection.read_to_end(), b"0123456789");
}

#[test]
fn a_server_that_does_not_answer_is_504() {
    let bifrost = Bifrost::start();
    let edge =
        Edge::start(&format!("{PUBLIC_URLS}{}timeouts: {{first_byte: 200ms}}\n", servers_yaml(&[bifrost.address()])));
    let response = edge.connect().ask("GET", "/hang", &edge.host(), "");
    is_error(&response, 504, "the Bifrost server did not answer in time");
}

#[test]
fn no_server_is_503() {
    let edge = Edge::in_front_of(&[]);
    let response = edge.connect().ask("GET", "/v1/models", &edge.host(), "");
    is_error(&response, 503, "no Bifrost server is available");
    let head = edge.connect().ask("HEAD", "/v1/models", &edge.host(), "");
    assert_eq!((head.status, head.body.len()), (503, 0));
}

#[test]
fn the_statuses_and_errors_of_a_server_are_passed_as_they_are() {
    let (_bifrost, edge) = setup();
    for status in [204, 400, 404, 429, 500, 503] {
        let response = edge.connect().ask("GET", &format!("/status/{status}"), &edge.host(), "");
        assert_eq!(response.status, status);
        assert_eq!(response.header("server"), Some("fasthttp"));
    }
}

#[test]
fn a_redirect_to_our_own_host_keeps_our_scheme() {
    let bifrost = Bifrost::start();
    let urls = "public_urls: [\"https://gw.example.com\"]\n";
    let edge = Edge::start(&format!("{urls}{}{CLIENTS}", servers_yaml(&[bifrost.address()])));
    for (location, repaired) in [
        ("http://gw.example.com/oauth/consent?flow=1#t=2", "https://gw.example.com/oauth/consent?flow=1#t=2"),
        ("http://127.0.0.1:9/callback?code=c&state=s", "http://127.0.0.1:9/callback?code=c&state=s"),
        ("/relative", "/relative"),
    ] {
        let response = edge.connect().ask("GET", &format!("/redirect?to={}", encoded(location)), "gw.example.com", "");
        assert_eq!((response.status, response.header("location")), (302, Some(repaired)));
    }
}

#[test]
fn a_challenge_is_passed_byte_for_byte_unless_it_names_a_foreign_origin() {
    let (_bifrost, edge) = setup();
    let host = edge.host();
    let own = format!("Bearer  resource_metadata=\"http://{host}/.well-known/oauth-protected-resource\" ,x=\"y\"");
    let foreign = "Bearer  resource_metadata=\"http://10.0.0.5:8080/.well-known/oauth-protected-resource\" ,x=\"y\"";
    for (sent, received) in
        [(own.as_str(), own.as_str()), (foreign, own.as_str()), ("Basic realm=\"a\"", "Basic realm=\"a\"")]
    {
        let response = edge.connect().ask("GET", &format!("/challenge?value={}", encoded(sent)), &host, "");
        assert_eq!((response.status, response.header("www-authenticate")), (401, Some(received)));
        assert_eq!(response.header("access-control-expose-headers"), Some("WWW-Authenticate"));
    }
    let forbidden = edge.connect().ask("GET", "/status/403", &host, "");
    assert_eq!(forbidden.header("access-control-expose-headers"), None);
}

#[test]
fn a_stopping_edge_finishes_the_request_in_flight() {
    let (bifrost, edge) = setup();
    let gate = bifrost.gate();
    let body = r#"{"model":"m","stream":true}"#;
    let mut connection = edge.connect();
    connection.send(format!(
        "POST /v1/chat/completions HTTP/1.1\r\nHost: {}\r\nContent-Length: {}\r\n\r\n{body}",
        edge.host(),
        body.len()
    ));
    assert_eq!(connection.read_head().status, 200);
    let stopping = std::thread::spawn(move || edge.stop());
    gate.release_all();
    let mut events = String::new();
    while let Some(chunk) = connection.read_chunk() {
        events += std::str::from_utf8(&chunk).unwrap();
    }
    assert_eq!(events.matches("data: ").count(), 6, "{events}");
    assert_eq!(stopping.join().unwrap(), 0);
}
