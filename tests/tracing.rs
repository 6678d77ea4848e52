//! A request is a trace: the client's, or one that is begun here; its server gets the edge's span as parent, and a real
//! collector the spans of both.

use std::{fs, net::SocketAddr, sync::mpsc};

use crate::support::{
    bifrost::Bifrost,
    collector::{Collector, Span},
    edge::{CLIENTS, Edge, PUBLIC_URLS, servers_yaml},
    h2c::H2cEdge,
    in_time::Heard,
    nobody, raw,
    tls_server::{Server, Speaks, over_h2c},
    tools::lacks,
    until,
    websocket::{SWITCH, UPGRADE, echo},
};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const CALLER: &str = "00f067aa0ba902b7";

/// What a client that traces sends.
fn traced(flags: &str) -> String {
    format!("traceparent: 00-{TRACE}-{CALLER}-{flags}\r\n")
}

/// Tracing to this collector.
fn to(collector: &Collector, more: &str) -> String {
    format!("tracing: {{endpoint: \"http://{}\"{more}}}\n", collector.grpc)
}

/// An edge that traces, in front of these servers.
fn tracing(collector: &Collector, servers: &[SocketAddr], more: &str) -> Edge {
    Edge::with(servers, &to(collector, more))
}

/// The span of the request among these, and those of its attempts.
fn sorted(spans: Vec<Span>) -> (Span, Vec<Span>) {
    let (requests, mut attempts): (Vec<_>, Vec<_>) = spans.into_iter().partition(Span::is_request);
    let [request] = <[Span; 1]>::try_from(requests).unwrap();
    attempts.sort_by_key(|span| span.json["startTimeUnixNano"].as_str().unwrap().to_owned());
    assert!(attempts.iter().all(|attempt| attempt.parent() == request.id() && attempt.trace() == request.trace()));
    (request, attempts)
}

/// The parts of a `traceparent`: trace, span, flags.
fn parts(traceparent: &str) -> (String, String, String) {
    let parts: Vec<_> = traceparent.split('-').collect();
    let [version, trace, span, flags] = parts[..] else { panic!("{traceparent}") };
    assert_eq!((version, trace.len(), span.len(), flags.len()), ("00", 32, 16, 2), "{traceparent}");
    (trace.to_owned(), span.to_owned(), flags.to_owned())
}

#[test]
fn a_clients_trace_goes_on_through_the_edge_to_the_server() {
    if lacks(&["otelcol"]) {
        return;
    }
    let (collector, bifrost) = (Collector::start(), Bifrost::start());
    let folder = tempfile::tempdir().unwrap();
    let log = format!("access_log: {{format: json, to: \"{}\"}}\n", folder.path().join("log").display());
    let edge = Edge::with(&[bifrost.address()], &(to(&collector, "") + &log));
    let fields = traced("01") + "tracestate: a=1\r\ntracestate: b=2\r\nX-Bf-Vk: s3cr3t\r\nUser-Agent: s3cr3t\r\n";
    assert_eq!(edge.connect().ask("GET", "/api/version?code=s3cr3t", &edge.host(), &fields).status, 200);
    let host = edge.host();
    edge.stop();
    let (request, attempts) = sorted(collector.spans(2));
    assert_eq!((request.trace(), request.parent()), (TRACE, CALLER));
    assert_eq!(request.json["traceState"], "a=1,b=2");
    let got = bifrost.only();
    assert_eq!(got.headers_all("traceparent"), [format!("00-{TRACE}-{}-01", attempts[0].id())]);
    assert_eq!(got.headers_all("tracestate"), ["a=1", "b=2"]);

    let (name, port) = host.split_once(':').unwrap();
    for (attribute, value) in [
        ("http.request.method", "GET"),
        ("url.scheme", "http"),
        ("url.path", "/api/version"),
        ("server.address", name),
        ("server.port", port),
        ("client.address", "127.0.0.1"),
        ("network.protocol.version", "1.1"),
        ("http.response.status_code", "200"),
        ("bridgehead.class", "api"),
        ("bridgehead.generation", "1"),
    ] {
        assert_eq!(request.attribute(attribute).as_deref(), Some(value), "{attribute}");
    }
    assert_eq!(
        (&request.json["name"], request.is_error(), request.attribute("error.type")),
        (&"GET".into(), false, None)
    );
    let port = bifrost.address().port().to_string();
    for (attribute, value) in [
        ("http.request.method", "GET"),
        ("server.address", "127.0.0.1"),
        ("server.port", &port),
        ("network.peer.address", "127.0.0.1"),
        ("network.protocol.version", "1.1"),
        ("http.response.status_code", "200"),
        ("bridgehead.connection_reused", "false"),
    ] {
        assert_eq!(attempts[0].attribute(attribute).as_deref(), Some(value), "{attribute}");
    }
    assert_eq!((attempts[0].events(), &attempts[0].json["kind"]), (vec!["bridgehead.first_byte"], &3.into()));
    assert_eq!(request.of_resource("service.name").as_deref(), Some("bridgehead"));
    assert!(!collector.text().contains("s3cr3t"), "{}", collector.text());

    let line = fs::read_to_string(folder.path().join("log")).unwrap();
    let line: serde_json::Value = serde_json::from_str(&line).unwrap();
    assert_eq!(line["trace"], TRACE);
}

