//! Two real servers with one configuration behind the edge. One is killed in the middle of streams, tool calls and a
//! load, and started again: what came of each request.

use std::time::Instant;

use serde_json::{Value, json};

use crate::{
    account::{Account, Entry, chats, load},
    chat::{chat, send},
    server::{RealBifrost, TOOL, VIRTUAL_KEY, provider},
    support::{
        bifrost::{Bifrost, Gate},
        edge::{BROKEN_OFF, CLIENTS, Edge, is_error, servers_yaml},
        http::Connection,
        until,
    },
};

const STREAMS: usize = 6;

/// Two servers that tell themselves apart by nothing but their keys for the provider.
fn fleet(provider: &Bifrost) -> ([RealBifrost; 2], Edge) {
    let servers = ["sk-first", "sk-second"].map(|key| RealBifrost::start_with(provider, key, |_| ()));
    let addresses = [servers[0].address, servers[1].address];
    let edge = Edge::start(&format!("health: {{interval: 50ms}}\n{}{CLIENTS}", servers_yaml(&addresses)));
    (servers, edge)
}

/// Streams of which one token has come, and the rest is held back. Each with its server.
fn held_streams(edge: &Edge, provider: &Bifrost, servers: &[RealBifrost], gate: &Gate) -> Vec<(usize, Connection)> {
    let open = |number| send(edge, "/v1/chat/completions", &chat(&format!("stream-{number}"), true));
    let clients: Vec<_> = (0..STREAMS).map(open).collect();
    until("the provider has every stream", || chats(provider, servers).len() == STREAMS);
    // It does one thing after the other: when it has answered this, every stream waits at the gate.
    assert_eq!(Connection::to(provider.address()).ask("GET", "/health", "provider", "").status, 200);
    (0..STREAMS).for_each(|_| gate.release_one());
    let chats = chats(provider, servers);
    let begun = |(number, mut client): (usize, Connection)| {
        assert_eq!(client.read_head().status, 200);
        let first = client.read_chunk().unwrap();
        assert!(String::from_utf8_lossy(&first).contains("word1"), "{first:?}");
        (chats[&format!("stream-{number}")][0], client)
    };
    clients.into_iter().enumerate().map(begun).collect()
}

/// The chunks of a stream up to its end, or to where it is cut.
fn rest_of(stream: &mut Connection) -> Vec<u8> {
    let mut rest = Vec::new();
    while let Ok(Some(chunk)) = stream.try_read_chunk() {
        rest.extend(chunk);
    }
    rest
}

/// A POST that the provider holds back so that the server has not begun to answer.
fn held_tool_call(edge: &Edge) -> Connection {
    let call =
        json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": TOOL, "arguments": {"to": 1}}});
    let call = call.to_string();
    let headers = format!("x-bf-vk: {VIRTUAL_KEY}\r\nContent-Length: {}\r\n", call.len());
    let mut client = edge.connect();
    client.send(edge.head("POST", "/mcp", &headers) + &call);
    client
}

fn tool_calls(provider: &Bifrost) -> usize {
    let is_call = |body: &[u8]| {
        serde_json::from_slice::<Value>(body).is_ok_and(|message: Value| message["method"] == "tools/call")
    };
    provider.recorded().iter().filter(|asked| asked.target == "/mcp" && is_call(&asked.body)).count()
}

#[test]
fn a_killed_server_costs_what_it_had_begun_and_no_more() {
    let provider = provider();
    let (mut servers, edge) = fleet(&provider);
    let gate = provider.gate();
    let streams = held_streams(&edge, &provider, &servers, &gate);
    let on = |server| streams.iter().filter(|(on, _)| *on == server).count();
    assert!(on(0) > 0 && on(1) > 0, "all streams are on one server");
    let calls: Vec<_> = (0..4).map(|_| held_tool_call(&edge)).collect();
    until("the tool is called", || tool_calls(&provider) == calls.len());

    let load = load(edge.address);
    load.wait_for(40);
    servers[0].kill();
    load.wait_for(40);
    gate.release_all();

    let mut lines = Vec::new();
    for (server, mut client) in streams {
        let rest = String::from_utf8(rest_of(&mut client)).unwrap();
        let is_whole = rest.contains("word5 ") && rest.contains("[DONE]");
        assert_eq!(is_whole, server == 1, "a stream on server {server}: {rest}");
        lines.push(format!("    1 stream on server {server}: {}", if is_whole { "whole" } else { "cut" }));
    }
    let mut answered = 0;
    for mut client in calls {
        let answer = client.read_response("POST");
        if answer.status == 200 {
            assert!(answer.text().contains("counted to 1"), "{answer:?}");
            answered += 1;
        } else {
            is_error(&answer, 502, BROKEN_OFF);
        }
        lines.push(format!("    1 tool call: {}", answer.status));
    }
    assert_eq!(tool_calls(&provider), 4, "a tool was called twice");
    assert!((1..4).contains(&answered), "{answered} of 4 tool calls were answered");

    servers[0].start_again();
    let before = servers[0].answered().len();
    until("the server that was killed is used again", || servers[0].answered().len() > before);
    load.wait_for(40);
    let account = load.stop(&provider, &servers);
    println!("{}\n{account}", lines.join("\n"));
    balanced(&account);
}

/// It takes no more connections, answers what it has, and ends although the edge has connections that it may use again.
#[test]
fn a_server_that_is_told_to_stop_ends_and_costs_no_more() {
    let provider = provider();
    let (mut servers, edge) = fleet(&provider);
    let load = load(edge.address);
    load.wait_for(40);
    let began = Instant::now();
    servers[0].stop();
    println!("ended after {:?}", began.elapsed());
    load.wait_for(40);
    servers[0].start_again();
    let before = servers[0].answered().len();
    until("the server that was stopped is used again", || servers[0].answered().len() > before);
    load.wait_for(40);
    let account = load.stop(&provider, &servers);
    println!("{account}");
    balanced(&account);
}

/// No GET is lost, no POST is had twice, and a POST is lost only when the server that was killed may have had it.
fn balanced(account: &Account) {
    let shown = |wrong: Vec<&Entry>| wrong.iter().map(ToString::to_string).collect::<Vec<_>>();
    let of = |is_wrong: fn(&&Entry) -> bool| shown(account.0.iter().filter(is_wrong).collect());
    let none: Vec<String> = Vec::new();
    assert_eq!(of(|entry| !entry.is_post && entry.is_lost()), none, "GETs were lost");
    assert_eq!(of(|entry| entry.is_post && entry.servers.len() > 1), none, "POSTs were had twice");
    assert_eq!(of(|entry| entry.is_lost() && entry.servers == [1]), none, "lost by the server that lived");
    assert_eq!(of(|entry| entry.is_lost() && entry.outcome != Ok(502)), none, "lost without a word");
    assert_eq!(of(|entry| !entry.is_lost() && entry.servers.is_empty()), none, "answered by nobody");
    let lost = account.0.iter().filter(|entry| entry.is_lost()).count();
    assert!(lost <= 4, "more than were under way: {lost}");
    for server in 0..2 {
        assert!(account.0.iter().any(|entry| entry.servers == [server]), "server {server} had nothing");
    }
}
