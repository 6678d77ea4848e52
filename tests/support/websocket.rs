//! Both ends of a WebSocket, without its frames.

use std::{
    io::{Read, Write},
    net::TcpStream,
};

use super::{edge::Edge, http::Connection, raw};

/// The headers of a client that asks for one.
pub const UPGRADE: &str = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                       Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
                       Sec-WebSocket-Protocol: realtime, openai-insecure-api-key.x\r\n";

/// The answer of a server that accepts.
pub const SWITCH: &[u8] = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                        Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\
                        Sec-WebSocket-Protocol: realtime\r\n\r\n";
/// What it says to the key of such a client.
pub const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

/// The client of one that is open.
pub fn open(edge: &Edge) -> Connection {
    let mut client = edge.connect();
    client.send(edge.head("GET", "/ws", UPGRADE));
    let head = client.read_head();
    assert_eq!((head.status, head.header("sec-websocket-protocol")), (101, Some("realtime")));
    client
}

/// Accepts it as a server.
pub fn accept(stream: &mut TcpStream) {
    let head = raw::read_head(stream).to_ascii_lowercase();
    assert!(head.contains("sec-websocket-protocol: realtime, openai-insecure-api-key.x\r\n"), "{head}");
    stream.write_all(SWITCH).unwrap();
}

/// Sends back whatever arrives.
pub fn echo(mut stream: TcpStream) {
    let mut buffer = [0; 1024];
    while let Ok(read @ 1..) = stream.read(&mut buffer) {
        stream.write_all(&buffer[..read]).unwrap();
    }
}