#[test]
fn where_there_is_no_trace_or_none_that_can_be_read_one_is_begun() {
    if lacks(&["otelcol"]) {
        return;
    }
    let (collector, bifrost) = (Collector::start(), Bifrost::start());
    let edge = tracing(&collector, &[bifrost.address()], "");
    let twice = traced("01") + &traced("01");
    let malformed = traced("01").replace("00-", "ff-");
    let cases = ["", "tracestate: a=1\r\n", &twice, &malformed, "traceparent: \r\n", &traced("0x")];
    for fields in cases {
        let fields = format!("{fields}tracestate: a=1\r\n");
        assert_eq!(edge.connect().ask("GET", "/health", &edge.host(), &fields).status, 200);
    }
    edge.stop();
    let spans = collector.spans(2 * cases.len());
    let requests: Vec<_> = spans.iter().filter(|span| span.is_request()).collect();
    let mut traces = Vec::new();
    for got in bifrost.recorded() {
        let (trace, _, flags) = parts(got.header("traceparent").unwrap());
        let request = requests.iter().find(|request| request.trace() == trace).unwrap();
        assert_eq!((request.parent(), flags.as_str()), ("", "01"));
        assert_ne!(trace, TRACE);
        assert_eq!(got.headers_all("tracestate"), [""; 0]);
        traces.push(trace);
    }
    traces.sort();
    traces.dedup();
    assert_eq!(traces.len(), cases.len());
}

#[test]
fn a_state_that_is_none_is_dropped_and_the_trace_goes_on() {
    if lacks(&["otelcol"]) {
        return;
    }
    let (collector, bifrost) = (Collector::start(), Bifrost::start());
    let edge = tracing(&collector, &[bifrost.address()], "");
    let fields = traced("01") + &format!("tracestate: a={}\r\ntracestate: b={}\r\n", "x".repeat(256), "y".repeat(256));
    assert_eq!(edge.connect().ask("GET", "/health", &edge.host(), &fields).status, 200);
    let got = bifrost.only();
    assert_eq!((parts(got.header("traceparent").unwrap()).0.as_str(), got.header("tracestate")), (TRACE, None));
}

#[test]
fn with_trusted_proxies_only_they_have_a_trace_that_goes_on() {
    if lacks(&["otelcol"]) {
        return;
    }
    for (trusted, goes_on) in [("[127.0.0.1/32]", true), ("[192.0.2.0/24]", false)] {
        let (collector, bifrost) = (Collector::start(), Bifrost::start());
        let more = to(&collector, ", trust: trusted_proxies") + &format!("trusted_proxies: {trusted}\n");
        let edge = Edge::with(&[bifrost.address()], &more);
        let fields = traced("01") + "tracestate: a=1\r\n";
        edge.connect().ask("GET", "/health", &edge.host(), &fields);
        let got = bifrost.only();
        let (trace, ..) = parts(got.header("traceparent").unwrap());
        assert_eq!((trace == TRACE, got.header("tracestate") == Some("a=1")), (goes_on, goes_on), "{trusted}");
    }
}

