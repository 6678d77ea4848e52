//! What the edge says for itself on a connection: nothing that was meant for another one (RFC 9110 section 7.6.1).

use super::{AnswerHead, Fault, Fields, Framing, RequestHead};

/// Checks a request that a server gets.
pub fn request(head: &RequestHead) -> Result<(), Fault> {
    if head.is_1_0 {
        return Err("a request in HTTP/1.0");
    }
    if !matches!(head.target.first(), Some(b'/' | b'*')) {
        return Err("a request whose target is no path");
    }
    fields(&head.fields)
}

/// Checks an answer that a client gets.
pub fn answer(head: &AnswerHead) -> Result<(), Fault> {
    if head.is_1_0 {
        return Err("an answer in HTTP/1.0");
    }
    if head.framing == Framing::Close && !head.fields.lists("connection", "close") {
        return Err("an answer up to the end of a connection that is not said to close");
    }
    fields(&head.fields)
}

fn fields(fields: &Fields) -> Result<(), Fault> {
    let is_fine = |option: &[u8]| {
        [&b"close"[..], b"keep-alive", b"upgrade"].iter().any(|known| option.eq_ignore_ascii_case(known))
    };
    if !fields.items("connection").all(is_fine) {
        return Err("a Connection that names what is not the edge's");
    }
    if fields.lists("connection", "close") && fields.lists("connection", "keep-alive") {
        return Err("a Connection that is closed and kept");
    }
    if ["keep-alive", "proxy-connection", "te"].iter().any(|name| fields.has(name)) {
        return Err("a field that was meant for another connection");
    }
    if fields.has("upgrade") && !fields.lists("connection", "upgrade") {
        return Err("an Upgrade that Connection does not name");
    }
    Ok(())
}
