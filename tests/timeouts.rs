//! The edge waits for a server as long as it was told, for each thing it waits for, and no longer.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    sync::mpsc,
    time::Duration,
};

use socket2::{Domain, Socket, Type};

use crate::support::{PATIENCE, bifrost::Bifrost, edge::Edge, http::Connection, in_time::Heard, raw};

/// Short limits that something must keep to are of seconds, however slow the machine; nothing waits for the long ones.
const FIRST_BYTE: &str = "first_byte: 2s, silence: 1h";
const SILENCE: &str = "first_byte: 1h, silence: 2s";
/// What beats does so far more often than the short limits demand.
const BEAT: Duration = Duration::from_millis(50);

fn edge(servers: &[SocketAddr], timeouts: &str) -> Edge {
    Edge::with(servers, &format!("timeouts: {{{timeouts}}}\n"))
}

/// A server that reads the head of one request and goes on from there.
fn server(answer: impl FnOnce(&mut TcpStream) + Send + 'static) -> SocketAddr {
    raw::serve_one(|mut stream| {
        raw::read_head(&mut stream);
        answer(&mut stream);
    })
}

const EVENT: &[u8] = b"5\r\nevent\r\n";

/// A server that says nothing to a request, or nothing more after this, until the edge closes the connection.
fn silent(after: &'static [u8]) -> SocketAddr {
    server(move |stream| {
        stream.write_all(after).unwrap();
        let _until_closed = stream.read(&mut [0]);
    })
}

/// Returns when [`FIRST_BYTE`] has ended a request that began just now.
fn first_byte_passes() {
    let response = get(&edge(&[silent(b"")], FIRST_BYTE), "/").read_response("GET");
    assert!(response.text().contains("did not answer in time"), "{}", response.text());
}

/// Returns when [`SILENCE`] has ended an answer that began just now.
fn silence_passes() {
    let edge = edge(&[silent(raw::CHUNKED)], SILENCE);
    let mut client = get(&edge, "/");
    assert_eq!(client.read_head().status, 200);
    assert!(client.is_closed());
}

/// A word from a test to its server, or back.
fn word() -> (impl FnOnce() + Send, impl FnOnce() + Send) {
    let (said, heard) = mpsc::channel();
    (move || said.send(()).unwrap(), move || heard.recv_timeout(PATIENCE).unwrap())
}

/// Sends events until there have been enough, or the connection is closed.
fn beat(stream: &mut TcpStream, enough: &mpsc::Receiver<()>) {
    while stream.write_all(EVENT).is_ok() && enough.recv_timeout(BEAT).is_err() {}
}

fn get(edge: &Edge, path: &str) -> Connection {
    let mut client = edge.connect();
    client.send(edge.head("GET", path, ""));
    client
}

/// An address whose queue of connections is full, so that no more are accepted; dropping it opens it.
struct Full {
    address: SocketAddr,
    _listener: Socket,
    _queued: Vec<TcpStream>,
}

fn full() -> Full {
    let listener = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    listener.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
    listener.listen(0).unwrap();
    let address = listener.local_addr().unwrap().as_socket().unwrap();
    // One that is queued is so at once.
    let connect = |_| TcpStream::connect_timeout(&address, Duration::from_millis(700)).ok();
    let queued: Vec<_> = (0..8).map_while(connect).collect();
    assert!(queued.len() < 8, "the queue is never full");
    Full { address, _listener: listener, _queued: queued }
}

#[test]
fn a_server_that_accepts_no_connection_is_504_and_another_takes_even_a_post() {
    let full = full();
    let alone = edge(&[full.address], "connect: 1s");
    let response = get(&alone, "/").read_response("GET");
    assert_eq!(response.status, 504);
    assert!(response.text().contains("did not accept the connection in time"), "{}", response.text());

    let bifrost = Bifrost::start();
    let both = edge(&[full.address, bifrost.address()], "connect: 1s");
    for _ in 0..3 {
        assert_eq!(both.post("/echo").status, 200);
    }
    assert_eq!(bifrost.recorded().len(), 3);
}

#[test]
fn the_first_byte_may_take_longer_than_the_silence_after_it() {
    let (ask, asked) = word();
    let (answer, answered) = word();
    let server = server(|stream| {
        ask();
        answered();
        stream.write_all(raw::OK).unwrap();
    });
    let edge = edge(&[server], SILENCE);
    let mut client = get(&edge, "/");
    asked();
    silence_passes();
    answer();
    assert_eq!(client.read_response("GET").text(), "ok");
}

#[test]
fn a_stream_may_be_silent_for_longer_than_the_first_byte_takes() {
    let (end, ended) = word();
    let server = server(|stream| {
        stream.write_all(raw::CHUNKED).unwrap();
        stream.write_all(EVENT).unwrap();
        ended();
        stream.write_all(EVENT).unwrap();
        stream.write_all(b"0\r\n\r\n").unwrap();
    });
    let edge = edge(&[server], FIRST_BYTE);
    let mut client = get(&edge, "/");
    assert_eq!(client.read_head().status, 200);
    assert_eq!(client.read_chunk().unwrap(), b"event");
    first_byte_passes();
    end();
    assert_eq!(client.read_chunks(), b"event");
}

