//! A request goes to a server once more only when that can do no harm.

use std::{
    io::Write,
    net::{Shutdown, SocketAddr, TcpStream},
    sync::{Arc, Barrier, mpsc},
    thread,
};

use bridgehead::fleet::State;

use crate::support::{
    bifrost::Bifrost,
    edge::{BROKEN_OFF, Edge, is_error},
    in_time::Heard,
    nobody, raw,
};

#[test]
fn a_request_that_cannot_connect_goes_to_the_next_server_even_a_post() {
    let bifrost = Bifrost::start();
    let edge = Edge::in_front_of(&[nobody(), bifrost.address(), nobody()]);
    for _ in 0..6 {
        assert_eq!(edge.post("/echo").json()["body_length"], 2);
    }
    assert_eq!(bifrost.recorded().len(), 6);
}

/// A server that answers the first request on its first connection and dies on the second, then answers
/// one request on its second connection.
fn dies_on_the_second_request() -> SocketAddr {
    raw::serve(vec![
        Box::new(|mut stream| {
            raw::read_head(&mut stream);
            stream.write_all(raw::OK).unwrap();
            raw::read_head(&mut stream);
        }),
        Box::new(|mut stream| {
            raw::read_head(&mut stream);
            stream.write_all(raw::OK).unwrap();
        }),
    ])
}

#[test]
fn a_connection_that_died_idle_costs_a_get_nothing() {
    let edge = Edge::in_front_of(&[dies_on_the_second_request()]);
    let mut connection = edge.connect();
    for _ in 0..2 {
        assert_eq!(connection.ask("GET", "/", &edge.host(), "").text(), "ok");
    }
}

/// A server whose first connections are kept idle together, and close on their second request.
fn has_many_dead_connections(count: usize) -> SocketAddr {
    let all_there = Arc::new(Barrier::new(count));
    let (accepted, connections) = mpsc::channel::<TcpStream>();
    let handler = || -> Box<dyn FnOnce(TcpStream) + Send> {
        let accepted = accepted.clone();
        Box::new(move |stream| accepted.send(stream).unwrap())
    };
    let address = raw::serve((0..=count).map(|_| handler()).collect());
    thread::spawn(move || {
        for (number, mut stream) in connections.into_iter().enumerate() {
            let all_there = Arc::clone(&all_there);
            thread::spawn(move || {
                raw::read_head(&mut stream);
                if number < count {
                    all_there.wait();
                }
                stream.write_all(raw::OK).unwrap();
                raw::read_head(&mut stream);
            });
        }
    });
    address
}

#[test]
fn many_connections_that_died_idle_cost_a_get_no_more_than_one() {
    const COUNT: usize = 6;
    let edge = Edge::in_front_of(&[has_many_dead_connections(COUNT)]);
    let mut clients: Vec<_> = (0..COUNT).map(|_| edge.connect()).collect();
    for client in &mut clients {
        client.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    }
    for client in &mut clients {
        assert_eq!(client.read_response("GET").text(), "ok");
    }
    assert_eq!(edge.get("/").text(), "ok");
    let report = edge.report();
    assert_eq!((report.servers[0].broken, report.servers[0].stale), (1, 0));
}

/// A server that answers well on a new connection, and ends it once the second request has come, read or not.
fn breaks_used_connections(has_read: bool) -> SocketAddr {
    let handler = || -> Box<dyn FnOnce(TcpStream) + Send> {
        Box::new(move |mut stream| {
            raw::read_head(&mut stream);
            stream.write_all(raw::OK).unwrap();
            // What is not read when a connection is closed is answered with a reset.
            if has_read { drop(raw::read_next_head(&mut stream)) } else { drop(stream.peek(&mut [0])) }
        })
    };
    raw::serve((0..20).map(|_| handler()).collect())
}

#[test]
fn a_break_on_a_used_connection_is_the_servers_failure_once_it_had_the_whole_request() {
    for (has_read, broken, stale) in [(true, 1, 0), (false, 0, 1)] {
        for method in ["GET", "POST"] {
            let edge = Edge::in_front_of(&[breaks_used_connections(has_read)]);
            let mut client = edge.connect();
            assert_eq!(client.ask("GET", "/", &edge.host(), "").text(), "ok");
            let length = if method == "POST" { "Content-Length: 0\r\n" } else { "" };
            let answer = client.ask(method, "/", &edge.host(), length);
            assert_eq!(answer.status, if method == "POST" { 502 } else { 200 }, "{method}");
            let report = edge.report();
            let counts = (report.servers[0].broken, report.servers[0].stale);
            assert_eq!(counts, (broken, stale), "{method}, read: {has_read}");
        }
    }
}

#[test]
fn breaks_on_used_connections_in_a_row_open_the_breaker() {
    const CONNECTIONS: usize = 3;
    let edge =
        Edge::with(&[has_many_dead_connections(CONNECTIONS)], "breaker: {failures: 3, open: 1h, longest_open: 1h}\n");
    let mut clients: Vec<_> = (0..CONNECTIONS).map(|_| edge.connect()).collect();
    for client in &mut clients {
        client.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    }
    for client in &mut clients {
        assert_eq!(client.read_response("GET").text(), "ok");
    }
    for client in &mut clients {
        assert_eq!(client.ask("POST", "/", &edge.host(), "Content-Length: 0\r\n").status, 502);
    }
    assert_eq!(edge.report().servers[0].state, State::Open);
}

#[test]
fn a_connection_that_died_idle_is_502_for_a_post_which_is_not_sent_twice() {
    let edge = Edge::in_front_of(&[dies_on_the_second_request()]);
    let mut connection = edge.connect();
    assert_eq!(connection.ask("GET", "/", &edge.host(), "").text(), "ok");
    let response = connection.ask("POST", "/", &edge.host(), "Content-Length: 0\r\n");
    is_error(&response, 502, BROKEN_OFF);
    // The second connection's answer is still there for the next request.
    assert_eq!(edge.get("/").text(), "ok");
}

#[test]
fn a_connection_that_the_server_closed_idle_costs_a_post_nothing() {
    let (news, heard) = mpsc::channel();
    let edge = Edge::in_front_of(&[raw::serve(vec![
        Box::new(move |mut stream| {
            raw::read_head(&mut stream);
            stream.write_all(raw::OK).unwrap();
            stream.shutdown(Shutdown::Write).unwrap();
            // The edge has seen the end once it ends its own side.
            news.send(raw::is_closed(&mut stream)).unwrap();
        }),
        Box::new(|mut stream| {
            assert!(raw::read_head(&mut stream).starts_with("POST /second HTTP/1.1\r\n"));
            assert_eq!(raw::read_exactly(&mut stream, 5), b"hello");
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nsecond").unwrap();
        }),
    ])]);
    let mut client = edge.connect();
    assert_eq!(client.ask("GET", "/", &edge.host(), "").text(), "ok");
    assert!(heard.heard());
    client.send(edge.head("POST", "/second", "Content-Length: 5\r\n") + "hello");
    let response = client.read_response("POST");
    assert_eq!((response.status, response.text()), (200, "second"));
}
