//! How spans get to a collector: by both protocols, with what the file and the environment say; and what becomes of
//! them, and of nothing else, when there is none.

use std::{fs, io::Write, net::SocketAddr, sync::mpsc};

use bridgehead::config::{Fixed, Loaded};

use crate::support::{
    bifrost::Bifrost,
    collector::Collector,
    edge::{Edge, servers_yaml},
    http::Connection,
    in_time::{Heard, Printed},
    nobody_yet,
    program::{Running, bridgehead, config},
    raw,
    tls_server::{BOTH, Server, Speaks, Trust},
    tools::lacks,
    until,
};

const TRACEPARENT: &str = "traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\r\n";

/// The program with these variables, in front of a server; and its address.
fn run(
    server: SocketAddr,
    tracing: &str,
    variables: &[(&str, &str)],
) -> (Running, SocketAddr, tempfile::NamedTempFile) {
    let listener = "listeners: [{address: \"127.0.0.1:0\"}]\nunknown_hosts: forward\n";
    let file = config(&format!("{listener}{}{tracing}\n", servers_yaml(&[server])));
    let mut edge = Running::start_with_env(file.path(), "info", variables);
    let address = edge.address();
    (edge, address, file)
}

fn ask(edge: SocketAddr) {
    let answer = Connection::to(edge).ask("GET", "/health", "edge.example", TRACEPARENT);
    assert_eq!(answer.status, 200);
}

#[test]
fn both_protocols_arrive() {
    if lacks(&["otelcol"]) {
        return;
    }
    let (collector, bifrost) = (Collector::start(), Bifrost::start());
    for (number, more) in [
        format!("endpoint: \"http://{}\", protocol: grpc", collector.grpc),
        format!("endpoint: \"http://{}\", protocol: http/protobuf", collector.http),
        format!("endpoint: \"http://{}/v1/traces\", protocol: http/protobuf", collector.http),
    ]
    .iter()
    .enumerate()
    {
        let edge =
            Edge::with(&[bifrost.address()], &format!("tracing: {{{more}, resource: {{service.name: one, a: b}}}}\n"));
        assert_eq!(edge.get("/health").status, 200);
        let spans = collector.spans(2 * number + 2);
        let last = spans.last().unwrap();
        assert_eq!(last.of_resource("service.name").as_deref(), Some("one"));
        assert_eq!(last.of_resource("a").as_deref(), Some("b"));
        assert_eq!(last.of_resource("service.version").as_deref(), Some(env!("CARGO_PKG_VERSION")));
        until("they are counted", || edge.metric("bridgehead_trace_spans_total") == 2);
    }
}

#[test]
fn what_the_file_leaves_out_the_environment_says() {
    if lacks(&["otelcol"]) {
        return;
    }
    let (collector, bifrost) = (Collector::start(), Bifrost::start());
    let endpoint = format!("http://{}", collector.http);
    let variables = [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint.as_str()),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf"),
        ("OTEL_SERVICE_NAME", "by variable"),
        ("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment=test,a=variable"),
    ];
    let (edge, address, _file) = run(bifrost.address(), "tracing: {resource: {a: file}}", &variables);
    ask(address);
    // What waits is sent before the process ends.
    edge.signal("TERM");
    let span = collector.spans(2).pop().unwrap();
    assert_eq!(span.of_resource("service.name").as_deref(), Some("by variable"));
    assert_eq!(span.of_resource("deployment.environment").as_deref(), Some("test"));
    assert_eq!(span.of_resource("a").as_deref(), Some("file"));
}

#[test]
fn the_environment_can_turn_it_off_and_sample() {
    let bifrost = Bifrost::start();
    let nowhere = format!("tracing: {{endpoint: \"http://{}\"}}", nobody_yet());
    for variables in [[("OTEL_SDK_DISABLED", "true")], [("OTEL_TRACES_EXPORTER", "none")]] {
        let (_edge, address, _file) = run(bifrost.address(), &nowhere, &variables);
        ask(address);
        let got = bifrost.recorded().pop().unwrap();
        assert_eq!(got.header("traceparent"), TRACEPARENT.trim_end().strip_prefix("traceparent: "));
    }
    let (_edge, address, _file) = run(bifrost.address(), &nowhere, &[("OTEL_TRACES_SAMPLER", "always_off")]);
    ask(address);
    let got = bifrost.recorded().pop().unwrap();
    assert!(got.header("traceparent").unwrap().ends_with("-00"), "{got:?}");
}

