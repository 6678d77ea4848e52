//! The last answer of a connection arrives whole, also when the client sends on.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    thread,
    time::Duration,
};

use socket2::{Domain, Socket, Type};

use crate::support::{PATIENCE, bifrost::Bifrost, edge::Edge};

const LENGTH: usize = 300_000;

/// A client that has room for little at a time.
fn narrow(address: SocketAddr) -> TcpStream {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.set_recv_buffer_size(8192).unwrap();
    socket.connect(&address.into()).unwrap();
    let stream: TcpStream = socket.into();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// Asks, sends another request that will never be answered, and reads slowly; returns how long the answer was.
fn ask_and_ask_on(edge: &Edge, headers: &str) -> usize {
    let mut client = narrow(edge.address);
    client.write_all(edge.head("GET", &format!("/bytes/{LENGTH}"), headers).as_bytes()).unwrap();
    client.read_exact(&mut [0; 1]).unwrap();
    // Closed at once, the connection would be reset by what comes now, and the answer be lost.
    thread::sleep(Duration::from_millis(300));
    client.write_all(edge.head("GET", "/echo", "").as_bytes()).unwrap();
    let (mut read, mut piece) = (1, [0; 4096]);
    loop {
        match client.read(&mut piece) {
            Ok(0) => return read,
            Ok(more) => read += more,
            Err(error) => panic!("after {read} bytes: {error}"),
        }
        thread::sleep(Duration::from_millis(2));
    }
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
