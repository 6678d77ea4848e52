//! A client that closes its sending side after a whole request is answered where the configuration says so, and the
//! server hears of one that has gone as soon as something is sent to it.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    sync::mpsc,
    thread,
    time::Duration,
};

use crate::support::{
    PATIENCE,
    bifrost::Bifrost,
    edge::{Edge, servers_yaml},
    raw::{read_head, serve_one},
    tls_client::TlsClient,
    tls_server::Trust,
    until,
};

const ANSWER: &str = "timeouts: {half_close: answer}\n";
const ANSWER_BELOW_V1: &str = "timeouts: {paths: [{prefix: /v1, half_close: answer}]}\n";

const GONE: &str = "bridgehead_requests_failed_total{reason=\"client_gone\"}";

#[test]
fn a_stream_goes_on_to_its_end() {
    for options in [ANSWER, ANSWER_BELOW_V1] {
        let bifrost = Bifrost::start();
        let edge = Edge::with(&[bifrost.address()], options);
        let gate = bifrost.gate();
        let mut client = edge.chat();
        client.half_close();
        gate.release_all();
        assert!(client.read_chunks().ends_with(b"data: [DONE]\n\n"), "{options}");
        assert_eq!(edge.metric(GONE), 0, "{options}");
    }
}

#[test]
fn elsewhere_it_is_given_up() {
    for options in ["", "timeouts: {half_close: answer, paths: [{prefix: /v1, half_close: abort}]}\n"] {
        let bifrost = Bifrost::start();
        let edge = Edge::with(&[bifrost.address()], options);
        let _closed = bifrost.gate();
        let mut client = edge.chat();
        client.half_close();
        until("it counts as gone", || edge.metric(GONE) == 1);
        assert!(client.is_closed(), "{options}");
    }
}

/// A server that answers one request when it is told to.
struct Slow {
    address: SocketAddr,
    hears: mpsc::Receiver<String>,
    go: mpsc::Sender<()>,
}

impl Slow {
    fn start() -> Self {
        let (tell, hears) = mpsc::channel();
        let (go, goes) = mpsc::channel::<()>();
        let address = serve_one(move |mut stream| {
            tell.send(read_head(&mut stream)).unwrap();
            goes.recv_timeout(PATIENCE).unwrap();
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").unwrap();
        });
        Slow { address, hears, go }
    }

    fn answer(&self) {
        self.hears.recv_timeout(PATIENCE).unwrap();
        self.go.send(()).unwrap();
    }
}

/// As `nc -N` and proxies do that send one request and say that it was the last.
#[test]
fn a_call_is_answered_when_the_server_is_ready() {
    for more in ["", "Connection: close\r\n"] {
        let server = Slow::start();
        let edge = Edge::with(&[server.address], ANSWER);
        let mut client = edge.connect();
        client.send(edge.head("POST", "/v1/messages", &format!("{more}Content-Length: 2\r\n")) + "{}");
        client.half_close();
        server.answer();
        let response = client.read_response("POST");
        assert_eq!((response.status, &response.body[..]), (200, &b"ok"[..]));
        assert!(client.is_closed());
    }
}

#[test]
fn a_client_that_ends_its_side_of_tls_is_answered_as_well() {
    let (server, trust) = (Slow::start(), Trust::new());
    let edge = trust.edge_with_tls(&format!("{}{ANSWER}", servers_yaml(&[server.address])));
    let mut client = TlsClient::trusting(&trust.authority).connect(&edge, "localhost").unwrap().into_stream();
    client.write_all(edge.head("GET", "/v1/models", "").as_bytes()).unwrap();
    client.conn.send_close_notify();
    client.flush().unwrap();
    server.answer();
    let mut response = String::new();
    client.read_to_string(&mut response).unwrap();
    assert!(response.starts_with("HTTP/1.1 200 OK") && response.ends_with("ok"), "{response}");
}

/// A stream without an end, until its connection breaks; says how many events it has sent.
fn endless() -> (SocketAddr, mpsc::Receiver<usize>) {
    let (broke, breaks) = mpsc::channel();
    let server = serve_one(move |mut stream: TcpStream| {
        read_head(&mut stream);
        stream.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n").unwrap();
        let mut events = 0;
        while stream.write_all(b"9\r\ndata: x\n\n\r\n").is_ok() {
            events += 1;
            thread::sleep(Duration::from_millis(20));
        }
        broke.send(events).unwrap();
    });
    (server, breaks)
}

#[test]
fn the_server_of_a_stream_hears_of_a_client_that_has_gone() {
    let (server, breaks) = endless();
    let edge = Edge::with(&[server], ANSWER);
    let mut client = edge.connect();
    client.send(edge.head("GET", "/v1/stream", ""));
    assert_eq!(client.read_head().status, 200);
    client.read_chunk().unwrap();
    drop(client);
    breaks.recv_timeout(PATIENCE).expect("the server goes on for nobody");
    until("nothing is in flight", || edge.report_of(&server).in_flight == 0);
    assert_eq!(edge.metric(GONE), 1);
}
