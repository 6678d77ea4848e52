//! Under Pingora's stock service the edge serves clients of HTTP/1.1 as on listeners of its own.

use std::io::{Read, Write};

use crate::support::{
    bifrost::Bifrost,
    edge::{CLIENTS, Edge, NO_ANSWER, PUBLIC_URLS, UNREACHABLE, is_error, servers_yaml},
    http::{Connection, Response},
    nobody, raw,
    stock::Stock,
    tls_server::{Server, Speaks, over_h2c},
    until,
    websocket::{self, UPGRADE},
};

const DISCOVERY: &str = "/.well-known/oauth-authorization-server";
const MEGABYTE: usize = 1_000_000;

fn before(bifrost: &Bifrost, options: &str) -> Stock {
    Stock::start(&format!("{PUBLIC_URLS}{CLIENTS}{}{options}", servers_yaml(&[bifrost.address()])))
}

fn before_http2(server: &Server) -> Stock {
    Stock::start(&format!("{PUBLIC_URLS}servers: [{}]\n", over_h2c(server)))
}

/// The same pattern as of `/bytes/{n}`.
fn megabyte() -> Vec<u8> {
    (0..MEGABYTE as u64).map(Bifrost::byte_at).collect()
}

/// Sends a large body with its length, and one in chunks.
fn post_both_ways(stock: &Stock, client: &mut Connection, told: impl Fn(&Response)) {
    let body = megabyte();
    client.send(stock.head("POST", "/echo", &format!("Content-Length: {MEGABYTE}\r\n"))).send(&body);
    told(&client.read_response("POST"));
    client.send(stock.head("POST", "/echo", "Transfer-Encoding: chunked\r\n"));
    for chunk in body.chunks(70_000) {
        client.send_chunk(chunk);
    }
    told(&client.send("0\r\n\r\n").read_response("POST"));
}

#[test]
fn stock_discovery_is_answered_and_no_server_is_asked() {
    let bifrost = Bifrost::start();
    let stock = before(&bifrost, "");
    let mut client = stock.connect();
    for _ in 0..3 {
        let document = client.ask("GET", DISCOVERY, &stock.host(), "").json();
        assert_eq!(document["issuer"], format!("http://{}", stock.host()));
    }
    assert_eq!(client.ask("GET", "/.well-known/openid-configuration", &stock.host(), "").status, 404);
    assert!(bifrost.recorded().is_empty());
}

#[test]
fn stock_service_takes_another_configuration_without_a_lost_request() {
    let (one, other) = (Bifrost::start(), Bifrost::start());
    let stock = before(&one, "");
    let mut client = stock.connect();
    assert_eq!(client.ask("GET", "/echo", &stock.host(), "").status, 200);
    stock.replace(&format!("{PUBLIC_URLS}{}", servers_yaml(&[other.address()])));
    assert_eq!(client.ask("GET", "/echo", &stock.host(), "").status, 200);
    assert_eq!(client.ask("GET", DISCOVERY, &stock.host(), "").status, 404, "no MCP client turns it on any more");
    assert_eq!((one.recorded().len(), other.recorded().len()), (1, 1));
}

#[test]
fn stock_requests_reach_a_server_of_http_1_and_large_bodies_arrive_whole() {
    let bifrost = Bifrost::start();
    let stock = before(&bifrost, "");
    let mut client = stock.connect();
    assert_eq!(client.ask("GET", "/echo?x=1", &stock.host(), "").json()["target"], "/echo?x=1");
    post_both_ways(&stock, &mut client, |answer| assert_eq!(answer.json()["body_length"], MEGABYTE));
    for upload in &bifrost.recorded()[1..] {
        assert!(upload.body_complete && upload.body == megabyte(), "another body: {} bytes", upload.body_len);
    }
    let download = client.ask("GET", "/bytes/1000000", &stock.host(), "");
    assert!(download.body == megabyte(), "another body: {} bytes", download.body.len());
    until("all is counted as over", || stock.in_flight() == 0);
}

