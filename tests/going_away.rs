//! A client that goes away takes its request back from the server.

use std::{io::Write, sync::mpsc};

use crate::support::{edge::Edge, in_time::Heard, raw};

#[test]
fn a_client_that_goes_away_before_the_answer_cancels_the_request() {
    for upload in ["", "Content-Length: 5\r\n", "Transfer-Encoding: chunked\r\n"] {
        let (news, heard) = mpsc::channel();
        let edge = Edge::in_front_of_one(move |mut stream| {
            raw::read_head(&mut stream);
            news.send(true).unwrap();
            news.send(raw::is_closed(&mut stream)).unwrap();
        });
        let mut client = edge.connect();
        client.send(edge.head("POST", "/", upload));
        assert!(heard.heard());
        drop(client);
        assert!(heard.heard(), "the server heard nothing: {upload}");
    }
}

#[test]
fn a_client_that_goes_away_within_an_answer_cancels_the_request() {
    // Half of a body that is larger than any buffer on its way.
    let half = "x".repeat(50_000);
    for (framing, start) in [
        ("Transfer-Encoding: chunked", "5\r\nhello\r\n"),
        ("Content-Length: 100000", &half),
        ("Content-Type: text/event-stream", "hello"),
    ] {
        let start = format!("HTTP/1.1 200 OK\r\n{framing}\r\n\r\n{start}");
        let (news, heard) = mpsc::channel();
        let edge = Edge::in_front_of_one(move |mut stream| {
            raw::read_head(&mut stream);
            stream.write_all(start.as_bytes()).unwrap();
            news.send(raw::is_closed(&mut stream)).unwrap();
        });
        let mut client = edge.connect();
        client.send(edge.head("GET", "/", ""));
        assert_eq!(client.read_head().status, 200);
        // The first of the body has come.
        client.read_exactly(5);
        drop(client);
        assert!(heard.heard(), "the server heard nothing: {framing}");
    }
}
