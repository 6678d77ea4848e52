//! Everything that is neither OAuth nor MCP: health, the dashboard, chat, and the routes that
//! exist for proxy tests only.

use std::{future, sync::atomic::Ordering, time::Duration};

use base64::Engine;
use hyper::{StatusCode, body::Bytes, header, http::request::Parts};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::{
    clients::Generation,
    lock, pass,
    record::{Upload, header_list},
    reply::{self, Abort, Pen, Reply},
    route::Ask,
};

/// The content of `/bytes/{n}` repeats after this many bytes. A prime, so that pieces swapped or
/// lost on the way do not go unnoticed.
const PERIOD: u8 = 251;
const REPEATS: u64 = 256;

pub(super) fn byte_at(place: u64) -> u8 {
    u8::try_from(place % u64::from(PERIOD)).expect("less than a byte's range")
}

pub(super) fn health(ask: &Ask) -> Reply {
    if ask.state.is_red.load(Ordering::SeqCst) {
        return reply::bifrost_error(StatusCode::SERVICE_UNAVAILABLE, "config store not available");
    }
    let body = json!({"components": {"db_pings": "ok"}, "status": "ok"});
    reply::json(StatusCode::OK, &body)
}

/// The page of the dashboard.
pub(super) fn dashboard() -> Reply {
    let page = "<!doctype html><title>Bifrost</title><p>The page in place of the dashboard.</p>\n";
    let mut reply = reply::whole(StatusCode::OK, reply::HTML, page);
    reply::set(&mut reply, header::CACHE_CONTROL, "no-cache");
    reply
}

/// What the dashboard answers on a path that is no other's: its page, unless that is hidden or names a file.
pub(super) fn dashboard_at(path: &str) -> Reply {
    let last = path.rsplit('/').next().unwrap_or_default();
    if path.split('/').any(|segment| segment.starts_with('.')) {
        reply::whole(StatusCode::NOT_FOUND, reply::PLAIN, "404 - Not found")
    } else if last.contains('.') {
        reply::whole(StatusCode::NOT_FOUND, reply::PLAIN, format!("404 - Static asset not found: {path}"))
    } else {
        dashboard()
    }
}

/// Answers with a description of the request. The body is read in pieces and not kept.
pub(super) async fn echo(head: &Parts, mut upload: Upload) -> Result<Reply, Abort> {
    let mut digest = Sha256::new();
    let mut length = 0;
    while let Some(data) = upload.next().await? {
        digest.update(&data);
        length += data.len() as u64;
    }
    let digest = base64::engine::general_purpose::STANDARD.encode(digest.finalize());
    let body = json!({
        "body_length": length,
        "body_sha256": digest,
        "headers": header_list(&head.headers),
        "method": head.method.as_str(),
        "target": head.uri.to_string(),
    });
    Ok(reply::json(StatusCode::OK, &body))
}

/// The routes that exist for proxy tests only; they take any method.
pub(super) async fn aid(ask: &Ask) -> Result<Option<Reply>, Abort> {
    let mut segments = ask.path.trim_start_matches('/').splitn(2, '/');
    let first = segments.next().unwrap_or_default();
    Ok(Some(match (first, segments.next()) {
        ("bytes", Some(count)) => match count.parse() {
            Ok(count) => bytes(count),
            Err(_) => refuse("not a number of bytes"),
        },
        ("status", Some(code)) => match code.parse() {
            Ok(code @ 200..=599) => status(code),
            _ => refuse("not a status from 200 to 599"),
        },
        ("redirect", None) => match ask.param("to") {
            Some(to) => reply::found(&to),
            None => refuse("to is required"),
        },
        ("challenge", None) => match ask.param("value") {
            Some(value) => {
                let reply = reply::bifrost_error(StatusCode::UNAUTHORIZED, "Unauthorized");
                reply::with_header(reply, header::WWW_AUTHENTICATE, &value)
            }
            None => refuse("value is required"),
        },
        ("hang", _) => future::pending().await,
        ("reset", None) => return Err(Abort),
        ("truncate", None) => truncated(),
        _ => return Ok(None),
    }))
}

fn refuse(message: &str) -> Reply {
    reply::bifrost_error(StatusCode::BAD_REQUEST, message)
}

fn status(code: u16) -> Reply {
    let Ok(status) = StatusCode::from_u16(code) else {
        return refuse("not a status");
    };
    match status {
        StatusCode::NO_CONTENT | StatusCode::RESET_CONTENT | StatusCode::NOT_MODIFIED => reply::empty(status),
        _ => reply::json(status, &json!({"status": code})),
    }
}

fn bytes(count: u64) -> Reply {
    let (mut pen, reply) = reply::streamed("application/octet-stream");
    tokio::spawn(async move {
        let block: Vec<u8> = (0..u64::from(PERIOD) * REPEATS).map(byte_at).collect();
        let block = Bytes::from(block);
        let mut left = count;
        while left > 0 {
            let size = usize::try_from(left).unwrap_or(usize::MAX).min(block.len());
            if pen.send_data(block.slice(..size)).await.is_err() {
                return;
            }
            left -= size as u64;
        }
    });
    reply::with_header(reply, header::CONTENT_LENGTH, &count.to_string())
}

