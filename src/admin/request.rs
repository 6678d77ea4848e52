//! A request to the admin listener, read from a head that `framing` has taken.

use crate::framing::{self, Body};

/// What of a request matters here.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Request<'a> {
    pub method: &'a [u8],
    /// Without a query.
    pub path: &'a [u8],
    /// As it was sent; the authority of an absolute target is the same. One of HTTP/1.0 may have none.
    pub host: Option<&'a [u8]>,
    /// It is the last one of its connection: it says so, it is of HTTP/1.0, or has a body, which nobody reads.
    pub is_last: bool,
}

/// More headers than this are none of those that come here.
const MOST_HEADERS: usize = 100;

impl<'a> Request<'a> {
    /// Reads a head from its request line to its empty line.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn read(head: &'a [u8]) -> Result<Self, &'static str> {
        let head = framing::read(head, MOST_HEADERS).map_err(|refusal| refusal.why)?;
        let (mut host, mut closes) = (None, false);
        for (name, value) in head.fields {
            if name.eq_ignore_ascii_case(b"host") {
                host = Some(value);
            } else if name.eq_ignore_ascii_case(b"connection") {
                let mut options = value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii);
                closes |= options.any(|option| option.eq_ignore_ascii_case(b"close"));
            }
        }
        let is_last = closes || head.line.is_1_0 || head.body != Body::Length(0);
        Ok(Request { method: head.line.method, path: path_of(head.line.target), host, is_last })
    }
}

/// The path of a target, which may be a whole URL.
fn path_of(target: &[u8]) -> &[u8] {
    let end = target.iter().position(|byte| *byte == b'?').unwrap_or(target.len());
    let target = &target[..end];
    if target.starts_with(b"/") {
        return target;
    }
    let authority = target.windows(3).position(|part| part == b"://").map_or(0, |place| place + 3);
    let path = target[authority..].iter().position(|byte| *byte == b'/');
    path.map_or(b"/".as_slice(), |place| &target[authority + place..])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(head: &str) -> Result<Request<'_>, &'static str> {
        Request::read(head.as_bytes())
    }

    #[test]
    fn path_host_and_end_are_found() {
        let plain = read("GET /status?x=/y HTTP/1.1\r\nAccept: */*\r\nhOST:  a:1 \r\n\r\n").unwrap();
        let expected = Request { method: b"GET", path: b"/status", host: Some(b"a:1"), is_last: false };
        assert_eq!(plain, expected);
        for (target, path) in
            [("http://a/x?y", "/x"), ("http://a", "/"), ("http://a?y", "/"), ("/", "/"), ("//a/b", "//a/b")]
        {
            let head = format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n");
            assert_eq!(read(&head).unwrap().path, path.as_bytes(), "{target}");
        }
        for head in [
            "GET / HTTP/1.0\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\r\nConnection: x, Close\r\n\r\n",
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\n",
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n",
        ] {
            assert!(read(head).unwrap().is_last, "{head}");
        }
    }

    #[test]
    fn what_may_be_read_in_two_ways_is_refused() {
        for head in [
            "GET / HTTP/1.1\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n",
            "GET http://b/ HTTP/1.1\r\nHost: a\r\n\r\n",
            "GET / HTTP/1.1\r\nHost : a\r\n\r\n",
            "GET /\r\n\r\n",
        ] {
            assert!(read(head).is_err(), "{head}");
        }
    }
}
