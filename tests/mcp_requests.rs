//! What Bifrost 2.x does at `/mcp` reaches clients as it is: its 202 and 401, its streams of progress, its heartbeats,
//! which keep an idle stream open; and what it makes of a request's credentials stays its own affair.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{
    bifrost::{Bifrost, Mode},
    edge::{Edge, PUBLIC_URLS, servers_yaml},
    http::{Connection, Response},
};

const PING: &str = r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;

fn in_front_of(bifrost: &Bifrost, more: &str) -> Edge {
    let servers = servers_yaml(&[bifrost.address()]);
    Edge::start(&format!("{PUBLIC_URLS}{servers}profile: oauth2\nmcp_server_auth_mode: both\n{more}"))
}

fn send(edge: &Edge, headers: &str, body: &str) -> Connection {
    let mut connection = edge.connect();
    let headers = format!("{headers}Content-Type: application/json\r\nContent-Length: {}\r\n", body.len());
    connection.send(edge.head("POST", "/mcp", &headers) + body);
    connection
}

fn post(edge: &Edge, headers: &str, body: &str) -> Response {
    send(edge, headers, body).read_response("POST")
}

fn key(header: &str) -> String {
    format!("{header}{}\r\n", Bifrost::VIRTUAL_KEY)
}

#[test]
fn every_place_of_a_virtual_key_is_taken_and_two_credentials_are_refused_with_a_challenge() {
    let bifrost = Bifrost::of_oauth2(Mode::Both);
    let edge = in_front_of(&bifrost, "");
    let keys = ["x-bf-vk: ", "Authorization: Bearer ", "x-api-key: ", "x-goog-api-key: "].map(key);
    for header in &keys {
        assert_eq!(post(&edge, header, PING).status, 200, "{header}");
    }
    let challenge =
        format!("Bearer resource_metadata=\"http://{}/.well-known/oauth-protected-resource/mcp\"", edge.host());
    let both = format!("{}Authorization: Bearer a.b.c\r\n", keys[0]);
    for (headers, part) in [
        (both.as_str(), "conflicting credentials: an OAuth token and a virtual key"),
        ("", "virtual key required to access mcp server"),
        ("x-api-key: sk-bf-wrong\r\n", "virtual key not found"),
        ("Authorization: Bearer a.b.c\r\n", "invalid token"),
    ] {
        let answer = post(&edge, headers, PING);
        assert_eq!((answer.status, answer.header("www-authenticate")), (401, Some(&*challenge)), "{headers}");
        assert!(answer.json()["error"]["message"].as_str().unwrap().contains(part), "{answer:?}");
    }
}

/// The edge cannot know whether one without credentials is served: it asks.
#[test]
fn whether_nobody_in_particular_is_served_is_up_to_the_server() {
    let bifrost = Bifrost::of_oauth2(Mode::Both);
    let edge = in_front_of(&bifrost, "");
    bifrost.enforce_auth(false);
    assert_eq!(post(&edge, "", PING).status, 200);
    bifrost.enforce_auth(true);
    assert_eq!(post(&edge, "", PING).status, 401);
    bifrost.set_mcp_ready(false);
    let answer = post(&edge, &key("x-bf-vk: "), PING);
    assert_eq!((answer.status, &answer.json()["error"]["message"]), (503, &json!("MCP server is not ready")));
}

