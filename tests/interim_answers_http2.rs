//! A client of HTTP/2 gets the interim answers of servers (RFC 9110 section 15.2): it is asked for a body that waits
//! to be asked for, and it is given early hints.

use std::{io::Write, sync::mpsc};

use crate::support::{
    edge::{Edge, servers_yaml},
    h2c::H2cEdge,
    raw,
    tls_server::{BOTH, HTTP_1, Server, Speaks, Trust, edge, over_h2c},
};

#[test]
fn a_client_that_expects_100_gets_it_before_it_sends_the_body() {
    let edge = H2cEdge::in_front_of(&[raw::serve_one(|mut stream| {
        raw::answer_who_expects_100(&mut stream);
        raw::answer_who_expects_100(&mut stream);
    })]);
    let client = edge.connect();
    for _ in 0..2 {
        let request = edge.request("POST", "/").header("expect", "100-continue").header("content-length", "5");
        let mut upload = client.open(request);
        assert_eq!(upload.interim().status(), 100);
        let mut answer = upload.end("hello");
        assert_eq!((answer.status(), answer.body()), (200, b"ok".to_vec()));
        assert!(answer.ends_well());
    }
}

#[test]
fn a_server_that_refuses_instead_of_100_is_heard() {
    let (done, is_done) = mpsc::channel::<()>();
    let edge = H2cEdge::in_front_of(&[raw::serve_one(move |mut stream| {
        raw::read_head(&mut stream);
        stream.write_all(raw::TOO_LARGE).unwrap();
        let _ended = is_done.recv();
    })]);
    let client = edge.connect();
    let request = edge.request("POST", "/").header("expect", "100-continue").header("content-length", "5");
    assert_eq!(client.open(request).answer().status(), 413);
    drop(done);
}

#[test]
fn early_hints_arrive_without_what_is_for_the_edge_alone() {
    const HINTS: &[u8] = b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\nConnection: close, X-Hop\r\n\
                           X-Hop: 1\r\nKeep-Alive: timeout=1\r\nContent-Length: 5\r\n\r\n";
    let edge = H2cEdge::in_front_of(&[raw::serve_one(|mut stream| {
        for _ in 0..2 {
            raw::read_head(&mut stream);
            for part in [HINTS, raw::EARLY_HINTS, raw::OK] {
                stream.write_all(part).unwrap();
            }
        }
    })]);
    let client = edge.connect();
    for _ in 0..2 {
        let mut request = client.start(edge.request("GET", "/"), true);
        let hints = request.interim();
        assert_eq!(hints.status(), 103);
        let names: Vec<_> = hints.headers().keys().map(ToString::to_string).collect();
        assert_eq!(names, ["link"]);
        assert_eq!(request.interim().status(), 103);
        let mut answer = request.answer();
        assert_eq!((answer.status(), answer.body()), (200, b"ok".to_vec()));
    }
}

/// Pingora drops the interim answers of such a server.
#[test]
fn a_client_of_a_server_of_http_2_is_asked_by_the_edge() {
    let server = Server::start(Speaks::h2c());
    let yaml = format!("servers: [{}]\n", over_h2c(&server));
    let http2 = H2cEdge::start(&yaml);
    let client = http2.connect();
    for _ in 0..2 {
        let request = http2.request("POST", "/").header("expect", "100-continue").header("content-length", "5");
        let mut upload = client.open(request);
        assert_eq!(upload.interim().status(), 100);
        assert_eq!(upload.end("hello").json()["body"], 5);
    }
    let trust = Trust::new();
    let (offers_both, offers_http1) = (trust.server(BOTH), trust.server(HTTP_1));
    for edge in [Edge::start(&yaml), edge(trust.over_http2(&offers_both)), edge(trust.over_http2(&offers_http1))] {
        let mut client = edge.connect();
        for _ in 0..2 {
            client.send(edge.head("POST", "/", "Expect: 100-continue\r\nContent-Length: 5\r\n"));
            assert_eq!(client.read_head().status, 100);
            client.send("hello");
            let answer = client.read_response("POST");
            assert_eq!((answer.status, answer.json()["body"].as_u64()), (200, Some(5)));
        }
    }
}

/// One who does not wait is not made to.
#[test]
fn a_body_that_is_sent_at_once_is_not_asked_for_again() {
    let edge = Edge::listening("http2: true", &servers_yaml(&[raw::answers([raw::OK])]));
    let edge = H2cEdge(edge);
    let client = edge.connect();
    let mut upload = client.open(edge.request("POST", "/").header("content-length", "5"));
    upload.send("he");
    assert_eq!(upload.end("llo").status(), 200);
}