#[test]
fn the_callers_decision_counts_and_a_reload_takes_another_share() {
    if lacks(&["otelcol"]) {
        return;
    }
    let (collector, bifrost) = (Collector::start(), Bifrost::start());
    let servers = servers_yaml(&[bifrost.address()]);
    let edge = Edge::start(&format!("{servers}{}", to(&collector, ", sample: 0")));
    let ask = |fields: &str| {
        assert_eq!(edge.connect().ask("GET", "/health", &edge.host(), fields).status, 200);
        parts(bifrost.recorded().pop().unwrap().header("traceparent").unwrap())
    };
    let (begun, _, flags) = ask("");
    assert_eq!(flags, "00");
    let (trace, recorded, flags) = ask(&traced("01"));
    assert_eq!((trace.as_str(), flags.as_str()), (TRACE, "01"));
    edge.reload(&format!("{servers}{}", to(&collector, ", sample: 1")));
    let (trace, span, flags) = ask(&traced("00"));
    assert_eq!((trace.as_str(), flags.as_str()), (TRACE, "00"));
    assert_ne!(span, CALLER);
    let (now_recorded, _, flags) = ask("");
    assert_eq!(flags, "01");
    edge.stop();
    let spans = collector.spans(4);
    assert_eq!(spans.len(), 4, "{spans:#?}");
    assert!(spans.iter().any(|span| span.id() == recorded) && !spans.iter().any(|span| span.trace() == begun));
    assert_eq!(spans.iter().filter(|span| span.trace() == now_recorded).count(), 2);
}

#[test]
fn each_attempt_is_a_span_and_why_there_was_another_one_an_event() {
    if lacks(&["otelcol"]) {
        return;
    }
    let (collector, bifrost) = (Collector::start(), Bifrost::start());
    let gone = nobody();
    let backup = format!("servers: [{{address: \"{gone}\"}}, {{address: \"{}\", backup: true}}]\n", bifrost.address());
    let edge = Edge::start(&format!("{backup}breaker: {{failures: 1}}\n{}", to(&collector, "")));
    assert_eq!(edge.post("/echo").status, 200);
    edge.stop();
    let (request, attempts) = sorted(collector.spans(3));
    assert_eq!((request.events(), attempts.len()), (vec!["bridgehead.retry"], 2));
    assert_eq!(request.of_event("bridgehead.retry", "bridgehead.reason").as_deref(), Some("connect_failed"));
    let [failed, answered] = &attempts[..] else { panic!("{attempts:#?}") };
    assert_eq!(failed.attribute("server.port"), Some(gone.port().to_string()));
    assert_eq!((failed.attribute("error.type").as_deref(), failed.is_error()), (Some("connect_failed"), true));
    assert_eq!((failed.attribute("http.response.status_code"), failed.events()), (None, vec!["bridgehead.breaker"]));
    assert_eq!(failed.of_event("bridgehead.breaker", "bridgehead.state").as_deref(), Some("open"));
    assert_eq!(answered.attribute("http.request.resend_count").as_deref(), Some("1"));
    assert_eq!((answered.attribute("error.type"), answered.is_error(), request.is_error()), (None, false, false));
    // Each server is told of the attempt that is its own.
    assert_eq!(parts(bifrost.only().header("traceparent").unwrap()).1, answered.id());
}

#[test]
fn a_failure_has_its_reason() {
    if lacks(&["otelcol"]) {
        return;
    }
    let collector = Collector::start();
    let edge = tracing(&collector, &[nobody()], "");
    assert_eq!(edge.get("/health").status, 502);
    edge.stop();
    let (request, _) = sorted(collector.spans(2));
    assert_eq!((request.attribute("http.response.status_code").as_deref(), request.is_error()), (Some("502"), true));
    for name in ["error.type", "bridgehead.reason"] {
        assert_eq!(request.attribute(name).as_deref(), Some("connect_failed"), "{name}");
    }
}

#[test]
fn a_client_that_leaves_is_an_event_and_no_error_of_the_edge() {
    if lacks(&["otelcol"]) {
        return;
    }
    let collector = Collector::start();
    let (heads, head) = mpsc::channel();
    let server = raw::serve_one(move |mut stream| {
        heads.send(raw::read_head(&mut stream)).unwrap();
        assert!(raw::is_closed(&mut stream));
    });
    let edge = tracing(&collector, &[server], "");
    let mut client = edge.connect();
    client.send(edge.head("GET", "/v1/models", ""));
    head.heard();
    drop(client);
    let (request, attempts) = sorted(collector.spans(2));
    assert_eq!(request.events(), ["bridgehead.client_gone"]);
    assert_eq!(request.attribute("bridgehead.reason").as_deref(), Some("client_gone"));
    assert_eq!((request.attribute("http.response.status_code"), request.is_error()), (None, false));
    assert_eq!((attempts[0].attribute("error.type").as_deref(), attempts[0].is_error()), (Some("client_gone"), false));
}

