//! Chat completions of the real Bifrost through the edge: whole, and token by token as the provider sends them.

use serde_json::{Value, json};

use crate::{
    server::{RealBifrost, provider},
    support::{edge::Edge, http::Connection},
};

/// The body of a chat that says this.
pub fn chat(text: &str, stream: bool) -> String {
    json!({"model": "openai/gpt-4o", "stream": stream, "messages": [{"role": "user", "content": text}]}).to_string()
}

/// Sends a chat.
pub fn send(edge: &Edge, target: &str, body: &str) -> Connection {
    let mut connection = edge.connect();
    let length = format!("Content-Type: application/json\r\nContent-Length: {}\r\n", body.len());
    connection.send(edge.head("POST", target, &length)).send(body);
    connection
}

#[test]
fn a_chat_is_answered_with_what_the_provider_says() {
    let provider = provider();
    let bifrost = RealBifrost::start(&provider);
    let edge = Edge::in_front_of(&[bifrost.address]);
    let answer = send(&edge, "/v1/chat/completions", &chat("hello", false)).read_response("POST");
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.json()["choices"][0]["message"]["content"], "Hello.");
    let asked: Vec<_> =
        provider.recorded().into_iter().filter(|asked| asked.target == "/v1/chat/completions").collect();
    assert_eq!(asked.len(), 1);
    assert_eq!(asked[0].header("authorization"), Some("Bearer sk-provider"));
    let body: Value = serde_json::from_slice(&asked[0].body).unwrap();
    assert_eq!(body["messages"][0]["content"], "hello");
}

/// The provider holds each token back until the client has read the one before.
#[test]
fn a_streamed_token_arrives_before_the_provider_sends_the_next() {
    let provider = provider();
    let bifrost = RealBifrost::start(&provider);
    let edge = Edge::in_front_of(&[bifrost.address]);
    let gate = provider.gate();
    let mut client = send(&edge, "/v1/chat/completions", &chat("hello", true));
    gate.release_one();
    let head = client.read_head();
    assert_eq!((head.status, head.header("content-type")), (200, Some("text/event-stream")));
    let mut read = String::new();
    for number in 1..=5 {
        if number > 1 {
            gate.release_one();
        }
        let token = format!("word{number} ");
        while !read.contains(&token) {
            read += &String::from_utf8(client.read_chunk().unwrap()).unwrap();
        }
        assert!(!read.contains(&format!("word{}", number + 1)), "{read}");
    }
    read += &String::from_utf8(client.read_chunks()).unwrap();
    assert!(read.trim_end().ends_with("data: [DONE]"), "{read}");
}
