//! The body of an answer passes from the server to the client as it comes; where it ends is told apart from whatever
//! the server does behind or before that.

use std::{
    io::{ErrorKind, Read, Write},
    net::{SocketAddr, TcpStream},
    sync::mpsc,
};

use crate::support::{edge::Edge, in_time::Heard, raw};

/// Answers one request with these bytes, and shows whether the connection was used once more.
fn answers_with(bytes: &'static [u8], used_again: mpsc::Sender<bool>) -> Vec<Box<dyn FnOnce(TcpStream) + Send>> {
    vec![
        Box::new(move |mut stream| {
            raw::read_head(&mut stream);
            stream.write_all(bytes).unwrap();
            used_again.send(raw::read_next_head(&mut stream).is_some()).unwrap();
        }),
        Box::new(raw::answer_one),
    ]
}

#[test]
fn what_a_server_sends_behind_its_answer_reaches_nobody() {
    for bytes in [
        &b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil"[..],
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil",
        b"HTTP/1.1 204 No Content\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil",
        b"HTTP/1.1 202 OK\r\nContent-Length: 0\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil",
    ] {
        let (used_again, was_used_again) = mpsc::channel();
        let edge = Edge::in_front_of(&[raw::serve(answers_with(bytes, used_again))]);
        let mut client = edge.connect();
        for _ in 0..2 {
            let answer = client.ask("GET", "/", &edge.host(), "");
            assert!(["ok", ""].contains(&answer.text()), "{answer:?}");
        }
        assert!(!was_used_again.heard());
    }
}

/// Answers a request so, does this to its connection, and answers another one on the next connection.
fn then(answer: &'static [u8], act: impl FnOnce(TcpStream) + Send + 'static) -> (Edge, mpsc::Receiver<()>) {
    let (done, is_done) = mpsc::channel();
    let first = move |mut stream: TcpStream| {
        raw::read_head(&mut stream);
        stream.write_all(answer).unwrap();
        act(stream);
        done.send(()).unwrap();
    };
    (Edge::in_front_of(&[raw::serve(vec![Box::new(first), Box::new(raw::answer_one)])]), is_done)
}

#[test]
fn a_connection_that_the_server_has_closed_after_its_answer_costs_a_post_nothing() {
    for answer in [raw::OK, b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n", b"HTTP/1.1 204 No Content\r\n\r\n"] {
        let (edge, is_closed) = then(answer, drop);
        assert!(edge.get("/").status < 300);
        is_closed.heard();
        // The same processor tells both of it; the edge hears of the end before the next request.
        assert_eq!(edge.post("/").status, 200);
    }
}

#[test]
fn what_a_server_says_between_two_requests_answers_neither() {
    for answer in [raw::OK, b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n"] {
        let (go_on, may_go_on) = mpsc::channel::<()>();
        let (edge, has_spoken) = then(answer, move |mut stream| {
            may_go_on.heard();
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil").unwrap();
            // The edge closes it.
            while stream.read(&mut [0]).is_ok_and(|read| read > 0) {}
        });
        assert!(edge.get("/").status < 300);
        go_on.send(()).unwrap();
        has_spoken.heard();
        assert_eq!(edge.post("/").text(), "ok");
    }
}

#[test]
fn an_answer_that_breaks_off_or_is_malformed_is_not_ended_for_the_client() {
    for (body, passed) in [
        // In chunks of the edge's own, without the last one.
        (&b"5\r\nhel"[..], &b"3\r\nhel\r\n"[..]),
        (b"5\r\nhello\r\n", b"5\r\nhello\r\n"),
        (b"5\r\nhello\r\n0\r\n", b"5\r\nhello\r\n"),
        (b"5\r\nhello\r\nworld\r\n0\r\n\r\n", b"5\r\nhello\r\n"),
    ] {
        let edge = Edge::in_front_of_one(move |mut stream| {
            raw::read_head(&mut stream);
            stream.write_all(raw::CHUNKED).unwrap();
            stream.write_all(body).unwrap();
        });
        let mut client = edge.connect();
        client.send(edge.head("GET", "/", ""));
        assert_eq!(client.read_head().status, 200);
        let read = client.read_to_end();
        assert!(read == passed, "{} of {}", read.escape_ascii(), body.escape_ascii());
        assert!(edge.metrics().contains("reason=\"answer_broken\"} 1"), "{}", edge.metrics());
    }
}

