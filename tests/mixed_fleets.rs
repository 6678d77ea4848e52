//! In a fleet of servers of HTTP/1.1 and of HTTP/2, a request that goes from one to another arrives whole.

use std::net::{SocketAddr, TcpStream};

use crate::support::{
    bifrost::{Bifrost, Recorded},
    edge::{BROKEN_OFF, Edge, PUBLIC_URLS, is_error},
    h2c::H2cEdge,
    http::{Connection, Response},
    nobody, raw,
    stock::Stock,
    tls_server::{Server, Speaks, over_h2c},
};

/// Each with its name, its head and its body.
const FRAMINGS: [(&str, &str, &str); 2] = [
    ("a length", "Content-Length: 5\r\n", "hello"),
    ("chunks", "Transfer-Encoding: chunked\r\n", "2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n"),
];

/// The servers are asked in this order.
fn yaml(servers: &[String]) -> String {
    format!("{PUBLIC_URLS}servers: [{}]\nbalance: {{policy: round_robin}}\n", servers.join(", "))
}

fn over_http1(server: SocketAddr) -> String {
    format!("{{address: \"{server}\"}}")
}

fn over_http2(server: SocketAddr) -> String {
    format!("{{address: \"{server}\", http2: true}}")
}

/// Reads a request whole and closes the connection.
fn breaks_off(mut stream: TcpStream) {
    let head = raw::read_head(&mut stream).to_ascii_lowercase();
    if head.contains("chunked") {
        raw::read_chunked(&mut stream);
    } else {
        raw::read_exactly(&mut stream, 5);
    }
}

fn put(address: SocketAddr, path: &str, framing: &str, body: &str) -> Response {
    let mut client = Connection::to(address);
    client.send(format!("PUT {path} HTTP/1.1\r\nHost: x\r\n{framing}\r\n{body}"));
    client.read_response("PUT")
}

#[track_caller]
fn is_whole(request: &Recorded, of: &str) {
    assert!(request.body == b"hello" && request.body_complete, "a body of {} bytes, {of}", request.body_len);
}

#[test]
fn a_body_that_a_server_of_http_2_has_had_reaches_a_server_of_http_1_whole() {
    let (first, bifrost) = (Server::start(Speaks::h2c()), Bifrost::start());
    let yaml = yaml(&[over_h2c(&first), over_http1(bifrost.address())]);
    let path = format!("/reset/7/{}", first.port());
    let (own, stock, http2) = (Edge::start(&yaml), Stock::start(&yaml), H2cEdge::start(&yaml));
    for (name, framing, body) in FRAMINGS {
        for (of, address) in [("own listener", own.address), ("stock listener", stock.address)] {
            assert_ne!(put(address, &path, framing, body).status, 504, "{name} by {of}");
            is_whole(&bifrost.recorded().pop().unwrap(), &format!("{name} by {of}"));
        }
    }
    for length in [None, Some("5")] {
        let client = http2.connect();
        let request = http2.request("PUT", &path);
        let request = length.into_iter().fold(request, |request, length| request.header("content-length", length));
        let mut upload = client.open(request);
        upload.send("he");
        assert_ne!(upload.end("llo").status(), 504);
        is_whole(&bifrost.recorded().pop().unwrap(), "of HTTP/2");
    }
    assert_eq!((first.saw().len(), bifrost.recorded().len()), (6, 6));
}

#[test]
fn a_body_goes_on_from_one_server_of_http_1_to_the_next_after_one_of_http_2_was_gone() {
    for (name, framing, body) in FRAMINGS {
        let (gone, bifrost) = (over_http2(nobody()), Bifrost::start());
        let second = || over_http1(raw::serve_one(breaks_off));
        let last = over_http1(bifrost.address());
        let own = Edge::start(&yaml(&[gone.clone(), second(), last.clone()]));
        let stock = Stock::start(&yaml(&[gone, second(), last]));
        for (of, address) in [("own listener", own.address), ("stock listener", stock.address)] {
            assert_eq!(put(address, "/echo", framing, body).json()["body_length"], 5, "{name} by {of}");
            is_whole(&bifrost.recorded().pop().unwrap(), &format!("{name} by {of}"));
        }
    }
}

/// What the edge has read of a body is not there for Pingora, which speaks HTTP/2: a failure is better than half of it.
#[test]
fn a_body_that_a_server_of_http_1_has_had_does_not_reach_a_server_of_http_2_without_it() {
    for (_, framing, body) in FRAMINGS {
        let last = Server::start(Speaks::h2c());
        let fleet = [over_http1(raw::serve_one(breaks_off)), over_h2c(&last)];
        is_error(&put(Edge::start(&yaml(&fleet)).address, "/", framing, body), 502, BROKEN_OFF);
        let fleet = [over_http2(nobody()), over_http1(raw::serve_one(breaks_off)), over_h2c(&last)];
        is_error(&put(Stock::start(&yaml(&fleet)).address, "/", framing, body), 502, BROKEN_OFF);
        assert!(last.saw().is_empty());
    }
}

#[test]
fn a_connection_goes_on_after_an_answer_of_either_protocol() {
    let (http2, bifrost) = (Server::start(Speaks::h2c()), Bifrost::start());
    let yaml = yaml(&[over_h2c(&http2), over_http1(bifrost.address())]);
    let (own, stock) = (Edge::start(&yaml), Stock::start(&yaml));
    for address in [own.address, stock.address] {
        let mut client = Connection::to(address);
        for number in 0..6 {
            client.send(format!("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: {number}\r\n\r\n"));
            let answer = client.send(&b"hello"[..number]).read_response("POST");
            assert_eq!((answer.status, answer.header("connection")), (200, Some("keep-alive")), "request {number}");
        }
    }
    assert_eq!((http2.saw().len(), bifrost.recorded().len()), (6, 6));
}
