//! What discovery costs a request: whether it is for discovery at all, and the answer, which must cost the same
//! however many MCP clients there are.

mod table;

use std::{hint::black_box, io::Cursor};

use bridgehead::{
    config::Scheme,
    discovery::{Discovery, Request, classify},
    plugin::{DiscoveryFilter, Options, Profile},
};
use criterion::{BatchSize, BenchmarkId, Criterion, criterion_group, criterion_main};
use pingora_proxy::Session;
use tokio::runtime;

/// As in the program.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const DOCUMENT: &str = "/.well-known/oauth-authorization-server";
const TABLES: [usize; 3] = [1, 1_000, 100_000];

fn paths(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("classify");
    for (name, target) in [
        ("document", DOCUMENT),
        ("other_spelling", "/%2ewell-known//oauth-authorization-server"),
        ("forwarded", "/v1/chat/completions"),
        ("forwarded_with_query", "/api/logs?limit=50&offset=100"),
        ("forwarded_with_escapes", "/v1/files/a%20b%2Fc"),
    ] {
        group.bench_function(name, |bencher| bencher.iter(|| classify(black_box(target.as_bytes()))));
    }
    group.finish();
}

fn get<'a>(target: &'a str, host: &'a str) -> Request<'a> {
    Request {
        method: &http::Method::GET,
        target: target.as_bytes(),
        host: Some(host.as_bytes()),
        scheme: Scheme::Http,
        if_none_match: None,
    }
}

fn decision(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("decide");
    for clients in TABLES {
        let discovery = Discovery::compile(&table::parse(&table::yaml(clients)).sites);
        for (name, target, host) in [
            ("document", DOCUMENT, "gw.example.com"),
            ("host_in_upper_case", DOCUMENT, "GW.example.com"),
            ("forwarded", "/v1/chat/completions", "gw.example.com"),
        ] {
            let request = get(target, host);
            group.bench_function(BenchmarkId::new(name, clients), |bencher| {
                bencher.iter(|| discovery.decide(black_box(&request)));
            });
        }
    }
    group.finish();
}

/// The same with so many sites: a host of its own, and one with many paths.
fn decision_among_sites(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("decide_among_sites");
    for sites in [2, 1_000] {
        let discovery = Discovery::compile(&table::parse(&table::yaml_of_sites(sites, sites)).sites);
        let below = format!("{DOCUMENT}/site1");
        for (name, target, host) in [
            ("document_of_a_host", DOCUMENT, "gw0.example.com"),
            ("document_of_a_path", below.as_str(), "gw.example.com"),
        ] {
            let request = get(target, host);
            group.bench_function(BenchmarkId::new(name, sites), |bencher| {
                bencher.iter(|| discovery.decide(black_box(&request)));
            });
        }
        let origins = discovery.origins();
        group.bench_function(BenchmarkId::new("forwarded_below_a_path", sites), |bencher| {
            bencher.iter(|| origins.base(black_box(b"gw.example.com"), black_box(b"/site1/v1/chat/completions")));
        });
    }
    group.finish();
}

/// The answer as it is written to a session of Pingora's, in memory.
fn answer(criterion: &mut Criterion) {
    let runtime = runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let mut group = criterion.benchmark_group("answer");
    for clients in TABLES {
        let site = table::parse(&table::yaml(clients)).sites.remove(0);
        let options = Options::new(Profile::PerUserOauth)
            .public_urls(site.public_urls)
            .mcp_clients(site.mcp_clients.iter().cloned());
        let filter = DiscoveryFilter::new(&options).expect("they are good");
        group.bench_function(BenchmarkId::from_parameter(clients), |bencher| {
            bencher.iter_batched(
                || runtime.block_on(asked()),
                |mut session| {
                    let answered = runtime.block_on(filter.answer(&mut session));
                    assert!(answered.expect("memory can be written").is_some());
                    session
                },
                BatchSize::SmallInput,
            );
        });
    }
    group.finish();
}

/// A session whose request has been read.
async fn asked() -> Session {
    let request = format!("GET {DOCUMENT} HTTP/1.1\r\nHost: gw.example.com\r\nUser-Agent: bench\r\n\r\n");
    let mut session = Session::new_h1(Box::new(Cursor::new(request.into_bytes())));
    assert!(session.read_request().await.expect("it is one"));
    session
}

criterion_group!(benches, paths, decision, decision_among_sites, answer);
criterion_main!(benches);
