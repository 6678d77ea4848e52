//! What a request of HTTP/2 lacks, or has in another form than in HTTP/1.1, is made up for.

use std::io::Write;

use crate::support::{
    bifrost::Bifrost,
    edge::{Edge, servers_yaml},
    frames::{DATA, END_HEADERS, END_STREAM, Frame, Frames, HEADERS, RST_STREAM},
    h2c::H2cEdge,
    in_time::Heard,
    nobody, raw,
    tls_server::{Server, Speaks, over_h2c},
};

/// What a stream gets, to its end.
fn heard(client: &mut Frames, stream: u32) -> Vec<Frame> {
    let mut heard = Vec::new();
    loop {
        let frame = client.next().expect("the connection ended before the stream");
        if frame.stream == stream {
            let is_end = frame.kind == RST_STREAM || (frame.kind <= HEADERS && frame.flags & END_STREAM > 0);
            heard.push(frame);
            if is_end {
                return heard;
            }
        }
    }
}

#[test]
fn a_head_that_is_refused_ends_its_stream() {
    let bifrost = Bifrost::start();
    let yaml =
        |servers: String, more: &str| format!("{servers}public_urls: [\"http://x\"]\nunknown_hosts: refuse\n{more}");
    let of = |more: &str| Edge::listening("http2: true", &yaml(servers_yaml(&[bifrost.address()]), more));
    let unreachable = Edge::listening("http2: true", &yaml(servers_yaml(&[nobody()]), ""));
    let (plain, closed) = (of(""), of("access: [{path: /, deny: [\"127.0.0.0/8\"]}]\n"));
    let limited = of("limits: {requests: {per_second: 0.001, burst: 1}, headers: 20, request_body: 1KiB}\n");
    let many = vec![("x", "y"); 21];
    for (edge, host, path, more, status) in [
        (&unreachable, "x", "/", &[][..], 502),
        (&plain, "elsewhere", "/", &[], 421),
        (&closed, "x", "/", &[], 403),
        (&limited, "x", "/", &many, 431),
        (&limited, "x", "/echo", &[], 200),
        (&limited, "x", "/echo", &[], 429),
        (&plain, "x", "/.well-known/oauth-authorization-server", &[], 404),
        (&plain, "x", "/echo", &[], 200),
    ] {
        let mut client = Frames::connect(edge);
        let head = [(":method", "HEAD"), (":scheme", "http"), (":authority", host), (":path", path)];
        client.request(1, &[&head[..], more].concat());
        let frames = heard(&mut client, 1);
        let kinds: Vec<_> = frames.iter().map(|frame| (frame.kind, frame.payload.is_empty())).collect();
        assert!(matches!(kinds[..], [(HEADERS, _)] | [(HEADERS, _), (DATA, true)]), "{status}: {kinds:?}");
        assert_eq!(frames[0].status(), status);
    }
}

#[test]
fn many_fields_of_cookies_count_as_one() {
    let bifrost = Bifrost::start();
    let edge =
        Edge::listening("http2: true", &(servers_yaml(&[bifrost.address()]) + "limits: {headers: 10, head: 4KiB}\n"));
    let mut client = Frames::connect(&edge);
    let get = [(":method", "GET"), (":scheme", "http"), (":authority", "x"), (":path", "/echo")];
    client.request(1, &[&get[..], &[("cookie", "a=b"); 90]].concat());
    assert_eq!(client.answer(1), Ok(200));
    assert_eq!(bifrost.recorded()[0].headers_all("cookie"), [vec!["a=b"; 90].join("; ")]);
    client.request(3, &[&get[..], &[("cookie", "a=b"); 90], &[("x", "y"); 9]].concat());
    assert_eq!(client.answer(3), Ok(200));
    client.request(5, &[&get[..], &[("cookie", "a=b"); 90], &[("x", "y"); 10]].concat());
    assert_eq!(client.answer(5), Ok(431));
    client.request(7, &[&get[..], &[("cookie", &*"a".repeat(500)); 9]].concat());
    assert_eq!(client.answer(7), Ok(431));
}

#[test]
fn a_request_without_a_body_says_so_where_its_method_may_have_one() {
    let (heads, received) = std::sync::mpsc::channel();
    let server = raw::serve_one(move |mut stream| {
        while let Some(head) = raw::read_next_head(&mut stream) {
            heads.send(head.to_ascii_lowercase()).unwrap();
            stream.write_all(raw::OK).unwrap();
        }
    });
    let edge = H2cEdge::in_front_of(&[server]);
    let client = edge.connect();
    let mut plain = edge.0.connect();
    for (method, has_length) in [("POST", true), ("PUT", true), ("PATCH", true), ("GET", false), ("DELETE", false)] {
        assert_eq!(client.ask(edge.request(method, "/v1/files/x/cancel")).body(), b"ok");
        assert_eq!(plain.ask(method, "/v1/files/x/cancel", &edge.authority(), "").status, 200);
        for _ in 0..2 {
            let head = received.heard();
            assert_eq!(head.contains("\r\ncontent-length: 0\r\n"), has_length, "{head}");
            assert!(!head.contains("transfer-encoding"), "{head}");
        }
    }
}

#[test]
fn a_server_of_http_2_is_told_too() {
    let server = Server::start(Speaks::h2c());
    let edge = H2cEdge::start(&format!("servers: [{}]\n", over_h2c(&server)));
    let client = edge.connect();
    for (method, length) in [("POST", Some("0")), ("PUT", Some("0")), ("GET", None), ("DELETE", None)] {
        assert_eq!(client.ask(edge.request(method, "/")).status(), 200);
        assert_eq!(edge.0.connect().ask(method, "/", &edge.authority(), "").status, 200);
        for saw in server.saw().iter().rev().take(2) {
            let told = saw.headers.iter().find(|(name, _)| name == "content-length").map(|(_, value)| value.as_str());
            assert_eq!(told, length, "{method}");
        }
    }
}

/// One that a client would send again by its index in a table, where nobody can see it.
#[test]
fn a_fragment_in_a_path_is_refused_and_does_not_come_again() {
    let bifrost = Bifrost::start();
    let edge = Edge::listening("http2: true", &servers_yaml(&[bifrost.address()]));
    let mut client = Frames::connect(&edge);
    // GET, http, the authority x, and a path, which goes into the table.
    let first = [&b"\x82\x86\x41\x01x\x44\x0a/echo?a#bc"[..]].concat();
    client.send(HEADERS, END_HEADERS | END_STREAM, 1, &first);
    assert_eq!(client.answer(1), Ok(400));
    client.send(HEADERS, END_HEADERS | END_STREAM, 3, b"\x82\x86\x41\x01x\xbe");
    while let Some(frame) = client.next() {
        assert!(frame.stream != 3 || frame.kind == RST_STREAM, "{frame:?}");
    }
    assert!(bifrost.recorded().is_empty(), "{:?}", bifrost.recorded());
    assert_eq!(edge.metric("bridgehead_connections_closed_total{reason=\"http2_malformed\"}"), 1);
}
