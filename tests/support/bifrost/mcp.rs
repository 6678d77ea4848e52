//! `/mcp`: the streamable HTTP transport of the Model Context Protocol, without sessions.
//!
//! Source of what is answered to `initialize`, to notifications, to what is no message, and to an unknown tool, and of
//! the stream of a GET: `tests/bifrost/golden`, of 1.6.0. Source of the heartbeats: `handlers/mcpserver.go` of 2.x. The
//! list of tools, `ping`, and the progress of a call are of MCP 2025-06-18: 2.7.0 may answer a POST with a stream of
//! events, and its source was not to be had.

use std::time::Duration;

use hyper::{Method, StatusCode, body::Bytes, header};
use serde_json::{Value, json};

use super::{
    admission,
    clients::Generation,
    lock, pass,
    reply::{self, Reply},
    route::Ask,
};

/// The protocol revisions that are accepted from a client.
const REVISIONS: [&str; 4] = ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"];
const FALLBACK_REVISION: &str = "2025-06-18";

/// The pause between two notifications of the `count` tool.
const BEAT: Duration = Duration::from_millis(5);
const LONGEST_COUNT: u64 = 100_000;
/// Between two comments on an idle stream.
const HEARTBEAT: Duration = Duration::from_secs(15);

const PARSE_ERROR: i32 = -32700;
const INVALID_REQUEST: i32 = -32600;
const METHOD_NOT_FOUND: i32 = -32601;
const INVALID_PARAMS: i32 = -32602;

pub(super) async fn handle(ask: &Ask) -> Reply {
    let key = match admission::admit(ask) {
        Ok(key) => key,
        Err(refusal) => return *refusal,
    };
    if ask.method == Method::GET {
        return opened(ask);
    }
    let Some(body) = ask.body.as_deref() else {
        let message = "request body too large";
        return ask.error(StatusCode::PAYLOAD_TOO_LARGE, message);
    };
    match serde_json::from_slice::<Value>(body) {
        Ok(message @ Value::Object(_)) => message_of_client(ask, key.as_deref(), &message).await,
        _ => failure(&Value::Null, PARSE_ERROR, "Failed to parse message"),
    }
}

/// The stream of what the server has to say of itself: it is open, and nothing more but heartbeats.
fn opened(ask: &Ask) -> Reply {
    let (mut pen, mut reply) = events();
    let heartbeat = match ask.generation() {
        // Source: the same file of 1.5, which waits for the client to go.
        Generation::PerUser { .. } => None,
        Generation::Gap | Generation::Oauth2(_) => Some(lock(&ask.state.heartbeat).unwrap_or(HEARTBEAT)),
    };
    if heartbeat.is_some() {
        reply::set(&mut reply, header::HeaderName::from_static("x-accel-buffering"), "no");
    }
    tokio::spawn(async move {
        let opened = Bytes::from_static(b"data: {\"jsonrpc\":\"2.0\",\"method\":\"connection/opened\"}\n\n");
        if pen.send_data(opened).await.is_ok() {
            // It ends when the client has gone.
            let _ = reply::beating(&mut pen, heartbeat, std::future::pending()).await;
        }
    });
    reply
}

/// A stream of events.
fn events() -> (reply::Pen, Reply) {
    let (pen, mut reply) = reply::streamed(reply::EVENTS);
    reply::set(&mut reply, header::CACHE_CONTROL, "no-cache");
    reply::set(&mut reply, header::CONNECTION, "keep-alive");
    (pen, reply)
}

