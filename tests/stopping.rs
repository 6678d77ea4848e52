//! An edge that is told to stop finishes what it has begun.

use std::thread;

use crate::support::edge::bifrost_and_edge;

#[test]
fn a_stopping_edge_finishes_the_request_in_flight() {
    let (bifrost, edge) = bifrost_and_edge();
    let gate = bifrost.gate();
    let mut connection = edge.chat();
    let stopping = thread::spawn(move || edge.stop());
    gate.release_all();
    let events = String::from_utf8(connection.read_chunks()).unwrap();
    assert_eq!(events.matches("data: ").count(), 6, "{events}");
    assert_eq!(stopping.join().unwrap(), 0);
}