#[test]
fn what_the_environment_says_and_is_no_use_is_told_at_the_start() {
    let file = config("listeners: [{address: \"127.0.0.1:0\"}]\nservers: [{address: \"127.0.0.1:9\"}]\ntracing: {}\n");
    for (name, value) in [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "s3cr3t"),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "s3cr3t"),
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "s3cr3t"),
    ] {
        let mut command = bridgehead();
        let output = command.env(name, value).args(["run", "--config"]).arg(file.path()).printed().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success() && said.contains(&format!("{name}: no ")), "{said}");
        assert!(!said.contains("s3cr3t"), "{said}");
    }
}

#[test]
fn a_collector_that_is_not_there_costs_no_request_anything_and_is_one_line() {
    if lacks(&["otelcol"]) {
        return;
    }
    let (bifrost, address) = (Bifrost::start(), nobody_yet());
    let tracing = format!("tracing: {{endpoint: \"http://{address}\"}}\nadmin: {{address: \"127.0.0.1:0\"}}");
    let (mut edge, client, _file) = run(bifrost.address(), &tracing, &[]);
    for _ in 0..3 {
        ask(client);
    }
    let line = edge.wait_for("does not take spans");
    assert!(line.contains(&address.to_string()), "{line}");
    // It says so once, whatever comes, until there is one.
    let collector = Collector::start_at(address);
    until("the collector has spans", || {
        ask(client);
        collector.has_any()
    });
    edge.wait_for("takes spans again");
    edge.signal("TERM");
    let log = edge.whole_log();
    assert_eq!(log.matches("does not take spans").count(), 1, "{log}");
}

#[test]
fn what_no_collector_takes_is_counted() {
    let bifrost = Bifrost::start();
    let edge = Edge::with(&[bifrost.address()], &format!("tracing: {{endpoint: \"http://{}\"}}\n", nobody_yet()));
    assert_eq!(edge.get("/health").status, 200);
    let failed = "bridgehead_trace_spans_dropped_total{reason=\"export_failed\"}";
    until("they are counted", || edge.metric(failed) == 2);
    assert_eq!(edge.metric("bridgehead_trace_spans_total"), 0);
}

