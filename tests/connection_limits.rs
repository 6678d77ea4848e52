//! No client, and not all of them together, may have more connections than allowed, nor keep them for ever.

use std::{
    net::{SocketAddr, TcpStream},
    time::Duration,
};

use crate::support::{
    bifrost::Bifrost,
    edge::Edge,
    http::Connection,
    program::{Running, config},
    until,
};

fn edge(bifrost: &Bifrost, limits: &str) -> Edge {
    Edge::with(&[bifrost.address()], &format!("limits: {{{limits}}}\n"))
}

fn ask(edge: &Edge, client: &mut Connection) -> u16 {
    client.ask("GET", "/health", &edge.host(), "").status
}

fn closed(edge: &Edge, reason: &str) -> u64 {
    edge.metric(&format!("bridgehead_connections_closed_total{{reason=\"{reason}\"}}"))
}

#[test]
fn a_connection_of_a_client_that_has_too_many_is_closed_at_once() {
    let bifrost = Bifrost::start();
    let edge = edge(&bifrost, "connections_per_client: 2");
    let (mut one, mut two) = (edge.connect(), edge.connect());
    assert_eq!((ask(&edge, &mut one), ask(&edge, &mut two)), (200, 200));
    assert!(edge.connect().is_closed());
    assert_eq!(closed(&edge, "connections_per_client"), 1);
    assert_eq!(edge.metric("bridgehead_connections"), 2);
    drop(one);
    until("the place is free again", || edge.metric("bridgehead_connections") == 1);
    assert_eq!(ask(&edge, &mut edge.connect()), 200);
}

/// A load balancer stands for all its clients.
#[test]
fn a_trusted_proxy_may_have_any_number_of_connections() {
    let bifrost = Bifrost::start();
    let yaml = "trusted_proxies: [\"127.0.0.1\"]\nlimits: {connections_per_client: 1}\n";
    let edge = Edge::with(&[bifrost.address()], yaml);
    let mut clients: Vec<_> = (0..3).map(|_| edge.connect()).collect();
    for client in &mut clients {
        assert_eq!(ask(&edge, client), 200);
    }
}

#[test]
fn a_connection_too_many_is_closed_at_once() {
    let bifrost = Bifrost::start();
    let edge = edge(&bifrost, "connections: 2");
    let gate = bifrost.gate();
    let (mut one, mut two) = (edge.chat(), edge.chat());
    assert!(edge.connect().is_closed());
    assert_eq!(closed(&edge, "connections"), 1);
    gate.release_all();
    assert!(!one.read_chunks().is_empty() && !two.read_chunks().is_empty());
}

#[test]
fn an_idle_connection_makes_room_for_a_new_one() {
    let bifrost = Bifrost::start();
    let edge = edge(&bifrost, "connections: 10");
    let mut idle: Vec<_> = (0..9).map(|_| edge.connect()).collect();
    for client in &mut idle {
        assert_eq!(ask(&edge, client), 200);
    }
    let mut new = edge.connect();
    assert_eq!(ask(&edge, &mut new), 200);
    until("one of them is closed", || edge.metric("bridgehead_connections") == 9);
    let request = edge.head("GET", "/health", "");
    let open = idle.iter_mut().filter_map(|client| client.send(&request).try_read_head().ok()).count();
    assert_eq!(open, 8);
    assert_eq!(closed(&edge, "connections"), 0);
}

/// A new connection has not been idle before it had the time to ask.
#[test]
fn a_new_connection_makes_no_room_for_others() {
    let bifrost = Bifrost::start();
    let edge = edge(&bifrost, "connections: 20");
    let gate = bifrost.gate();
    let mut busy: Vec<_> = (0..18).map(|_| edge.chat()).collect();
    let mut new = edge.connect();
    until("it is accepted", || edge.metric("bridgehead_connections") == 19);
    assert_eq!(ask(&edge, &mut new), 200);
    gate.release_all();
    for stream in &mut busy {
        assert!(!stream.read_chunks().is_empty());
    }
}

#[test]
fn a_connection_is_closed_in_good_order_after_its_last_request() {
    let bifrost = Bifrost::start();
    let edge = edge(&bifrost, "requests_per_connection: 3");
    let mut client = edge.connect();
    for (number, connection) in [(1, "keep-alive"), (2, "keep-alive"), (3, "close")] {
        let response = client.ask("GET", "/health", &edge.host(), "");
        assert_eq!((response.status, response.header("connection")), (200, Some(connection)), "request {number}");
    }
    assert!(client.is_closed());
}

/// An edge that does not come to accept them keeps them waiting, as many as the system allows.
#[test]
fn clients_that_come_all_at_once_are_not_turned_away() {
    let file = config("listeners: [{address: \"127.0.0.1:0\"}]\nservers: []\n");
    let mut running = Running::start(file.path());
    let address: SocketAddr = running.address();
    running.signal("STOP");
    let connect = |_| TcpStream::connect_timeout(&address, Duration::from_millis(500));
    let waiting: Vec<_> = (0..500).map(connect).collect();
    running.signal("CONT");
    assert_eq!(waiting.iter().filter(|stream| stream.is_err()).count(), 0);
}