#[test]
fn stock_requests_reach_a_server_of_http_2_and_large_bodies_arrive_whole() {
    let server = Server::start(Speaks::h2c());
    let stock = before_http2(&server);
    let mut client = stock.connect();
    assert_eq!(client.ask("GET", "/a?x=1", &stock.host(), "").json()["path"], "/a?x=1");
    post_both_ways(&stock, &mut client, |answer| assert_eq!(answer.json()["body"], MEGABYTE));
    assert!(server.saw().iter().all(|saw| saw.version == "HTTP/2.0"));
}

#[test]
fn stock_each_event_passes_before_the_next_is_sent() {
    let (bifrost, server) = (Bifrost::start(), Server::start(Speaks::h2c()));
    let (gate, stock) = (bifrost.gate(), before(&bifrost, ""));
    let chat = r#"{"model":"m","stream":true}"#;
    let mut client = stock.connect();
    client.send(stock.head("POST", "/v1/chat/completions", &format!("Content-Length: {}\r\n", chat.len())) + chat);
    assert_eq!(client.read_head().header("content-type"), Some("text/event-stream"));
    for number in 1..=5 {
        gate.release_one();
        let event = String::from_utf8(client.read_chunk().unwrap()).unwrap();
        assert!(event.contains(&format!("word{number} ")), "{event}");
    }
    assert_eq!(client.read_chunks(), b"data: [DONE]\n\n");
    assert_eq!(client.ask("GET", "/health", &stock.host(), "").status, 200);

    let stock = before_http2(&server);
    server.streams_through(&stock);
}

#[test]
fn stock_a_websocket_passes_both_ways_to_its_end() {
    // A server that has the last word, and one that hears that the client has said all.
    for client_ends in [true, false] {
        let server = raw::serve_one(move |mut stream| {
            websocket::accept(&mut stream);
            stream.write_all(b"\x81\x05first").unwrap();
            for _ in 0..3 {
                let frame = raw::read_exactly(&mut stream, 7);
                stream.write_all(&frame).unwrap();
            }
            if client_ends {
                assert_eq!(stream.read(&mut [0]).unwrap(), 0);
                stream.write_all(b"\x81\x04last").unwrap();
            }
        });
        let stock = Stock::start(&format!("{PUBLIC_URLS}{}", servers_yaml(&[server])));
        let mut client = stock.connect();
        // The first frame comes with the handshake.
        client.send(stock.head("GET", "/ws", UPGRADE) + "\u{1}\u{5}early");
        let head = client.read_head();
        assert_eq!((head.status, head.header("sec-websocket-protocol")), (101, Some("realtime")));
        assert_eq!(client.read_exactly(7), b"\x81\x05first");
        assert_eq!(client.read_exactly(7), b"\x01\x05early");
        for _ in 0..2 {
            assert_eq!(client.send(b"\x81\x05hello").read_exactly(7), b"\x81\x05hello");
        }
        if client_ends {
            client.half_close();
            assert_eq!(client.read_exactly(6), b"\x81\x04last");
        }
        assert!(client.is_closed());
        until("it is over", || stock.in_flight() == 0);
    }
}

#[test]
fn stock_a_connection_carries_requests_one_after_the_other_and_pipelined() {
    let bifrost = Bifrost::start();
    let stock = before(&bifrost, "");
    let mut client = stock.connect();
    for number in 0..5 {
        let answer = client.ask("GET", &format!("/echo?{number}"), &stock.host(), "");
        assert_eq!((answer.status, answer.header("connection")), (200, Some("keep-alive")));
    }
    let post = |number| stock.head("POST", &format!("/echo?{number}"), "Content-Length: 5\r\n") + "hello";
    let get = |number| stock.head("GET", &format!("/echo?{number}"), "");
    client.send([post(0), get(1), stock.head("GET", DISCOVERY, ""), post(2), get(3)].concat());
    for target in ["/echo?0", "/echo?1", "", "/echo?2", "/echo?3"] {
        let answer = client.read_response("GET").json();
        assert_eq!(answer["target"].as_str().unwrap_or_default(), target);
    }
    let bodies: Vec<_> = bifrost.recorded().into_iter().skip(5).map(|request| request.body).collect();
    assert_eq!(bodies, [&b"hello"[..], b"", b"hello", b""]);
}

