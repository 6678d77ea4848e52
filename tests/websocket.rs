//! A WebSocket passes in both directions, and lives as long as both ends like.

use std::{
    io::{Read, Write},
    sync::mpsc,
};

use crate::support::{
    bifrost::Bifrost,
    edge::{Edge, PUBLIC_URLS, servers_yaml},
    raw,
};

const UPGRADE: &str = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                       Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
                       Sec-WebSocket-Protocol: realtime, openai-insecure-api-key.x\r\n";

#[test]
fn a_silent_websocket_outlives_the_limit_for_answers() {
    let (heads, head) = mpsc::channel();
    let websocket = raw::serve(vec![Box::new(move |mut stream| {
        heads.send(raw::read_head(&mut stream)).unwrap();
        let switch = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                      Sec-WebSocket-Protocol: realtime\r\n\r\n";
        stream.write_all(switch.as_bytes()).unwrap();
        let mut buffer = [0; 1024];
        while let Ok(read @ 1..) = stream.read(&mut buffer) {
            stream.write_all(&buffer[..read]).unwrap();
        }
    })]);
    let bifrost = Bifrost::start();
    // The first request goes to the first server, the second to the second, the third to the first.
    let servers = servers_yaml(&[websocket, bifrost.address()]);
    // One thread: on several, a server that answers within microseconds can overtake the end of the
    // request inside Pingora 0.9.1, which then takes that end for the WebSocket's.
    let edge = Edge::start(&format!("{PUBLIC_URLS}{servers}threads: 1\ntimeouts: {{silence: 200ms}}\n"));
    let host = edge.host();
    let mut client = edge.connect();
    client.send(format!("GET /v1/realtime?model=m HTTP/1.1\r\nHost: {host}\r\n{UPGRADE}\r\n"));
    let answer = client.read_head();
    assert_eq!((answer.status, answer.header("upgrade")), (101, Some("websocket")));
    assert_eq!(answer.header("sec-websocket-protocol"), Some("realtime"));
    let request = head.recv().unwrap().to_ascii_lowercase();
    assert!(request.starts_with("get /v1/realtime?model=m http/1.1\r\n"), "{request}");
    assert!(request.contains("sec-websocket-protocol: realtime, openai-insecure-api-key.x\r\n"), "{request}");
    assert!(request.contains("upgrade: websocket\r\n"), "{request}");

    client.send(b"\x81\x05hello");
    assert_eq!(client.read_exactly(7), b"\x81\x05hello");
    // This answer takes longer than the limit, and has run into it: so has the silent WebSocket.
    assert_eq!(edge.connect().ask("GET", "/hang", &host, "").status, 504);
    client.send(b"\x81\x05again");
    assert_eq!(client.read_exactly(7), b"\x81\x05again");
}
