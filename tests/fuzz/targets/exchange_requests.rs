//! Bytes of a client on their way through a whole edge: the first byte says in which pieces they come. All that reaches
//! the server is the requests that they are beyond doubt, as many and the same.

#![no_main]

#[path = "support.rs"]
mod support;

use std::sync::LazyLock;

use bridgehead::{discovery::classify, edge::fuzzing::Bench};
use libfuzzer_sys::{Corpus, fuzz_target};
use support::{
    ROOM, bench, connect,
    corpus::RequestEntry,
    cuts,
    passage::requests::{exchange, script},
    recorder::Recorder,
    run,
    strict::{self, Side},
};

static BENCH: LazyLock<Bench> = LazyLock::new(bench);

fuzz_target!(|input: &[u8]| -> Corpus {
    let Some((piece, bytes)) = input.split_first() else { return Corpus::Reject };
    // The edge answers discovery itself.
    let sent = strict::requests(bytes, Side::Client);
    if sent.iter().filter_map(|request| request.head.as_ref()).any(|head| classify(&head.target).is_some()) {
        return Corpus::Reject;
    }
    let entry = RequestEntry { number: 0, bytes: bytes.to_vec(), cuts: cuts(bytes.len(), *piece) };
    run(async {
        let recorder = Recorder::in_memory(script);
        let seen =
            exchange(&entry, connect(&BENCH, &recorder, ROOM), &recorder).await.unwrap_or_else(|why| panic!("{why}"));
        seen.verdict().unwrap_or_else(|why| panic!("{why}\n{}", seen.report(&entry)));
    });
    Corpus::Keep
});