/// What comes while a request waits is neither lost nor taken for a client that left.
#[test]
fn stock_an_empty_line_before_a_request_is_skipped_however_its_bytes_come() {
    let bifrost = Bifrost::start();
    let stock = before(&bifrost, "");
    let request = stock.head("GET", "/health", "");
    for pieces in [&["\r\n", &request][..], &["\r", &format!("\n{request}")], &[&format!("\r\n\r\n{request}")]] {
        let mut client = stock.connect();
        client.sender().set_nodelay(true).unwrap();
        for _ in 0..2 {
            for piece in pieces {
                client.send(piece);
                // While this is answered the piece arrives.
                assert_eq!(stock.get("/health").status, 200);
            }
            assert_eq!(client.read_response("GET").status, 200, "{pieces:?}");
        }
    }
}

#[test]
fn stock_what_is_sent_ahead_of_an_answer_is_the_next_request() {
    let bifrost = Bifrost::start();
    let (gate, stock) = (bifrost.gate(), before(&bifrost, ""));
    let chat = r#"{"model":"m","stream":true}"#;
    let mut client = stock.connect();
    client.send(stock.head("POST", "/v1/chat/completions", &format!("Content-Length: {}\r\n", chat.len())) + chat);
    assert_eq!(client.read_head().status, 200);
    client.send(stock.head("GET", "/echo?ahead", ""));
    gate.release_one();
    client.read_chunk().unwrap();
    gate.release_all();
    assert!(client.read_chunks().ends_with(b"data: [DONE]\n\n"));
    assert_eq!(client.read_response("GET").json()["target"], "/echo?ahead");
}

#[test]
fn stock_an_answer_without_a_body_leaves_its_connection_in_step() {
    let bifrost = Bifrost::start();
    let stock = before(&bifrost, "");
    let mut client = stock.connect();
    for (method, target, status) in
        [("HEAD", "/bytes/1000", 200), ("GET", "/status/204", 204), ("GET", "/status/304", 304), ("HEAD", "/echo", 200)]
    {
        assert_eq!(client.ask(method, target, &stock.host(), "").status, status, "{method} {target}");
        assert_eq!(client.ask("GET", "/echo", &stock.host(), "").json()["target"], "/echo", "after {method} {target}");
    }
    assert_eq!(client.ask("HEAD", "/bytes/1000", &stock.host(), "").header("content-length"), Some("1000"));
}

#[test]
fn stock_a_server_that_does_not_answer_in_time_is_504() {
    let bifrost = Bifrost::start();
    let stock = before(&bifrost, "timeouts: {first_byte: 300ms}\n");
    is_error(&stock.get("/hang"), 504, NO_ANSWER);
    until("it is over", || stock.in_flight() == 0);
}

#[test]
fn stock_what_the_edge_refuses_is_refused() {
    let bifrost = Bifrost::start();
    let stock = before(&bifrost, "unknown_hosts: refuse\nlimits: {headers: 20}\n");
    let status = |request: String| {
        let mut client = stock.connect();
        client.send(request).read_response("GET").status
    };
    assert_eq!(status(stock.head("GET", "/echo", &"X: y\r\n".repeat(19))), 200);
    assert_eq!(status(stock.head("GET", "/echo", &"X: y\r\n".repeat(20))), 431);
    for second in ["2", "3"] {
        let lengths = format!("Content-Length: 2\r\nContent-Length: {second}\r\n");
        assert_eq!(status(stock.head("POST", "/echo", &lengths) + "hi"), 400);
    }
    assert_eq!(status("GET /echo HTTP/1.1\r\nHost: elsewhere\r\n\r\n".to_owned()), 421);
    assert_eq!(bifrost.recorded().len(), 1);
}