#[test]
fn heartbeats_keep_a_stream_alive_and_silence_ends_it() {
    let (enough, is_enough) = mpsc::channel();
    let (ended, end) = mpsc::channel();
    let server = server(move |stream| {
        stream.write_all(raw::CHUNKED).unwrap();
        beat(stream, &is_enough);
        stream.write_all(b"4\r\nlast\r\n").unwrap();
        // Silence: until the edge has closed the connection.
        ended.send(stream.read(&mut [0])).unwrap();
    });
    let edge = edge(&[server], SILENCE);
    let mut client = get(&edge, "/");
    assert_eq!(client.read_head().status, 200);
    silence_passes();
    enough.send(()).unwrap();
    while client.read_chunk().unwrap() != b"last" {}
    assert!(client.is_closed(), "no end of the stream may be made up");
    assert!(matches!(end.heard(), Ok(0) | Err(_)));
    assert_eq!(edge.report().servers[0].broken, 1);
}

#[test]
fn the_time_of_an_upload_is_not_the_servers() {
    let server = server(|stream| {
        stream.read_exact(&mut [0; 2]).unwrap();
        stream.write_all(raw::OK).unwrap();
    });
    let edge = edge(&[server], FIRST_BYTE);
    let mut client = edge.connect();
    client.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nx");
    first_byte_passes();
    client.send("x");
    assert_eq!(client.read_response("POST").text(), "ok");
    assert_eq!(edge.report().servers[0].broken, 0);
}

#[test]
fn a_client_that_takes_too_long_to_send_is_no_fault_of_the_server() {
    let server = server(|stream| {
        let _until_closed = stream.read(&mut [0; 2]);
        let _until_closed = stream.read(&mut [0; 2]);
    });
    let edge = edge(&[server], "request: 300ms");
    let mut client = edge.connect();
    client.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nx");
    assert_eq!(client.read_response("POST").status, 504);
    assert_eq!(edge.report().servers[0].broken, 0);
}

#[test]
fn an_interim_answer_is_not_the_first_byte() {
    let (answer, answered) = word();
    let server = server(|stream| {
        stream.write_all(raw::EARLY_HINTS).unwrap();
        answered();
        stream.write_all(raw::OK).unwrap();
    });
    let edge = edge(&[server], SILENCE);
    let mut client = get(&edge, "/");
    assert_eq!(client.read_head().status, 103);
    silence_passes();
    answer();
    assert_eq!(client.read_response("GET").text(), "ok");
}

#[test]
fn the_time_for_the_whole_request_ends_attempts_to_connect_too() {
    let (one, other) = (full(), full());
    let edge = edge(&[one.address, other.address], "request: 300ms, connect: 30s");
    let response = get(&edge, "/").read_response("GET");
    assert_eq!(response.status, 504);
    assert!(response.text().contains("the request took longer than the edge allows"), "{}", response.text());
}

#[test]
fn a_whole_request_has_no_limit_but_the_one_that_is_set() {
    let (_never_enough, is_enough) = mpsc::channel();
    let drip = move |stream: &mut TcpStream| {
        stream.write_all(raw::CHUNKED).unwrap();
        beat(stream, &is_enough);
    };
    let edge_with_limit = edge(&[server(drip)], "request: 2s");
    let mut client = get(&edge_with_limit, "/");
    assert_eq!(client.read_head().status, 200);
    let events = client.read_to_end();
    assert!(events.starts_with(EVENT) && !events.ends_with(b"0\r\n\r\n"));

    let response = get(&edge(&[silent(b"")], "request: 300ms"), "/").read_response("GET");
    assert_eq!(response.status, 504);
    assert!(response.text().contains("the request took longer than the edge allows"), "{}", response.text());
}

#[test]
fn the_longest_prefix_of_a_path_sets_its_limits() {
    let bifrost = Bifrost::start();
    let paths = "paths: [{prefix: /hang/a, first_byte: 200ms}, {prefix: /hang/a/b, first_byte: 20s, request: 400ms}, \
                 {prefix: /, first_byte: 20s}]";
    let edge = edge(&[bifrost.address()], &format!("first_byte: 19s, {paths}"));
    let mut client = get(&edge, "/hang");
    for (path, message) in [
        ("/status/200", ""),
        ("/hang/a", "did not answer in time"),
        ("/hang/a?x=1", "did not answer in time"),
        ("/hang/a/b", "took longer than the edge allows"),
    ] {
        let response = edge.connect().ask("GET", path, "x", "");
        assert!(response.text().contains(message), "{path} gave {}", response.text());
        assert_eq!(response.status == 504, !message.is_empty(), "{path}");
    }
    // The one under no short limit is still waiting.
    drop(bifrost);
    assert_eq!(client.read_response("GET").status, 502);
}

#[test]
fn the_whole_request_ends_in_time_even_if_its_client_reads_nothing() {
    const LENGTH: usize = 64 * 1024 * 1024;
    let (ended, end) = mpsc::channel();
    let server = server(move |stream| {
        write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {LENGTH}\r\n\r\n").unwrap();
        ended.send(stream.write_all(&vec![b'x'; LENGTH]).is_err()).unwrap();
    });
    let edge = edge(&[server], "request: 2s");
    let mut client = get(&edge, "/");
    assert!(end.heard());
    assert_eq!(client.read_head().status, 200);
    assert!(client.read_to_end().len() < LENGTH);
}

#[test]
fn an_unused_connection_is_closed_before_the_server_would() {
    let (ended, end) = mpsc::channel();
    let server = server(move |stream| {
        stream.write_all(raw::OK).unwrap();
        ended.send(stream.read(&mut [0])).unwrap();
    });
    let edge = edge(&[server], "idle: 300ms");
    assert_eq!(get(&edge, "/").read_response("GET").text(), "ok");
    assert!(matches!(end.heard(), Ok(0)));
}
