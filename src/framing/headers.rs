//! Headers that must not do what they could, in a request of any version of HTTP.

use http::{HeaderMap, HeaderName, HeaderValue, Uri, header};

use super::{fields::is_token, names::Kind};
use crate::{host::Host, reason::Refusal};

/// The items of a list header, over all its lines (RFC 9110 section 5.6.1).
pub fn items(headers: &HeaderMap, name: HeaderName) -> impl Iterator<Item = &[u8]> {
    let values = headers.get_all(name).into_iter();
    values.flat_map(|value| value.as_bytes().split(|byte| *byte == b',')).map(<[u8]>::trim_ascii)
}

/// Whether a list header has this item, in any case.
pub fn lists(headers: &HeaderMap, name: HeaderName, item: &[u8]) -> bool {
    items(headers, name).any(|found| found.eq_ignore_ascii_case(item))
}

/// Looks through the headers of a request of any version for what must not be done with them on the way:
/// `Connection` must not delete what the server or the edge relies on (RFC 9110 section 7.6.1).
///
/// # Errors
/// What is wrong with them.
pub fn check(headers: &HeaderMap) -> Result<(), Refusal> {
    if headers.get_all(header::CONTENT_LENGTH).iter().count() > 1 {
        return Err(Refusal::malformed("more than one Content-Length"));
    }
    for (place, name) in items(headers, header::CONNECTION).filter(|name| !name.is_empty()).enumerate() {
        if Kind::of(name).is_protected() {
            return Err(Refusal::malformed("a Connection that names a header which is not its own"));
        }
        if place >= MOST_NAMES || !is_token(name) {
            return Err(Refusal::malformed("a Connection that names too much, or what is no header"));
        }
    }
    Ok(())
}

/// Looks at whom a request of HTTP/2 is for: there is one host, however often it is said (RFC 9113 section 8.3.1).
///
/// # Errors
/// When there is none, or more than one.
pub fn check_host_of_http2(uri: &Uri, headers: &HeaderMap) -> Result<(), Refusal> {
    let mut hosts = headers.get_all(header::HOST).iter().map(HeaderValue::as_bytes);
    let host = hosts.next();
    if hosts.next().is_some() {
        return Err(Refusal::malformed("more than one Host"));
    }
    let authority = uri.authority().map(|authority| authority.as_str().as_bytes());
    let Some(said) = authority.or(host) else { return Err(Refusal::malformed("no Host")) };
    let Some(parsed) = Host::parse(said) else {
        return Err(Refusal::malformed("a Host that is none, or with a user name"));
    };
    let default_port = match uri.scheme_str() {
        Some("http") => Some(80),
        Some("https") => Some(443),
        _ => None,
    };
    match host.map(Host::parse) {
        Some(Some(host)) if host.is_same(&parsed, default_port) => Ok(()),
        None => Ok(()),
        Some(_) => Err(Refusal::malformed("an :authority that disagrees with Host")),
    }
}

/// Pingora refuses more, but only after it has taken a connection to a server.
const MOST_NAMES: usize = 9;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connection_names_only_what_is_its_own() {
        for (name, value, is_fine) in [
            ("connection", "keep-alive, X-Hop", true),
            ("connection", "close", true),
            ("connection", "keep-alive, Authorization", false),
            ("connection", "host", false),
            ("connection", ":authority", false),
            ("connection", "\"X-Forwarded-For\"", false),
            ("connection", "a,b,c,d,e,f,g,h,i", true),
            ("connection", "a,b,c,d,e,f,g,h,i,j", false),
            ("connection", ", close,", true),
            ("connection", "X-BF-VK", false),
            ("connection", "x-forwarded-for", false),
            ("connection", "X-Request-Id", false),
            ("connection", "Upgrade, HTTP2-Settings", true),
        ] {
            let headers = HeaderMap::from_iter([(name.parse().unwrap(), value.parse().unwrap())]);
            assert_eq!(check(&headers).is_ok(), is_fine, "{name}: {value}");
        }
    }
}
