//! The edge and a second strict reader agree on answers: whatever a server sends, its client gets one answer, which is
//! what the server's bytes are beyond doubt, or is told that there is none, and never gets that of somebody else.

use std::net::SocketAddr;

use tokio::runtime;

use crate::support::{
    corpus::AnswerEntry,
    edge::Edge,
    passage::answers::{Stage, exchange},
    trial::{self, Wrong, shown},
    wire::Wire,
};

#[test]
fn a_client_gets_one_answer_which_is_the_servers_beyond_doubt_or_a_refusal() {
    trial::run(1, |numbers| {
        let runtime = runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let stage = Stage::start().await;
            let edge = Edge::with(&[stage.recorder.address], EDGE);
            wrong(numbers.iter().copied(), edge.address, &stage).await
        })
    });
}

/// The trial itself on trial: without an edge in between the client gets what it must not get.
#[test]
fn a_client_without_an_edge_gets_what_it_must_not() {
    let runtime = runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let wrong = runtime.block_on(async {
        let stage = Stage::start().await;
        wrong(0..500, stage.recorder.address, &stage).await
    });
    assert!(wrong.len() > 200, "{}", wrong.len());
}

/// Those of which the client got something else than it should have.
async fn wrong(numbers: impl Iterator<Item = u64>, edge: SocketAddr, stage: &Stage) -> Vec<Wrong> {
    let mut wrong = Vec::new();
    for entry in numbers.map(AnswerEntry::of) {
        match exchange(&entry, async || Wire::to(edge).await, stage).await {
            Err(why) => {
                wrong.push(Wrong { report: format!("answer {}: {}", entry.number, shown(&entry.bytes)), why });
                let _its_own = stage.recorder.take().await;
            }
            Ok(seen) => wrong.extend(seen.verdict(&entry).err().map(|why| Wrong { report: seen.report(&entry), why })),
        }
    }
    wrong
}

/// The options of an edge whose server may do what it wants.
pub const EDGE: &str = "breaker: {enabled: false}\n";
