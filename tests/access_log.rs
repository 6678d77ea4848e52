//! Each request is a line of the access log, whatever became of it.

use std::{fs, io::Write, net::TcpStream, path::PathBuf, sync::mpsc, time::Duration};

use serde_json::Value;
use tempfile::TempDir;

use crate::support::{
    PATIENCE,
    bifrost::Bifrost,
    edge::{CLIENTS, Edge, PUBLIC_URLS, servers_yaml},
    h2c::H2cEdge,
    nobody, raw, until, websocket,
};

/// A file for an access log, in a folder of its own.
struct LogFile(TempDir);

impl LogFile {
    fn new() -> Self {
        LogFile(TempDir::new().unwrap())
    }

    fn path(&self) -> PathBuf {
        self.0.path().join("access.log")
    }

    fn yaml(&self, format: &str) -> String {
        format!("access_log: {{format: {format}, to: \"{}\"}}\n", self.path().display())
    }

    /// What the edge has written once it has stopped.
    fn text(&self, edge: Edge) -> String {
        edge.stop();
        fs::read_to_string(self.path()).unwrap()
    }

    fn lines(&self, edge: Edge) -> Vec<Value> {
        self.text(edge).lines().map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("{line}"))).collect()
    }

    /// The only line.
    fn line(&self, edge: Edge) -> Value {
        let lines = self.lines(edge);
        assert_eq!(lines.len(), 1, "{lines:?}");
        lines.into_iter().next().unwrap()
    }
}

/// That a line says these, and has no other members than those that are different each time.
#[track_caller]
fn says(line: &Value, expected: &Value) {
    let mut line = line.as_object().unwrap().clone();
    for member in ["time", "id", "total_ms", "first_byte_ms", "connect_ms"] {
        line.remove(member);
    }
    assert_eq!(&Value::Object(line), expected);
}

#[test]
fn a_forwarded_request() {
    let (bifrost, log) = (Bifrost::start(), LogFile::new());
    let edge = Edge::with(&[bifrost.address()], &log.yaml("json"));
    let mut client = edge.connect();
    client.send(edge.head("POST", "/echo?code=1", "Content-Length: 5\r\n") + "hello");
    let answer = client.read_response("POST");
    let host = edge.host();
    let line = log.line(edge);
    says(
        &line,
        &serde_json::json!({
            "client": "127.0.0.1", "method": "POST", "host": host, "path": "/echo", "version": "HTTP/1.1", "tls": false,
            "class": "other", "status": 200, "bytes_in": 5, "bytes_out": answer.body.len(), "answered_by": "server",
            "server": bifrost.address().to_string(), "server_address": bifrost.address().to_string(), "attempts": 1,
            "generation": 1,
        }),
    );
    assert_eq!(line["id"], answer.header("x-request-id").unwrap());
    let time = |name: &str| line[name].as_f64().unwrap();
    assert!(0.0 < time("connect_ms") && time("connect_ms") < time("first_byte_ms"), "{line}");
    assert!(time("first_byte_ms") <= time("total_ms"), "{line}");
    let (date, seconds) = line["time"].as_str().unwrap().split_at(17);
    assert!(date.ends_with(':') && seconds.len() == "00.000Z".len() && seconds.ends_with('Z'), "{line}");
}

#[test]
fn discovery_with_its_profile_and_generation() {
    let log = LogFile::new();
    let yaml = format!("{}{PUBLIC_URLS}{CLIENTS}{}", servers_yaml(&[]), log.yaml("json"));
    let edge = Edge::start(&yaml);
    edge.reload(&yaml);
    let answer = edge.get("/.well-known/oauth-protected-resource/mcp?state=1");
    let host = edge.host();
    let line = log.line(edge);
    says(
        &line,
        &serde_json::json!({
            "client": "127.0.0.1", "method": "GET", "host": host, "path": "/.well-known/oauth-protected-resource/mcp",
            "version": "HTTP/1.1", "tls": false, "class": "discovery", "status": 200, "bytes_in": 0,
            "bytes_out": answer.body.len(), "answered_by": "edge", "attempts": 0, "document": "protected_resource",
            "profile": "per_user_oauth", "generation": 2,
        }),
    );
    let id = line["id"].as_str().unwrap();
    assert!(id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit()), "{id}");
}

