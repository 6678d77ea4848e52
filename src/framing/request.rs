//! The head of a request, as a client sent it: what could be read in two ways is refused.

use memchr::{memchr, memchr3};

use super::{
    body::Body,
    fields::{Fields, has_control, is_token},
    response::number,
    target::default_port,
};
use crate::{
    host::{Host, authority},
    reason::{Reason, Refusal},
};

/// The head of a request, which can be read in one way only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestHead<'a> {
    /// Its first line.
    pub line: RequestLine<'a>,
    /// Its fields.
    pub fields: Fields<'a>,
    /// Where its body ends.
    pub body: Body,
}

/// The first line of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequestLine<'a> {
    /// A token, in the case it was sent in.
    pub method: &'a [u8],
    /// A path with its query, an absolute URL, or `*`.
    pub target: &'a [u8],
    /// Whether its version is HTTP/1.0, and not HTTP/1.1.
    pub is_1_0: bool,
}

/// Reads a head from its request line to its empty line, and says where the body ends.
///
/// # Errors
/// When it could be read in two ways, or is not for this proxy: `CONNECT` (RFC 9110 section 9.3.6), versions
/// other than HTTP/1.0 and 1.1, more headers than allowed.
pub fn read(head: &[u8], most_headers: usize) -> Result<RequestHead<'_>, Refusal> {
    let fields = Fields::new(&head[memchr(b'\n', head).map_or(head.len(), |end| end + 1)..]);
    let Some(lines) = head.strip_suffix(b"\r\n").filter(|lines| lines.ends_with(b"\r\n")) else {
        return Err(Refusal::malformed("the head does not end in an empty line"));
    };
    let mut lines = lines.split_inclusive(|byte| *byte == b'\n').map(|line| {
        line.strip_suffix(b"\r\n").ok_or_else(|| Refusal::malformed("a line feed without a carriage return"))
    });
    let line = RequestLine::read(lines.next().unwrap_or(Ok(b""))?)?;
    let mut headers = Headers::default();
    for field in lines {
        headers.read(field?)?;
        if headers.count > most_headers {
            return Err(Refusal { reason: Reason::HeadTooLarge, why: "more headers than limits.headers" });
        }
    }
    headers.check_host(&line)?;
    Ok(RequestHead { line, fields, body: headers.body(&line)? })
}

impl<'a> RequestLine<'a> {
    /// Reads the line, without its end.
    ///
    /// # Errors
    /// When it is none, or one that is not for this proxy.
    pub fn read(line: &'a [u8]) -> Result<Self, Refusal> {
        if has_control(line) {
            return Err(Refusal::malformed("a control byte in the request line"));
        }
        let mut parts = line.split(|byte| *byte == b' ');
        let (Some(method), Some(target), Some(version), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(Refusal::malformed("a request line that is not method, target and version"));
        };
        if !is_token(method) {
            return Err(Refusal::malformed("a method that is no token"));
        }
        let is_1_0 = match version {
            b"HTTP/1.1" => false,
            b"HTTP/1.0" => true,
            _ if version.starts_with(b"HTTP/") => {
                let why = "a version other than HTTP/1.0 and HTTP/1.1";
                return Err(Refusal { reason: Reason::VersionNotSupported, why });
            }
            _ => return Err(Refusal::malformed("a request line without a version")),
        };
        if method == b"CONNECT" {
            return Err(Refusal { reason: Reason::MethodNotAllowed, why: "CONNECT" });
        }
        let request = RequestLine { method, target, is_1_0 };
        request.check_target()?;
        Ok(request)
    }

    /// RFC 9112 section 3.2. A fragment is no part of a target, and what comes of one differs.
    fn check_target(&self) -> Result<(), Refusal> {
        let query = memchr(b'?', self.target).unwrap_or(self.target.len());
        let (path, query) = self.target.split_at(query);
        // Signs that RFC 3986 has no place for, and that parsers treat in several ways.
        if memchr3(b'<', b'>', b'`', path).is_some() || memchr3(b'<', b'>', b'"', query).is_some() {
            return Err(Refusal::malformed("a sign in the target that has no place there"));
        }
        if memchr(b'#', self.target).is_some() {
            return Err(Refusal::malformed("a fragment in the target"));
        }
        // Neither the http crate nor Pingora has room for one.
        if !self.target.is_ascii() && std::str::from_utf8(self.target).is_err() {
            return Err(Refusal::malformed("a target that is neither ASCII nor UTF-8"));
        }
        let is_for_all = self.target == b"*" && self.method == b"OPTIONS";
        if !self.target.starts_with(b"/") && !is_for_all && self.authority().is_none() {
            return Err(Refusal::malformed("the target is neither a path nor an absolute URL"));
        }
        Ok(())
    }

    fn authority(&self) -> Option<&'a [u8]> {
        authority(self.target)
    }

    /// Whether its target is an absolute URL.
    pub fn is_absolute(&self) -> bool {
        !self.target.starts_with(b"/") && self.authority().is_some()
    }
}

