//! The last answer of a connection arrives whole, also when the client sends on.

use std::io::{Read, Write};

use crate::support::{bifrost::Bifrost, edge::Edge, narrow, until};

const LENGTH: usize = 300_000;

/// Asks, sends another request that will never be answered when the edge has sent the whole answer and the client has
/// not read it yet, and returns how long the answer was.
fn ask_and_ask_on(edge: &Edge, headers: &str) -> usize {
    let mut client = narrow(edge.address);
    client.write_all(edge.head("GET", &format!("/bytes/{LENGTH}"), headers).as_bytes()).unwrap();
    let (mut read, mut piece) = (0, [0; 4096]);
    until("the edge is done with the answer", || {
        read += client.read(&mut piece).unwrap();
        edge.counters().sites().traffic().requests == 1
    });
    // Closed already, the connection would be reset by this, and the rest of the answer be lost.
    let _unheard = client.write_all(edge.head("GET", "/echo", "").as_bytes());
    let mut rest = Vec::new();
    client.read_to_end(&mut rest).unwrap_or_else(|error| panic!("after {read} and {} bytes: {error}", rest.len()));
    read + rest.len()
}

#[test]
fn of_a_connection_that_the_client_wants_closed() {
    let bifrost = Bifrost::start();
    let edge = Edge::with(&[bifrost.address()], "");
    assert!(ask_and_ask_on(&edge, "Connection: close\r\n") > LENGTH);
    assert_eq!(bifrost.recorded().len(), 1, "the request after it is not served");
}

#[test]
fn of_a_connection_whose_requests_are_used_up() {
    let bifrost = Bifrost::start();
    let edge = Edge::with(&[bifrost.address()], "limits: {requests_per_connection: 1}\n");
    assert!(ask_and_ask_on(&edge, "") > LENGTH);
    assert_eq!(bifrost.recorded().len(), 1, "the request after it is not served");
}
