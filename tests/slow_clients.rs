//! A client that takes its time takes no more than it may.

use std::{
    io::{ErrorKind, Write},
    sync::mpsc::{self, RecvTimeoutError},
    thread,
    time::Duration,
};

use crate::support::{
    PATIENCE,
    bifrost::Bifrost,
    edge::{Edge, is_error},
    in_time::Joined,
    raw, websocket,
};

fn edge(bifrost: &Bifrost, limits: &str) -> Edge {
    Edge::with(&[bifrost.address()], &format!("limits: {{{limits}}}\n"))
}

/// Each byte comes in time; the whole head does not.
#[test]
fn a_head_that_comes_byte_by_byte_is_answered_408_and_its_connection_closed() {
    let bifrost = Bifrost::start();
    let edge = edge(&bifrost, "head_time: 500ms");
    let mut client = edge.connect();
    let mut sender = client.sender();
    let (answered, told) = mpsc::channel();
    let dripping = thread::spawn(move || {
        let endless = b"GET / HTTP/1.1\r\nX: ".iter().copied().chain(std::iter::repeat(b'x'));
        for byte in endless {
            // The edge may have closed the connection already.
            if sender.write_all(&[byte]).is_err()
                || told.recv_timeout(Duration::from_millis(20)) != Err(RecvTimeoutError::Timeout)
            {
                return;
            }
        }
    });
    is_error(&client.read_response("GET"), 408, "the request did not arrive in time");
    assert!(client.is_closed());
    answered.send(()).unwrap();
    dripping.joined();
    assert!(bifrost.recorded().is_empty());
    assert_eq!(edge.metric("bridgehead_requests_failed_total{reason=\"request_timed_out\"}"), 1);
}

#[test]
fn a_connection_without_a_request_is_closed_without_a_word() {
    let bifrost = Bifrost::start();
    let edge = edge(&bifrost, "idle: 200ms");
    assert!(edge.connect().is_closed());
    let mut client = edge.connect();
    assert_eq!(client.ask("GET", "/health", &edge.host(), "").status, 200);
    assert!(client.is_closed());
}

#[test]
fn a_body_that_falls_silent_is_answered_408() {
    let bifrost = Bifrost::start();
    let edge = edge(&bifrost, "client_silence: 300ms, body_rate: unlimited");
    for framing in ["Content-Length: 10\r\n", "Transfer-Encoding: chunked\r\n"] {
        let mut client = edge.connect();
        client.send(edge.head("POST", "/echo", framing) + if framing.starts_with('C') { "12" } else { "2\r\n12\r\n" });
        is_error(&client.read_response("POST"), 408, "the request did not arrive in time");
        assert!(client.is_closed());
    }
    assert_eq!(edge.report().servers[0].broken, 0, "it is not the server's fault");
}

#[test]
fn a_client_that_reads_nothing_is_cut_off() {
    let (news, heard) = mpsc::channel();
    let server = raw::serve_one(move |mut stream| {
        raw::read_head(&mut stream);
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n").unwrap();
        let piece = vec![b'x'; 1024 * 1024];
        // More than all buffers in between hold.
        let cut = (0..1000).find(|_| stream.write_all(&piece).is_err());
        news.send(cut.is_some()).unwrap();
    });
    let edge = Edge::with(&[server], "limits: {client_silence: 300ms}\n");
    let mut client = edge.connect();
    client.send(edge.head("GET", "/", ""));
    assert!(heard.recv_timeout(PATIENCE).unwrap(), "the server is told that nobody listens");
    assert!(client.read_to_end().len() < 1_000_000_000);
}

#[test]
fn a_client_of_a_websocket_that_reads_nothing_is_cut_off() {
    let (news, heard) = mpsc::channel();
    let server = raw::serve_one(move |mut stream| {
        websocket::accept(&mut stream);
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        let piece = vec![b'x'; 1024 * 1024];
        let cut = (0..100).find_map(|_| stream.write_all(&piece).err());
        news.send(cut.map(|error| error.kind())).unwrap();
    });
    let edge = Edge::with(&[server], "limits: {client_silence: 300ms}\n");
    let _client = websocket::open(&edge);
    let cut = heard.recv_timeout(PATIENCE).unwrap();
    assert!(cut.is_some_and(|kind| kind != ErrorKind::WouldBlock), "{cut:?}");
}

/// Answers that the edge makes itself have no server to be told; a client that never reads them is cut off, too.
#[test]
fn a_client_that_asks_on_and_reads_nothing_is_cut_off() {
    let edge = Edge::start(&format!(
        "{}servers: []\nlimits: {{client_silence: 300ms}}\n{}",
        crate::support::edge::PUBLIC_URLS,
        crate::support::edge::CLIENTS
    ));
    let client = edge.connect();
    let request = edge.head("GET", "/.well-known/oauth-authorization-server", "").repeat(200);
    let mut sender = client.sender();
    let cut = (0..100_000).find(|_| sender.write_all(request.as_bytes()).is_err());
    assert!(cut.is_some(), "it could send for ever");
}

#[test]
fn empty_lines_keep_no_idle_connection_open() {
    let edge = Edge::start("servers: []\nlimits: {idle: 200ms}\n");
    let mut client = edge.connect();
    let mut sender = client.sender();
    // Until the edge has closed.
    let sending = thread::spawn(move || {
        while sender.write_all(b"\r\n").is_ok() {
            thread::sleep(Duration::from_millis(10));
        }
    });
    assert!(client.is_closed());
    drop(client);
    sending.joined();
}
