//! Targets of requests that are absolute URLs (RFC 9112 section 3.2.2).

use memchr::memmem;

use super::{
    request::{RequestHead, RequestLine},
    write,
};
use crate::host::authority;

/// The port of an absolute target that names none (RFC 9110 sections 4.2.1 and 4.2.2).
pub(super) fn default_port(target: &[u8]) -> u16 {
    if target.get(4).is_some_and(|byte| byte.eq_ignore_ascii_case(&b's')) { 443 } else { 80 }
}

/// Writes a head whose target is absolute as a server gets it: the target is a path, and its host is the `Host`,
/// whatever that said (RFC 9112 section 3.2.2).
pub fn with_origin_form(head: &RequestHead<'_>) -> Vec<u8> {
    let RequestLine { method, target, is_1_0 } = head.line;
    let host = authority(target).unwrap_or_default();
    // Behind the scheme, and the host.
    let path =
        memmem::find(target, b"://").and_then(|scheme| target.get(scheme + 3 + host.len()..)).unwrap_or_default();
    let before: &[u8] = match path {
        // Of a host as a whole (section 3.2.4).
        b"" if method == b"OPTIONS" => b"*",
        [b'/', ..] => b"",
        _ => b"/",
    };
    let version: &[u8] = if is_1_0 { b" HTTP/1.0\r\n" } else { b" HTTP/1.1\r\n" };
    let mut written = [method, b" ", before, path, version].concat();
    write::field(&mut written, b"Host", host);
    for (name, value) in head.fields.clone().filter(|(name, _)| !name.eq_ignore_ascii_case(b"host")) {
        write::field(&mut written, name, value);
    }
    write::end(&mut written);
    written
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::framing::read;

    #[test]
    fn an_absolute_target_becomes_a_path_and_its_host_the_host() {
        for (head, written) in [
            (
                "GET http://Gw:80/x?y HTTP/1.1\r\nA: b\r\nHost: gw\r\nC: d\r\n\r\n",
                "GET /x?y HTTP/1.1\r\nHost: Gw:80\r\nA: b\r\nC: d\r\n\r\n",
            ),
            ("GET HTTPS://gw HTTP/1.0\r\n\r\n", "GET / HTTP/1.0\r\nHost: gw\r\n\r\n"),
            ("GET http://gw?x HTTP/1.1\r\nHost:\r\n\r\n", "GET /?x HTTP/1.1\r\nHost: gw\r\n\r\n"),
            ("OPTIONS http://gw HTTP/1.1\r\nHost: gw\r\n\r\n", "OPTIONS * HTTP/1.1\r\nHost: gw\r\n\r\n"),
            ("OPTIONS http://gw/ HTTP/1.1\r\nHost: gw\r\n\r\n", "OPTIONS / HTTP/1.1\r\nHost: gw\r\n\r\n"),
        ] {
            let read = read(head.as_bytes(), 100).unwrap();
            assert!(read.line.is_absolute());
            assert_eq!(String::from_utf8_lossy(&with_origin_form(&read)), written);
        }
    }
}
