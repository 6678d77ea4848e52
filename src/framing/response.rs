//! The head of a response, as a server sent it.
//!
//! The edge writes every head anew, so that a client sees one framing and no field of the connection to the server.
//! Hence it is lenient where only the form is wrong (a line that ends in a bare line feed, a blank before a colon),
//! and refuses what leaves open where the response ends (RFC 9112 section 6.3): the client might see another response
//! than the edge.

use std::time::Duration;

use http::StatusCode;
use memchr::memchr;
use smallvec::SmallVec;

use super::{
    body::Body,
    fields::{Fields, has_control, is_token},
};

/// The head of a response, which has been found well formed.
#[derive(Debug, Clone)]
pub struct ResponseHead<'a> {
    /// What it says of the request.
    pub status: StatusCode,
    /// The phrase after the status; may be empty.
    pub reason: &'a [u8],
    fields: Fields<'a>,
    is_1_0: bool,
    framing: Option<Body>,
    connection: Options,
    /// The seconds in its `Keep-Alive`.
    kept_for: Option<u64>,
}

/// What its `Connection` says.
#[derive(Debug, Clone, Copy, Default)]
struct Options {
    close: bool,
    keep_alive: bool,
    /// Names of fields.
    others: bool,
}

/// Where the body of a response ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResponseBody {
    /// There is none, whatever the head says of its length.
    None,
    /// It is framed.
    Framed(Body),
    /// With the connection.
    Close,
}

impl<'a> ResponseHead<'a> {
    /// Reads a head from its status line to its empty line.
    ///
    /// # Errors
    /// Why it is none, or why it is open where the response ends.
    pub fn read(head: &'a [u8]) -> Result<Self, &'static str> {
        let end = memchr(b'\n', head).ok_or("a response without a status line")?;
        let (line, fields) = head.split_at(end + 1);
        let line = line.strip_suffix(b"\r\n").or(line.strip_suffix(b"\n")).unwrap_or(line);
        let (is_1_0, status, reason) = status_line(line)?;
        let fields = Fields::new(fields);
        let (framing, connection) = (None, Options::default());
        let mut read = ResponseHead { status, reason, fields, is_1_0, framing, connection, kept_for: None };
        for (name, value) in read.fields.clone() {
            read.take(name, value)?;
        }
        if is_1_0 && read.framing == Some(Body::Chunked) {
            return Err("a Transfer-Encoding in HTTP/1.0");
        }
        Ok(read)
    }

    fn take(&mut self, name: &[u8], value: &[u8]) -> Result<(), &'static str> {
        if !is_token(name) {
            // Also a folded line (RFC 9112 section 5.2).
            return Err("a field whose name is no token");
        }
        if has_control(value) && value.iter().any(|byte| byte.is_ascii_control() && *byte != b'\t') {
            return Err("a control byte in a field");
        }
        match name.len() {
            10 if name.eq_ignore_ascii_case(b"connection") => {
                for item in items(value) {
                    match item {
                        _ if item.eq_ignore_ascii_case(b"close") => self.connection.close = true,
                        _ if item.eq_ignore_ascii_case(b"keep-alive") => self.connection.keep_alive = true,
                        _ => self.connection.others = true,
                    }
                }
            }
            10 if name.eq_ignore_ascii_case(b"keep-alive") => {
                let seconds = |item: &[u8]| {
                    let (name, value) = item.split_at_checked(b"timeout=".len())?;
                    name.eq_ignore_ascii_case(b"timeout=").then(|| number(value.trim_ascii())).flatten()
                };
                self.kept_for = items(value).find_map(seconds).or(self.kept_for);
            }
            14 if name.eq_ignore_ascii_case(b"content-length") => {
                // The same number again and again is that number (RFC 9110 section 8.6).
                for item in value.split(|byte| *byte == b',') {
                    let length = number(item.trim_ascii()).ok_or("a Content-Length that is no number")?;
                    self.frame(Body::Length(length))?;
                }
            }
            17 if name.eq_ignore_ascii_case(b"transfer-encoding") => {
                let mut codings = items(value);
                let is_chunked = codings.next().is_some_and(|coding| coding.eq_ignore_ascii_case(b"chunked"));
                if !is_chunked || codings.next().is_some() || self.framing == Some(Body::Chunked) {
                    return Err("a Transfer-Encoding other than chunked");
                }
                self.frame(Body::Chunked)?;
            }
            _ => {}
        }
        Ok(())
    }