fn truncated() -> Reply {
    let (mut pen, mut reply) = reply::streamed("application/octet-stream");
    reply::set(&mut reply, header::CONTENT_LENGTH, "100");
    tokio::spawn(async move {
        if pen.send_data(Bytes::from_static(b"0123456789")).await.is_ok() {
            // The pause lets the ten bytes leave before the connection is cut.
            tokio::time::sleep(Duration::from_millis(50)).await;
            pen.abort(Abort.into());
        }
    });
    reply
}

/// A chat completion, streamed when the request says so.
pub(super) fn chat(ask: &Ask) -> Reply {
    let Some(body) = ask.body.as_deref() else {
        let message = "request body too large";
        return reply::bifrost_error(StatusCode::PAYLOAD_TOO_LARGE, message);
    };
    let Ok(request) = serde_json::from_slice::<Value>(body) else {
        return refuse("Invalid request format");
    };
    let model = request["model"].as_str().unwrap_or("model").to_owned();
    if request["stream"] != true {
        let message = json!({"content": "Hello.", "role": "assistant"});
        let choice = json!({"finish_reason": "stop", "index": 0, "message": message});
        return reply::json(
            StatusCode::OK,
            &json!({
                "choices": [choice],
                "created": 0,
                "id": "chatcmpl-1",
                "model": model,
                "object": "chat.completion",
                "usage": {"completion_tokens": 1, "prompt_tokens": 1, "total_tokens": 2},
            }),
        );
    }
    let gate = ask.state.current_gate();
    // Source: Bifrost 2.0.0 (#7108).
    let heartbeat = matches!(ask.generation(), Generation::Oauth2(_));
    let heartbeat = heartbeat.then(|| lock(&ask.state.heartbeat).unwrap_or(Duration::from_secs(1)));
    let (mut pen, mut reply) = reply::streamed(reply::EVENTS);
    reply::set(&mut reply, header::CACHE_CONTROL, "no-cache");
    tokio::spawn(async move {
        for index in 1..=5 {
            if reply::beating(&mut pen, heartbeat, pass(gate.as_ref())).await.is_err() {
                return;
            }
            if event(&mut pen, &chunk(&model, index).to_string()).await.is_err() {
                return;
            }
        }
        // The client may have gone; there is no one left to tell.
        let _ = event(&mut pen, "[DONE]").await;
    });
    reply
}

/// A message of Anthropic's Messages API, streamed when the request says so.
pub(super) fn message(ask: &Ask) -> Reply {
    let request: Option<Value> = ask.body.as_deref().and_then(|body| serde_json::from_slice(body).ok());
    let Some(request) = request else { return refuse("Invalid request format") };
    let model = request["model"].as_str().unwrap_or("model").to_owned();
    let whole = |content: Value| {
        json!({
            "content": content, "id": "msg_1", "model": model, "role": "assistant", "stop_reason": "end_turn",
            "type": "message", "usage": {"input_tokens": 1, "output_tokens": 1},
        })
    };
    if request["stream"] != true {
        return reply::json(StatusCode::OK, &whole(json!([{"text": "Hello.", "type": "text"}])));
    }
    let start = json!({"message": whole(json!([])), "type": "message_start"});
    let gate = ask.state.current_gate();
    let (mut pen, mut reply) = reply::streamed(reply::EVENTS);
    reply::set(&mut reply, header::CACHE_CONTROL, "no-cache");
    tokio::spawn(async move {
        if named_event(&mut pen, &start).await.is_err() {
            return;
        }
        for index in 1..=5 {
            pass(gate.as_ref()).await;
            let delta = json!({"text": format!("word{index} "), "type": "text_delta"});
            let delta = json!({"delta": delta, "index": 0, "type": "content_block_delta"});
            if named_event(&mut pen, &delta).await.is_err() {
                return;
            }
        }
        // The client may have gone; there is no one left to tell.
        let _ = named_event(&mut pen, &json!({"type": "message_stop"})).await;
    });
    reply
}

/// An event that bears the type of its data.
async fn named_event(pen: &mut Pen, data: &Value) -> Result<(), Abort> {
    let name = data["type"].as_str().unwrap_or_default();
    pen.send_data(Bytes::from(format!("event: {name}\ndata: {data}\n\n"))).await.map_err(|_| Abort)
}

fn chunk(model: &str, index: u32) -> Value {
    let delta = json!({"content": format!("word{index} "), "role": "assistant"});
    json!({
        "choices": [{"delta": delta, "finish_reason": null, "index": 0}],
        "created": 0,
        "id": "chatcmpl-1",
        "model": model,
        "object": "chat.completion.chunk",
    })
}

async fn event(pen: &mut Pen, data: &str) -> Result<(), Abort> {
    let event = Bytes::from(format!("data: {data}\n\n"));
    pen.send_data(event).await.map_err(|_| Abort)
}
