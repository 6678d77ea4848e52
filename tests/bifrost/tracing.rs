//! One trace from the client through the edge to the real Bifrost: its own spans hang below the edge's.

use serde_json::{Value, json};

use crate::{
    chat::{chat, send},
    server::{RealBifrost, provider},
    support::{collector::Collector, edge::Edge, tools::lacks, until},
};

#[test]
fn client_edge_and_bifrost_share_one_trace() {
    const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
    const CALLER: &str = "00f067aa0ba902b7";
    if lacks(&["otelcol"]) {
        return;
    }
    let (provider, collector) = (provider(), Collector::start());
    let bifrost = RealBifrost::start_with(&provider, "sk-provider", |config| {
        config["plugins"] = json!([{"name": "otel", "enabled": true, "config": {}}]);
    });
    let edge = Edge::with(&[bifrost.address], &format!("tracing: {{endpoint: \"http://{}\"}}\n", collector.grpc));
    let body = chat("hello", false);
    let fields = format!(
        "traceparent: 00-{TRACE}-{CALLER}-01\r\nContent-Type: application/json\r\nContent-Length: {}\r\n",
        body.len()
    );
    let mut client = edge.connect();
    client.send(edge.head("POST", "/v1/chat/completions", &fields)).send(&body);
    assert_eq!(client.read_response("POST").status, 200);
    let mut traces = Vec::<Value>::new();
    until("Bifrost's trace is complete", || {
        traces = bifrost.traces();
        !traces.is_empty()
    });
    let spans = collector.spans(2);
    let request = spans.iter().find(|span| span.is_request()).unwrap();
    let attempt = spans.iter().find(|span| !span.is_request()).unwrap();
    assert_eq!((request.trace(), request.parent()), (TRACE, CALLER));
    assert_eq!((attempt.trace(), attempt.parent()), (TRACE, request.id()));
    let [of_bifrost] = &traces[..] else { panic!("{traces:#?}") };
    assert_eq!(of_bifrost["otel.trace"], TRACE);
    let parents = of_bifrost["otel.spans"].as_array().unwrap().iter();
    assert_eq!(parents.filter(|span| span["parent"] == attempt.id()).count(), 1, "{of_bifrost}");
    // Without a client's trace there is one all the same.
    assert_eq!(send(&edge, "/v1/chat/completions", &chat("hello", false)).read_response("POST").status, 200);
    until("there is another trace", || bifrost.traces().len() == 2);
    let begun = collector.spans(4);
    let begun = begun.iter().find(|span| span.is_request() && span.parent().is_empty()).unwrap();
    assert_eq!(bifrost.traces()[1]["otel.trace"], begun.trace());
}
