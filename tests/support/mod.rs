//! What the tests share: an edge on a free port, clients that speak raw HTTP/1 and HTTP/2, servers that are
//! scriptable, made for faults, or speak TLS and HTTP/2, and a load that keeps an account of every request.

pub mod account;
#[allow(dead_code, reason = "more of it is scriptable than is scripted so far")]
pub mod bifrost;
pub mod browser;
pub mod corpus;
pub mod discovery;
pub mod edge;
pub mod expected;
pub mod frames;
pub mod h2c;
pub mod http;
pub mod passage;
pub mod problems;
pub mod program;
pub mod raw;
pub mod recorder;
pub mod schema;
pub mod stages;
pub mod stock;
pub mod strict;
pub mod tls_client;
pub mod tls_server;
pub mod tls_terminator;
pub mod trial;
pub mod troubled;
pub mod websocket;
pub mod wire;

use std::{
    net::{SocketAddr, TcpListener},
    thread,
    time::{Duration, Instant},
};

use socket2::{Domain, Socket, Type};

/// Long enough for any machine; reached only when something hangs.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// An address where nobody listens, and nobody else can either for as long as the tests run.
pub fn nobody() -> SocketAddr {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
    let address = socket.local_addr().unwrap().as_socket().unwrap();
    std::mem::forget(socket);
    address
}

/// An address where nobody listens, until somebody does.
pub fn nobody_yet() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

/// Waits for something that happens beside the test, on another thread.
pub fn until(what: &str, happened: impl Fn() -> bool) {
    let patience = Instant::now() + PATIENCE;
    while !happened() {
        assert!(Instant::now() < patience, "it never happened that {what}");
        thread::sleep(Duration::from_millis(2));
    }
}
