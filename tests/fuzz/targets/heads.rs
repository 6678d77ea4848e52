//! Heads of requests, as a server behind the edge reads them, too.

#![no_main]

use bridgehead::{
    framing::{Body, RequestHead, read},
    reason::Reason,
};
use httparse::{EMPTY_HEADER, Request, Status};
use libfuzzer_sys::fuzz_target;

const MOST_HEADERS: usize = 20;

fuzz_target!(|input: &[u8]| {
    verdict(input);
    // Most bytes are no head. So they are also tried within one.
    verdict(&[b"POST /a HTTP/1.1\r\nHost: x\r\n", input, b"\r\n\r\n"].concat());
    verdict(&[b"GET ", input, b" HTTP/1.1\r\nHost: x\r\n\r\n"].concat());
    a_plain_one_passes(input);
});

fn verdict(head: &[u8]) {
    match read(head, MOST_HEADERS) {
        Ok(read) => has_one_reading(head, &read),
        Err(refusal) => {
            assert!(!refusal.why.is_empty());
            let reasons =
                [Reason::Malformed, Reason::MethodNotAllowed, Reason::VersionNotSupported, Reason::HeadTooLarge];
            assert!(reasons.contains(&refusal.reason), "{refusal:?}");
        }
    }
}

fn has_one_reading(head: &[u8], read: &RequestHead) {
    let end = head.windows(4).position(|four| four == b"\r\n\r\n").unwrap();
    assert_eq!(end + 4, head.len(), "it ends within");
    let mut lines = Vec::new();
    let mut rest = &head[..end + 2];
    while let Some(at) = rest.windows(2).position(|two| two == b"\r\n") {
        lines.push(&rest[..at]);
        rest = &rest[at + 2..];
    }
    assert!(lines.concat().iter().all(|byte| *byte == b'\t' || !byte.is_ascii_control()), "a control byte passes");
    assert!(lines.len() - 1 <= MOST_HEADERS, "too many headers pass");

    let mut headers = Vec::new();
    for line in &lines[1..] {
        let colon = line.iter().position(|byte| *byte == b':').unwrap();
        headers.push((line[..colon].to_ascii_lowercase(), line[colon + 1..].trim_ascii()));
    }
    let all = |name: &str| -> Vec<&[u8]> {
        headers.iter().filter(|header| header.0 == name.as_bytes()).map(|header| header.1).collect()
    };
    let hosts = all("host");
    assert!(hosts.len() <= 1 && (hosts.len() == 1 || lines[0].ends_with(b"HTTP/1.0")), "{} hosts", hosts.len());
    let expected = match (&all("content-length")[..], &all("transfer-encoding")[..]) {
        ([], []) => Body::Length(0),
        ([length], []) => Body::Length(std::str::from_utf8(length).unwrap().parse().unwrap()),
        ([], [coding]) if coding.eq_ignore_ascii_case(b"chunked") => Body::Chunked,
        other => panic!("passes with {other:?}"),
    };
    assert_eq!(read.body, expected);
    let line = [read.line.method, read.line.target, if read.line.is_1_0 { b"HTTP/1.0" } else { b"HTTP/1.1" }];
    assert_eq!(line.join(&b' '), lines[0]);
    let fields: Vec<_> =
        read.fields.clone().map(|(name, value)| (name.to_ascii_lowercase(), value.trim_ascii())).collect();
    assert_eq!(fields, headers);
    is_the_same_for_pingora(head, &headers);
}

/// Pingora may refuse it, but must not see another request, or wait for more of it.
fn is_the_same_for_pingora(head: &[u8], headers: &[(Vec<u8>, &[u8])]) {
    let mut places = [EMPTY_HEADER; MOST_HEADERS];
    let mut request = Request::new(&mut places);
    match request.parse(head) {
        Ok(Status::Complete(length)) => assert_eq!(length, head.len()),
        Ok(Status::Partial) => panic!("Pingora waits for more"),
        Err(_) => return,
    }
    let seen = request.headers.iter();
    let seen = seen.map(|header| (header.name.to_ascii_lowercase().into_bytes(), header.value.trim_ascii()));
    assert_eq!(seen.collect::<Vec<_>>(), headers, "Pingora sees other headers");
}

/// Being strict, it still takes what is in order.
fn a_plain_one_passes(input: &[u8]) {
    let is_plain = |byte: &u8| byte.is_ascii_graphic() && !b"#<>`\"".contains(byte);
    let plain: Vec<u8> = input.iter().copied().filter(is_plain).collect();
    let text = String::from_utf8(plain).unwrap();
    let length = input.len();
    let head =
        format!("POST /{text} HTTP/1.1\r\nHost: x\r\nX-Any: {text}\t {text}\r\nContent-Length: {length}\r\n\r\n");
    assert_eq!(read(head.as_bytes(), 3).map(|head| head.body), Ok(Body::Length(length as u64)));
    assert_eq!(read(head.as_bytes(), 2).unwrap_err().reason, Reason::HeadTooLarge);
}
