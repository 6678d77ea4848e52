//! The edge takes no more from a client than it was told to.

use std::io::Write;

use crate::support::{
    bifrost::Bifrost,
    edge::{Edge, is_error, servers_yaml},
    h2c::H2cEdge,
    http::Response,
};

fn edge(bifrost: &Bifrost, limit: &str) -> Edge {
    Edge::with(&[bifrost.address()], &format!("limits: {{request_body: {limit}}}\n"))
}

fn is_too_large(response: &Response) {
    is_error(response, 413, "the request's body is larger than the edge allows");
    assert_eq!(response.header("connection"), Some("close"));
}

#[test]
fn a_body_that_says_it_is_too_large_never_reaches_a_server() {
    let bifrost = Bifrost::start();
    for (limit, length) in [("10B", 11), ("100MiB", 100 * 1024 * 1024 + 1), ("1MB", 1_000_001)] {
        let edge = edge(&bifrost, limit);
        let mut client = edge.connect();
        client.send(format!("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n"));
        is_too_large(&client.read_response("POST"));
    }
    let default = Edge::in_front_of(&[bifrost.address()]);
    let mut client = default.connect();
    client.send(format!("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n", 100 * 1024 * 1024 + 1));
    is_too_large(&client.read_response("POST"));
    assert!(bifrost.recorded().is_empty());
}

#[test]
fn a_body_that_turns_out_too_large_never_reaches_a_server_whole() {
    let bifrost = Bifrost::start();
    let edge = edge(&bifrost, "100KB");
    let mut client = edge.connect();
    client.send("POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n");
    for _ in 0..11 {
        client.send_chunk(&[b'x'; 10_000]);
    }
    is_too_large(&client.read_response("POST"));
    assert!(bifrost.recorded().iter().all(|request| !request.body_complete && request.body_len <= 100_000));
    assert_eq!(edge.report().servers[0].broken, 0, "it is not the server's fault");
}

#[test]
fn a_body_of_the_very_size_passes() {
    let bifrost = Bifrost::start();
    let edge = edge(&bifrost, "10B");
    let mut client = edge.connect();
    client.send("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n0123456789");
    assert_eq!(client.read_response("POST").json()["body_length"], 10);
    client.send("POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\na\r\n0123456789\r\n0\r\n\r\n");
    assert_eq!(client.read_response("POST").json()["body_length"], 10);
}

/// Many clients read nothing before they have written everything.
#[test]
fn a_client_that_writes_first_and_reads_later_still_reads_why() {
    let bifrost = Bifrost::start();
    let edge = edge(&bifrost, "10B");
    for head in ["Content-Length: 3000000\r\n\r\n", "Transfer-Encoding: chunked\r\n\r\n2dc6c0\r\n"] {
        let mut client = edge.connect();
        client.send(format!("POST /echo HTTP/1.1\r\nHost: x\r\n{head}")).send(vec![b'x'; 3_000_000]);
        is_too_large(&client.read_response("POST"));
    }
}

#[test]
fn without_a_limit_anything_passes() {
    const LENGTH: usize = 110 * 1024 * 1024;
    let bifrost = Bifrost::start();
    let edge = edge(&bifrost, "unlimited");
    let mut client = edge.connect();
    client.send(format!("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: {LENGTH}\r\n\r\n"));
    let mut sender = client.sender();
    let piece = vec![b'x'; 1024 * 1024];
    for _ in 0..LENGTH / piece.len() {
        sender.write_all(&piece).unwrap();
    }
    assert_eq!(client.read_response("POST").json()["body_length"], LENGTH);
}

#[test]
fn a_client_of_http_2_is_held_to_it_too() {
    let bifrost = Bifrost::start();
    let edge = H2cEdge::start(&format!("{}limits: {{request_body: 10B}}\n", servers_yaml(&[bifrost.address()])));
    let client = edge.connect();
    let declared = client.open(edge.request("POST", "/echo").header("content-length", "11"));
    assert_eq!(declared.answer().status(), 413);
    assert!(bifrost.recorded().is_empty());
    let mut upload = client.open(edge.request("POST", "/echo"));
    upload.send("0123456789").send("x");
    assert_eq!(upload.answer().status(), 413);
    assert!(bifrost.recorded().iter().all(|request| !request.body_complete));
    let mut upload = client.open(edge.request("POST", "/echo"));
    upload.send("01234");
    assert_eq!(upload.end("56789").json()["body_length"], 10);
}
