//! `/mcp`: the streamable HTTP transport of the Model Context Protocol, without sessions.

use std::time::Duration;

use hyper::{Method, StatusCode, body::Bytes, header};
use serde_json::{Value, json};

use super::{
    clients, grants, lock,
    oauth::RESOURCE_METADATA,
    pass,
    reply::{self, Reply},
    route::Ask,
};

/// The protocol revisions that are accepted from a client.
const REVISIONS: [&str; 4] = ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"];
const FALLBACK_REVISION: &str = "2025-06-18";

/// The pause between two notifications of the `count` tool.
const BEAT: Duration = Duration::from_millis(5);
const LONGEST_COUNT: u64 = 100_000;

const PARSE_ERROR: i32 = -32700;
const INVALID_REQUEST: i32 = -32600;
const METHOD_NOT_FOUND: i32 = -32601;
const INVALID_PARAMS: i32 = -32602;

pub(super) fn handle(ask: &Ask) -> Reply {
    let refusal = match clients::mode(ask) {
        Some(mode) => grants::refusal(ask, mode),
        None => (!has_token(ask)).then(|| challenge(ask)),
    };
    if let Some(refusal) = refusal {
        return refusal;
    }
    if ask.method == Method::GET {
        return opened();
    }
    let Some(body) = ask.body.as_deref() else {
        let message = "request body too large";
        return reply::bifrost_error(StatusCode::PAYLOAD_TOO_LARGE, message);
    };
    let Ok(message) = serde_json::from_slice::<Value>(body) else {
        return failure(StatusCode::BAD_REQUEST, &Value::Null, PARSE_ERROR, "not JSON");
    };
    message_of_client(ask, &message)
}

/// The stream of what the server has to say of itself: it is open, and nothing more.
fn opened() -> Reply {
    let (mut pen, mut reply) = reply::streamed(reply::EVENTS);
    reply::set(&mut reply, header::CACHE_CONTROL, "no-cache");
    tokio::spawn(async move {
        let opened = Bytes::from_static(b"data: {\"jsonrpc\":\"2.0\",\"method\":\"connection/opened\"}\n\n");
        if pen.send_data(opened).await.is_ok() {
            std::future::pending::<()>().await;
        }
    });
    reply
}

fn has_token(ask: &Ask) -> bool {
    let store = lock(&ask.state.oauth);
    ask.texts(header::AUTHORIZATION)
        .filter_map(|value| value.split_once(' '))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
        .any(|(_, token)| store.knows_token(token.trim()))
}

fn challenge(ask: &Ask) -> Reply {
    let message = "oauth authentication required for mcp access";
    let reply = reply::bifrost_error(StatusCode::UNAUTHORIZED, message);
    let metadata = format!("{}{RESOURCE_METADATA}", ask.base());
    let value = format!("Bearer resource_metadata=\"{metadata}\"");
    reply::with_header(reply, header::WWW_AUTHENTICATE, &value)
}

fn message_of_client(ask: &Ask, message: &Value) -> Reply {
    let is_answer = message.get("result").is_some() || message.get("error").is_some();
    let (method, id) = match (message.get("method").and_then(Value::as_str), message.get("id")) {
        (Some(method), Some(id)) => (method, id),
        (Some(_), None) => return reply::empty(StatusCode::ACCEPTED),
        (None, _) if is_answer => return reply::empty(StatusCode::ACCEPTED),
        (None, _) => {
            let status = StatusCode::BAD_REQUEST;
            return failure(status, &Value::Null, INVALID_REQUEST, "not a JSON-RPC message");
        }
    };
    let params = &message["params"];
    match method {
        "initialize" => success(id, &initialized(params)),
        "ping" => success(id, &json!({})),
        "tools/list" => success(id, &tools()),
        "tools/call" if params["name"] == "count" => count(ask, id, params),
        "tools/call" => failure(StatusCode::OK, id, INVALID_PARAMS, "unknown tool"),
        _ => failure(StatusCode::OK, id, METHOD_NOT_FOUND, "method not found"),
    }
}

fn initialized(params: &Value) -> Value {
    let wanted = params["protocolVersion"].as_str().unwrap_or_default();
    let known = REVISIONS.into_iter().find(|revision| *revision == wanted);
    json!({
        "capabilities": {"tools": {}},
        "protocolVersion": known.unwrap_or(FALLBACK_REVISION),
        "serverInfo": {"name": "bifrost", "version": "1.5.2"},
    })
}

fn tools() -> Value {
    json!({"tools": [{
        "description": "Counts, with one notification per step.",
        "inputSchema": {"properties": {"to": {"type": "integer"}}, "type": "object"},
        "name": "count",
    }]})
}

/// Counts in a stream of events: a notification for each number, then the result.
fn count(ask: &Ask, id: &Value, params: &Value) -> Reply {
    let to = match params.pointer("/arguments/to") {
        None | Some(Value::Null) => Some(3),
        Some(value) => value.as_u64().filter(|to| *to <= LONGEST_COUNT),
    };
    let Some(to) = to else {
        return failure(StatusCode::OK, id, INVALID_PARAMS, "to is out of range");
    };
    let progress_token = params.pointer("/_meta/progressToken").cloned();
    let text = format!("counted to {to}");
    let result = json!({"content": [{"text": text, "type": "text"}]});
    let last = response(id, "result", &result);
    let gate = ask.state.current_gate();

    let (mut pen, mut reply) = reply::streamed(reply::EVENTS);
    reply::set(&mut reply, header::CACHE_CONTROL, "no-cache");
    tokio::spawn(async move {
        for step in 1..=to {
            pass(gate.as_ref()).await;
            let sent = pen.send_data(event(&notification(step, to, progress_token.as_ref())));
            if sent.await.is_err() {
                return;
            }
            tokio::time::sleep(BEAT).await;
        }
        // The client may have gone; there is no one left to tell.
        let _ = pen.send_data(event(&last)).await;
    });
    reply
}

fn notification(step: u64, to: u64, progress_token: Option<&Value>) -> Value {
    match progress_token {
        Some(token) => json!({
            "jsonrpc": "2.0",
            "method": "notifications/progress",
            "params": {"progress": step, "progressToken": token, "total": to},
        }),
        None => json!({
            "jsonrpc": "2.0",
            "method": "notifications/message",
            "params": {"data": format!("{step} of {to}"), "level": "info"},
        }),
    }
}

fn event(message: &Value) -> Bytes {
    Bytes::from(format!("event: message\ndata: {message}\n\n"))
}

fn success(id: &Value, result: &Value) -> Reply {
    reply::json(StatusCode::OK, &response(id, "result", result))
}

fn failure(status: StatusCode, id: &Value, code: i32, message: &str) -> Reply {
    let error = json!({"code": code, "message": message});
    reply::json(status, &response(id, "error", &error))
}

fn response(id: &Value, outcome: &str, value: &Value) -> Value {
    json!({"id": id, "jsonrpc": "2.0", outcome: value})
}