/// The headers that say whom a request is for and where it ends.
#[derive(Default)]
struct Headers<'a> {
    count: usize,
    has_host: bool,
    /// None also when there is nothing in it.
    host: Option<Host<'a>>,
    length: Option<u64>,
    is_chunked: bool,
}

impl<'a> Headers<'a> {
    fn read(&mut self, line: &'a [u8]) -> Result<(), Refusal> {
        self.count += 1;
        let colon = memchr(b':', line);
        let (name, value) =
            colon.map(|colon| (&line[..colon], &line[colon + 1..])).ok_or_else(|| without_colon(line))?;
        if !is_token(name) {
            // Also a folded line, and a space before the colon (sections 5.1 and 5.2).
            return Err(Refusal::malformed("a header name that is no token"));
        }
        if has_control(value) && value.iter().any(|byte| byte.is_ascii_control() && *byte != b'\t') {
            return Err(Refusal::malformed("a control byte in a header"));
        }
        let value = value.trim_ascii();
        match name.len() {
            4 if name.eq_ignore_ascii_case(b"host") => self.host(value),
            14 if name.eq_ignore_ascii_case(b"content-length") => self.content_length(value),
            17 if name.eq_ignore_ascii_case(b"transfer-encoding") => self.transfer_encoding(value),
            _ => Ok(()),
        }
    }

    fn host(&mut self, value: &'a [u8]) -> Result<(), Refusal> {
        if std::mem::replace(&mut self.has_host, true) {
            return Err(Refusal::malformed("more than one Host"));
        }
        let host = Host::parse(value);
        if host.is_none() && !value.is_empty() {
            return Err(Refusal::malformed(match value {
                _ if value.contains(&b'@') => "a user name in the Host",
                [b':', ..] => "a port without a host",
                _ => "a Host that is none",
            }));
        }
        self.host = host;
        Ok(())
    }

    fn content_length(&mut self, value: &[u8]) -> Result<(), Refusal> {
        let number = number(value).ok_or(Refusal::malformed("a Content-Length that is no number"))?;
        if self.length.replace(number).is_some() {
            return Err(Refusal::malformed("more than one Content-Length"));
        }
        Ok(())
    }

    fn transfer_encoding(&mut self, value: &[u8]) -> Result<(), Refusal> {
        if !value.eq_ignore_ascii_case(b"chunked") {
            return Err(Refusal::malformed("a Transfer-Encoding other than chunked"));
        }
        if std::mem::replace(&mut self.is_chunked, true) {
            return Err(Refusal::malformed("more than one Transfer-Encoding"));
        }
        Ok(())
    }

    /// RFC 9112 section 3.2.
    fn check_host(&self, request: &RequestLine<'_>) -> Result<(), Refusal> {
        if !self.has_host && !request.is_1_0 {
            return Err(Refusal::malformed("no Host"));
        }
        let Some(authority) = request.authority() else { return Ok(()) };
        let Some(target) = Host::parse(authority) else {
            return Err(Refusal::malformed("a target without a host that is one, or with a user name"));
        };
        // An empty one says nothing.
        match self.host {
            Some(host) if !host.is_same(&target, Some(default_port(request.target))) => {
                Err(Refusal::malformed("a target that disagrees with Host"))
            }
            _ => Ok(()),
        }
    }

    fn body(&self, request: &RequestLine<'_>) -> Result<Body, Refusal> {
        match (self.length, self.is_chunked) {
            (Some(_), true) => Err(Refusal::malformed("a Content-Length beside a Transfer-Encoding")),
            (None, true) if request.is_1_0 => Err(Refusal::malformed("a Transfer-Encoding in HTTP/1.0")),
            (None, true) => Ok(Body::Chunked),
            (length, false) => Ok(Body::Length(length.unwrap_or(0))),
        }
    }
}

