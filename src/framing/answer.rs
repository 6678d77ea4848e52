//! The head of an answer, as a server sent it.

use memchr::{memchr, memchr_iter};

use super::Body;

/// What the head of an answer is followed by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Follows {
    /// Another head: this one is interim (RFC 9110 section 15.2).
    Head,
    /// Another protocol: this one is a 101.
    Protocol,
    /// A body, or nothing.
    Body,
}

/// Where the head ends, if it has come whole. All up to `searched` is known to have no end in it.
pub fn end_of_head(bytes: &[u8], searched: &mut usize) -> Option<usize> {
    // An end that is split may have begun two bytes before.
    let from = searched.saturating_sub(2);
    for place in memchr_iter(b'\n', &bytes[from..]) {
        let after = from + place + 1;
        if bytes[after..].starts_with(b"\r\n") {
            return Some(after + 2);
        }
        if bytes[after..].starts_with(b"\n") {
            return Some(after + 1);
        }
    }
    *searched = bytes.len();
    None
}

/// What follows the head.
pub fn follows(head: &[u8]) -> Follows {
    match head.get(b"HTTP/1.1 ".len()..b"HTTP/1.1 101".len()) {
        Some(b"101") => Follows::Protocol,
        Some([b'1', ..]) => Follows::Head,
        _ => Follows::Body,
    }
}

/// Says where the body of the answer ends, and rewrites the head, in place, into that of an answer with an empty
/// body. None, and nothing is rewritten: there is no body (RFC 9112 section 6.3), or its end is not said in the one
/// plain way, or the version is not HTTP/1.1.
pub fn hide_body(head: &mut [u8]) -> Option<Body> {
    let status = head.strip_prefix(b"HTTP/1.1 ")?.get(..3)?;
    if !matches!(status, [b'2'..=b'5', ..]) || matches!(status, b"204" | b"304") {
        return None;
    }
    let mut found = None;
    let mut at = memchr(b'\n', head)? + 1;
    while let Some(length) = memchr(b'\n', &head[at..]) {
        let line = &head[at..at + length];
        // A line that is folded may belong to the framing.
        let is_folded = matches!(line.first(), Some(b' ' | b'\t'));
        match framing(line) {
            Some(Framing::Plain(body)) if found.is_none() => {
                found = Some((at..at + line.trim_ascii_end().len(), body));
            }
            None if !is_folded => {}
            _ => return None,
        }
        at += length + 1;
    }
    let (place, body) = found?;
    let line = &mut head[place];
    // As long as the shortest line in chunks, and longer than the shortest with a length.
    let (name, value) = line.split_at_mut_checked(b"Content-Length:".len())?;
    name.copy_from_slice(b"Content-Length:");
    value.fill(b'0');
    Some(body)
}

/// What a line says of the end of the body.
enum Framing {
    Plain(Body),
    /// Something that is not understood here.
    Other,
}

