//! Of the streams of one connection of HTTP/2 nobody pays for another's: those that stall take no credit of others, and
//! what one user cancels or does wrong ends nobody else's.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    thread,
};

use crate::support::{
    bifrost::Bifrost,
    edge::{Edge, servers_yaml},
    frames::{CANCEL, DATA, END_HEADERS, END_STREAM, Frames, GOAWAY, HEADERS, REFUSED_STREAM, RST_STREAM, literal},
    h2c::H2cEdge,
    raw, until,
};

const GET: [(&str, &str); 4] = [(":method", "GET"), (":scheme", "http"), (":authority", "x"), (":path", "/echo")];

fn path<'a>(method: &'a str, path: &'a str) -> [(&'a str, &'a str); 4] {
    [(":method", method), GET[1], GET[2], (":path", path)]
}

fn edge(bifrost: &Bifrost, yaml: &str) -> Edge {
    Edge::listening("http2: true", &(servers_yaml(&[bifrost.address()]) + yaml))
}

/// A server that reads no body of `/slow`, and echoes five bytes of any other.
fn slow() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let serve = |mut stream: TcpStream, held: &mut Vec<TcpStream>| {
        if raw::read_head(&mut stream).starts_with("POST /slow") {
            return held.push(stream);
        }
        let body = raw::read_exactly(&mut stream, 5);
        let answer = [b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 5\r\n\r\n", &body[..]].concat();
        stream.write_all(&answer).unwrap();
        let _closed = stream.read(&mut [0]);
    };
    thread::spawn(move || {
        let mut held = Vec::new();
        for stream in listener.incoming() {
            serve(stream.unwrap(), &mut held);
        }
    });
    address
}

#[test]
fn uploads_that_stall_take_no_credit_of_others() {
    let edge = H2cEdge::in_front_of(&[slow()]);
    let client = edge.connect();
    let mut stalled = Vec::new();
    for _ in 0..20 {
        let mut upload = client.open(edge.request("POST", "/slow").header("content-length", "100000000"));
        upload.send(vec![b'x'; 8 * 1024 * 1024]);
        stalled.push(upload);
        let echo = client.open(edge.request("POST", "/echo").header("content-length", "5"));
        assert_eq!(echo.end("hello").body(), b"hello", "{} are stalled", stalled.len());
    }
}

#[test]
fn what_all_connections_hold_of_uploads_is_bounded() {
    let edge = Edge::listening(
        "http2: true",
        &(servers_yaml(&[slow()]) + "limits: {http2_uploads: 512KiB}\nunknown_hosts: forward\n"),
    );
    let post = |client: &mut Frames, stream, path_of: &str, length: &str| {
        let head = [&path("POST", path_of)[..], &[("content-length", length)]].concat();
        client.send(HEADERS, END_HEADERS, stream, &literal(&head));
    };
    let (mut one, mut other) = (Frames::connect(&edge), Frames::connect(&edge));
    post(&mut one, 1, "/slow", "1000000");
    until("it is at the server", || edge.report().servers[0].in_flight == 1);
    post(&mut other, 1, "/slow", "262139");
    until("it is at the server, too", || edge.report().servers[0].in_flight == 2);
    // There is room for five bytes.
    let mut third = Frames::connect(&edge);
    post(&mut third, 1, "/echo", "6");
    assert_eq!(third.answer(1), Err(REFUSED_STREAM));
    post(&mut third, 3, "/echo", "5");
    third.send(DATA, END_STREAM, 3, b"hello");
    assert_eq!(third.answer(3), Ok(200));
    assert_eq!(edge.metric("bridgehead_http2_streams_refused_total"), 1);
    // What one gives back is another's.
    other.send(RST_STREAM, 0, 1, &CANCEL.to_be_bytes());
    until("it is gone", || edge.report().servers[0].in_flight == 1);
    let mut stream = 5;
    until("there is room again", || {
        post(&mut third, stream, "/echo", "100");
        let is_refused = edge.metric("bridgehead_http2_streams_refused_total");
        third.send(DATA, 0, stream, b"hello");
        stream += 2;
        third.answer(stream - 2) == Ok(200) || is_refused > 100
    });
    // A request without a body needs no room.
    third.request(stream, &path("GET", "/.well-known/openid-configuration"));
    assert_eq!(third.answer(stream), Ok(404));
}

