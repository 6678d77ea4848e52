//! Heads of responses, as a second parser reads them, too: what both take is the same to both.

#![no_main]

use bridgehead::framing::{Body, ResponseBody, ResponseHead, end_of_head};
use httparse::{EMPTY_HEADER, Response, Status};
use libfuzzer_sys::fuzz_target;

const MOST_HEADERS: usize = 256;

/// Names, in lower case, and values.
type Fields<'a> = Vec<(Vec<u8>, &'a [u8])>;

fuzz_target!(|input: &[u8]| {
    verdict(input);
    // Most bytes are no head. So they are also tried within one.
    verdict(&[b"HTTP/1.1 200 OK\r\nX: y\r\n", input, b"\r\n\r\n"].concat());
    verdict(&[b"HTTP/1.1 200 ", input, b"\r\nContent-Length: 3\r\n\r\n"].concat());
    a_plain_one_passes(input);
});

fn verdict(bytes: &[u8]) {
    let end = end_of_head(bytes, &mut 0);
    let mut searched = 0;
    let in_pieces = (0..=bytes.len()).find_map(|length| end_of_head(&bytes[..length], &mut searched));
    assert_eq!(in_pieces, end);
    let Some(end) = end else { return };
    let Ok(head) = ResponseHead::read(&bytes[..end]) else { return };
    let fields: Fields = head.fields().map(|(name, value)| (name.to_ascii_lowercase(), value)).collect();
    assert_eq!((head.body(false), head.body(true)), (end_of_body(&head, &fields), ResponseBody::None));
    assert!(head.nominated().iter().all(|name| !name.is_empty()));
    is_the_same_for_another(bytes, end, &head, &fields);
}

/// Where its body ends, the long way; two answers to that are none.
fn end_of_body(head: &ResponseHead, fields: &Fields) -> ResponseBody {
    let items = |wanted: &str| -> Vec<String> {
        let values = fields.iter().filter(|(name, _)| name == wanted.as_bytes()).map(|(_, value)| *value);
        let items = values.flat_map(|value| value.split(|byte| *byte == b','));
        items.map(|item| String::from_utf8_lossy(item.trim_ascii()).to_ascii_lowercase()).collect()
    };
    let codings: Vec<_> = items("transfer-encoding").into_iter().filter(|coding| !coding.is_empty()).collect();
    let mut lengths: Vec<u64> = items("content-length").iter().map(|length| length.parse().unwrap()).collect();
    lengths.dedup();
    let said = match (&codings[..], &lengths[..]) {
        ([], []) => None,
        ([], [length]) => Some(Body::Length(*length)),
        ([coding], []) if coding == "chunked" => Some(Body::Chunked),
        other => panic!("passes with {other:?}"),
    };
    assert_eq!(head.framing(), said);
    match (head.status.as_u16(), said) {
        (100..200 | 204 | 205 | 304, _) => ResponseBody::None,
        (_, None) => ResponseBody::Close,
        (_, Some(body)) => ResponseBody::Framed(body),
    }
}

/// The other one may refuse it, but must not see another response, or wait for more of it.
fn is_the_same_for_another(bytes: &[u8], end: usize, head: &ResponseHead, fields: &Fields) {
    let mut places = [EMPTY_HEADER; MOST_HEADERS];
    let mut response = Response::new(&mut places);
    match httparse::ParserConfig::default()
        .allow_spaces_after_header_name_in_responses(true)
        .parse_response(&mut response, bytes)
    {
        Ok(Status::Complete(length)) => assert_eq!(length, end, "another end"),
        Ok(Status::Partial) => panic!("the other one waits for more"),
        Err(_) => return,
    }
    assert_eq!((response.code, response.version == Some(0)), (Some(head.status.as_u16()), is_1_0(bytes)));
    let theirs = response.headers.iter();
    let theirs: Fields = theirs.map(|field| (field.name.to_ascii_lowercase().into_bytes(), field.value)).collect();
    assert_eq!(&theirs, fields);
}

fn is_1_0(bytes: &[u8]) -> bool {
    bytes.trim_ascii_start().starts_with(b"HTTP/1.0")
}

/// Being strict, it still takes what is in order.
fn a_plain_one_passes(input: &[u8]) {
    let text: String = input.iter().map(|byte| char::from(byte % 0x5f + b' ')).collect();
    let text = text.trim();
    let length = input.len() as u64;
    let head = format!("HTTP/1.1 299 {text}\r\nX-Any: \t{text} \r\nContent-Length: {length}\r\n\r\n");
    let head = ResponseHead::read(head.as_bytes()).unwrap();
    assert_eq!((head.status.as_u16(), head.reason), (299, text.as_bytes()));
    assert_eq!(head.fields().next(), Some((&b"X-Any"[..], text.as_bytes())));
    assert_eq!(head.body(false), ResponseBody::Framed(Body::Length(length)));
}
