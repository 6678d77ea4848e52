//! The dashboard's WebSocket of the real Bifrost, through the edge.

use crate::{
    server::{RealBifrost, provider},
    support::{edge::Edge, http::Connection},
};

pub const UPGRADE: &str = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                       Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
/// What RFC 6455 has for that key.
const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

const CLOSE: u8 = 8;
const PING: u8 = 9;
const PONG: u8 = 10;

/// Sends a frame as a client must, masked.
fn send_frame(client: &mut Connection, opcode: u8, data: &[u8]) {
    let mask = [1, 2, 3, 4];
    let masked = data.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask);
    let length = 0x80 | u8::try_from(data.len()).unwrap();
    let frame: Vec<u8> = [0x80 | opcode, length].into_iter().chain(mask).chain(masked).collect();
    client.send(frame);
}

/// Reads a frame that is one message.
fn read_frame(client: &mut Connection) -> (u8, Vec<u8>) {
    let head = client.read_exactly(2);
    assert_eq!(head[0] & 0xf0, 0x80, "a message in parts");
    let length = match head[1] {
        126 => u16::from_be_bytes(client.read_exactly(2).try_into().unwrap()).into(),
        127 => usize::try_from(u64::from_be_bytes(client.read_exactly(8).try_into().unwrap())).unwrap(),
        length => length.into(),
    };
    (head[0] & 0xf, client.read_exactly(length))
}

fn read_until(client: &mut Connection, opcode: u8) -> Vec<u8> {
    loop {
        let (read, data) = read_frame(client);
        if read == opcode {
            return data;
        }
    }
}

#[test]
fn the_socket_of_the_dashboard_is_open_both_ways() {
    let provider = provider();
    let bifrost = RealBifrost::start(&provider);
    let edge = Edge::in_front_of(&[bifrost.address]);
    let mut client = edge.connect();
    client.send(edge.head("GET", "/ws", UPGRADE));
    let head = client.read_head();
    assert_eq!((head.status, head.header("sec-websocket-accept")), (101, Some(ACCEPT)), "{head:?}");

    send_frame(&mut client, PING, b"are you there");
    assert_eq!(read_until(&mut client, PONG), b"are you there");

    send_frame(&mut client, CLOSE, &1000_u16.to_be_bytes());
    assert_eq!(read_until(&mut client, CLOSE), 1000_u16.to_be_bytes());
    assert!(client.is_closed());
}

/// A socket that no answer is due on ends with the server, and the client is told.
#[test]
fn a_socket_ends_with_its_server() {
    let provider = provider();
    let mut bifrost = RealBifrost::start(&provider);
    let edge = Edge::in_front_of(&[bifrost.address]);
    let mut client = edge.connect();
    client.send(edge.head("GET", "/ws", UPGRADE));
    assert_eq!(client.read_head().status, 101);
    send_frame(&mut client, PING, b"x");
    read_until(&mut client, PONG);
    bifrost.kill();
    assert!(client.is_closed());
}
