//! Bytes of a server on their way through a whole edge: the first byte says who has asked, the second one in which pieces
//! they come. The client gets one answer, which is what they are beyond doubt, or sees that there is none; and when it
//! asks again, it gets that answer.

#![no_main]

#[path = "support.rs"]
mod support;

use std::sync::LazyLock;

use bridgehead::edge::fuzzing::Bench;
use libfuzzer_sys::{Corpus, fuzz_target};
use support::{
    ROOM, bench, connect,
    corpus::{AnswerEntry, Asker},
    cuts,
    passage::answers::{Stage, exchange},
    run,
};

static BENCH: LazyLock<Bench> = LazyLock::new(bench);

fuzz_target!(|input: &[u8]| -> Corpus {
    let [asker, piece, bytes @ ..] = input else { return Corpus::Reject };
    let entry = AnswerEntry {
        number: 0,
        method: ["GET", "HEAD", "POST", "GET"][usize::from(asker % 4)],
        asker: [Asker::Http11, Asker::Http10, Asker::Http10Kept, Asker::Http11][usize::from(asker / 4 % 4)],
        bytes: bytes.to_vec(),
        cuts: cuts(bytes.len(), *piece),
        stays: asker / 16 % 2 > 0,
    };
    // Some pass only a little at a time.
    let room = if asker / 32 % 2 > 0 { 16 } else { ROOM };
    run(async {
        let stage = Stage::in_memory();
        let client = async || connect(&BENCH, &stage.recorder, room);
        let seen = exchange(&entry, client, &stage).await.unwrap_or_else(|why| panic!("{why}"));
        seen.verdict(&entry).unwrap_or_else(|why| panic!("{why}\n{}", seen.report(&entry)));
    });
    Corpus::Keep
});