#[test]
fn headers_are_sent_by_both_protocols_and_those_of_the_file_come_first() {
    let bifrost = Bifrost::start();
    let variables = [("OTEL_EXPORTER_OTLP_HEADERS", "x-key=variable,x-other=variable"), ("KEY", "file")];
    let (heads, head) = mpsc::channel();
    let by_http = raw::serve_one(move |mut stream| {
        heads.send(raw::read_head(&mut stream)).unwrap();
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").unwrap();
    });
    let tracing = |endpoint: SocketAddr, protocol: &str| {
        format!("tracing: {{endpoint: \"http://{endpoint}\", protocol: {protocol}, headers: {{X-Key: \"${{KEY}}\"}}}}")
    };
    let (_edge, address, _file) = run(bifrost.address(), &tracing(by_http, "http/protobuf"), &variables);
    ask(address);
    let head = head.heard().to_ascii_lowercase();
    assert!(
        head.starts_with("post /v1/traces http/1.1\r\n")
            && head.contains("\r\ncontent-type: application/x-protobuf\r\n"),
        "{head}"
    );
    let all = |name: &str| {
        head.lines().filter_map(|line| line.strip_prefix(&format!("{name}: "))).map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!((all("x-key"), all("x-other")), (vec!["file".to_owned()], vec!["variable".to_owned()]));

    let by_grpc = Server::start(Speaks::h2c());
    let (_edge, address, _file) = run(bifrost.address(), &tracing(by_grpc.address(), "grpc"), &variables);
    ask(address);
    until("an export has come", || !by_grpc.saw().is_empty());
    let saw = by_grpc.saw().remove(0);
    assert_eq!(saw.path, "/opentelemetry.proto.collector.trace.v1.TraceService/Export");
    let all = |name: &str| {
        saw.headers.iter().filter(|(found, _)| found == name).map(|(_, value)| value.as_str()).collect::<Vec<_>>()
    };
    assert_eq!((all("x-key"), all("x-other")), (vec!["file"], vec!["variable"]));
}

#[test]
fn a_collector_behind_tls_is_one_that_the_system_trusts() {
    let (trust, bifrost) = (Trust::new(), Bifrost::start());
    for protocol in ["grpc", "http/protobuf"] {
        let server = trust.server(BOTH);
        let authorities = trust.folder.path().join("ca.pem");
        let tracing =
            format!("tracing: {{endpoint: \"https://localhost:{}\", protocol: {protocol}}}", server.address().port());
        let (_edge, address, _file) =
            run(bifrost.address(), &tracing, &[("SSL_CERT_FILE", authorities.to_str().unwrap())]);
        ask(address);
        until("an export has come", || server.saw().iter().any(|saw| saw.method == "POST"));
        let saw = server.saw().remove(0);
        assert_eq!(saw.sni.as_deref(), Some("localhost"));
    }
    // Without that authority nothing is sent.
    let server = trust.server(BOTH);
    let tracing = format!("tracing: {{endpoint: \"https://localhost:{}\"}}", server.address().port());
    let (mut edge, address, _file) = run(bifrost.address(), &tracing, &[]);
    ask(address);
    edge.wait_for("does not take spans");
    assert!(server.saw().is_empty());
}

/// A configuration with this of tracing.
fn loaded(tracing: &str) -> Result<Loaded, String> {
    let text =
        format!("listeners: [{{address: \"127.0.0.1:1\"}}]\nservers: [{{address: \"127.0.0.1:9\"}}]\n{tracing}\n");
    Loaded::from_text("f.yaml".as_ref(), &text).map_err(|problems| problems.to_string())
}

#[test]
fn a_reload_takes_what_decides_about_traces_and_not_where_they_go() {
    let first = loaded("tracing: {endpoint: \"http://a:1\", headers: {a: b}}").unwrap();
    let fixed = Fixed::of(&first.config.edge);
    let same = |tracing: &str| Fixed::of(&loaded(tracing).unwrap().config.edge) == fixed;
    assert!(same("tracing: {endpoint: \"http://a:1\", headers: {a: b}, sample: 0.5, trust: trusted_proxies}"));
    for other in [
        "",
        "tracing: {endpoint: \"http://b:1\", headers: {a: b}}",
        "tracing: {endpoint: \"http://a:1\", headers: {a: c}}",
    ] {
        assert!(!same(other), "{other}");
    }
}

#[test]
fn a_mistake_is_told_with_its_remedy_and_without_a_secret() {
    for (tracing, remedy) in [
        ("tracing: {endpoint: collector}", "write for example http://collector:4317"),
        ("tracing: {endpoint: \"http://user:s3cr3t@h:1\"}", "tracing.headers"),
        ("tracing: {endpoint: \"http://h:1/?key=s3cr3t\"}", "leave it out"),
        ("tracing: {protocol: http/json}", "http/protobuf"),
        ("tracing: {sample: 1.5}", "from 0 (none) to 1 (all)"),
        ("tracing: {headers: {authorization: \"s3cr3t\\n\"}}", "authorization"),
        ("tracing: {headers: {\"a b\": s3cr3t}}", "letters, digits and -"),
        ("tracing: {trust: trusted_proxy}", "trusted_proxies"),
        ("tracing: {endpont: \"http://h:1\"}", "endpoint"),
    ] {
        let said = loaded(tracing).err().unwrap_or_else(|| panic!("{tracing} is taken"));
        assert!(said.contains("tracing") && said.contains(remedy) && !said.contains("s3cr3t"), "{tracing}: {said}");
    }
}

#[test]
fn no_value_of_a_header_is_shown() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("proxy.yaml");
    let text = "listeners: [{address: \"127.0.0.1:1\"}]\nservers: [{address: \"127.0.0.1:9\"}]\n\
                tracing: {endpoint: \"http://h:1\", headers: {authorization: s3cr3t, x-key: \"${KEY}\"}}\n";
    fs::write(&file, text).unwrap();
    for arguments in [&["config"][..], &["check"], &["check", "--format", "json"]] {
        let output = bridgehead().args(arguments).arg("--config").arg(&file).env("KEY", "s3cr3t").printed().unwrap();
        let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        assert!(output.status.success() && !said.contains("s3cr3t"), "{arguments:?}: {said}");
        assert!(arguments != ["config"] || (said.contains("(not shown)") && said.contains("${KEY}")), "{said}");
    }
    let loaded = Loaded::from_text("f.yaml".as_ref(), &text.replace("${KEY}", "s3cr3t")).unwrap();
    assert!(!format!("{:?}", loaded.config).contains("s3cr3t"));
}