#[test]
fn discovery_and_refusals_have_their_span() {
    if lacks(&["otelcol"]) {
        return;
    }
    let (collector, bifrost) = (Collector::start(), Bifrost::start());
    let servers = servers_yaml(&[bifrost.address()]);
    let edge = Edge::start(&format!("{PUBLIC_URLS}{servers}{CLIENTS}unknown_hosts: refuse\n{}", to(&collector, "")));
    assert_eq!(edge.get("/.well-known/oauth-authorization-server").status, 200);
    assert_eq!(edge.connect().ask("GET", "/x", "elsewhere.example", "").status, 421);
    edge.stop();
    let mut spans = collector.spans(2);
    spans.sort_by_key(|span| span.attribute("http.response.status_code"));
    let [discovery, refused] = &spans[..] else { panic!("{spans:#?}") };
    assert_eq!(discovery.attribute("bridgehead.class").as_deref(), Some("discovery"));
    assert_eq!(discovery.attribute("bridgehead.document").as_deref(), Some("authorization_server"));
    assert_eq!(refused.attribute("bridgehead.reason").as_deref(), Some("unknown_host"));
    assert_eq!(refused.attribute("error.type").as_deref(), Some("unknown_host"));
    assert_eq!(refused.attribute("server.address").as_deref(), Some("elsewhere.example"));
    assert!(!refused.is_error() && bifrost.recorded().is_empty());
}

#[test]
fn a_websocket_is_a_span_until_it_ends() {
    if lacks(&["otelcol"]) {
        return;
    }
    let collector = Collector::start();
    let (heads, head) = mpsc::channel();
    let server = raw::serve_one(move |mut stream| {
        use std::io::Write;
        heads.send(raw::read_head(&mut stream)).unwrap();
        stream.write_all(SWITCH).unwrap();
        echo(stream);
    });
    let edge = tracing(&collector, &[server], "");
    let mut client = edge.connect();
    client.send(edge.head("GET", "/ws", &(traced("01") + UPGRADE)));
    assert_eq!(client.read_head().status, 101);
    client.send(b"\x81\x05hello");
    assert_eq!(client.read_exactly(7), b"\x81\x05hello");
    drop(client);
    let (request, attempts) = sorted(collector.spans(2));
    let head = head.heard().to_ascii_lowercase();
    assert!(head.contains(&format!("\r\ntraceparent: 00-{TRACE}-{}-01\r\n", attempts[0].id())), "{head}");
    for span in [&request, &attempts[0]] {
        assert_eq!(span.attribute("http.response.status_code").as_deref(), Some("101"));
    }
    assert_eq!(request.attribute("bridgehead.class").as_deref(), Some("websocket"));
}

#[test]
fn servers_and_clients_of_http2_are_traced_alike() {
    if lacks(&["otelcol"]) {
        return;
    }
    let (collector, server) = (Collector::start(), Server::start(Speaks::h2c()));
    let edge = H2cEdge::start(&format!("servers: [{}]\n{}", over_h2c(&server), to(&collector, "")));
    let client = edge.connect();
    let value = traced("01");
    let (_, value) = value.trim_end().split_once(": ").unwrap();
    let request = edge.request("GET", "/x?q").header("traceparent", value).header("tracestate", "a=1");
    assert_eq!(client.ask(request).status(), 200);
    drop(client);
    let (request, attempts) = sorted(collector.spans(2));
    let saw = server.saw().pop().unwrap();
    let all = |name: &str| {
        saw.headers.iter().filter(|(found, _)| found == name).map(|(_, value)| value.clone()).collect::<Vec<_>>()
    };
    assert_eq!(all("traceparent"), [format!("00-{TRACE}-{}-01", attempts[0].id())]);
    assert_eq!(all("tracestate"), ["a=1"]);
    assert_eq!((request.trace(), request.parent()), (TRACE, CALLER));
    for span in [&request, &attempts[0]] {
        assert_eq!(span.attribute("network.protocol.version").as_deref(), Some("2"));
        assert_eq!(span.attribute("http.response.status_code").as_deref(), Some("200"));
    }
    assert_eq!(attempts[0].events(), ["bridgehead.first_byte"]);
}

#[test]
fn without_tracing_what_a_client_says_of_its_trace_passes_untouched() {
    let bifrost = Bifrost::start();
    let edge = Edge::with(&[bifrost.address()], "");
    for fields in [traced("01") + "tracestate: a=1\r\n", "traceparent: what\r\ntracestate: =\r\n".to_owned()] {
        assert_eq!(edge.connect().ask("GET", "/health", &edge.host(), &fields).status, 200);
        let got = bifrost.recorded().pop().unwrap();
        let sent: Vec<_> = fields.lines().map(|line| line.split_once(": ").unwrap()).collect();
        for (name, value) in sent {
            assert_eq!(got.headers_all(name), [value]);
        }
    }
    until("nothing is counted", || edge.metric("bridgehead_trace_spans_total") == 0);
}
