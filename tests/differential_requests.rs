//! The edge and a second strict reader agree on requests: whatever a client sends, all that reaches the server is the
//! requests that the client's bytes are beyond doubt, as many and the same.

use std::net::SocketAddr;

use tokio::runtime;

use crate::support::{
    corpus::RequestEntry,
    edge::Edge,
    passage::requests::{exchange, script},
    recorder::Recorder,
    trial::{self, Wrong, shown},
    wire::Wire,
};

#[test]
fn all_that_reaches_the_server_is_what_the_client_has_sent_beyond_doubt() {
    trial::run(1, |numbers| through_an_edge(numbers.iter().map(|number| RequestEntry::of(*number))));
}

#[test]
fn a_head_with_any_byte_changed_is_one_request_or_none() {
    const HEAD: &[u8] = b"POST /c HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nX-C-A: b\r\n\r\nhello";
    const BYTES: &[u8] = b"\r\n :\t\0,05;-\x0b\x7f\xe9aG/";
    let places = 0..HEAD.len() - b"hello".len();
    let changes = places.flat_map(|place| BYTES.iter().map(move |byte| (place, *byte)));
    let entries = changes.flat_map(|(place, byte)| {
        [1, 0].map(|removed| {
            let bytes = [&HEAD[..place], &[byte], &HEAD[place + removed..]].concat();
            RequestEntry { number: place as u64, bytes, cuts: Vec::new() }
        })
    });
    trial::assert_none(&through_an_edge(entries));
}

/// The trial itself on trial: without an edge in front of it the server gets what it must not get.
#[test]
fn a_server_without_an_edge_gets_what_it_must_not() {
    let runtime = runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let wrong = runtime.block_on(async {
        let recorder = Recorder::start(script).await;
        wrong((0..500).map(RequestEntry::of), recorder.address, &recorder).await
    });
    assert!(wrong.len() > 100, "{}", wrong.len());
}

fn through_an_edge(entries: impl Iterator<Item = RequestEntry>) -> Vec<Wrong> {
    let runtime = runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let recorder = Recorder::start(script).await;
        let edge = Edge::with(&[recorder.address], "breaker: {enabled: false}\n");
        wrong(entries, edge.address, &recorder).await
    })
}

/// Those of which more or less reached the server than it should have.
async fn wrong(entries: impl Iterator<Item = RequestEntry>, edge: SocketAddr, recorder: &Recorder) -> Vec<Wrong> {
    let mut wrong = Vec::new();
    for entry in entries {
        match exchange(&entry, Wire::to(edge).await, recorder).await {
            Err(why) => {
                wrong.push(Wrong { report: format!("request {}: {}", entry.number, shown(&entry.bytes)), why });
                let _its_own = recorder.take().await;
            }
            Ok(seen) => wrong.extend(seen.verdict().err().map(|why| Wrong { report: seen.report(&entry), why })),
        }
    }
    wrong
}
