//! What the server calls a request reaches the client, and the edge's own name for it as well.

use std::{fs, io::Write, net::SocketAddr};

use serde_json::Value;
use tempfile::TempDir;

use crate::support::{
    edge::{CLIENTS, Edge, PUBLIC_URLS, servers_yaml},
    h2c::H2cEdge,
    http::{Connection, Response},
    nobody,
    program::{Running, config},
    raw,
    websocket::{self, SWITCH, UPGRADE},
};

const IDS: &str =
    "X-Request-Id: req_011CSHoEeqs5C35K2UUqR7Fy\r\nX-Bifrost-Request-Id: 8d1f\r\nX-Bridgehead-Request-Id: inner\r\n";

/// A folder with an access log, and the configuration of it.
fn access_log() -> (TempDir, String) {
    let folder = TempDir::new().unwrap();
    let yaml = format!("access_log: {{format: json, to: \"{}\"}}\n", folder.path().join("log").display());
    (folder, yaml)
}

/// The only line.
fn line(folder: &TempDir) -> Value {
    let text = fs::read_to_string(folder.path().join("log")).unwrap();
    assert_eq!(text.lines().count(), 1, "{text}");
    serde_json::from_str(&text).unwrap()
}

/// A server that answers one request with these fields.
fn server(fields: &'static str) -> SocketAddr {
    raw::serve_one(move |mut stream| {
        raw::read_head(&mut stream);
        write!(stream, "HTTP/1.1 200 OK\r\n{fields}Content-Length: 2\r\n\r\nok").unwrap();
    })
}

/// All values of a field.
fn all<'a>(answer: &'a Response, name: &str) -> Vec<&'a str> {
    let fields = answer.headers.iter().filter(|(field, _)| field.eq_ignore_ascii_case(name));
    fields.map(|(_, value)| value.as_str()).collect()
}

/// What one request is answered, and its line in the access log.
fn asked(fields: &'static str) -> (Response, Value) {
    let (folder, yaml) = access_log();
    let edge = Edge::with(&[server(fields)], &yaml);
    let answer = edge.connect().ask("GET", "/x", &edge.host(), "User-Agent: Agent \"7\"\r\n");
    assert_eq!((answer.status, answer.text()), (200, "ok"));
    edge.stop();
    (answer, line(&folder))
}

#[test]
fn the_servers_id_reaches_the_client_and_is_in_the_access_log() {
    let (answer, line) = asked(IDS);
    assert_eq!(all(&answer, "x-request-id"), ["req_011CSHoEeqs5C35K2UUqR7Fy"]);
    assert_eq!(all(&answer, "x-bifrost-request-id"), ["8d1f"]);
    let own = line["id"].as_str().unwrap();
    assert_eq!((own.len(), all(&answer, "x-bridgehead-request-id")), (32, vec![own]));
    assert_eq!(
        (&line["server_id"], &line["agent"]),
        (&"req_011CSHoEeqs5C35K2UUqR7Fy".into(), &"Agent%20%227%22".into())
    );
}

#[test]
fn bifrosts_own_is_the_servers_where_there_is_no_other() {
    let (answer, line) = asked("x-bifrost-request-id: 8d1f\r\n");
    let own = line["id"].as_str().unwrap();
    assert_eq!(all(&answer, "x-request-id"), [own]);
    assert_eq!(all(&answer, "x-bridgehead-request-id"), [own]);
    assert_eq!((all(&answer, "x-bifrost-request-id"), &line["server_id"]), (vec!["8d1f"], &"8d1f".into()));
}

#[test]
fn where_the_server_has_none_the_edges_is_the_only_one() {
    for fields in ["", "X-Request-Id:\r\n"] {
        let (answer, line) = asked(fields);
        let own = line["id"].as_str().unwrap();
        assert_eq!(all(&answer, "x-request-id").last(), Some(&own), "{fields}");
        assert_eq!((answer.header("x-bridgehead-request-id"), line.get("server_id")), (None, None), "{fields}");
    }
}

