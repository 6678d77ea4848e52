//! A WebSocket is two streams: each passes at its own pace, to its own end.

use std::{
    io::{Read, Write},
    net::{Shutdown, TcpStream},
    sync::mpsc,
    thread,
};

use crate::support::{
    bifrost::Bifrost,
    edge::Edge,
    in_time::{Heard, Joined},
    raw, websocket,
};

fn read_all(stream: &mut TcpStream) -> Vec<u8> {
    let mut all = Vec::new();
    stream.read_to_end(&mut all).unwrap();
    all
}

#[test]
fn a_client_that_has_said_all_on_a_websocket_still_hears_the_server() {
    let edge = Edge::in_front_of_one(|mut stream| {
        websocket::accept(&mut stream);
        assert_eq!(read_all(&mut stream), b"last words");
        stream.write_all(b"the answer to them").unwrap();
    });
    let mut client = websocket::open(&edge);
    client.send("last words");
    client.half_close();
    assert_eq!(String::from_utf8(client.read_to_end()).unwrap(), "the answer to them");
}

#[test]
fn a_server_that_has_said_all_on_a_websocket_still_hears_the_client() {
    let (news, heard) = mpsc::channel();
    let edge = Edge::in_front_of_one(move |mut stream| {
        websocket::accept(&mut stream);
        stream.write_all(b"last words").unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        let mut all = Vec::new();
        let ended = stream.read_to_end(&mut all).map_err(|error| error.kind());
        news.send((String::from_utf8(all).unwrap(), ended)).unwrap();
    });
    let mut client = websocket::open(&edge);
    assert_eq!(client.read_exactly(10), b"last words");
    assert!(client.is_closed(), "the edge has not passed on that the server has said all");
    let mut sender = client.sender();
    for piece in ["the ", "answer ", "to them"] {
        // A broken connection shows in what the server hears.
        let _broken = sender.write_all(piece.as_bytes());
    }
    let _broken = sender.shutdown(Shutdown::Write);
    assert_eq!(heard.heard(), ("the answer to them".to_owned(), Ok(18)));
}

#[test]
fn frames_of_a_megabyte_pass_on_a_websocket_both_ways() {
    let mut frame = b"\x82\x7f\0\0\0\0\0\x10\0\0".to_vec();
    frame.extend((0..1 << 20).map(Bifrost::byte_at));
    let length = frame.len();
    let edge = Edge::in_front_of_one(move |mut stream| {
        websocket::accept(&mut stream);
        for _ in 0..3 {
            let frame = raw::read_exactly(&mut stream, length);
            stream.write_all(&frame).unwrap();
        }
    });
    let mut client = websocket::open(&edge);
    for _ in 0..3 {
        client.send(&frame);
        assert!(client.read_exactly(length) == frame);
    }
}

/// Both ends write before they read, more than a connection holds.
#[test]
fn a_websocket_passes_both_ways_at_the_same_time() {
    const SIZE: usize = 32 << 20;
    let edge = Edge::in_front_of_one(|mut stream| {
        websocket::accept(&mut stream);
        let mut sender = stream.try_clone().unwrap();
        let sending = thread::spawn(move || sender.write_all(&vec![b's'; SIZE]).unwrap());
        assert!(raw::read_exactly(&mut stream, SIZE).iter().all(|byte| *byte == b'c'));
        sending.joined();
        raw::read_exactly(&mut stream, 1);
    });
    let mut client = websocket::open(&edge);
    let mut sender = client.sender();
    let sending = thread::spawn(move || sender.write_all(&vec![b'c'; SIZE]).unwrap());
    for _ in 0..SIZE >> 20 {
        assert!(client.read_exactly(1 << 20) == vec![b's'; 1 << 20]);
    }
    sending.joined();
    client.send(".");
}

#[test]
fn what_an_end_of_a_websocket_sent_before_it_closed_arrives_whole() {
    const SIZE: usize = 4 << 20;
    let (news, heard) = mpsc::channel();
    let edge = Edge::in_front_of(&[raw::serve(vec![
        Box::new(|mut stream| {
            websocket::accept(&mut stream);
            stream.write_all(&vec![b's'; SIZE]).unwrap();
        }),
        Box::new(move |mut stream| {
            websocket::accept(&mut stream);
            news.send(read_all(&mut stream)).unwrap();
        }),
    ])]);
    let heard_from_server = websocket::open(&edge).read_to_end();
    assert_eq!(heard_from_server.len(), SIZE);
    let mut client = websocket::open(&edge);
    client.send(vec![b'c'; SIZE]);
    drop(client);
    assert_eq!(heard.heard().len(), SIZE);
}
