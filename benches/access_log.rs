//! What a line of the access log costs: the request that hands it over, and the thread that makes and writes it.

use std::{
    hint::black_box,
    sync::Arc,
    time::{Duration, SystemTime},
};

use bridgehead::{
    config::{self, AccessLogTarget, LogFormat},
    telemetry::{
        AnsweredBy, Class, Finished, LineCounts, ResponseKind,
        access_log::{AccessLog, Entry, RequestText, Said, append},
    },
};
use criterion::{Criterion, criterion_group, criterion_main};
use http::{HeaderValue, Method, Version};

/// As in the program.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// A request that was forwarded.
fn entry() -> Entry {
    let id = HeaderValue::from_static("0123456789abcdef0123456789abcdef");
    Entry {
        at: SystemTime::now(),
        finished: Finished {
            class: Class::Api,
            by: AnsweredBy::Server,
            status: 200,
            took: Some(Duration::from_micros(1_234)),
            first_byte: Some(Duration::from_micros(1_200)),
            kind: ResponseKind::Whole,
        },
        request: RequestText::new(&Said {
            id: &id,
            host: b"gw.example.com",
            target: b"/v1/chat/completions?key=value",
            agent: b"OpenAI/Python 1.99.1",
            server_id: b"req_0123456789abcdef0123456789abcdef",
        }),
        method: Some(Method::POST),
        version: Some(Version::HTTP_11),
        client: Some([192, 0, 2, 7].into()),
        is_tls: true,
        bytes_in: 2_048,
        bytes_out: 1_400,
        server: None,
        attempts: 1,
        connecting: None,
        reason: None,
        discovery: None,
        generation: Some(1),
        site: None,
        trace: None,
    }
}

fn line(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("line");
    let (entry, mut line) = (entry(), Vec::with_capacity(1024));
    for format in [LogFormat::Text, LogFormat::Json] {
        group.bench_function(format.name(), |bencher| {
            bencher.iter(|| {
                line.clear();
                append(black_box(&entry), format, &mut line);
                line.len()
            });
        });
    }
    group.finish();
}

/// All that a request does for its line, which another thread writes at the same time. What that thread cannot keep
/// up with is dropped, as in the program.
fn hand_over(criterion: &mut Criterion) {
    let config = config::AccessLog { to: AccessLogTarget::File("/dev/null".into()), format: LogFormat::Json };
    let (log, _running) = AccessLog::start(&config, Arc::<LineCounts>::default()).expect("it can be written");
    criterion.bench_function("hand_over", |bencher| bencher.iter(|| log.add(entry())));
}

criterion_group!(benches, line, hand_over);
criterion_main!(benches);