#[test]
fn over_http2() {
    let (folder, yaml) = access_log();
    let edge = H2cEdge::start(&format!("{}{yaml}", servers_yaml(&[server(IDS)])));
    let client = edge.connect();
    let mut answer = client.ask(edge.request("GET", "/x"));
    let field = |name: &str| answer.head.headers()[name].to_str().unwrap().to_owned();
    let (theirs, own) = (field("x-request-id"), field("x-bridgehead-request-id"));
    answer.body();
    drop(answer);
    drop(client);
    edge.0.stop();
    let line = line(&folder);
    assert_eq!((&line["server_id"], theirs.as_str()), (&theirs.as_str().into(), "req_011CSHoEeqs5C35K2UUqR7Fy"));
    assert_eq!(line["id"], own);
}

#[test]
fn a_websocket_has_both_as_well() {
    let (folder, yaml) = access_log();
    let server = raw::serve_one(|mut stream| {
        raw::read_head(&mut stream);
        let head = String::from_utf8(SWITCH.to_vec()).unwrap().replace("\r\n\r\n", &format!("\r\n{IDS}\r\n"));
        stream.write_all(head.as_bytes()).unwrap();
        websocket::echo(stream);
    });
    let edge = Edge::with(&[server], &yaml);
    let mut client = edge.connect();
    client.send(edge.head("GET", "/ws", UPGRADE));
    let head = client.read_head();
    assert_eq!((head.status, head.header("x-request-id")), (101, Some("req_011CSHoEeqs5C35K2UUqR7Fy")));
    let own = head.header("x-bridgehead-request-id").unwrap().to_owned();
    client.half_close();
    client.read_to_end();
    edge.stop();
    let line = line(&folder);
    assert_eq!((&line["server_id"], &line["id"]), (&"req_011CSHoEeqs5C35K2UUqR7Fy".into(), &own.into()));
}

/// As every other refusal: an id for the client, its reason in the access log, and a line in the program's log.
#[test]
fn a_refusal_of_discovery_is_seen() {
    let asked = [
        ("GET", "elsewhere", 421, "unknown_host", "this host is none of the edge's public URLs"),
        ("PUT", "localhost", 405, "method_not_allowed", "this method is not allowed"),
    ];
    for (method, host, status, reason, words) in asked {
        let (folder, yaml) = access_log();
        let listener = "listeners: [{address: \"127.0.0.1:0\"}]\npublic_urls: [\"http://localhost\"]\n";
        let file = config(&format!("{listener}{CLIENTS}{}{yaml}", servers_yaml(&[nobody()])));
        let mut running = Running::start(file.path());
        let mut client = Connection::to(running.address());
        let answer = client.ask(method, "/.well-known/oauth-authorization-server?s3cr3t", host, "");
        assert_eq!((answer.status, answer.header("access-control-allow-origin")), (status, Some("*")));
        let id = answer.header("x-request-id").unwrap().to_owned();
        let logged = running.wait_for(&id);
        assert!(
            logged.contains(&format!("{method} /.well-known/oauth-authorization-server of 127.0.0.1 refused")),
            "{logged}"
        );
        assert!(logged.contains(words) && !logged.contains("s3cr3t"), "{logged}");
        drop(client);
        running.signal("TERM");
        running.rest_of_the_log();
        let line = line(&folder);
        assert_eq!((&line["id"], &line["reason"], &line["status"]), (&id.into(), &reason.into(), &status.into()));
    }
}

#[test]
fn a_refusal_of_discovery_is_counted_as_one() {
    let edge = Edge::start(&format!("{}{PUBLIC_URLS}{CLIENTS}", servers_yaml(&[nobody()])));
    let answer = edge.connect().ask("GET", "/.well-known/oauth-protected-resource", "elsewhere", "");
    assert_eq!((answer.status, answer.header("x-request-id").map(str::len)), (421, Some(32)));
    let refused = edge.counters().sites().failures();
    assert_eq!(refused.iter().find(|(reason, _)| reason.name() == "unknown_host").map(|(_, count)| *count), Some(1));
}
