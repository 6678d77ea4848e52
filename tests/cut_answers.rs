//! An answer that broke off never passes for a whole one, not even where the end of the connection is its end.

use std::{
    io::{self, ErrorKind, Read, Write},
    net::{SocketAddr, TcpStream},
    sync::mpsc::{self, Receiver},
};

use socket2::SockRef;

use crate::support::{
    PATIENCE,
    edge::{Edge, PUBLIC_URLS, servers_yaml},
    raw,
    tls_server::{both_ways, edge},
};

const CLOSE: &[u8] = b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n";

/// How a server goes on after the beginning of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ends {
    /// With its connection.
    Closing,
    Resetting,
    /// Not at all.
    Silent,
}

/// A server that answers so, and what has to live as long as it is to be silent.
fn server(answer: &'static [u8], ends: Ends) -> (SocketAddr, Receiver<TcpStream>) {
    let (keep, kept) = mpsc::channel();
    let address = raw::serve_one(move |mut stream| {
        raw::read_head(&mut stream);
        stream.write_all(answer).unwrap();
        match ends {
            Ends::Closing => {}
            // The edge passes on what came before.
            Ends::Resetting => SockRef::from(&stream).set_linger(Some(std::time::Duration::ZERO)).unwrap(),
            Ends::Silent => keep.send(stream).unwrap(),
        }
    });
    (address, kept)
}

fn ask(edge: &Edge, version: &str) -> TcpStream {
    let mut client = TcpStream::connect(edge.address).unwrap();
    client.set_read_timeout(Some(PATIENCE)).unwrap();
    write!(client, "GET /broken HTTP/{version}\r\nHost: {}\r\n\r\n", edge.host()).unwrap();
    client
}

fn read_to_end(mut client: TcpStream) -> io::Result<Vec<u8>> {
    let mut answer = Vec::new();
    client.read_to_end(&mut answer).map(|_| answer)
}

#[test]
fn an_answer_that_its_connection_ends_is_reset_when_it_broke_off() {
    const CHUNK: &[u8] = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n";
    const WRONG: &[u8] = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nno chunk\r\n";
    for (version, answer, ends) in [
        ("1.0", CHUNK, Ends::Closing),
        ("1.0", CHUNK, Ends::Resetting),
        ("1.0", CHUNK, Ends::Silent),
        ("1.0", WRONG, Ends::Silent),
        ("1.0", CLOSE, Ends::Silent),
        ("1.1", CLOSE, Ends::Silent),
    ] {
        let (address, _kept) = server(answer, ends);
        let yaml = format!("{PUBLIC_URLS}{}timeouts: {{silence: 300ms}}\n", servers_yaml(&[address]));
        let what = format!("{version}, {:?}, {ends:?}", answer.escape_ascii().to_string());
        let error = read_to_end(ask(&Edge::start(&yaml), version)).expect_err(&what);
        assert_eq!(error.kind(), ErrorKind::ConnectionReset, "{what}");
    }
}

#[test]
fn a_stop_that_cuts_an_answer_resets_it() {
    for version in ["1.0", "1.1"] {
        let (address, _kept) = server(CLOSE, Ends::Silent);
        let edge = Edge::with(&[address], "stop: {idle: 10ms, grace: 100ms}\n");
        let mut client = ask(&edge, version);
        client.read_exact(&mut [0; 15]).unwrap();
        assert_eq!(edge.stop(), 1);
        assert_eq!(read_to_end(client).unwrap_err().kind(), ErrorKind::ConnectionReset, "{version}");
    }
}

#[test]
fn an_answer_of_a_server_of_http2_that_broke_off_is_reset_for_a_client_of_http_1_0() {
    both_ways(|_, configured| {
        let edge = edge(configured);
        assert_eq!(read_to_end(ask(&edge, "1.0")).unwrap_err().kind(), ErrorKind::ConnectionReset);
    });
}

#[test]
fn a_whole_answer_that_its_connection_ends_ends_in_good_order() {
    for (version, answer) in [
        ("1.0", &b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"[..]),
        ("1.0", b"HTTP/1.1 200 OK\r\n\r\nhello"),
        ("1.1", b"HTTP/1.1 200 OK\r\n\r\nhello"),
    ] {
        let (address, _) = server(answer, Ends::Closing);
        let edge = Edge::with(&[address], "");
        let got = read_to_end(ask(&edge, version)).unwrap();
        assert!(got.ends_with(b"\r\n\r\nhello"), "{version}: {:?}", got.escape_ascii().to_string());
    }
    both_ways(|server, configured| {
        let edge = edge(configured);
        let mut client = TcpStream::connect(edge.address).unwrap();
        write!(client, "GET /stream/1 HTTP/1.0\r\nHost: {}\r\n\r\n", edge.host()).unwrap();
        server.release();
        assert!(read_to_end(client).unwrap().ends_with(b"\r\n\r\npiece1\n"));
    });
}