/// What a line says of the end of the body, if anything.
fn framing(line: &[u8]) -> Option<Framing> {
    let (name, value) = line.split_at(memchr(b':', line)?);
    let value = value[1..].trim_ascii();
    if name.eq_ignore_ascii_case(b"content-length") {
        let is_number = (1..=18).contains(&value.len()) && value.iter().all(u8::is_ascii_digit);
        let length = is_number.then(|| value.iter().fold(0, |length, digit| length * 10 + u64::from(digit - b'0')));
        return Some(length.map_or(Framing::Other, |length| Framing::Plain(Body::Length(length))));
    }
    if name.eq_ignore_ascii_case(b"transfer-encoding") && value.eq_ignore_ascii_case(b"chunked") {
        return Some(Framing::Plain(Body::Chunked));
    }
    // With a blank before its colon, for example.
    let name = name.trim_ascii();
    let is_framing =
        [&b"content-length"[..], b"transfer-encoding"].iter().any(|known| name.eq_ignore_ascii_case(known));
    is_framing.then_some(Framing::Other)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn hidden(head: &str) -> (Option<Body>, String) {
        let mut bytes = head.as_bytes().to_vec();
        let body = hide_body(&mut bytes);
        assert_eq!(bytes.len(), head.len());
        (body, String::from_utf8(bytes).unwrap())
    }

    #[test]
    fn a_body_is_hidden() {
        let cases = [
            ("Content-Length: 12", Body::Length(12), "Content-Length:000"),
            ("content-length:0", Body::Length(0), "Content-Length:0"),
            ("CONTENT-LENGTH:\t 007 ", Body::Length(7), "Content-Length:00000 "),
            ("Transfer-Encoding: chunked", Body::Chunked, "Content-Length:00000000000"),
            ("transfer-encoding:Chunked", Body::Chunked, "Content-Length:0000000000"),
        ];
        for (line, body, shown) in cases {
            for (before, after) in [("", ""), ("A: b\r\n", "C:\r\n")] {
                let head = |line| format!("HTTP/1.1 200 OK\r\n{before}{line}\r\n{after}\r\n");
                assert_eq!(hidden(&head(line)), (Some(body), head(shown)));
            }
        }
    }

    #[test]
    fn what_is_not_plain_is_left_alone() {
        for head in [
            "HTTP/1.1 200 OK\r\n\r\n",
            "HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\n",
            "HTTP/1.1 204 No Content\r\nContent-Length: 1\r\n\r\n",
            "HTTP/1.1 304 Not Modified\r\nContent-Length: 1\r\n\r\n",
            "HTTP/1.1 100 Continue\r\nContent-Length: 1\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding : chunked\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length : 1\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 1, 1\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length:\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 1000000000000000000000\r\n\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding:\r\n chunked\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n 2\r\n\r\n",
        ] {
            assert_eq!(hidden(head), (None, head.to_owned()));
        }
    }

    #[test]
    fn it_is_known_what_follows() {
        assert_eq!(follows(b"HTTP/1.1 101 Switching Protocols\r\n\r\n"), Follows::Protocol);
        assert_eq!(follows(b"HTTP/1.1 103 Early Hints\r\n\r\n"), Follows::Head);
        assert_eq!(follows(b"HTTP/1.0 200\r\n\r\n"), Follows::Body);
        assert_eq!(follows(b"\n\n"), Follows::Body);
    }

    proptest! {
        #[test]
        fn the_end_is_found_however_the_bytes_come(
            lines in proptest::collection::vec("[ -~]{1,12}", 1..6),
            is_bare in any::<bool>(),
            body in proptest::collection::vec(any::<u8>(), 0..20),
            piece in 1..9_usize,
        ) {
            let end_of_line = if is_bare { "\n" } else { "\r\n" };
            let head = lines.join(end_of_line) + end_of_line + end_of_line;
            let all = [head.as_bytes(), &body].concat();
            let (mut searched, mut found) = (0, None);
            for end in (0..all.len()).step_by(piece).chain([all.len()]) {
                found = end_of_head(&all[..end], &mut searched);
                if found.is_some() {
                    break;
                }
            }
            prop_assert_eq!(found, Some(head.len()));
        }

        /// What Pingora would take for the end of the body.
        #[test]
        fn what_is_shown_is_an_answer_without_a_body(
            head in "HTTP/1.1 [1-5][0-9][0-9] x\r\n((content-length|Transfer-Encoding|A)[ ]?:[ ]?(chunked|[0-9]{1,4}|x)[ ]?\r\n){0,3}\r\n"
        ) {
            let (body, shown) = hidden(&head);
            let mut headers = [httparse::EMPTY_HEADER; 8];
            let mut parsed = httparse::Response::new(&mut headers);
            if body.is_some() && parsed.parse(shown.as_bytes()).is_ok() {
                let framing = parsed.headers.iter().filter(|header| header.name != "A").collect::<Vec<_>>();
                prop_assert_eq!(framing.len(), 1);
                prop_assert_eq!(framing[0].name, "Content-Length");
                prop_assert!(framing[0].value.iter().all(|digit| *digit == b'0') && !framing[0].value.is_empty());
            }
        }
    }
}