async fn message_of_client(ask: &Ask, key: Option<&str>, message: &Value) -> Reply {
    let id = message.get("id").unwrap_or(&Value::Null);
    if message["jsonrpc"] != "2.0" {
        return failure(id, INVALID_REQUEST, "Invalid JSON-RPC version");
    }
    let method = message["method"].as_str().unwrap_or_default();
    let is_answer = message.get("result").is_some() || message.get("error").is_some();
    if id.is_null() || is_answer {
        return reply::whole(StatusCode::ACCEPTED, reply::PLAIN, "");
    }
    let params = &message["params"];
    match method {
        "initialize" => success(id, &initialized(ask, key, params)),
        "ping" => success(id, "{}"),
        "tools/list" => success(id, &tools().to_string()),
        "tools/call" if params["name"] == "count" => count(ask, id, params).await,
        "tools/call" => {
            let tool = params["name"].as_str().unwrap_or_default();
            failure(id, INVALID_PARAMS, &format!("tool '{tool}' not found: tool not found"))
        }
        other => failure(id, METHOD_NOT_FOUND, &format!("Method {other} not found")),
    }
}

/// The result, its members in the order of the original. From 2.x on one server serves everybody, under one name.
fn initialized(ask: &Ask, key: Option<&str>, params: &Value) -> String {
    let wanted = params["protocolVersion"].as_str().unwrap_or_default();
    let revision = REVISIONS.into_iter().find(|revision| *revision == wanted).unwrap_or(FALLBACK_REVISION);
    let (name, version) = match ask.generation() {
        Generation::PerUser { .. } => (key.unwrap_or("global"), "v1.5.2"),
        Generation::Gap => (key.unwrap_or("global"), "v1.6.0"),
        Generation::Oauth2(_) => ("bifrost", "v2.7.0"),
    };
    let server = format!("{{\"name\":{},\"version\":\"{version}\"}}", json!(name));
    let capabilities = "{\"tools\":{\"listChanged\":true}}";
    format!("{{\"protocolVersion\":\"{revision}\",\"capabilities\":{capabilities},\"serverInfo\":{server}}}")
}

fn tools() -> Value {
    json!({"tools": [{
        "description": "Counts, with one notification per step.",
        "inputSchema": {"properties": {"to": {"type": "integer"}}, "type": "object"},
        "name": "count",
    }]})
}

/// Counts, as long as the gate lets it. A client that wants to know of the progress gets a stream of events, a notification for each number, then
/// the result. So does one of a version that has no such streams: through those the tests look at what becomes of them.
async fn count(ask: &Ask, id: &Value, params: &Value) -> Reply {
    let to = match params.pointer("/arguments/to") {
        None | Some(Value::Null) => Some(3),
        Some(value) => value.as_u64().filter(|to| *to <= LONGEST_COUNT),
    };
    let Some(to) = to else {
        return failure(id, INVALID_PARAMS, "to is out of range");
    };
    let result = json!({"content": [{"text": format!("counted to {to}"), "type": "text"}]}).to_string();
    let gate = ask.state.current_gate();
    let Some(token) = params.pointer("/_meta/progressToken").cloned() else {
        for _ in 1..=to {
            pass(gate.as_ref()).await;
        }
        return success(id, &result);
    };
    let last = response(id, "result", &result);

    let (mut pen, reply) = events();
    tokio::spawn(async move {
        for step in 1..=to {
            pass(gate.as_ref()).await;
            let progress = json!({
                "jsonrpc": "2.0",
                "method": "notifications/progress",
                "params": {"progress": step, "progressToken": token, "total": to},
            });
            if pen.send_data(event(&progress.to_string())).await.is_err() {
                return;
            }
            tokio::time::sleep(BEAT).await;
        }
        // The client may have gone; there is no one left to tell.
        let _ = pen.send_data(event(&last)).await;
    });
    reply
}

fn event(message: &str) -> Bytes {
    Bytes::from(format!("event: message\ndata: {message}\n\n"))
}

fn success(id: &Value, result: &str) -> Reply {
    reply::whole(StatusCode::OK, reply::JSON, response(id, "result", result))
}

fn failure(id: &Value, code: i32, message: &str) -> Reply {
    let error = format!("{{\"code\":{code},\"message\":{}}}", json!(message));
    reply::whole(StatusCode::OK, reply::JSON, response(id, "error", &error))
}

/// A response of JSON-RPC, its members in the order of the original and no line break behind them.
fn response(id: &Value, outcome: &str, value: &str) -> String {
    format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},\"{outcome}\":{value}}}")
}
