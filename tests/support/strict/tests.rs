//! The second reader is held to examples, and to what a third one makes of the same bytes.

use super::{End, Framing, Side, answer, request, requests};

/// What is sure, whole, and has this body.
fn is_sure(bytes: &str, body: &str) {
    let reading = request(bytes.as_bytes(), Side::Client);
    assert!(reading.is_whole() && !reading.is_doubtful && reading.body == body.as_bytes(), "{bytes:?}: {reading:?}");
    assert_eq!(reading.length, bytes.len());
}

#[test]
fn requests_are_read() {
    is_sure("GET / HTTP/1.1\r\nHost: x\r\n\r\n", "");
    is_sure("\r\nGET http://x/a HTTP/1.1\r\nHost: x\r\n\r\n", "");
    is_sure("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nhi", "hi");
    is_sure(
        "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n2 ; a=\"b;\"\r\nhi\r\n00\r\nX: y\r\n\r\n",
        "hi",
    );
    let two = requests(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\nGET / HTTP/1.1\r\n", Side::Client);
    assert_eq!(two.len(), 1, "{two:?}");
}

/// A recipient may take them for hosts, and ours does not.
#[test]
fn a_host_without_a_name_or_with_a_port_that_is_none_is_doubtful() {
    for (host, is_doubtful) in [
        ("x", false),
        ("x.", false),
        ("x.:80", false),
        ("x:65535", false),
        ("", true),
        (".", true),
        (".:80", true),
        ("x..", true),
        ("x:", true),
        ("x:65536", true),
    ] {
        let reading = request(format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n").as_bytes(), Side::Client);
        assert_eq!((reading.is_whole(), reading.is_doubtful), (true, is_doubtful), "{host:?}");
    }
}

#[test]
fn what_can_be_read_in_two_ways_is_no_request() {
    for headers in [
        "Content-Length: 0\r\nTransfer-Encoding: chunked\r\n",
        "Content-Length: 0\r\nContent-Length: 0\r\n",
        "Content-Length: 0, 0\r\n",
        "Content-Length: +0\r\n",
        "Transfer-Encoding: gzip, chunked\r\n",
        "Transfer-Encoding : chunked\r\n",
        "X: y\nZ: z\r\n",
        "X: y\r\n z\r\n",
        "X: \0\r\n",
        "Host: x\r\n",
    ] {
        for side in [Side::Client, Side::Edge] {
            let bytes = format!("POST / HTTP/1.1\r\nHost: x\r\n{headers}\r\n0\r\n\r\n");
            let reading = request(bytes.as_bytes(), side);
            assert!(matches!(reading.end, End::Fault(_)), "{headers:?}: {reading:?}");
        }
    }
}

#[test]
fn answers_are_mended_as_the_standard_says() {
    for (headers, framing) in [
        ("Content-Length: 2\r\n", Framing::Length(2)),
        ("Content-Length: 2, 2\r\n", Framing::Length(2)),
        ("Content-Length : 2\r\n", Framing::Length(2)),
        ("Content-Length:\r\n 2\r\n", Framing::Length(2)),
        ("Content-Length: 3\r\nTransfer-Encoding: chunked\r\n", Framing::Chunked),
        ("X: y\nTransfer-Encoding: , chunked\r\n", Framing::Chunked),
        ("X: y\r\n", Framing::Close),
    ] {
        let bytes = format!("HTTP/1.1 200 OK\r\n{headers}\r\nhi");
        let read = |side| answer(bytes.as_bytes(), "GET", side);
        assert_eq!(read(Side::Server).head.map(|head| head.framing), Some(framing), "{headers:?}");
        let is_plain = headers == "Content-Length: 2\r\n";
        assert_eq!(matches!(read(Side::Edge).end, End::Fault(_)), !is_plain, "{headers:?}");
    }
    for headers in ["Content-Length: 2, 3\r\n", "Content-Length: x\r\n", "Transfer-Encoding: gzip\r\n", "X Y: z\r\n"] {
        let bytes = format!("HTTP/1.1 200 OK\r\n{headers}\r\nhi");
        assert!(matches!(answer(bytes.as_bytes(), "GET", Side::Server).end, End::Fault(_)), "{headers:?}");
    }
}

#[test]
fn an_answer_without_a_body_says_nothing_of_one() {
    for (bytes, method, is_fine) in [
        ("HTTP/1.1 204 No Content\r\n\r\n", "GET", true),
        ("HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n", "GET", false),
        ("HTTP/1.1 103 Early Hints\r\nTransfer-Encoding: chunked\r\n\r\n", "GET", false),
        ("HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", "GET", true),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "HEAD", true),
        ("HTTP/1.1 200 OK\r\nKeep-Alive: 5\r\nContent-Length: 0\r\n\r\n", "GET", false),
        ("HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n", "GET", false),
        ("HTTP/1.1 200 OK\r\n\r\n", "GET", false),
    ] {
        assert_eq!(answer(bytes.as_bytes(), method, Side::Edge).is_whole(), is_fine, "{bytes:?}");
    }
}

/// A third reader, which knows heads only: what is sure here is read there, and names the same fields.
#[test]
fn what_is_sure_is_read_by_a_third_reader_too() {
    use crate::support::corpus::{RequestEntry, SIZE};

    let mut read = 0;
    for number in 0..SIZE {
        let entry = RequestEntry::of(number);
        let mut rest = entry.bytes.as_slice();
        for ours in requests(&entry.bytes, Side::Client) {
            let Some(head) = ours.head.as_ref().filter(|_| !ours.is_doubtful) else { break };
            let mut fields = [httparse::EMPTY_HEADER; 64];
            let mut theirs = httparse::Request::new(&mut fields);
            assert!(theirs.parse(rest).is_ok_and(|parsed| parsed.is_complete()), "{}", rest.escape_ascii());
            let theirs: Vec<_> =
                theirs.headers.iter().map(|field| (field.name.to_ascii_lowercase(), field.value.to_vec())).collect();
            assert_eq!(head.fields.0, theirs);
            rest = &rest[ours.length..];
            read += 1;
        }
    }
    assert!(read > 4000, "the corpus is mostly faults: {read}");
}