#[test]
fn a_notification_is_accepted_without_a_body() {
    let bifrost = Bifrost::of_oauth2(Mode::Both);
    let edge = in_front_of(&bifrost, "");
    let mut connection = send(&edge, &key("x-bf-vk: "), r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#);
    let answer = connection.read_response("POST");
    assert_eq!((answer.status, answer.text(), answer.header("content-length")), (202, "", Some("0")));
    // And the connection is kept.
    assert_eq!(connection.ask("GET", "/health", &edge.host(), "").status, 200);
}

/// Of a call whose client wants to know of its progress; without that it is one answer.
#[test]
fn progress_arrives_step_by_step_on_the_post_itself() {
    let bifrost = Bifrost::of_oauth2(Mode::Both);
    let edge = in_front_of(&bifrost, "");
    let call = |meta: &Value| {
        json!({
            "jsonrpc": "2.0", "id": 7, "method": "tools/call",
            "params": {"name": "count", "arguments": {"to": 3}, "_meta": meta},
        })
        .to_string()
    };
    let whole = post(&edge, &key("x-bf-vk: "), &call(&json!({})));
    assert_eq!(whole.header("content-type"), Some("application/json"));
    assert_eq!(whole.json()["result"]["content"][0]["text"], "counted to 3");

    let gate = bifrost.gate();
    let mut client = send(&edge, &key("x-bf-vk: "), &call(&json!({"progressToken": "p"})));
    let head = client.read_head();
    assert_eq!((head.status, head.header("content-type")), (200, Some("text/event-stream")));
    for step in 1..=3 {
        gate.release_one();
        let event = String::from_utf8(client.read_chunk().unwrap()).unwrap();
        let data = event.strip_prefix("event: message\ndata: ").unwrap();
        let message: Value = serde_json::from_str(data).unwrap();
        assert_eq!(message["params"], json!({"progress": step, "progressToken": "p", "total": 3}));
    }
    let last = String::from_utf8(client.read_chunks()).unwrap();
    assert!(last.contains("\"id\":7") && last.contains("counted to 3"), "{last}");
}

/// Far more often than the original's 15 s, and for far longer than the edge waits for a server that says nothing.
#[test]
fn heartbeats_arrive_one_by_one_and_keep_an_idle_stream_open() {
    let bifrost = Bifrost::of_oauth2(Mode::Both);
    bifrost.set_heartbeat(Duration::from_millis(100));
    let edge = in_front_of(&bifrost, "timeouts: {silence: 1s, first_byte: 1s}\n");
    let mut client = edge.connect();
    client.send(edge.head("GET", "/mcp", &key("x-bf-vk: ")));
    let head = client.read_head();
    assert_eq!((head.status, head.header("x-accel-buffering")), (200, Some("no")));
    let opened = client.read_chunk().unwrap();
    assert_eq!(opened, b"data: {\"jsonrpc\":\"2.0\",\"method\":\"connection/opened\"}\n\n");
    for _ in 0..20 {
        assert_eq!(client.read_chunk().unwrap(), b": heartbeat\n");
    }
}

#[test]
fn heartbeats_keep_a_chat_open_that_waits_for_its_provider() {
    let bifrost = Bifrost::of_oauth2(Mode::Both);
    bifrost.set_heartbeat(Duration::from_millis(100));
    let gate = bifrost.gate();
    let edge = in_front_of(&bifrost, "timeouts: {silence: 1s}\n");
    let mut chat = edge.chat();
    for _ in 0..20 {
        assert_eq!(chat.read_chunk().unwrap(), b": heartbeat\n");
    }
    gate.release_all();
    let rest = String::from_utf8(chat.read_chunks()).unwrap();
    assert!(rest.contains("word1 ") && rest.ends_with("data: [DONE]\n\n"), "{rest}");
}

/// What the stand-in makes of a base path: it takes requests with it and without, and names it.
#[test]
fn below_a_base_path_everything_is_there_twice_and_named_with_it() {
    let bifrost = Bifrost::of_oauth2(Mode::Both);
    bifrost.set_base_path("/bifrost");
    let ask = |path: &str| Connection::to(bifrost.address()).ask("GET", path, "gw.example", "");
    for prefix in ["", "/bifrost"] {
        assert_eq!(ask(&format!("{prefix}/health")).status, 200, "{prefix}");
        let document = ask(&format!("{prefix}/.well-known/oauth-authorization-server")).json();
        assert_eq!(document["issuer"], "http://gw.example/bifrost", "{prefix}");
        let location = ask(&format!("{prefix}/health/"));
        assert_eq!(location.header("location"), Some("http://gw.example/bifrost/health"), "{prefix}");
    }
    // As RFC 8414 section 3.1 places it: a suffix is ignored.
    assert_eq!(ask("/.well-known/oauth-authorization-server/bifrost").json()["issuer"], "http://gw.example/bifrost");
    assert_eq!(ask("/bifrostx/health").header("content-type"), Some("text/html; charset=utf-8"));
}
