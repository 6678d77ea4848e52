//! A WebSocket passes in both directions, and lives as long as both ends like.

use std::{io::Write, net::TcpStream, sync::mpsc};

use crate::support::{
    bifrost::Bifrost,
    edge::{Edge, bifrost_and_edge, servers_yaml},
    http::Connection,
    in_time::Heard,
    nobody, raw,
    stock::Stock,
    until,
    websocket::{self, ACCEPT, SWITCH, UPGRADE, echo},
};

/// On several threads Pingora alone loses about one in ten of these.
#[test]
fn a_server_that_answers_at_once_keeps_its_websocket() {
    const WEBSOCKETS: usize = 60;
    let answer_at_once = || -> Box<dyn FnOnce(TcpStream) + Send> {
        Box::new(|mut stream| {
            raw::read_head(&mut stream);
            stream.write_all(SWITCH).unwrap();
            echo(stream);
        })
    };
    let edge = Edge::in_front_of(&[raw::serve((0..WEBSOCKETS).map(|_| answer_at_once()).collect())]);
    for number in 0..WEBSOCKETS {
        let mut client = websocket::open(&edge);
        client.send(b"\x81\x05hello");
        assert_eq!(client.read_exactly(7), b"\x81\x05hello", "WebSocket {number}");
    }
}

#[test]
fn a_server_that_refuses_is_heard() {
    let (_bifrost, edge) = bifrost_and_edge();
    for _ in 0..3 {
        let mut client = edge.connect();
        for status in [401, 404, 503] {
            assert_eq!(client.ask("GET", &format!("/status/{status}"), &edge.host(), UPGRADE).status, status);
        }
        assert_eq!(client.ask("GET", "/health", &edge.host(), "").status, 200);
    }
}

#[test]
fn a_server_that_is_not_there_is_502() {
    let gone = nobody();
    let bifrost = Bifrost::start();
    let edge = Edge::in_front_of(&[gone]);
    assert_eq!(edge.connect().ask("GET", "/ws", &edge.host(), UPGRADE).status, 502);
    let edge = Edge::in_front_of(&[gone, bifrost.address()]);
    assert_eq!(edge.connect().ask("GET", "/status/401", &edge.host(), UPGRADE).status, 401);
}

#[test]
fn a_silent_websocket_outlives_the_limit_for_answers() {
    let (heads, head) = mpsc::channel();
    let server = raw::serve_one(move |mut stream| {
        heads.send(raw::read_head(&mut stream)).unwrap();
        stream.write_all(SWITCH).unwrap();
        echo(stream);
    });
    let bifrost = Bifrost::start();
    // The first request goes to the first server, the second to the second, the third to the first.
    let limits = "timeouts: {first_byte: 200ms, silence: 200ms, request: 1s}\nbalance: {policy: round_robin}\n";
    let edge = Edge::with(&[server, bifrost.address()], limits);
    let host = edge.host();
    let mut client = edge.connect();
    client.send(format!("GET /v1/realtime?model=m HTTP/1.1\r\nHost: {host}\r\n{UPGRADE}\r\n"));
    let answer = client.read_head();
    assert_eq!((answer.status, answer.header("upgrade")), (101, Some("websocket")));
    assert_eq!(answer.header("sec-websocket-protocol"), Some("realtime"));
    let request = head.heard().to_ascii_lowercase();
    assert!(request.starts_with("get /v1/realtime?model=m http/1.1\r\n"), "{request}");
    assert!(request.contains("sec-websocket-protocol: realtime, openai-insecure-api-key.x\r\n"), "{request}");
    assert!(request.contains("upgrade: websocket\r\n"), "{request}");

    client.send(b"\x81\x05hello");
    assert_eq!(client.read_exactly(7), b"\x81\x05hello");
    // This answer takes longer than the limit, and has run into it: so has the silent WebSocket.
    assert_eq!(edge.connect().ask("GET", "/hang", &host, "").status, 504);
    client.send(b"\x81\x05again");
    assert_eq!(client.read_exactly(7), b"\x81\x05again");
}

#[test]
fn frames_that_come_with_the_handshake_arrive() {
    const FRAME: &[u8] = b"\x81\x05hello";
    let server = raw::serve_one(|mut stream| {
        raw::read_head(&mut stream);
        stream.write_all(&[SWITCH, FRAME].concat()).unwrap();
        echo(stream);
    });
    let edge = Edge::in_front_of(&[server]);
    let mut client = edge.connect();
    client.send([format!("GET /ws HTTP/1.1\r\nHost: x\r\n{UPGRADE}\r\n").as_bytes(), FRAME].concat());
    assert_eq!(client.read_head().status, 101);
    assert_eq!(client.read_exactly(2 * FRAME.len()), [FRAME, FRAME].concat());
    let in_flight = || edge.report().servers[0].in_flight;
    assert_eq!(in_flight(), 1);
    client.half_close();
    assert!(client.is_closed());
    until("it is over", || in_flight() == 0);
}