/// How a token stream is stopped.
#[test]
fn cancels_after_a_response_has_begun_are_ordinary() {
    let bifrost = Bifrost::start();
    let gate = bifrost.gate();
    let edge = edge(&bifrost, "limits: {http2_resets: 20}\n");
    let mut client = Frames::connect(&edge);
    let chat = |client: &mut Frames, stream| {
        client.send(HEADERS, END_HEADERS, stream, &literal(&path("POST", "/v1/chat/completions")));
        client.send(DATA, END_STREAM, stream, br#"{"stream":true}"#);
        assert_eq!(client.answer(stream), Ok(200));
    };
    chat(&mut client, 1);
    for stream in (3..203).step_by(2) {
        chat(&mut client, stream);
        client.send(RST_STREAM, 0, stream, &CANCEL.to_be_bytes());
    }
    until("they are gone", || edge.report().servers[0].in_flight == 1);
    assert_eq!(edge.metric("bridgehead_connections_closed_total{reason=\"http2_resets\"}"), 0);
    gate.release_all();
    ends_well(&mut client, 1);
}

/// Reads to the end of a stream, which is not reset.
fn ends_well(client: &mut Frames, stream: u32) {
    loop {
        let frame = client.next().expect("the connection ended before the stream");
        if frame.stream == stream {
            assert_ne!(frame.kind, RST_STREAM);
            if frame.kind <= HEADERS && frame.flags & END_STREAM > 0 {
                return;
            }
        }
    }
}

/// A stream of another user is there; then so many requests of this kind come.
fn drains(edge: &Edge, bifrost: &Bifrost, number: u32, bad: impl Fn(&mut Frames, u32)) {
    let gate = bifrost.gate();
    let mut client = Frames::connect(edge);
    client.send(HEADERS, END_HEADERS, 1, &literal(&path("POST", "/v1/chat/completions")));
    client.send(DATA, END_STREAM, 1, br#"{"stream":true}"#);
    assert_eq!(client.answer(1), Ok(200));
    for stream in (1..=number).map(|number| 2 * number + 1) {
        bad(&mut client, stream);
    }
    let goes_away = std::iter::from_fn(|| client.next()).find(|frame| frame.kind == GOAWAY).unwrap();
    assert_eq!(goes_away.code(4), 0, "it is told in good order");
    // No more streams, if any is taken notice of.
    let next = 2 * number + 3;
    client.request(next, &GET);
    gate.release_all();
    ends_well(&mut client, 1);
    until("the connection is closed", || edge.metric("bridgehead_connections") == 0);
    assert_eq!(edge.metric("bridgehead_connections_closed_total{reason=\"http2_resets\"}"), 1);
    assert!(bifrost.recorded().iter().all(|request| request.target != "/echo"));
}

#[test]
fn above_the_limit_of_resets_the_others_go_on_to_their_end() {
    let bifrost = Bifrost::start();
    let edge = edge(&bifrost, "limits: {http2_resets: 20}\n");
    drains(&edge, &bifrost, 21, |client, stream| {
        client.request(stream, &path("GET", "/hang"));
        client.send(RST_STREAM, 0, stream, &CANCEL.to_be_bytes());
    });
}

#[test]
fn above_the_limit_of_malformed_requests_too() {
    let bifrost = Bifrost::start();
    let edge = edge(&bifrost, "limits: {http2_resets: 20}\n");
    drains(&edge, &bifrost, 21, |client, stream| {
        client.request(stream, &[&GET[..], &[("host", "y")]].concat());
    });
}

#[test]
fn as_many_as_are_allowed_harm_nothing() {
    let bifrost = Bifrost::start();
    let edge = edge(&bifrost, "");
    let mut client = Frames::connect(&edge);
    for stream in (1..201).step_by(2) {
        client.request(stream, &[&GET[..], &[("host", "y")]].concat());
        assert_eq!(client.answer(stream), Ok(400));
    }
    client.request(201, &GET);
    assert_eq!(client.answer(201), Ok(200));
}

/// It sends the requests of many users on one connection.
#[test]
fn a_trusted_proxy_may_send_any_number_of_malformed_requests() {
    let bifrost = Bifrost::start();
    let edge = edge(&bifrost, "limits: {http2_resets: 1}\ntrusted_proxies: [\"127.0.0.1\"]\n");
    let mut client = Frames::connect(&edge);
    for stream in (1..401).step_by(2) {
        client.request(stream, &[&GET[..], &[("host", "y")]].concat());
        assert_eq!(client.answer(stream), Ok(400));
    }
    client.request(401, &GET);
    assert_eq!(client.answer(401), Ok(200));
}
