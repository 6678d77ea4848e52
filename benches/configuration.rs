//! What a start and a reload cost: reading the file, and compiling the snapshot.

mod table;

use std::{hint::black_box, sync::Arc};

use bridgehead::{edge::Snapshot, fleet::Runtime, telemetry::SitesCounters};
use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};

/// As in the program.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const SHIPPED: &str = include_str!("../conf/proxy.yaml");

fn load(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("load");
    group.bench_function("shipped", |bencher| bencher.iter(|| table::parse(black_box(SHIPPED))));
    group.sample_size(10);
    let yaml = table::yaml(100_000);
    group.bench_function("100000_clients", |bencher| bencher.iter(|| table::parse(black_box(&yaml))));
    let yaml = table::yaml_of_sites(1_000, 100_000);
    group.bench_function("100000_clients_of_1000_sites", |bencher| bencher.iter(|| table::parse(black_box(&yaml))));
    group.finish();
}

fn compile(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("compile");
    for clients in [1, 1_000, 100_000] {
        let config = table::parse(&table::yaml(clients));
        let (runtime, counters) = (Arc::new(Runtime::default()), SitesCounters::default());
        group.bench_function(BenchmarkId::from_parameter(clients), |bencher| {
            bencher.iter(|| Snapshot::compile(black_box(&config), Arc::clone(&runtime), &counters, 1));
        });
    }
    group.finish();
}

criterion_group!(benches, load, compile);
criterion_main!(benches);
