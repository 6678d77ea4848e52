//! An edge that is told to stop takes no more connections, and finishes what it has begun. The long limits here are
//! for what must not be waited for.

use std::{io::Write, net::TcpStream, sync::mpsc};

use bridgehead::readiness::Stage;

use crate::support::{
    bifrost::Bifrost,
    edge::{Edge, bifrost_and_edge, servers_yaml},
    in_time::Heard,
    raw, until, websocket,
};

fn stopping(bifrost: &Bifrost, options: &str) -> Edge {
    Edge::with(&[bifrost.address()], &format!("stop: {{{options}}}\n"))
}

fn drains(edge: &Edge) {
    edge.begin_to_stop();
    until("it drains", || edge.stage() == Stage::Draining);
}

#[test]
fn a_stopping_edge_finishes_the_request_in_flight() {
    let (bifrost, edge) = bifrost_and_edge();
    let gate = bifrost.gate();
    let mut connection = edge.chat();
    drains(&edge);
    gate.release_all();
    let events = String::from_utf8(connection.read_chunks()).unwrap();
    assert_eq!(events.matches("data: ").count(), 6, "{events}");
    assert_eq!(edge.ended(), 0);
}

#[test]
fn it_takes_no_new_connection_and_ends_with_the_last_request() {
    let bifrost = Bifrost::start();
    let gate = bifrost.gate();
    let edge = stopping(&bifrost, "grace: 1h");
    let mut stream = edge.chat();
    drains(&edge);
    until("new connections are refused", || TcpStream::connect(edge.address).is_err());
    gate.release_all();
    stream.read_chunks();
    assert_eq!(edge.ended(), 0);
}

#[test]
fn before_that_it_is_not_ready_but_serves_for_load_balancers_that_have_not_noticed() {
    let bifrost = Bifrost::start();
    let edge = stopping(&bifrost, "delay: 1h");
    until("it serves", || edge.stage() == Stage::Serving);
    let mut before = edge.connect();
    assert_eq!(before.ask("GET", "/echo", "x", "").status, 200);
    edge.begin_to_stop();
    until("it is not ready", || edge.stage() == Stage::Leaving);
    let kept = before.ask("GET", "/echo", "x", "");
    assert_eq!((kept.status, kept.header("connection")), (200, Some("keep-alive")));
    assert_eq!(edge.get("/echo").status, 200);
    // The second word does not wait for the delay.
    edge.stop();
}

#[test]
fn a_request_on_its_way_on_an_idle_connection_is_answered_and_told_to_be_the_last() {
    let bifrost = Bifrost::start();
    let edge = stopping(&bifrost, "idle: 1h, grace: 1h");
    let mut idle = edge.connect();
    assert_eq!(idle.ask("GET", "/echo", "x", "").header("connection"), Some("keep-alive"));
    let mut new = edge.connect();
    new.send("GET /");
    drains(&edge);
    let last = idle.ask("GET", "/echo", "x", "");
    assert_eq!((last.status, last.header("connection")), (200, Some("close")));
    assert!(idle.is_closed());
    new.send("echo HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_eq!(new.read_response("GET").status, 200);
    assert_eq!(edge.ended(), 0);
}

#[test]
fn an_answer_that_is_under_way_says_that_there_will_be_no_next_one() {
    let (ask, asked) = mpsc::channel();
    let (answer, answered) = mpsc::channel();
    let edge = Edge::in_front_of_one(move |mut stream| {
        raw::read_head(&mut stream);
        ask.send(()).unwrap();
        answered.heard();
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi").unwrap();
    });
    let mut client = edge.connect();
    client.send(edge.head("GET", "/", ""));
    asked.heard();
    drains(&edge);
    answer.send(()).unwrap();
    assert_eq!(client.read_response("GET").header("connection"), Some("close"));
    assert_eq!(edge.ended(), 0);
}

#[test]
fn an_idle_connection_is_closed_without_another_byte() {
    let bifrost = Bifrost::start();
    let edge = stopping(&bifrost, "idle: 1ms, grace: 1h");
    let mut idle = edge.connect();
    assert_eq!(idle.ask("GET", "/echo", "x", "").status, 200);
    let mut new = edge.connect();
    edge.begin_to_stop();
    assert!(idle.is_closed() && new.is_closed());
    drop((idle, new));
    assert_eq!(edge.ended(), 0);
}

/// A client that has not seen yet that its connection is being closed: its request is not lost in silence.
#[test]
fn a_request_that_comes_too_late_is_counted() {
    let bifrost = Bifrost::start();
    let edge = stopping(&bifrost, "idle: 1ms, grace: 1h");
    let mut idle = edge.connect();
    assert_eq!(idle.ask("GET", "/echo", "x", "").status, 200);
    edge.begin_to_stop();
    assert!(idle.is_closed());
    idle.send("GET /echo HTTP/1.1\r\nHost: x\r\n\r\n");
    drop(idle);
    until("it is counted", || edge.counters().requests_missed() == 1);
    assert_eq!((edge.ended(), bifrost.recorded().len()), (0, 1));
}

#[test]
fn an_open_websocket_goes_on_until_its_end() {
    let edge = Edge::in_front_of_one(|mut stream| {
        websocket::accept(&mut stream);
        websocket::echo(stream);
    });
    let mut client = websocket::open(&edge);
    drains(&edge);
    for _ in 0..3 {
        client.send(b"\x81\x05hello");
        assert_eq!(client.read_exactly(7), b"\x81\x05hello");
    }
    drop(client);
    assert_eq!(edge.ended(), 0);
}

#[test]
fn what_does_not_end_in_time_is_cut_and_counted() {
    let bifrost = Bifrost::start();
    let _held_back = bifrost.gate();
    let servers = servers_yaml(&[bifrost.address()]);
    let edge = Edge::start(&format!("{servers}stop: {{idle: 1ms, grace: 50ms}}\n"));
    let mut streams = [edge.chat(), edge.chat()];
    assert_eq!(edge.stop(), 2);
    for stream in &mut streams {
        assert!(!stream.read_to_end().ends_with(b"0\r\n\r\n"), "an answer cut short was passed off as whole");
    }
}
