//! A real collector of OpenTelemetry, which `.ci/tool.sh otelcol` builds, and what it hands on of what it got.

use std::{
    fs,
    io::{BufRead, BufReader},
    net::{SocketAddr, TcpListener, TcpStream},
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex, mpsc},
    thread,
    time::Instant,
};

use serde_json::Value;

use super::{PATIENCE, raw, tools::path_of};

/// A running collector. Dropping it ends it.
pub struct Collector {
    pub grpc: SocketAddr,
    pub http: SocketAddr,
    child: Child,
    _folder: tempfile::TempDir,
    got: Arc<Mutex<Vec<Span>>>,
}

/// A span as the collector has it, with its resource.
#[derive(Debug, Clone)]
pub struct Span {
    pub json: Value,
    pub resource: Value,
}

impl Collector {
    /// Starts one that takes OTLP of both protocols, without TLS.
    pub fn start() -> Self {
        Self::start_at(([127, 0, 0, 1], 0).into())
    }

    /// Starts one that takes gRPC at this address.
    pub fn start_at(grpc: SocketAddr) -> Self {
        let got = Arc::<Mutex<Vec<Span>>>::default();
        let sink = sink(Arc::clone(&got));
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("collector.yaml");
        let text = format!(
            "receivers: {{otlp: {{protocols: {{grpc: {{endpoint: \"{grpc}\"}}, http: {{endpoint: \"127.0.0.1:0\"}}}}}}}}\n\
             exporters: {{otlp_http: {{traces_endpoint: \"http://{sink}/\", encoding: json, compression: none, \
             sending_queue: {{enabled: false}}, retry_on_failure: {{enabled: false}}}}}}\n\
             service:\n  telemetry: {{metrics: {{level: none}}}}\n  \
             pipelines: {{traces: {{receivers: [otlp], exporters: [otlp_http]}}}}\n"
        );
        fs::write(&file, text).unwrap();
        let mut command = Command::new(path_of("otelcol").unwrap());
        command.arg("--config").arg(&file).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let lines = BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok);
        let (sender, log) = mpsc::channel();
        // It ends with the collector.
        thread::spawn(move || lines.for_each(|line| drop(sender.send(line))));
        let address = |server: &str| loop {
            let line = log.recv_timeout(PATIENCE).expect("the collector does not serve");
            if let Some((_, about)) = line.split_once(&format!("Starting {server} server")) {
                let (_, address) = about.rsplit_once("\"endpoint\": \"").unwrap();
                break address.split('"').next().unwrap().parse().unwrap();
            }
        };
        let (grpc, http) = (address("GRPC"), address("HTTP"));
        Collector { grpc, http, child, _folder: folder, got }
    }

    /// Waits until there are so many spans, and returns all that have come.
    pub fn spans(&self, count: usize) -> Vec<Span> {
        let patience = Instant::now() + PATIENCE;
        loop {
            let spans = self.got.lock().unwrap().clone();
            if spans.len() >= count {
                return spans;
            }
            assert!(Instant::now() < patience, "{count} spans were to come: {spans:#?}");
            thread::sleep(std::time::Duration::from_millis(5));
        }
    }

    /// Whether any span has come.
    pub fn has_any(&self) -> bool {
        !self.got.lock().unwrap().is_empty()
    }

    /// Everything that has come, as one text.
    pub fn text(&self) -> String {
        format!("{:?}", self.got.lock().unwrap())
    }
}

impl Span {
    fn text(&self, name: &str) -> &str {
        self.json[name].as_str().unwrap_or_default()
    }

    pub fn trace(&self) -> &str {
        self.text("traceId")
    }

    pub fn id(&self) -> &str {
        self.text("spanId")
    }

    pub fn parent(&self) -> &str {
        self.text("parentSpanId")
    }

    /// Whether it is that of a request, and not of an attempt: 2 is SERVER, 3 is CLIENT.
    pub fn is_request(&self) -> bool {
        self.json["kind"] == 2
    }

    /// Whether its status is an error.
    pub fn is_error(&self) -> bool {
        self.json["status"]["code"] == 2
    }

    /// The value of an attribute, as text.
    pub fn attribute(&self, name: &str) -> Option<String> {
        attribute(&self.json, name)
    }

    /// The same of the resource.
    pub fn of_resource(&self, name: &str) -> Option<String> {
        attribute(&self.resource, name)
    }

    /// The names of its events, in their order.
    pub fn events(&self) -> Vec<&str> {
        let events = self.json["events"].as_array();
        events.into_iter().flatten().filter_map(|event| event["name"].as_str()).collect()
    }

    /// An attribute of its first event of this name.
    pub fn of_event(&self, event: &str, name: &str) -> Option<String> {
        attribute(self.json["events"].as_array()?.iter().find(|found| found["name"] == event)?, name)
    }
}

fn attribute(of: &Value, name: &str) -> Option<String> {
    let found = of["attributes"].as_array()?.iter().find(|attribute| attribute["key"] == name)?;
    let (_, value) = found["value"].as_object()?.iter().next()?;
    Some(value.as_str().map_or_else(|| value.to_string(), str::to_owned))
}

impl Drop for Collector {
    fn drop(&mut self) {
        let _ended = self.child.kill();
        let _ended = self.child.wait();
    }
}

/// Takes what the collector hands on.
fn sink(got: Arc<Mutex<Vec<Span>>>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let got = Arc::clone(&got);
            thread::spawn(move || take(stream.unwrap(), &got));
        }
    });
    address
}

fn take(mut stream: TcpStream, got: &Mutex<Vec<Span>>) {
    use std::io::Write;
    while let Some(head) = raw::read_next_head(&mut stream) {
        let lower = head.to_ascii_lowercase();
        let length = lower.split("content-length: ").nth(1).and_then(|rest| rest.lines().next()?.parse().ok());
        let body = raw::read_exactly(&mut stream, length.unwrap());
        got.lock().unwrap().extend(spans(&serde_json::from_slice(&body).unwrap()));
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}").unwrap();
    }
}

fn spans(export: &Value) -> Vec<Span> {
    let list = |value: &Value, name: &str| value[name].as_array().cloned().unwrap_or_default();
    let mut found = Vec::new();
    for of_resource in list(export, "resourceSpans") {
        for of_scope in list(&of_resource, "scopeSpans") {
            let spans = list(&of_scope, "spans").into_iter();
            found.extend(spans.map(|json| Span { json, resource: of_resource["resource"].clone() }));
        }
    }
    found
}
