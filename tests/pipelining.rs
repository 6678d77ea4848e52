//! Requests that are sent before the last one is answered wait their turn.

use std::{io::Write, sync::mpsc};

use crate::support::{
    edge::{Edge, bifrost_and_edge},
    in_time::Heard,
    raw,
};

#[test]
fn a_request_sent_before_the_last_is_answered_aborts_nothing_and_waits_its_turn() {
    let (news, heard) = mpsc::channel();
    let (go_on, told) = mpsc::channel::<()>();
    let edge = Edge::in_front_of_one(move |mut stream| {
        assert!(raw::read_head(&mut stream).starts_with("GET /slow HTTP/1.1\r\n"));
        news.send("asked").unwrap();
        told.heard();
        stream.write_all(raw::CHUNKED).unwrap();
        stream.write_all(b"1\r\na\r\n").unwrap();
        told.heard();
        stream.write_all(b"1\r\nb\r\n0\r\n\r\n").unwrap();
        assert!(raw::read_head(&mut stream).starts_with("POST /second HTTP/1.1\r\n"));
        assert_eq!(raw::read_exactly(&mut stream, 5), b"hello");
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nsecond").unwrap();
        assert!(raw::read_head(&mut stream).starts_with("GET /third HTTP/1.1\r\n"));
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nthird").unwrap();
    });
    let mut client = edge.connect();
    client.send(edge.head("GET", "/slow", ""));
    assert_eq!(heard.heard(), "asked");
    // One while nothing has been answered, one within the answer.
    client.send(edge.head("POST", "/second", "Content-Length: 5\r\n") + "hello");
    go_on.send(()).unwrap();
    assert_eq!(client.read_head().status, 200);
    assert_eq!(client.read_chunk().unwrap(), b"a");
    client.send(edge.head("GET", "/third", ""));
    go_on.send(()).unwrap();
    assert_eq!((client.read_chunk().unwrap(), client.read_chunk()), (b"b".to_vec(), None));
    assert_eq!(client.read_response("POST").text(), "second");
    assert_eq!(client.read_response("GET").text(), "third");
}

#[test]
fn requests_sent_all_at_once_are_answered_in_order() {
    let (_bifrost, edge) = bifrost_and_edge();
    let mut client = edge.connect();
    let mut all = String::new();
    for number in 0..20 {
        all += &edge.head("POST", &format!("/echo?{number}"), "Transfer-Encoding: chunked\r\n");
        all += "3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n";
        all += &edge.head("GET", "/.well-known/oauth-authorization-server", "");
    }
    client.send(all);
    for number in 0..20 {
        let echo = client.read_response("POST").json();
        assert_eq!((&echo["target"], &echo["body_length"]), (&format!("/echo?{number}").into(), &5.into()));
        assert_eq!(client.read_response("GET").json()["issuer"], format!("http://{}", edge.host()));
    }
}
