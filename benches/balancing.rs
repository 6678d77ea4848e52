//! What it costs to pick a server, by policy and number of servers.

use std::{hint::black_box, sync::Arc};

use bridgehead::{
    config::Loaded,
    fleet::{Attempts, Fleet, Outcome, Runtime},
};
use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};

/// As in the program.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn fleet(servers: usize, balance: &str) -> Fleet {
    let servers: Vec<_> = (1..=servers).map(|server| format!("{{address: \"10.0.0.{server}:8080\"}}")).collect();
    let yaml = format!(
        "listeners: [{{address: \"127.0.0.1:8000\"}}]\nservers: [{}]\nbalance: {{{balance}}}\n",
        servers.join(", ")
    );
    let loaded = Loaded::from_text("bench.yaml".as_ref(), &yaml);
    let config = loaded.expect("a valid configuration").config;
    Fleet::new(&config.sites[0], None, Arc::new(Runtime::default()))
}

/// A request's whole way through the fleet: a server is picked, answers, and is free again.
fn pick(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("pick");
    for (name, balance) in [
        ("least_requests", "policy: least_requests"),
        ("round_robin", "policy: round_robin"),
        ("hash", "policy: hash, hash_key: client_address"),
    ] {
        for servers in [2, 20, 200] {
            let fleet = fleet(servers, balance);
            group.bench_function(BenchmarkId::new(name, servers), |bencher| {
                bencher.iter(|| {
                    let mut attempts = Attempts::default();
                    let picked = fleet.pick(&mut attempts, Some(black_box(b"192.0.2.7")));
                    attempts.record(Outcome::Answered);
                    attempts.record(Outcome::Completed);
                    picked.expect("there is a server")
                });
            });
        }
    }
    group.finish();
}

criterion_group!(benches, pick);
criterion_main!(benches);