#[test]
fn one_connection_carries_one_answer_after_the_other_however_they_are_framed() {
    let (closed, is_closed) = mpsc::channel();
    let edge = Edge::in_front_of_one(move |mut stream| {
        for _ in 0..3 {
            for answer in [
                raw::OK,
                b"HTTP/1.1 200 OK\r\ntransfer-encoding:Chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
                b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
                b"HTTP/1.1 304 Not Modified\r\nContent-Length: 2\r\n\r\n",
            ] {
                raw::read_head(&mut stream);
                stream.write_all(answer).unwrap();
            }
        }
        raw::read_head(&mut stream);
        stream.write_all(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok").unwrap();
        closed.send(stream.read(&mut [0])).unwrap();
    });
    let mut client = edge.connect();
    for number in 0..13 {
        let answer = client.ask("GET", "/", &edge.host(), "");
        assert_eq!(
            (answer.text(), answer.header("connection")),
            (["ok", "ok", "", ""][number % 4], Some("keep-alive"))
        );
    }
    assert!(is_closed.heard().is_ok_and(|read| read == 0));
}

#[test]
fn a_head_keeps_its_headers_and_says_how_long_the_answer_is() {
    let edge = Edge::in_front_of_one(|mut stream| {
        for (framing, body) in [("content-LENGTH:  002", "ok"), ("Transfer-Encoding: chunked", "2\r\nok\r\n0\r\n\r\n")]
        {
            raw::read_head(&mut stream);
            let head = format!("HTTP/1.1 299 Fine\r\nx-one: 1\r\n{framing}\r\nX-Two: 2\r\nx-one: 3\r\n\r\n{body}");
            stream.write_all(head.as_bytes()).unwrap();
        }
    });
    let mut client = edge.connect();
    for framing in [("content-length", "2"), ("transfer-encoding", "chunked")] {
        let answer = client.ask("GET", "/", &edge.host(), "");
        assert_eq!((answer.status, answer.text()), (299, "ok"));
        let headers = answer.headers.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let (own, headers): (Vec<_>, Vec<_>) =
            headers.partition(|(name, _)| ["date", "connection", "x-request-id"].contains(name));
        // In the order of the server; the framing, which is the edge's own, behind them.
        assert_eq!(headers, [("x-one", "1"), ("x-two", "2"), ("x-one", "3"), framing]);
        assert_eq!(own.len(), 3);
    }
}

/// Waits until the server's connection takes nothing more: the edge waits for its client.
fn fill(stream: &mut TcpStream) -> usize {
    stream.set_nonblocking(true).unwrap();
    let mut sent = 0;
    loop {
        match stream.write(&[b'x'; 16 * 1024]) {
            Ok(written) => sent += written,
            Err(error) if error.kind() == ErrorKind::WouldBlock => break,
            Err(error) => panic!("{error}"),
        }
    }
    stream.set_nonblocking(false).unwrap();
    sent
}

#[test]
fn a_client_that_reads_slowly_gets_all_of_it() {
    const LENGTH: usize = 64 * 1024 * 1024;
    let (full, is_full) = mpsc::channel();
    let address: SocketAddr = raw::serve_one(move |mut stream| {
        raw::read_head(&mut stream);
        write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {LENGTH}\r\n\r\n").unwrap();
        let sent = fill(&mut stream);
        full.send(sent).unwrap();
        stream.write_all(&vec![b'x'; LENGTH - sent]).unwrap();
    });
    let edge = Edge::in_front_of(&[address]);
    let mut client = edge.connect();
    client.send(edge.head("GET", "/", ""));
    // The edge has not read on and on.
    assert!(is_full.heard() < LENGTH);
    let answer = client.read_response("GET");
    assert!(answer.body.len() == LENGTH && answer.body.iter().all(|byte| *byte == b'x'));
}
