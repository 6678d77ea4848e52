//! A connection of HTTP/2 ends in good order: when the edge wants it, with all that was answered.

use std::{iter, thread};

use crate::support::{
    bifrost::Bifrost,
    edge::{Edge, servers_yaml},
    frames::{DATA, Frames, HEADERS},
    in_time::Joined,
    until,
};

const LENGTH: usize = 20_000_000;
const GET: [(&str, &str); 4] = [(":method", "GET"), (":scheme", "http"), (":authority", "x"), (":path", "/echo")];

fn edge(bifrost: &Bifrost, limits: &str) -> Edge {
    let yaml = format!("{}limits: {{{limits}}}\n", servers_yaml(&[bifrost.address()]));
    Edge::listening("http2: true", &yaml)
}

/// Asks for a large answer and reads it until the edge has got all of it from its server; returns how much it
/// read. The rest is on its way.
fn read_until_taken(edge: &Edge, client: &mut Frames) -> usize {
    client.request(1, &[GET[0], GET[1], GET[2], (":path", &format!("/bytes/{LENGTH}"))]);
    let mut length = 0;
    while length == 0 || edge.report().servers[0].in_flight > 0 {
        let frame = client.next().unwrap();
        length += if frame.kind == DATA { frame.payload.len() } else { 0 };
    }
    length
}

fn read_rest(client: &mut Frames) -> usize {
    iter::from_fn(|| client.next()).filter(|frame| frame.kind == DATA).map(|frame| frame.payload.len()).sum()
}

#[test]
fn the_last_answer_is_sent_whole_to_a_client_that_stops_reading_for_a_while() {
    let bifrost = Bifrost::start();
    let edge = edge(&bifrost, "requests_per_connection: 1");
    let mut client = Frames::narrow(&edge);
    let first = read_until_taken(&edge, &mut client);
    // Longer than the edge waits for the last words of a client that has nothing to read: such a one comes and goes.
    let mut other = Frames::connect(&edge);
    other.request(1, &GET);
    assert_eq!(other.answer(1), Ok(200));
    while other.next().is_some() {}
    assert_eq!(first + read_rest(&mut client), LENGTH);
}

#[test]
fn a_stopping_edge_sends_the_whole_answer() {
    let bifrost = Bifrost::start();
    let edge = edge(&bifrost, "");
    let mut client = Frames::narrow(&edge);
    let first = read_until_taken(&edge, &mut client);
    let stopping = thread::spawn(move || edge.stop());
    assert_eq!(first + read_rest(&mut client), LENGTH);
    assert_eq!(stopping.joined(), 0);
}

#[test]
fn a_stopping_edge_does_not_wait_for_an_idle_client() {
    let bifrost = Bifrost::start();
    let edge = edge(&bifrost, "idle: 1h");
    let mut client = Frames::connect(&edge);
    client.request(1, &GET);
    assert_eq!(client.answer(1), Ok(200));
    assert_eq!(edge.stop(), 0);
    while client.next().is_some() {}
}

/// It is told that there will be no more, and does not want to hear it.
#[test]
fn a_client_that_asks_on_after_its_last_request_is_cut_off() {
    let bifrost = Bifrost::start();
    let edge = edge(&bifrost, "requests_per_connection: 3");
    let mut client = Frames::connect(&edge);
    // No answer has a body, for which the client would have to make room.
    let no_content = [GET[0], GET[1], GET[2], (":path", "/status/204")];
    let mut answered = 0;
    until("it is answered no more", || {
        let stream = 2 * answered + 1;
        let is_answered = client.request(stream, &no_content)
            && iter::from_fn(|| client.next()).any(|frame| frame.kind == HEADERS && frame.stream == stream);
        answered += u32::from(is_answered);
        !is_answered
    });
    assert!(answered >= 3, "{answered}");
    until("its connection is closed", || edge.metric("bridgehead_connections") == 0);
}
