//! However a message of HTTP/1 is framed, it arrives whole, and the next one on its connection too.

use std::io::Write;

use base64::Engine;
use sha2::{Digest, Sha256};

use crate::support::{
    bifrost::Bifrost,
    edge::{Edge, bifrost_and_edge},
    raw,
};

#[test]
fn bodies_of_either_framing_arrive_whole() {
    let (_bifrost, edge) = bifrost_and_edge();
    let host = edge.host();
    let body: Vec<u8> = (0..8 * 1024 * 1024).map(Bifrost::byte_at).collect();
    let digest = base64::engine::general_purpose::STANDARD.encode(Sha256::digest(&body));
    let mut connection = edge.connect();
    connection
        .send(format!("POST /echo HTTP/1.1\r\nHost: {host}\r\nContent-Length: {}\r\n\r\n", body.len()))
        .send(&body);
    let by_length = connection.read_response("POST").json();
    connection.send(format!("POST /echo HTTP/1.1\r\nHost: {host}\r\nTransfer-Encoding: chunked\r\n\r\n"));
    for chunk in body.chunks(100_000) {
        connection.send_chunk(chunk);
    }
    connection.send("0\r\n\r\n");
    let chunked = connection.read_response("POST").json();
    for answer in [by_length, chunked] {
        assert_eq!(
            (answer["body_length"].as_u64(), answer["body_sha256"].as_str()),
            (Some(body.len() as u64), Some(digest.as_str()))
        );
    }
    let download = connection.ask("GET", &format!("/bytes/{}", body.len()), &host, "");
    assert!(download.body == body);
}

#[test]
fn a_chunked_request_with_trailers_arrives_whole_and_the_next_one_too() {
    let (bifrost, edge) = bifrost_and_edge();
    let mut client = edge.connect();
    for number in 0..3 {
        client.send(edge.head("POST", &format!("/echo?{number}"), "Transfer-Encoding: chunked\r\nTrailer: X-Sum\r\n"));
        client.send("3\r\nhel\r\n2;extension=1\r\nlo\r\n0\r\nX-Sum: 1\r\nX-More: 2\r\n\r\n");
        let echo = client.read_response("POST").json();
        assert_eq!((&echo["body_length"], &echo["target"]), (&5.into(), &format!("/echo?{number}").into()));
    }
    for request in bifrost.recorded() {
        assert_eq!((request.body.as_slice(), request.connection), (&b"hello"[..], 0));
    }
}

#[test]
fn a_chunked_answer_with_trailers_arrives_whole_and_the_next_one_too() {
    // The edge is given no other connection than the first.
    let edge = Edge::in_front_of_one(|mut stream| {
        for _ in 0..3 {
            raw::read_head(&mut stream);
            stream.write_all(raw::CHUNKED).unwrap();
            stream.write_all(b"3\r\nhel\r\n2\r\nlo\r\n0\r\nX-Sum: 1\r\nX-More: 2\r\n\r\n").unwrap();
        }
    });
    let mut client = edge.connect();
    for _ in 0..3 {
        assert_eq!(client.ask("GET", "/", &edge.host(), "TE: trailers\r\n").text(), "hello");
    }
}

#[test]
fn an_answer_that_comes_byte_by_byte_is_read_whole() {
    let edge = Edge::in_front_of_one(|mut stream| {
        stream.set_nodelay(true).unwrap();
        let answer =
            b"HTTP/1.1 200 OK\r\nX-Header: value\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX: y\r\n\r\n";
        for _ in 0..20 {
            raw::read_head(&mut stream);
            for byte in [raw::CONTINUE, answer].concat() {
                stream.write_all(&[byte]).unwrap();
            }
        }
    });
    let mut client = edge.connect();
    for _ in 0..20 {
        client.send(edge.head("GET", "/", ""));
        assert_eq!(client.read_head().status, 100);
        let response = client.read_response("GET");
        assert_eq!((response.status, response.header("x-header"), response.text()), (200, Some("value"), "hello"));
    }
}

#[test]
fn a_request_that_comes_byte_by_byte_is_read_whole() {
    let (_bifrost, edge) = bifrost_and_edge();
    let mut client = edge.connect();
    client.sender().set_nodelay(true).unwrap();
    for _ in 0..3 {
        let request =
            edge.head("POST", "/echo", "Transfer-Encoding: chunked\r\n") + "3\r\nhel\r\n2\r\nlo\r\n0\r\nX: y\r\n\r\n";
        for byte in request.bytes() {
            client.send([byte]);
        }
        assert_eq!(client.read_response("POST").json()["body_length"], 5);
    }
}

#[test]
fn answers_without_a_body_leave_both_connections_in_step() {
    let edge = Edge::in_front_of_one(|mut stream| {
        for answer in [
            "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
            "HTTP/1.1 200 OK\r\n\r\n",
            "HTTP/1.1 204 No Content\r\n\r\n",
            "HTTP/1.1 304 Not Modified\r\nETag: \"x\"\r\nContent-Length: 5\r\n\r\n",
            "HTTP/1.1 304 Not Modified\r\nETag: \"x\"\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
        ] {
            raw::read_head(&mut stream);
            stream.write_all(answer.as_bytes()).unwrap();
        }
    });
    let mut client = edge.connect();
    for (method, status, length) in [
        ("HEAD", 200, Some("5")),
        ("HEAD", 200, None),
        ("HEAD", 200, None),
        ("GET", 204, None),
        ("GET", 304, Some("5")),
        ("GET", 304, None),
        ("POST", 200, Some("0")),
    ] {
        let headers = if method == "POST" { "Content-Length: 0\r\n" } else { "" };
        let response = client.ask(method, "/", &edge.host(), headers);
        assert_eq!((response.status, response.header("content-length")), (status, length), "{method}");
        assert_eq!(response.body, b"", "{method} {status}");
    }
    assert_eq!(client.ask("GET", "/", &edge.host(), "").text(), "hello");
}

#[test]
fn a_client_of_http_1_0_keeps_its_connection_only_when_it_asks_to() {
    let (_bifrost, edge) = bifrost_and_edge();
    let mut client = edge.connect();
    client.send(format!("GET /health HTTP/1.0\r\nHost: {}\r\n\r\n", edge.host()));
    assert_eq!(client.read_response("GET").status, 200);
    assert!(client.is_closed());
    let mut client = edge.connect();
    for _ in 0..3 {
        client.send(format!("GET /health HTTP/1.0\r\nHost: {}\r\nConnection: keep-alive\r\n\r\n", edge.host()));
        let response = client.read_response("GET");
        let connection = response.header("connection").unwrap().to_ascii_lowercase();
        assert_eq!((response.status, connection.as_str()), (200, "keep-alive"));
    }
    let post = "Content-Length: 5\r\n\r\nhello";
    client.send(format!("POST /echo HTTP/1.0\r\nHost: {}\r\n{post}", edge.host()));
    assert_eq!(client.read_response("POST").json()["body_length"], 5);
    assert!(client.is_closed());
}

#[test]
fn a_client_of_http_1_0_gets_no_chunks() {
    let edge = Edge::in_front_of(&[raw::answers([
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
    ])]);
    let mut connection = edge.connect();
    connection.send(format!("GET / HTTP/1.0\r\nHost: {}\r\nConnection: keep-alive\r\n\r\n", edge.host()));
    let response = connection.read_response("GET");
    assert_eq!((response.header("transfer-encoding"), response.header("connection")), (None, Some("close")));
    assert_eq!(response.text(), "ok");
}