    fn frame(&mut self, body: Body) -> Result<(), &'static str> {
        match self.framing.replace(body) {
            Some(before) if before != body => Err("more than one end of the body"),
            _ => Ok(()),
        }
    }

    /// Its fields: name and value, without what surrounds them.
    pub fn fields(&self) -> Fields<'a> {
        self.fields.clone()
    }

    /// The fields that its `Connection` names, which are not for the client (RFC 9110 section 7.6.1).
    pub fn nominated(&self) -> SmallVec<[&'a [u8]; 4]> {
        if !self.connection.others {
            return SmallVec::new();
        }
        let lists = self.fields().filter(|(name, _)| name.eq_ignore_ascii_case(b"connection"));
        lists.flat_map(|(_, value)| items(value)).collect()
    }

    /// Where its body ends; `answers_head` if it is the response to a HEAD (RFC 9112 section 6.3).
    pub fn body(&self, answers_head: bool) -> ResponseBody {
        // A 205 has no content, either (RFC 9110 section 15.3.6).
        let is_bodiless = self.status.is_informational()
            || matches!(self.status, StatusCode::NO_CONTENT | StatusCode::RESET_CONTENT | StatusCode::NOT_MODIFIED);
        match self.framing {
            _ if is_bodiless || answers_head => ResponseBody::None,
            Some(body) => ResponseBody::Framed(body),
            None => ResponseBody::Close,
        }
    }

    /// What it says of the length of a body, which one that answers HEAD, or says 304, does not have.
    pub fn framing(&self) -> Option<Body> {
        self.framing
    }

    /// For how long its server says that it keeps the connection without a request.
    pub fn keeps_connection_for(&self) -> Option<Duration> {
        self.kept_for.map(Duration::from_secs)
    }

    /// Whether its server keeps the connection for another request (RFC 9112 section 9.3).
    pub fn keeps_connection(&self) -> bool {
        !self.connection.close && (!self.is_1_0 || self.connection.keep_alive)
    }
}

fn status_line(line: &[u8]) -> Result<(bool, StatusCode, &[u8]), &'static str> {
    const NONE: &str = "a status line that is none";
    let (version, rest) = line.split_at_checked(b"HTTP/1.1 ".len()).ok_or(NONE)?;
    let is_1_0 = match version {
        b"HTTP/1.1 " => false,
        b"HTTP/1.0 " => true,
        _ => return Err("a version other than HTTP/1.0 and HTTP/1.1"),
    };
    let (status, reason) = rest.split_at_checked(3).ok_or(NONE)?;
    let status = StatusCode::from_bytes(status).map_err(|_| NONE)?;
    match reason.split_first() {
        None => Ok((is_1_0, status, b"")),
        Some((b' ', reason)) if !reason.iter().any(|byte| byte.is_ascii_control() && *byte != b'\t') => {
            Ok((is_1_0, status, reason))
        }
        Some(_) => Err(NONE),
    }
}

/// The items of a list field (RFC 9110 section 5.6.1).
fn items(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii).filter(|item| !item.is_empty())
}