#[test]
fn stock_a_server_that_refuses_connections_is_502_and_another_is_asked() {
    let (bifrost, gone) = (Bifrost::start(), nobody());
    let alone = Stock::start(&format!("{PUBLIC_URLS}{}", servers_yaml(&[gone])));
    is_error(&alone.get("/echo"), 502, UNREACHABLE);
    let both = Stock::start(&format!("{PUBLIC_URLS}{}", servers_yaml(&[gone, bifrost.address()])));
    for _ in 0..4 {
        assert_eq!(both.get("/echo").status, 200);
    }
    // With a server of HTTP/2 in the fleet, too, whichever is picked first.
    let server = Server::start(Speaks::h2c());
    let mixed = format!("{PUBLIC_URLS}servers: [{{address: \"{gone}\"}}, {}]\n", over_h2c(&server));
    let mixed = Stock::start(&mixed);
    for _ in 0..4 {
        assert_eq!(mixed.get("/echo").status, 200);
    }
}

#[test]
fn stock_clients_are_redirected_to_https_when_a_listener_asks_for_it() {
    let bifrost = Bifrost::start();
    let urls = "public_urls: [\"https://gw.example.com\"]\n";
    let stock = Stock::listening("redirect_to_https: true", &format!("{urls}{}", servers_yaml(&[bifrost.address()])));
    let mut client = stock.connect();
    for _ in 0..2 {
        let answer = client.ask("GET", "/a?b=c", "gw.example.com", "");
        assert_eq!((answer.status, answer.header("location")), (308, Some("https://gw.example.com/a?b=c")));
    }
    assert_eq!(client.ask("POST", "/echo", "gw.example.com", "Content-Length: 0\r\n").status, 200);
}

/// Without what differs by its nature from request to request.
fn common(headers: &[(String, String)]) -> Vec<(String, String)> {
    let varies = ["date", "x-request-id"];
    let mut common: Vec<_> = headers.iter().map(|(name, value)| (name.to_ascii_lowercase(), value.clone())).collect();
    for (name, value) in &mut common {
        if varies.contains(&name.as_str()) {
            value.clear();
        }
    }
    common.sort();
    common
}

#[test]
fn stock_request_and_response_are_changed_as_on_the_edges_own_listener() {
    let bifrost = Bifrost::start();
    let yaml = format!("{PUBLIC_URLS}{CLIENTS}{}", servers_yaml(&[bifrost.address()]));
    let (stock, own) = (Stock::start(&yaml), Edge::start(&yaml));
    let headers = "X-Forwarded-For: 6.6.6.6\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: evil\r\nX-Real-IP: 6.6.6.6\r\n\
                   Forwarded: for=6.6.6.6\r\nConnection: X-Hop\r\nX-Hop: 1\r\nX-Request-Id: mine\r\nOrigin: http://o\r\n";
    for (method, target) in [
        ("GET", "/echo?a=b"),
        ("GET", "/bytes/100"),
        ("HEAD", "/bytes/100"),
        ("GET", "/status/204"),
        ("GET", "/status/304"),
        ("GET", "/challenge?value=Bearer"),
        ("GET", "/redirect?to=http://gw.example.com/x"),
        ("OPTIONS", "/v1/models"),
        ("GET", "/nothing/here"),
    ] {
        let answers = [stock.connect(), own.connect()]
            .map(|mut client| client.ask(method, target, "gw.example.com", headers))
            .map(|answer| (answer.status, common(&answer.headers), answer.body.len()));
        assert_eq!(answers[0], answers[1], "the answer to {method} {target}");
        let recorded = bifrost.recorded();
        let [.., of_stock, of_own] = &recorded[..] else { panic!("not forwarded") };
        assert_eq!(common(&of_stock.headers), common(&of_own.headers), "the request {method} {target}");
        assert_eq!(of_stock.header("x-forwarded-for"), Some("127.0.0.1"));
    }
}