#[test]
fn refusals_of_every_stage_with_their_reasons() {
    let log = LogFile::new();
    let options = "limits: {requests: {per_second: 0.001, burst: 2}, head: 1KiB}\naccess: [{path: /api, deny: [\"127.0.0.0/8\"]}]\n";
    let edge = Edge::start(&format!(
        "{}unknown_hosts: refuse\n{PUBLIC_URLS}{options}{}",
        servers_yaml(&[nobody()]),
        log.yaml("json")
    ));
    let ask = |request: &str| {
        let mut client = edge.connect();
        client.send(request);
        client.read_head().status
    };
    assert_eq!(ask("GET /mcp?q HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"), 400);
    assert_eq!(ask("junk\r\n\r\n"), 400);
    assert_eq!(ask(&format!("GET /x HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n", "x".repeat(2000))), 431);
    assert_eq!(ask("GET /mcp HTTP/1.1\r\nHost: user@elsewhere\r\n\r\n"), 400);
    assert_eq!(ask("GET /mcp HTTP/1.1\r\nHost: elsewhere\r\n\r\n"), 421);
    assert_eq!(ask(&edge.head("GET", "/api/x", "")), 403);
    assert_eq!(ask(&edge.head("TRACE", "/", "")), 405);
    assert_eq!(ask(&edge.head("GET", "/1", "")), 502);
    assert_eq!(ask(&edge.head("GET", "/2", "")), 502);
    assert_eq!(ask(&edge.head("GET", "/3", "")), 429);
    let mut told: Vec<_> = log
        .lines(edge)
        .iter()
        .map(|line| {
            assert_eq!((&line["answered_by"], &line["client"]), (&"edge".into(), &"127.0.0.1".into()), "{line}");
            assert!(line["bytes_out"].as_u64().unwrap() > 100, "{line}");
            let text = |name: &str| line[name].as_str().unwrap_or("-").to_owned();
            (line["status"].as_u64().unwrap(), text("method"), text("path"), text("reason"))
        })
        .collect();
    // A connection of its own for each: their lines may overtake each other.
    told.sort();
    let expected = [
        (400, "-", "-", "malformed"),
        (400, "GET", "/mcp", "malformed"),
        (400, "GET", "/mcp", "malformed"),
        (403, "GET", "/api/x", "forbidden"),
        (405, "TRACE", "/", "method_not_allowed"),
        (421, "GET", "/mcp", "unknown_host"),
        (429, "GET", "/3", "too_many_requests"),
        (431, "GET", "/x", "head_too_large"),
        (502, "GET", "/1", "connect_failed"),
        (502, "GET", "/2", "connect_failed"),
    ];
    let mut expected =
        expected.map(|(status, method, path, reason)| (status, method.into(), path.into(), reason.into()));
    // A line comes when the client is done with, which may be after the next one.
    told.sort();
    expected.sort();
    assert_eq!(told, expected);
}

#[test]
fn a_server_that_fails_and_the_one_that_answers_in_its_place() {
    let (bifrost, gone, log) = (Bifrost::start(), nobody(), LogFile::new());
    let options = format!("balance: {{policy: round_robin}}\n{}", log.yaml("json"));
    let edge = Edge::with(&[gone, bifrost.address()], &options);
    while edge.report_of(&gone).picks == 0 {
        assert_eq!(edge.get("/echo").status, 200);
    }
    let line = log.lines(edge).pop().unwrap();
    assert_eq!((&line["attempts"], &line["server"]), (&2.into(), &bifrost.address().to_string().into()), "{line}");
    assert_eq!(line.get("reason"), None, "{line}");
}

#[test]
fn an_answer_that_breaks_off() {
    let log = LogFile::new();
    let server = raw::serve_one(|mut stream| {
        raw::read_head(&mut stream);
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf").unwrap();
    });
    let edge = Edge::with(&[server], &log.yaml("json"));
    let mut client = edge.connect();
    client.send(edge.head("GET", "/mcp", ""));
    client.read_to_end();
    let line = log.line(edge);
    assert_eq!((&line["status"], &line["reason"]), (&200.into(), &"answer_broken".into()), "{line}");
    assert_eq!((&line["answered_by"], &line["bytes_out"]), (&"server".into(), &4.into()), "{line}");
}

