//! What two parsers of HTTP/1 could read differently. A request with any of it is refused: the server behind
//! might see another request than the edge (RFC 9112 section 11.2).

use http::{HeaderMap, header};

/// Looks through the head of a request as it was sent.
///
/// # Errors
/// What is wrong with it.
pub(super) fn check(head: &[u8]) -> Result<(), &'static str> {
    let mut lines = head.split(|byte| *byte == b'\n');
    let mut framing = Framing::default();
    // The last piece is what follows the last line feed.
    let last = lines.next_back();
    if last.is_some_and(|rest| !rest.is_empty()) {
        return Err("the head does not end in an empty line");
    }
    for (number, line) in lines.enumerate() {
        let Some(line) = line.strip_suffix(b"\r") else { return Err("a line feed without a carriage return") };
        let is_forbidden = |byte: &u8| byte.is_ascii_control() && (number == 0 || *byte != b'\t');
        if line.iter().any(is_forbidden) {
            return Err("a control byte in the head");
        }
        if number > 0 && !line.is_empty() {
            framing.header(line)?;
        }
    }
    framing.check()
}

/// The headers that say where a request ends.
#[derive(Default)]
struct Framing {
    lengths: usize,
    encodings: usize,
}

impl Framing {
    fn header(&mut self, line: &[u8]) -> Result<(), &'static str> {
        let colon = line.iter().position(|byte| *byte == b':').ok_or("a header without a colon")?;
        let (name, value) = (&line[..colon], line[colon + 1..].trim_ascii());
        if name.eq_ignore_ascii_case(b"content-length") {
            self.lengths += 1;
            // More digits than a number of 64 bits has are no length.
            let is_number = (1..=19).contains(&value.len()) && value.iter().all(u8::is_ascii_digit);
            return if is_number { Ok(()) } else { Err("a Content-Length that is no number") };
        }
        if name.eq_ignore_ascii_case(b"transfer-encoding") {
            self.encodings += 1;
            let is_chunked = value.eq_ignore_ascii_case(b"chunked");
            return if is_chunked { Ok(()) } else { Err("a Transfer-Encoding other than chunked") };
        }
        Ok(())
    }

    fn check(&self) -> Result<(), &'static str> {
        match (self.lengths, self.encodings) {
            (0 | 1, 0) | (0, 1) => Ok(()),
            (_, 0) => Err("more than one Content-Length"),
            (0, _) => Err("more than one Transfer-Encoding"),
            _ => Err("a Content-Length beside a Transfer-Encoding"),
        }
    }
}

/// Looks through the headers of a request of any version for what must not be done with them on the way:
/// `Connection` must not delete what the server or the edge relies on (RFC 9110 section 7.6.1), and there is
/// nothing to upgrade to but a WebSocket.
///
/// # Errors
/// What is wrong with them.
pub(super) fn check_headers(headers: &HeaderMap) -> Result<(), &'static str> {
    if headers.get_all(header::CONTENT_LENGTH).iter().count() > 1 {
        return Err("more than one Content-Length");
    }
    if super::headers::items(headers, header::CONNECTION).any(is_protected) {
        return Err("a Connection that names a header which is not its own");
    }
    if super::headers::items(headers, header::UPGRADE).any(|to| !to.eq_ignore_ascii_case(b"websocket")) {
        return Err("an Upgrade to something other than a WebSocket");
    }
    Ok(())
}

fn is_protected(name: &[u8]) -> bool {
    const NAMES: [&[u8]; 8] = [
        b"authorization",
        b"content-length",
        b"cookie",
        b"forwarded",
        b"host",
        b"transfer-encoding",
        b"x-real-ip",
        b"x-request-id",
    ];
    const PREFIXES: [&[u8]; 2] = [b"x-bf-", b"x-forwarded-"];
    let begins = |prefix: &&[u8]| name.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix));
    NAMES.iter().any(|protected| name.eq_ignore_ascii_case(protected)) || PREFIXES.iter().any(begins)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn with(headers: &str) -> Result<(), &'static str> {
        check(format!("POST / HTTP/1.1\r\nHost: x\r\n{headers}\r\n").as_bytes())
    }

    #[test]
    fn an_ordinary_head_passes() {
        for headers in [
            "",
            "Content-Length: 0\r\n",
            "Content-Length:\t12 \r\nX: a\tb\r\n",
            "Transfer-Encoding: Chunked\r\n",
            "X-Empty:\r\n",
            "X: caf\u{e9}\r\n",
        ] {
            assert_eq!(with(headers), Ok(()), "{headers:?}");
        }
    }

    #[test]
    fn what_can_be_read_in_two_ways_does_not() {
        for (headers, fault) in [
            ("Content-Length: 2\r\nTransfer-Encoding: chunked\r\n", "beside"),
            ("Transfer-Encoding: chunked\r\nContent-Length: 2\r\n", "beside"),
            ("Content-Length: 2\r\nContent-Length: 2\r\n", "more than one Content-Length"),
            ("Content-Length: 2, 2\r\n", "no number"),
            ("Content-Length: +2\r\n", "no number"),
            ("Content-Length: 0x2\r\n", "no number"),
            ("Content-Length:\r\n", "no number"),
            ("Content-Length: 99999999999999999999\r\n", "no number"),
            ("Transfer-Encoding: gzip, chunked\r\n", "other than chunked"),
            ("Transfer-Encoding: identity\r\n", "other than chunked"),
            ("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", "more than one Transfer-Encoding"),
            ("X: a\nY: b\r\n", "line feed"),
            ("X: a\r\r\n", "control byte"),
            ("X: a\0b\r\n", "control byte"),
            ("X: a\x0bb\r\n", "control byte"),
            ("X: a\x7fb\r\n", "control byte"),
            ("X\r\n", "without a colon"),
        ] {
            assert!(with(headers).is_err_and(|found| found.contains(fault)), "{headers:?} gave {:?}", with(headers));
        }
        assert!(check(b"GET /\ta HTTP/1.1\r\nHost: x\r\n\r\n").is_err());
        assert!(check(b"GET / HTTP/1.1\nHost: x\n\n").is_err());
        assert!(check(b"").is_ok());
    }

    #[test]
    fn connection_names_only_what_is_its_own() {
        for (name, value, is_fine) in [
            ("connection", "keep-alive, X-Hop", true),
            ("connection", "close", true),
            ("connection", "keep-alive, Authorization", false),
            ("connection", "host", false),
            ("connection", "X-BF-VK", false),
            ("connection", "x-forwarded-for", false),
            ("connection", "X-Request-Id", false),
            ("upgrade", "WebSocket", true),
            ("upgrade", "h2c", false),
            ("upgrade", "websocket, h2c", false),
        ] {
            let headers = HeaderMap::from_iter([(name.parse().unwrap(), value.parse().unwrap())]);
            assert_eq!(check_headers(&headers).is_ok(), is_fine, "{name}: {value}");
        }
    }

    proptest! {
        /// Whatever the bytes, it says something; and what it lets pass has no line ends of other kinds.
        #[test]
        fn no_head_of_two_readings_passes(head in proptest::collection::vec(prop_oneof![
            Just(b'\r'), Just(b'\n'), Just(b':'), Just(b'a'), Just(b' '), Just(0_u8), any::<u8>()
        ], 0..80)) {
            if check(&head).is_ok() {
                let without_line_ends = String::from_utf8_lossy(&head).replace("\r\n", "");
                prop_assert!(!without_line_ends.contains(['\r', '\n', '\0']));
            }
        }
    }
}
