//! How the edge writes the head of a message: the one place that knows the form of RFC 9112.

use http::StatusCode;

use super::{
    body::Body,
    fields::{Fields, has_control, is_token},
    names::Kind,
};

/// Begins the head of a request, of HTTP/1.1.
pub fn request_line(head: &mut Vec<u8>, method: &[u8], target: &[u8]) {
    append(head, &[method, b" ", target, b" HTTP/1.1\r\n"]);
}

/// Begins the head of a response, of HTTP/1.1.
pub fn status_line(head: &mut Vec<u8>, status: StatusCode, reason: &[u8]) {
    append(head, &[b"HTTP/1.1 ", status.as_str().as_bytes(), b" ", reason, b"\r\n"]);
}

/// Adds a field.
pub fn field(head: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    append(head, &[name, b": ", value, b"\r\n"]);
}

/// Adds the field that says where the body ends.
pub fn framing(head: &mut Vec<u8>, body: Body) {
    match body {
        Body::Length(length) => field(head, b"Content-Length", digits(&mut [0; 20], length, 10)),
        Body::Chunked => field(head, b"Transfer-Encoding", b"chunked"),
    }
}

/// Adds a chunk of a body. There must be something in it: an empty one would end the body.
pub fn chunk(body: &mut Vec<u8>, data: &[u8]) {
    append(body, &[digits(&mut [0; 20], data.len() as u64, 16), b"\r\n", data, b"\r\n"]);
}

/// Adds the last chunk, and the trailers that may pass (RFC 9110 section 6.5.1): fields, and none that would have to
/// be known before the body.
pub fn last_chunk(body: &mut Vec<u8>, trailers: &[u8]) {
    body.extend_from_slice(b"0\r\n");
    for (name, value) in Fields::new(trailers) {
        if matches!(Kind::of(name), Kind::Other | Kind::Trace) && is_token(name) && !has_control(value) {
            field(body, name, value);
        }
    }
    end(body);
}

/// Ends the head.
pub fn end(head: &mut Vec<u8>) {
    head.extend_from_slice(b"\r\n");
}

fn append(head: &mut Vec<u8>, parts: &[&[u8]]) {
    head.reserve(parts.iter().map(|part| part.len()).sum());
    for part in parts {
        head.extend_from_slice(part);
    }
}

/// Writes a number to the base of 10 or 16.
fn digits(room: &mut [u8; 20], number: u64, base: u64) -> &[u8] {
    let (mut at, mut left) = (room.len(), number);
    loop {
        at -= 1;
        // Less than the base.
        room[at] = b"0123456789ABCDEF"[usize::try_from(left % base).unwrap_or_default()];
        left /= base;
        if left == 0 {
            return &room[at..];
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_head_is_written() {
        let mut head = Vec::new();
        status_line(&mut head, StatusCode::OK, b"Fine");
        field(&mut head, b"A", b"b");
        framing(&mut head, Body::Chunked);
        end(&mut head);
        assert_eq!(head, b"HTTP/1.1 200 Fine\r\nA: b\r\nTransfer-Encoding: chunked\r\n\r\n");
        head.clear();
        request_line(&mut head, b"GET", b"/");
        assert_eq!(head, b"GET / HTTP/1.1\r\n");
    }

    proptest! {
        #[test]
        fn numbers_are_written(number in prop_oneof![any::<u64>(), 0..1000_u64]) {
            let mut head = Vec::new();
            framing(&mut head, Body::Length(number));
            prop_assert_eq!(head, format!("Content-Length: {number}\r\n").into_bytes());
            prop_assert_eq!(digits(&mut [0; 20], number, 16).to_vec(), format!("{number:X}").into_bytes());
        }
    }
}
