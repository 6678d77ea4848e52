//! One request and its answer, over a connection that may break.

use std::{io::Write, net::SocketAddr};

use super::{
    super::{
        http::{Connection, Head},
        troubled::event_text,
    },
    Kind, Outcome,
};

/// One request and its answer; the cause when there is no whole answer, and whether one had begun.
pub(super) fn exchange(
    connection: &mut Option<Connection>,
    edge: SocketAddr,
    id: &str,
    kind: Kind,
    length: usize,
) -> Result<Outcome, (String, bool)> {
    let client = match connection {
        Some(client) => client,
        None => connection.insert(connect(edge).map_err(|cause| (cause, false))?),
    };
    let line = match kind {
        Kind::Get => "GET /v1/models".to_owned(),
        Kind::Post => "POST /v1/chat/completions".to_owned(),
        Kind::Stream(events) => format!("GET /stream/{events}"),
    };
    let framing = if kind == Kind::Post { format!("Content-Length: {length}\r\n") } else { String::new() };
    let head = format!("{line} HTTP/1.1\r\nHost: {edge}\r\nX-Test-Id: {id}\r\n{framing}\r\n");
    // An answer may come before the request is sent whole, and the rest of it be refused.
    let _refused = client.sender().write_all(&[head.as_bytes(), &vec![b'x'; length]].concat());
    let head = client.try_read_head().map_err(|cause| (cause, false))?;
    let body = read_body(client, &head).map_err(|cause| (cause, true))?;
    if head.header("connection").is_some_and(|value| value.eq_ignore_ascii_case("close")) {
        *connection = None;
    }
    let said = serde_json::from_slice::<serde_json::Value>(&body).unwrap_or_default();
    let said_by = said["server"].as_u64().and_then(|port| u16::try_from(port).ok());
    let (server, complete) = match kind {
        Kind::Stream(events) if head.status == 200 => {
            let expected: String = (0..events).map(event_text).collect();
            (head.header("x-server").and_then(|port| port.parse().ok()), body == expected.as_bytes())
        }
        _ if said_by.is_some() => (said_by, said["test_id"] == id && said["body_bytes"] == length),
        _ => (None, head.status != 200),
    };
    Ok(Outcome::Answered { status: head.status, server, complete })
}

fn connect(edge: SocketAddr) -> Result<Connection, String> {
    let connected = Connection::try_to(edge).and_then(|connection| {
        connection.sender().set_nodelay(true)?;
        Ok(connection)
    });
    connected.map_err(|error| format!("no connection to the edge: {error}"))
}

fn read_body(client: &mut Connection, head: &Head) -> Result<Vec<u8>, String> {
    if let Some(length) = head.header("content-length").and_then(|length| length.parse().ok()) {
        return client.try_read_exactly(length);
    }
    if head.header("transfer-encoding").is_none() {
        return Err("an answer without a length".to_owned());
    }
    let mut body = Vec::new();
    while let Some(chunk) = client.try_read_chunk()? {
        body.extend(chunk);
    }
    Ok(body)
}
