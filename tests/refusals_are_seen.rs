//! What is refused at the door is in the log, once and without secrets.

use std::{
    io::{Read, Write},
    net::TcpStream,
};

use crate::support::{
    PATIENCE,
    bifrost::Bifrost,
    program::{Running, config},
};

const SECRET: &str = "s3cr3t";

fn yaml(bifrost: &Bifrost, more: &str) -> String {
    format!(
        "listeners: [{{address: \"127.0.0.1:0\", http2: true}}]\nunknown_hosts: forward\nservers: [{{address: \"{}\"}}]\n{more}\n",
        bifrost.address()
    )
}

/// Sends a request on a connection of its own and returns all that comes of it.
fn send(running: &std::net::SocketAddr, request: &str) -> String {
    let mut stream = TcpStream::connect(running).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

fn id_of(answer: &str) -> &str {
    answer.split("request id ").nth(1).unwrap().split(')').next().unwrap()
}

#[test]
fn each_refusal_is_a_line_with_its_request_id_and_its_reason() {
    let bifrost = Bifrost::start();
    let file = config(&yaml(
        &bifrost,
        "access: [{path: /api, deny: [\"127.0.0.0/8\"]}]\nlimits: {requests: {per_second: 0.001, burst: 3}}",
    ));
    let mut running = Running::start(file.path());
    let address = running.address();
    for (request, line) in [
        (
            "GET /{s} HTTP/1.1\r\nHost: x\r\nHost: y\r\nAuthorization: {s}\r\n\r\n",
            "the request is malformed: more than one Host",
        ),
        ("CONNECT {s}:443 HTTP/1.1\r\nHost: x\r\n\r\n", "this method is not allowed: CONNECT"),
        ("GET / HTTP/3.0\r\nHost: {s}\r\n\r\n", "this version of HTTP is not supported: a version other than"),
        (
            "GET /api/x?code={s} HTTP/1.1\r\nHost: x\r\nCookie: {s}\r\n\r\n",
            "this path is closed to the client's address: a rule of access",
        ),
        (
            "GET /x?state={s} HTTP/1.1\r\nHost: x\r\nConnection: Authorization\r\nAuthorization: {s}\r\n\r\n",
            "the request is malformed: a Connection that names a header which is not its own",
        ),
    ] {
        let answer = send(&address, &request.replace("{s}", SECRET));
        let logged = running.wait_for(id_of(&answer));
        assert!(logged.contains(line) && logged.contains("127.0.0.1"), "{logged}\n{line}");
        assert!(!logged.contains(SECRET), "{logged}");
    }
    let ok = "GET /echo HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    let answers: Vec<_> = (0..4).map(|_| send(&address, ok)).collect();
    let refused = answers.last().unwrap();
    assert!(refused.starts_with("HTTP/1.1 429 "), "{refused}");
    assert!(running.wait_for(id_of(refused)).contains("too many requests from the client's address: limits.requests"));
    running.signal("TERM");
    assert!(!running.rest_of_the_log().contains(SECRET));
}

#[test]
fn no_secret_is_logged_at_the_most_talkative_level() {
    let bifrost = Bifrost::start();
    let file = config(&yaml(&bifrost, ""));
    let mut running = Running::start_with(file.path(), "trace");
    let address = running.address();
    for request in [
        "GET /echo?code={s} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {s}\r\nCookie: {s}\r\nx-bf-vk: {s}\r\nConnection: close\r\n\r\n",
        "GET /?{s} HTTP/1.1\r\nHost: x\r\nAuthorization: {s}\r\nX: \0{s}\r\n\r\n",
        "GET /?{s} HTTP/1.1\r\nAuthorization: {s}\r\n\r\n",
        "{s} /?{s} HTTP/1.1\r\nHost: {s}@x\r\n\r\n",
        "{s}\r\n\r\n",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n{s}{s}{s}{s}{s}",
    ] {
        send(&address, &request.replace("{s}", SECRET));
    }
    running.signal("TERM");
    let log = running.rest_of_the_log();
    assert!(log.contains("stopped"), "{log}");
    assert!(!log.contains(SECRET), "{log}");
}

#[test]
fn a_flood_of_refusals_does_not_flood_the_log() {
    let bifrost = Bifrost::start();
    let file = config(&yaml(&bifrost, ""));
    let mut running = Running::start(file.path());
    let address = running.address();
    for _ in 0..200 {
        assert!(send(&address, "GET / HTTP/1.1\r\n\r\n").starts_with("HTTP/1.1 400 "));
    }
    running.signal("TERM");
    let log = running.rest_of_the_log();
    let lines = log.lines().filter(|line| line.contains("the request is malformed")).count();
    assert!((1..150).contains(&lines), "{lines} lines");
}
