//! A host means the same however it is written: in the Host, in an absolute target, in HTTP/2, and when public URLs are
//! looked up.

use std::io::Write;

use crate::support::{
    bifrost::Bifrost,
    edge::{CLIENTS, Edge, bifrost_and_edge, is_error, servers_yaml},
    frames::{Frames, PROTOCOL_ERROR},
    in_time::Heard,
    raw,
    tls_server::{BOTH, HTTP_1, Server, Speaks, Trust, edge, over_h2c},
};

/// The target, the Host, and the host that the server is told.
const EQUAL: [(&str, &str, &str); 10] = [
    ("http://Gw.Example.com:80/echo", "Host: gw.example.com\r\n", "Gw.Example.com:80"),
    ("http://gw.example.com/echo", "Host: GW.example.com:80\r\n", "gw.example.com"),
    ("http://gw.example.com:/echo", "Host: gw.example.com\r\n", "gw.example.com:"),
    ("http://gw.example.com/echo", "Host: gw.example.com.:080\r\n", "gw.example.com"),
    ("https://gw.example.com:443/echo", "Host: gw.example.com\r\n", "gw.example.com:443"),
    ("HTTP://gw.example.com/echo", "Host: gw.example.com\r\n", "gw.example.com"),
    ("http://gw.example.com/echo", "Host:\r\n", "gw.example.com"),
    ("http://[2001:DB8:0:0::1]/echo", "Host: [2001:db8::1]:80\r\n", "[2001:DB8:0:0::1]"),
    ("http://10.0.0.7/echo", "Host: 10.0.0.7:80\r\n", "10.0.0.7"),
    ("/echo", "Host: Gw.Example.com:\r\n", "Gw.Example.com:"),
];

#[test]
fn a_target_that_means_its_host_is_served() {
    let (bifrost, edge) = bifrost_and_edge();
    for (target, host, told) in EQUAL {
        let mut client = edge.connect();
        for version in ["1.1", "1.0"] {
            client.send(format!("GET {target} HTTP/{version}\r\nA: b\r\n{host}Connection: keep-alive\r\n\r\n"));
            assert_eq!(client.read_response("GET").status, 200, "{target} {host}");
            let request = bifrost.recorded().pop().unwrap();
            assert_eq!((request.target.as_str(), request.headers_all("host")), ("/echo", vec![told]), "{host}");
            assert_eq!((request.header("x-forwarded-host"), request.header("a")), (Some(told), Some("b")));
        }
    }
}

#[test]
fn a_body_behind_an_absolute_target_arrives_whole_and_the_next_request_too() {
    let (bifrost, edge) = bifrost_and_edge();
    let mut client = edge.connect();
    for _ in 0..2 {
        client.send("POST http://GW/echo HTTP/1.1\r\nHost: gw\r\nContent-Length: 5\r\n\r\nhello");
        assert_eq!(client.read_response("POST").json()["body_length"], 5);
    }
    client.send("OPTIONS http://gw HTTP/1.1\r\nHost: gw:80\r\n\r\n");
    client.read_response("OPTIONS");
    assert_eq!(bifrost.recorded().pop().unwrap().target, "*");
}

#[test]
fn what_means_another_host_or_none_is_refused() {
    let (bifrost, edge) = bifrost_and_edge();
    for (target, host) in [
        ("http://gw/", "Host: gw:8080\r\n"),
        ("http://gw:8080/", "Host: gw\r\n"),
        ("https://gw/", "Host: gw:80\r\n"),
        ("http://gw/", "Host: other\r\n"),
        ("http://[::1]/", "Host: 127.0.0.1\r\n"),
        ("http://:/", "Host:\r\n"),
        ("http://:80/", "Host: :80\r\n"),
        ("http:///", "Host:\r\n"),
        ("http://gw\\x/", "Host: gw\r\n"),
        ("http://u@gw/", "Host: gw\r\n"),
        ("/", "Host: :\r\n"),
        ("/", "Host: :80\r\n"),
        ("/", "Host: .\r\n"),
        ("/", "Host: [:.:1]\r\n"),
        ("/", "Host: [fe80::1%25eth0]\r\n"),
        ("/", "Host: gw:65536\r\n"),
        ("/", "Host: [::1].\r\n"),
    ] {
        let mut client = edge.connect();
        client.send(format!("GET {target} HTTP/1.1\r\n{host}\r\n"));
        is_error(&client.read_response("GET"), 400, "the request is malformed");
    }
    assert!(bifrost.recorded().is_empty());
}

