//! What the targets share with the tests: a second strict reader, and the trials of exchanges.

#![allow(dead_code, unused_imports, reason = "the tests use more of it")]

#[path = "../../support/corpus/mod.rs"]
pub mod corpus;
#[path = "../../support/expected.rs"]
pub mod expected;
#[path = "../../support/passage/mod.rs"]
pub mod passage;
#[path = "../../support/recorder.rs"]
pub mod recorder;
#[path = "../../support/strict/mod.rs"]
pub mod strict;
#[path = "../../support/trial.rs"]
pub mod trial;
#[path = "../../support/wire.rs"]
pub mod wire;

use std::{future::Future, path::Path, time::Duration};

use bridgehead::{config::Loaded, edge::fuzzing::Bench};
use tokio::{
    io::duplex,
    runtime::{self, Runtime},
    time::sleep,
};

use self::{recorder::Recorder, wire::Wire};

/// Reached only when something hangs: no such time passes but where nothing else can happen.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// Room on a connection for all that is said at once.
pub const ROOM: usize = 64 * 1024;

/// So long connections to servers rest.
const REST: Duration = Duration::from_secs(1);

/// An edge with one server, where nothing of one run is left for the next one.
pub fn bench() -> Bench {
    let yaml = "listeners: [{address: \"127.0.0.1:8000\"}]\nservers: [{address: \"127.0.0.1:8080\"}]\n\
        health: {enabled: false}\nbreaker: {enabled: false}\nunknown_hosts: forward\n\
        retries: {budget: 100}\ntimeouts: {idle: 1s}\nlimits:\n  requests: &all {per_second: 1000000000, burst: 1000000000}\n  logins: *all\n";
    let loaded = Loaded::from_text(Path::new("fuzz.yaml"), yaml).unwrap_or_else(|problems| panic!("{problems}"));
    Bench::new(&loaded.config)
}

thread_local! {
    static RUNTIME: Runtime = runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
}

/// Runs to its end what waits for nothing but what else is run, and for time; and then until the edge has closed the
/// connections that rest.
pub fn run<T>(trial: impl Future<Output = T>) -> T {
    RUNTIME.with(|runtime| {
        runtime.block_on(async {
            let came = trial.await;
            sleep(3 * REST).await;
            came
        })
    })
}

/// A client's connection to the edge, whose servers are all this one. So many bytes are on their way on each connection
/// before whoever writes waits.
pub fn connect(bench: &'static Bench, recorder: &Recorder, room: usize) -> Wire<tokio::io::DuplexStream> {
    let (ours, theirs) = duplex(room);
    let recorder = recorder.clone();
    let dial = move || {
        let (ours, theirs) = duplex(room);
        recorder.attach(ours);
        theirs
    };
    tokio::spawn(async move { bench.serve(theirs, dial).await.unwrap() });
    Wire::on(ours)
}

/// Where to cut so many bytes into pieces of a length; nowhere, when that is 0.
pub fn cuts(length: usize, piece: u8) -> Vec<usize> {
    if piece == 0 { Vec::new() } else { (0..length).step_by(usize::from(piece)).skip(1).collect() }
}
