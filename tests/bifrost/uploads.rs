//! Large uploads to the real Bifrost through the edge, up to the limit of each and beyond.

use crate::{
    chat::{chat, send},
    server::{RealBifrost, provider},
    support::{edge::Edge, http::Response},
};

/// The default of both: `max_request_body_size_mb: 100` and `limits.request_body: 100MiB`.
const LIMIT: usize = 100 << 20;

/// Sends so many bytes to a path that has no such method: the server reads them all before it says so.
fn upload(edge: &Edge, length: usize) -> Response {
    let mut client = edge.connect();
    let mut sender = client.sender();
    client.send(edge.head("PUT", "/mcp", &format!("Content-Length: {length}\r\n")));
    let sending = std::thread::spawn(move || {
        let block = vec![b'x'; 1 << 20];
        let mut left = length;
        while left > 0 {
            let size = left.min(block.len());
            // An answer may come before the whole of it is sent, and the rest be refused.
            if std::io::Write::write_all(&mut sender, &block[..size]).is_err() {
                return;
            }
            left -= size;
        }
    });
    let answer = client.read_response("PUT");
    drop(client);
    sending.join().unwrap();
    answer
}

#[test]
fn a_long_prompt_arrives_whole() {
    let provider = provider();
    let bifrost = RealBifrost::start(&provider);
    let edge = Edge::in_front_of(&[bifrost.address]);
    let prompt = "long ".repeat(3 << 20);
    let answer = send(&edge, "/v1/chat/completions", &chat(&prompt, false)).read_response("POST");
    assert_eq!(answer.status, 200, "{}", answer.text());
    let asked = provider.recorded().into_iter().find(|asked| asked.target == "/v1/chat/completions").unwrap();
    assert!(asked.body_complete && asked.body_len > prompt.len() as u64, "{}", asked.body_len);
}

#[test]
fn an_upload_as_long_as_both_allow_is_answered_by_the_server() {
    let bifrost = RealBifrost::start(&provider());
    let edge = Edge::in_front_of(&[bifrost.address]);
    let answer = upload(&edge, LIMIT);
    assert_eq!((answer.status, answer.text()), (405, "Method Not Allowed"));
}

/// The server itself would say 400, and that the request cannot be parsed.
#[test]
fn an_upload_that_is_too_long_is_413_and_never_reaches_the_server() {
    let bifrost = RealBifrost::start(&provider());
    let edge = Edge::in_front_of(&[bifrost.address]);
    let answer = upload(&edge, LIMIT + 1);
    assert_eq!(answer.status, 413, "{answer:?}");
    assert!(bifrost.answered().is_empty(), "{:?}", bifrost.answered());
}

/// An edge whose limit is higher than the server's passes on what the server says, whose connection then closes.
#[test]
fn what_the_server_finds_too_long_is_its_answer() {
    let bifrost = RealBifrost::start_with(&provider(), "sk-provider", |config| {
        config["client"]["max_request_body_size_mb"] = 1.into();
    });
    let edge = Edge::in_front_of(&[bifrost.address]);
    let answer = upload(&edge, (1 << 20) + 1);
    assert_eq!((answer.status, answer.text()), (400, "Error when parsing request"));
    let answer = upload(&edge, 1 << 20);
    assert_eq!((answer.status, answer.text()), (405, "Method Not Allowed"));
}