#[test]
fn in_http_2_too() {
    let bifrost = Bifrost::start();
    let edge = Edge::listening("http2: true", &servers_yaml(&[bifrost.address()]));
    let ask = |authority: &str, host: Option<&str>| {
        let mut client = Frames::connect(&edge);
        let mut head = vec![(":method", "GET"), (":scheme", "http"), (":path", "/echo")];
        head.extend((!authority.is_empty()).then_some((":authority", authority)));
        head.extend(host.map(|host| ("host", host)));
        client.request(1, &head);
        client.answer(1)
    };
    for (authority, host) in [
        ("Gw:80", Some("gw")),
        ("gw", Some("gw:")),
        ("[2001:DB8:0:0::1]", Some("[2001:db8::1]:80")),
        ("", Some("gw")),
        ("gw:", None),
    ] {
        assert_eq!(ask(authority, host), Ok(200), "{authority} {host:?}");
        let recorded = bifrost.recorded().pop().unwrap();
        let told = if authority.is_empty() { "gw" } else { authority };
        assert_eq!(recorded.headers_all("host"), [told]);
    }
    let served = bifrost.recorded().len();
    for (authority, host) in
        [("gw", Some("other")), ("gw:8080", Some("gw")), (":80", None), ("[:.:1]", None), ("", None)]
    {
        assert!(matches!(ask(authority, host), Ok(400) | Err(PROTOCOL_ERROR)), "{authority} {host:?}");
    }
    assert_eq!(bifrost.recorded().len(), served);
}

#[test]
fn public_urls_are_found_in_every_spelling() {
    let bifrost = Bifrost::start();
    let urls = "public_urls: [\"http://gw.example.com\", \"http://[2001:db8::1]\", \"https://[::1]\"]\nunknown_hosts: refuse\n";
    let edge = Edge::with(&[bifrost.address()], &format!("{urls}{CLIENTS}"));
    for (host, issuer) in [
        ("gw.example.com:", "http://gw.example.com"),
        ("gw.example.com:80", "http://gw.example.com"),
        ("GW.example.com.:080", "http://gw.example.com"),
        ("[2001:db8::1]", "http://[2001:db8::1]"),
        ("[2001:DB8:0:0::1]", "http://[2001:db8::1]"),
        ("[2001:db8:0:0:0:0:0:1]:80", "http://[2001:db8::1]"),
        ("[0::1]:443", "https://[::1]"),
    ] {
        let document = edge.connect().ask("GET", "/.well-known/oauth-authorization-server", host, "");
        assert_eq!(document.json()["issuer"], issuer, "{host}");
        assert_eq!(edge.connect().ask("GET", "/echo", host, "").status, 200, "{host}");
    }
    for (host, status) in [("[:.:1]", 400), ("[2001:db8::2]", 421), ("gw.example.com:443", 421)] {
        assert_eq!(edge.connect().ask("GET", "/echo", host, "").status, status, "{host}");
    }
}

/// A server of HTTP/1.1 refuses one without, and one of HTTP/2 has none at all.
#[test]
fn a_request_of_http_1_0_without_a_host_gets_one() {
    let (heads, received) = std::sync::mpsc::channel();
    let plain = Edge::in_front_of_one(move |mut stream| {
        heads.send(raw::read_head(&mut stream).to_ascii_lowercase()).unwrap();
        stream.write_all(raw::OK).unwrap();
    });
    let trust = Trust::new();
    let (offers_both, offers_http1, h2c) = (trust.server(BOTH), trust.server(HTTP_1), Server::start(Speaks::h2c()));
    let edges = [
        plain,
        edge(trust.over_http2(&offers_both)),
        edge(trust.over_http2(&offers_http1)),
        Edge::start(&format!("servers: [{}]\n", over_h2c(&h2c))),
    ];
    for edge in &edges {
        let mut client = edge.connect();
        client.send("GET / HTTP/1.0\r\n\r\n");
        assert_eq!(client.read_response("GET").status, 200);
    }
    let head = received.heard();
    assert!(head.contains(" http/1.1\r\nhost: \r\n"), "{head}");
    assert!(offers_http1.saw()[0].host.as_ref().is_some_and(|host| !host.is_empty()));
}

/// What RFC 3986 has no place for, and what the parser of URLs that HTTP/2 comes through does not take.
#[test]
fn both_versions_take_the_same_signs_in_a_target() {
    let bifrost = Bifrost::start();
    let edge = Edge::listening("http2: true", &servers_yaml(&[bifrost.address()]));
    for sign in (b'!'..=b'~').map(char::from).filter(|sign| !"#?".contains(*sign)) {
        for target in [format!("/echo/a{sign}b"), format!("/echo?a{sign}b")] {
            let of_http1 = edge.connect().ask("GET", &target, "x", "").status;
            let mut client = Frames::connect(&edge);
            client.request(1, &[(":method", "GET"), (":scheme", "http"), (":authority", "x"), (":path", &target)]);
            let of_http2 = client.answer(1);
            assert_eq!(of_http1 == 200, of_http2 == Ok(200), "{target}: {of_http1}, {of_http2:?}");
            if of_http1 == 200 {
                assert!(bifrost.recorded().iter().rev().take(2).all(|request| request.target == target), "{target}");
            }
            let is_taken =
                !"<>".contains(sign) && (target.contains('?') && sign != '"' || !target.contains('?') && sign != '`');
            assert_eq!(of_http1 == 200, is_taken, "{target}: {of_http1}");
        }
    }
}