#[test]
fn a_client_that_does_not_wait() {
    let log = LogFile::new();
    let (has_it, received) = mpsc::channel();
    let server = raw::serve_one(move |mut stream| {
        raw::read_head(&mut stream);
        raw::read_exactly(&mut stream, 18);
        has_it.send(()).unwrap();
        raw::is_closed(&mut stream);
    });
    let edge = Edge::with(&[server], &log.yaml("json"));
    let mut client = edge.connect();
    client.send(edge.head("POST", "/v1/chat/completions", "Content-Length: 18\r\n") + r#"{"stream":  false}"#);
    received.recv_timeout(PATIENCE).unwrap();
    drop(client);
    until("it is over", || edge.counters().sites().traffic().requests == 1);
    let line = log.line(edge);
    assert_eq!((&line["status"], &line["reason"]), (&499.into(), &"client_gone".into()), "{line}");
    assert_eq!((&line["class"], &line["bytes_in"]), (&"inference".into(), &18.into()), "{line}");
}

/// What it has not taken it was not given.
#[test]
fn a_client_that_does_not_read_its_discovery_answers() {
    let log = LogFile::new();
    let limits = "limits: {client_silence: 1s, requests_per_connection: unlimited}\n";
    let edge = Edge::with(&[nobody()], &format!("{}{limits}{CLIENTS}", log.yaml("json")));
    let mut client = TcpStream::connect(edge.address).unwrap();
    client.set_write_timeout(Some(Duration::from_millis(300))).unwrap();
    let ask = edge.head("GET", "/.well-known/oauth-authorization-server", "");
    while client.write_all(ask.as_bytes()).is_ok() {}
    let has_failed = || fs::read_to_string(log.path()).is_ok_and(|text| text.contains("client_gone"));
    until("the edge gives up", has_failed);
    let mut lines = log.lines(edge);
    let last = lines.pop().unwrap();
    assert_eq!((&last["status"], &last["reason"]), (&499.into(), &"client_gone".into()), "{last}");
    assert_eq!(last["bytes_out"], 0, "{last}");
    assert!(last["total_ms"].as_f64().unwrap() >= 1000.0, "{last}");
    assert!(lines.iter().all(|line| line["status"] == 200 && line["bytes_out"] != 0));
}

#[test]
fn a_websocket_with_its_bytes_each_way() {
    let log = LogFile::new();
    let server = raw::serve_one(|mut stream| {
        websocket::accept(&mut stream);
        websocket::echo(stream);
    });
    let edge = Edge::with(&[server], &log.yaml("json"));
    let mut client = websocket::open(&edge);
    client.send("hello");
    assert_eq!(client.read_exactly(5), b"hello");
    client.half_close();
    client.read_to_end();
    let line = log.line(edge);
    assert_eq!((&line["status"], &line["class"]), (&101.into(), &"websocket".into()), "{line}");
    assert_eq!((&line["bytes_in"], &line["bytes_out"]), (&5.into(), &5.into()), "{line}");
    assert_eq!((&line["answered_by"], line.get("reason")), (&"server".into(), None), "{line}");
}

#[test]
fn requests_of_http2() {
    let (bifrost, log) = (Bifrost::start(), LogFile::new());
    let edge = H2cEdge::start(&format!("{}{}", servers_yaml(&[bifrost.address()]), log.yaml("json")));
    let client = edge.connect();
    let mut answer = client.ask(edge.request("GET", "/echo?x"));
    let bytes = answer.body().len();
    drop(answer);
    drop(client);
    let line = log.line(edge.0);
    assert_eq!(line["bytes_out"], bytes, "{line}");
    assert_eq!((&line["version"], &line["path"]), (&"HTTP/2".into(), &"/echo".into()), "{line}");
}

#[test]
fn bytes_that_could_end_a_line_or_command_a_terminal_are_escaped() {
    let log = LogFile::new();
    let edge = Edge::with(&[nobody()], &log.yaml("text"));
    let mut client = edge.connect();
    client.send(b"GET /a\xff\xc3\xa9\"%0a%1b[2J HTTP/1.1\r\nHost: x\r\n\r\n");
    client.read_head();
    let text = log.text(edge);
    assert!(text.contains(" GET /a%FF%C3%A9%22%0a%1b[2J HTTP/1.1 502 ") || text.contains(" 400 "), "{text}");
    assert_eq!(text.lines().count(), 1);
    assert!(text.trim_end().bytes().all(|byte| (b' '..=b'~').contains(&byte)), "{text}");
}

#[test]
fn of_a_long_method_and_a_long_path_only_the_beginning_is_kept() {
    let log = LogFile::new();
    let edge = Edge::with(&[nobody()], &log.yaml("json"));
    let mut client = edge.connect();
    client.send(edge.head(&"M".repeat(5000), &format!("/{}", "p".repeat(5000)), ""));
    assert_eq!(client.read_head().status, 502);
    let line = log.line(edge);
    assert_eq!(line["method"], "M".repeat(32));
    assert_eq!(line["path"], format!("/{}...", "p".repeat(1023)));
}