fn without_colon(line: &[u8]) -> Refusal {
    Refusal::malformed(if has_control(line) { "a control byte in the head" } else { "a header without a colon" })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn with(headers: &str) -> Result<Body, Refusal> {
        read(format!("POST / HTTP/1.1\r\nHost: x\r\n{headers}\r\n").as_bytes(), 100).map(|head| head.body)
    }

    fn line(line: &str) -> Result<Body, Refusal> {
        read(format!("{line}\r\nHost: x\r\n\r\n").as_bytes(), 100).map(|head| head.body)
    }

    #[test]
    fn an_ordinary_head_says_where_its_body_ends() {
        for (headers, body) in [
            ("", Body::Length(0)),
            ("Content-Length: 0\r\n", Body::Length(0)),
            ("Content-Length:\t12 \r\nX: a\tb\r\n", Body::Length(12)),
            ("Transfer-Encoding: Chunked\r\n", Body::Chunked),
            ("X-Empty:\r\n", Body::Length(0)),
            ("X: caf\u{e9}\r\n", Body::Length(0)),
        ] {
            assert_eq!(with(headers), Ok(body), "{headers:?}");
        }
        for request in ["GET /a?b HTTP/1.0", "OPTIONS * HTTP/1.1", "GET http://x/a HTTP/1.1", "GET http://X HTTP/1.1"] {
            assert_eq!(line(request), Ok(Body::Length(0)), "{request:?}");
        }
        let head = read(b"GET /a HTTP/1.0\r\n\r\n", 100).unwrap();
        let line = RequestLine { method: b"GET", target: b"/a", is_1_0: true };
        assert_eq!((head.line, head.body, head.fields.count()), (line, Body::Length(0), 0));
    }

    #[test]
    fn what_can_be_read_in_two_ways_is_refused() {
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
            ("Host: x\r\n", "more than one Host"),
            ("Host: :80\r\n", "more than one Host"),
            ("X: a\nY: b\r\n", "line feed"),
            ("X: a\r\r\n", "control byte"),
            ("X: a\0b\r\n", "control byte"),
            ("X: a\x0bb\r\n", "control byte"),
            ("X: a\x7fb\r\n", "control byte"),
            ("X\r\n", "without a colon"),
            ("X : a\r\n", "no token"),
            (" X: a\r\n", "no token"),
            ("X: a\r\n b: c\r\n", "no token"),
            ("X: a\r\n\tb\r\n", "control byte"),
            (": a\r\n", "no token"),
        ] {
            let refused = with(headers).unwrap_err();
            assert!(refused.reason == Reason::Malformed && refused.why.contains(fault), "{headers:?} gave {refused:?}");
        }
    }

    #[test]
    fn request_lines_of_other_kinds_are_refused() {
        for (request, reason) in [
            ("GET / HTTP/2.0", Reason::VersionNotSupported),
            ("GET / HTTP/1.2", Reason::VersionNotSupported),
            ("GET / HTTP/0.9", Reason::VersionNotSupported),
            ("GET /", Reason::Malformed),
            ("GET / HTTP/1.1 x", Reason::Malformed),
            ("GET /a b HTTP/1.1", Reason::Malformed),
            ("GET  / HTTP/1.1", Reason::Malformed),
            ("GET /\ta HTTP/1.1", Reason::Malformed),
            ("GET /\0 HTTP/1.1", Reason::Malformed),
            ("G(T / HTTP/1.1", Reason::Malformed),
            ("GET /#a HTTP/1.1", Reason::Malformed),
            ("GET a HTTP/1.1", Reason::Malformed),
            ("GET ?a HTTP/1.1", Reason::Malformed),
            ("GET * HTTP/1.1", Reason::Malformed),
            ("GET http:/\\x HTTP/1.1", Reason::Malformed),
            ("GET http://y/ HTTP/1.1", Reason::Malformed),
            ("GET http://u@x/ HTTP/1.1", Reason::Malformed),
            ("GET http:/// HTTP/1.1", Reason::Malformed),
            ("CONNECT x:443 HTTP/1.1", Reason::MethodNotAllowed),
            ("", Reason::Malformed),
        ] {
            assert_eq!(line(request).unwrap_err().reason, reason, "{request:?}");
        }
    }

    #[test]
    fn there_is_a_host_and_there_are_no_more_headers_than_allowed() {
        assert!(read(b"GET / HTTP/1.1\r\n\r\n", 100).is_err());
        assert!(read(b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", 100).is_err());
        let three = b"GET / HTTP/1.1\r\nHost: x\r\nA: b\r\nC: d\r\n\r\n";
        assert!(read(three, 3).is_ok());
        assert_eq!(read(three, 2).unwrap_err().reason, Reason::HeadTooLarge);
    }

    #[test]
    fn a_host_is_one_or_empty() {
        for (host, is_one) in [
            ("", true),
            ("x", true),
            ("a-b_c.example:8080", true),
            ("x:", true),
            ("127.0.0.1:80", true),
            ("[::1]:80", true),
            ("[fe80::1%25eth0]", false),
            ("[:.:1]", false),
            ("x:65536", false),
            (":", false),
            ("a,b", false),
            ("x:ed", false),
            ("x:80:80", false),
            ("::1", false),
            ("[::1", false),
            ("[::1]x", false),
            ("x/y", false),
            ("x y", false),
            ("x\\y", false),
            ("caf\u{e9}", false),
        ] {
            let head = format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n");
            assert_eq!(read(head.as_bytes(), 100).is_ok(), is_one, "{host:?}");
        }
        assert!(read(b"GET http://x:ed/ HTTP/1.0\r\n\r\n", 100).is_err());
    }

    proptest! {
        /// Whatever the bytes, it says something; and what it lets pass has no line ends of other kinds.
        #[test]
        fn no_head_of_two_readings_passes(middle in proptest::collection::vec(prop_oneof![
            Just(b'\r'), Just(b'\n'), Just(b':'), Just(b'a'), Just(b' '), Just(0_u8), any::<u8>()
        ], 0..80)) {
            let head = [&b"GET / HTTP/1.1\r\nHost: x\r\nA: "[..], &middle, b"\r\n\r\n"].concat();
            if read(&head, 100).is_ok() {
                let without_line_ends = String::from_utf8_lossy(&head).replace("\r\n", "");
                prop_assert!(!without_line_ends.contains(['\r', '\n', '\0']));
            }
            let _never_panics = read(&middle, 100);
        }
    }
}