/// A length: no more digits than a number of 64 bits has.
pub(super) fn number(digits: &[u8]) -> Option<u64> {
    let is_number = (1..=19).contains(&digits.len()) && digits.iter().all(u8::is_ascii_digit);
    is_number.then(|| std::str::from_utf8(digits).ok()?.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn body_of(head: &str) -> Result<ResponseBody, &'static str> {
        ResponseHead::read(head.as_bytes()).map(|head| head.body(false))
    }

    #[test]
    fn a_head_says_where_its_body_ends() {
        let length = |length| Ok(ResponseBody::Framed(Body::Length(length)));
        for (head, body) in [
            ("HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\n", length(12)),
            ("HTTP/1.1 200 OK\r\ncontent-length:\t 007 \r\n\r\n", length(7)),
            ("HTTP/1.1 200 OK\nContent-Length: 1\n\n", length(1)),
            ("HTTP/1.1 200 OK\r\nContent-Length : 1\r\n\r\n", length(1)),
            ("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n", length(1)),
            ("HTTP/1.1 200 OK\r\nContent-Length: 1, 1\r\n\r\n", length(1)),
            ("HTTP/1.1 205 Reset Content\r\nContent-Length: 5\r\n\r\n", Ok(ResponseBody::None)),
            ("HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\n", length(1)),
            ("HTTP/1.1 200\r\nTransfer-Encoding: Chunked\r\n\r\n", Ok(ResponseBody::Framed(Body::Chunked))),
            ("HTTP/1.1 200 OK\r\n\r\n", Ok(ResponseBody::Close)),
            ("HTTP/1.1 204 No Content\r\nContent-Length: 1\r\n\r\n", Ok(ResponseBody::None)),
            ("HTTP/1.1 304 Not Modified\r\nContent-Length: 1\r\n\r\n", Ok(ResponseBody::None)),
            ("HTTP/1.1 103 Early Hints\r\n\r\n", Ok(ResponseBody::None)),
        ] {
            assert_eq!(body_of(head), body, "{head:?}");
        }
        let head = ResponseHead::read(b"HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\n").unwrap();
        assert_eq!((head.body(true), head.framing()), (ResponseBody::None, Some(Body::Length(12))));
    }

    #[test]
    fn what_leaves_the_end_open_is_refused() {
        for head in [
            "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 1, 2\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
            "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length:\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 100000000000000000000\r\n\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding:\r\n chunked\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n 2\r\n\r\n",
            "HTTP/1.1 200 OK\r\nX: a\rb\r\n\r\n",
            "HTTP/1.1 200 OK\r\nX\r: a\r\n\r\n",
            "HTTP/1.1 200 OK\r\r\n\r\n",
            "HTTP/1.1 200 OK\r\nX: a\0b\r\n\r\n",
            "HTTP/1.1 200 OK\r\nX\r\n\r\n",
            "HTTP/1.1 200 O\x08K\r\n\r\n",
            "HTTP/1.1 20 OK\r\n\r\n",
            "HTTP/1.1 2000 OK\r\n\r\n",
            "HTTP/2 200 OK\r\n\r\n",
            "HTTP/1.2 200 OK\r\n\r\n",
            "\r\n",
            "",
        ] {
            assert!(body_of(head).is_err(), "{head:?}");
        }
    }

    #[test]
    fn a_server_says_whether_it_keeps_the_connection_and_what_is_only_for_the_edge() {
        let read = |text: &'static str| ResponseHead::read(text.as_bytes()).unwrap();
        for (head, keeps) in [
            ("HTTP/1.1 200 OK\r\n\r\n", true),
            ("HTTP/1.1 200 OK\r\nConnection: X, Close\r\n\r\n", false),
            ("HTTP/1.0 200 OK\r\n\r\n", false),
            ("HTTP/1.0 200 OK\r\nConnection: Keep-Alive\r\n\r\n", true),
        ] {
            assert_eq!(read(head).keeps_connection(), keeps, "{head:?}");
        }
        for (fields, kept) in [
            ("Keep-Alive: timeout=5, max=100", Some(5)),
            ("keep-alive: max=1,TIMEOUT=60", Some(60)),
            ("Keep-Alive: timeout=0", Some(0)),
            ("Keep-Alive: timeout=", None),
            ("Keep-Alive: timeout=-1", None),
            ("Keep-Alive: timeouts=5", None),
            ("Keep-Alive: 300", None),
        ] {
            let head = format!("HTTP/1.1 200 OK\r\n{fields}\r\n\r\n");
            let head = ResponseHead::read(head.as_bytes()).unwrap();
            assert_eq!(head.keeps_connection_for(), kept.map(Duration::from_secs), "{fields:?}");
        }
        let head = read("HTTP/1.1 200 OK\r\nConnection: close, X-A\r\nconnection: X-B,\r\n\r\n");
        assert_eq!(head.nominated().as_slice(), [&b"close"[..], b"X-A", b"X-B"]);
    }

    proptest! {
        /// Whatever the bytes; and what passes has no line ends in its fields.
        #[test]
        fn fields_have_no_line_ends(middle in proptest::collection::vec(prop_oneof![
            Just(b'\r'), Just(b'\n'), Just(b':'), Just(b'a'), Just(b' '), Just(0_u8), any::<u8>()
        ], 0..80)) {
            let head = [&b"HTTP/1.1 200 OK\r\nA: "[..], &middle, b"\r\n\r\n"].concat();
            if let Ok(head) = ResponseHead::read(&head) {
                for (name, value) in head.fields() {
                    prop_assert!(!name.iter().chain(value).any(|byte| b"\r\n\0".contains(byte)));
                }
            }
            let _never_panics = ResponseHead::read(&middle);
        }
    }
}