#[test]
fn an_interim_answer_does_not_disturb_the_handshake() {
    let server = raw::serve_one(|mut stream| {
        raw::read_head(&mut stream);
        stream.write_all(raw::EARLY_HINTS).unwrap();
        stream.write_all(SWITCH).unwrap();
        echo(stream);
    });
    let edge = Edge::in_front_of(&[server]);
    let mut client = edge.connect();
    client.send(format!("GET /ws HTTP/1.1\r\nHost: x\r\n{UPGRADE}\r\n"));
    assert_eq!(client.read_head().status, 101);
    client.send(b"\x81\x05hello");
    assert_eq!(client.read_exactly(7), b"\x81\x05hello");
}

#[test]
fn a_101_that_nobody_asked_for_is_no_answer() {
    for request in [
        "GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: 2\r\n\r\nhi",
        "GET / HTTP/1.0\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
    ] {
        let server = raw::serve_one(|mut stream| {
            raw::read_head(&mut stream);
            stream.write_all(&[SWITCH, b"secret"].concat()).unwrap();
        });
        let edge = Edge::in_front_of(&[server]);
        let mut client = edge.connect();
        client.send(request);
        assert_eq!(client.read_response("GET").status, 502, "{request}");
        assert!(client.is_closed());
    }
}

#[test]
fn a_101_to_another_protocol_or_another_key_is_no_answer() {
    let accept = format!("Sec-WebSocket-Accept: {ACCEPT}\r\n");
    for fields in [
        format!("Connection: Upgrade\r\nUpgrade: h2c\r\n{accept}"),
        format!("Connection: Upgrade\r\n{accept}"),
        "Connection: Upgrade\r\nUpgrade: websocket\r\n".to_owned(),
        "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: AAAAAAAAAAAAAAAAAAAAAAAAAAA=\r\n"
            .to_owned(),
    ] {
        let head = format!("HTTP/1.1 101 Switching Protocols\r\n{fields}\r\n");
        let server = || {
            let head = head.clone();
            raw::serve_one(move |mut stream| {
                raw::read_head(&mut stream);
                stream.write_all(&[head.as_bytes(), b"secret"].concat()).unwrap();
            })
        };
        let (edge, stock) = (Edge::in_front_of(&[server()]), Stock::start(&servers_yaml(&[server()])));
        for address in [edge.address, stock.address] {
            let mut client = Connection::to(address);
            client.send(format!("GET /ws HTTP/1.1\r\nHost: x\r\n{UPGRADE}\r\n"));
            let answer = client.read_response("GET");
            assert_eq!(answer.status, 502, "{head}");
            assert!(!answer.text().contains("secret") && client.is_closed(), "{head}");
        }
        assert_eq!(edge.report().servers[0].broken, 1);
    }
}

#[test]
fn what_opens_no_websocket_asks_the_server_for_none() {
    let (bifrost, edge) = bifrost_and_edge();
    for (method, version, headers) in [
        ("POST", "1.1", "Connection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: 0\r\n"),
        ("GET", "1.1", "Upgrade: websocket\r\n"),
        ("GET", "1.0", "Connection: Upgrade\r\nUpgrade: websocket\r\n"),
    ] {
        let mut client = edge.connect();
        client.send(format!("{method} /echo HTTP/{version}\r\nHost: x\r\n{headers}\r\n"));
        assert_eq!(client.read_response(method).status, 200, "{method} {headers}");
    }
    assert!(bifrost.recorded().iter().all(|request| request.header("upgrade").is_none()));
}

#[test]
fn only_a_websocket_is_waited_for_without_limit() {
    let bifrost = Bifrost::start();
    let edge = Edge::with(&[bifrost.address()], "timeouts: {first_byte: 200ms}\n");
    for (method, headers) in [
        ("GET", "Upgrade: websocket\r\n"),
        ("POST", "Upgrade: websocket\r\nConnection: upgrade\r\nContent-Length: 0\r\n"),
    ] {
        assert_eq!(edge.connect().ask(method, "/hang", &edge.host(), headers).status, 504, "{method} {headers}");
    }
}
