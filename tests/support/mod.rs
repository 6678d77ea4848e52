//! What the tests share: an edge on a free port, clients that speak raw HTTP/1 and HTTP/2, servers that are
//! scriptable, made for faults, or speak TLS and HTTP/2, and a load that keeps an account of every request.

pub mod account;
pub mod bifrost;
pub mod browser;
pub mod collector;
pub mod consent;
pub mod corpus;
pub mod discovery;
pub mod edge;
pub mod embedder;
pub mod expected;
pub mod frames;
pub mod generations;
pub mod h2c;
pub mod http;
pub mod import;
pub mod in_time;
pub mod interop;
pub mod pages;
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
pub mod tools;
pub mod trial;
pub mod troubled;
pub mod websocket;
pub mod wire;

use std::{
    net::{SocketAddr, TcpStream},
    time::Duration,
};

use socket2::{Domain, Socket, Type};

/// Long enough for any machine; reached only when something hangs.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// An address where nobody listens, and nobody else can either for as long as the tests run.
pub fn nobody() -> SocketAddr {
    held(false)
}

/// An address where nobody listens until somebody does who is told of it: the system gives it to nobody else.
pub fn nobody_yet() -> SocketAddr {
    held(true)
}

/// An address that a socket holds which never listens, for as long as the tests run. Another one may listen there if
/// both may use an address again, as is usual for those that listen.
fn held(is_shared: bool) -> SocketAddr {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.set_reuse_address(is_shared).unwrap();
    socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
    let address = socket.local_addr().unwrap().as_socket().unwrap();
    std::mem::forget(socket);
    address
}

/// A connection to this address that takes little at a time.
pub fn narrow(address: SocketAddr) -> TcpStream {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.set_recv_buffer_size(8192).unwrap();
    socket.connect(&address.into()).unwrap();
    let stream: TcpStream = socket.into();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// Waits for something that happens beside the test, on another thread.
pub fn until(what: &str, happened: impl FnMut() -> bool) {
    assert!(in_time::happens(PATIENCE, happened), "it never happened that {what}");
}
