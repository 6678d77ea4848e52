//! The head of an answer: the edge and Pingora's parser must agree on where it ends; and if its body is hidden, what
//! Pingora is shown is as long, and an answer without a body.

#![no_main]

use bridgehead::framing::{Body, end_of_head, hide_body};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let end = end_of_head(bytes, &mut 0);
    let mut searched = 0;
    let in_pieces = (0..=bytes.len()).find_map(|length| end_of_head(&bytes[..length], &mut searched));
    assert_eq!(in_pieces, end);
    let Some(end) = end else { return };
    let mut shown = bytes[..end].to_vec();
    let body = hide_body(&mut shown);
    let mut headers = [httparse::EMPTY_HEADER; 256];
    let mut real = httparse::Response::new(&mut headers);
    let Ok(httparse::Status::Complete(length)) = real.parse(bytes) else { return };
    let Some(body) = body else {
        assert_eq!(shown, bytes[..end]);
        return;
    };
    assert_eq!(length, end);
    assert_eq!(framing(real.headers), [value(body)]);
    let status = real.code;
    let mut headers = [httparse::EMPTY_HEADER; 256];
    let mut empty = httparse::Response::new(&mut headers);
    assert_eq!(empty.parse(&shown), Ok(httparse::Status::Complete(end)));
    assert_eq!((framing(empty.headers), empty.code), (vec![value(Body::Length(0))], status));
});

/// What an answer says of its end.
fn framing(headers: &[httparse::Header]) -> Vec<(bool, u64)> {
    let of = |header: &httparse::Header| match header.name.to_ascii_lowercase().as_str() {
        "transfer-encoding" => Some((true, 0)),
        "content-length" => Some((false, std::str::from_utf8(header.value).ok()?.parse().ok()?)),
        _ => None,
    };
    headers.iter().filter_map(of).collect()
}

fn value(body: Body) -> (bool, u64) {
    match body {
        Body::Chunked => (true, 0),
        Body::Length(length) => (false, length),
    }
}
