//! What discovery costs: a decision, and compiling a large table.

use std::hint::black_box;

use bifrost_edge::{
    config::{Loaded, Scheme},
    discovery::{Discovery, Request},
};
use criterion::{Criterion, criterion_group, criterion_main};

/// As in the program.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn yaml(clients: usize) -> String {
    let head = "listeners: [{address: \"127.0.0.1:8000\"}]\nservers: []\npublic_urls: [\"https://gw.example.com\"]\nmcp_clients:\n";
    let client = |number| {
        format!(
            "- name: client_{number}\n  client_id: id-{number:08}\n  connection_type: http\n  \
             connection_string: \"https://mcp{number}.example.com/mcp\"\n  auth_type: per_user_oauth\n  \
             headers: {{Authorization: env.TOKEN}}\n  tools_to_execute: [\"*\"]\n  disabled: false\n"
        )
    };
    head.to_owned() + &(0..clients).map(client).collect::<String>()
}

fn decide(criterion: &mut Criterion) {
    let loaded = Loaded::from_text("bench.yaml".as_ref(), &yaml(5)).expect("a good configuration");
    let discovery = Discovery::compile(&loaded.config);
    for (name, target, host) in [
        ("document", "/.well-known/oauth-authorization-server", "gw.example.com"),
        ("host_in_upper_case", "/.well-known/oauth-authorization-server", "GW.example.com"),
        ("other_spelling", "/%2ewell-known//oauth-authorization-server", "gw.example.com"),
        ("forwarded", "/v1/chat/completions", "gw.example.com"),
        ("forwarded_with_escapes", "/v1/files/a%20b%2Fc", "gw.example.com"),
    ] {
        criterion.bench_function(&format!("decide/{name}"), |bencher| {
            bencher.iter(|| {
                discovery.decide(&Request {
                    method: &http::Method::GET,
                    target: black_box(target.as_bytes()),
                    host: Some(black_box(host.as_bytes())),
                    scheme: Scheme::Http,
                    if_none_match: None,
                })
            });
        });
    }
}

fn load(criterion: &mut Criterion) {
    let text = yaml(100_000);
    let mut group = criterion.benchmark_group("load");
    group.sample_size(10);
    group.bench_function("100000_clients", |bencher| {
        bencher.iter(|| {
            let loaded = Loaded::from_text("bench.yaml".as_ref(), black_box(&text)).expect("a good configuration");
            Discovery::compile(&loaded.config)
        });
    });
    group.finish();
}

criterion_group!(benches, decide, load);
criterion_main!(benches);
