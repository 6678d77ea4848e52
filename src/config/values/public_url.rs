//! A public URL: what clients type in front of `/mcp`, and the base of every issuer.

use std::{fmt, net::Ipv6Addr};

use serde::Deserialize;

use super::{
    environment::other_reference,
    invalid::InvalidValue,
    text::{parsed_from_text, written_as_text},
};
use crate::host::Host;

/// An origin (RFC 6454), and the path below which a gateway is, if it has one: no slash at its end, and no character
/// that could be escaped. Scheme and host in lower case, without the scheme's default port. So this very string can be
/// an issuer (RFC 8414 section 2: compared code point by code point).
#[derive(Debug, Clone, PartialEq, Eq, Hash, Deserialize)]
#[cfg_attr(feature = "edge", derive(schemars::JsonSchema))]
#[serde(try_from = "String")]
#[cfg_attr(feature = "edge", schemars(with = "String", extend("pattern" = super::patterns::public_url(), "examples" = ["https://gateway.example.com", "http://localhost:8000", "https://example.com/bifrost"])))]
pub struct PublicUrl {
    text: String,
    scheme: Scheme,
    /// Where its path begins.
    path: usize,
}

/// The scheme of an HTTP URL.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scheme {
    Http,
    Https,
}

impl Scheme {
    /// `http` or `https`.
    pub fn as_str(self) -> &'static str {
        match self {
            Scheme::Http => "http",
            Scheme::Https => "https",
        }
    }

    /// 80 or 443.
    pub fn default_port(self) -> u16 {
        match self {
            Scheme::Http => 80,
            Scheme::Https => 443,
        }
    }
}

impl PublicUrl {
    /// The origin of a request, from its host and scheme: how Bifrost derives its issuer, but checked.
    /// `None` when the host is not one that an issuer can be made of.
    pub fn of_request(host: &[u8], scheme: Scheme) -> Option<Self> {
        let mut host = Host::parse(host)?;
        host.port = host.port.filter(|port| *port != scheme.default_port());
        PublicUrl::try_from(format!("{}://{host}", scheme.as_str())).ok()
    }

    /// The URL as it stands in every document.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Its scheme.
    pub fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// Host, and port where it is not the scheme's default: what a client sends as `Host`.
    pub fn authority(&self) -> &str {
        &self.text[self.scheme.as_str().len() + "://".len()..self.path]
    }

    /// The URL without its path.
    pub fn origin(&self) -> &str {
        &self.text[..self.path]
    }

    /// Its path: empty, or with a slash in front and none at the end.
    pub fn path(&self) -> &str {
        &self.text[self.path..]
    }

    /// Whether only this machine can reach it: `localhost`, `127.0.0.0/8` or `[::1]`.
    pub fn is_loopback(&self) -> bool {
        let (host, _) = split_port(self.authority());
        host == "localhost" || host == "[::1]" || host.parse().is_ok_and(|ip: std::net::Ipv4Addr| ip.is_loopback())
    }
}

impl fmt::Display for PublicUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl TryFrom<String> for PublicUrl {
    type Error = InvalidValue;

    fn try_from(text: String) -> Result<Self, InvalidValue> {
        if let Some(other) = other_reference(&text) {
            return Err(InvalidValue::new(other));
        }
        let (scheme, path) =
            check(&text).map_err(|fault| InvalidValue::new(format!("{} is no public URL: {fault}", shown(&text))))?;
        Ok(PublicUrl { text, scheme, path })
    }
}

/// A faulty URL as a problem may show it: not when it may hold a password or a token.
pub(in crate::config) fn shown(text: &str) -> String {
    if text.contains(['@', '?', '#']) { "this".into() } else { format!("{text:?}") }
}

/// Its scheme, and where its path begins.
fn check(text: &str) -> Result<(Scheme, usize), String> {
    check_no_secret(text).map_err(|fault| format!("{fault}; write scheme, host, port and at most a path"))?;
    let (scheme, rest) = match text.split_once("://") {
        Some(("http", rest)) => (Scheme::Http, rest),
        Some(("https", rest)) => (Scheme::Https, rest),
        Some((other, rest)) if other.eq_ignore_ascii_case("http") || other.eq_ignore_ascii_case("https") => {
            return Err(format!("upper case; write \"{}://{}\"", other.to_ascii_lowercase(), lower_host(rest)));
        }
        Some(_) => {
            return Err(
                "its scheme is neither http nor https; write for example \"https://gateway.example.com\"".into()
            );
        }
        None => return Err("the scheme is missing; write for example \"https://gateway.example.com\"".into()),
    };
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    if authority.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return Err(format!("upper case; write \"{}://{}\"", scheme.as_str(), lower_host(rest)));
    }
    if path.ends_with('/') {
        let start = rest.trim_end_matches('/');
        return Err(format!("a trailing slash; write \"{}://{start}\"", scheme.as_str()));
    }
    check_path(path)?;
    let (host, port) = split_port(authority);
    check_host(host)?;
    if let Some(port) = port {
        let number = check_port(port)?;
        if number == scheme.default_port() {
            return Err(format!("port {number} is the default of {0}; write \"{0}://{host}{path}\"", scheme.as_str()));
        }
    }
    Ok((scheme, text.len() - path.len()))
}

/// Authority and path, without capitals in the former and slashes at the end.
fn lower_host(rest: &str) -> String {
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    authority.to_ascii_lowercase() + path.trim_end_matches('/')
}

/// A path that every client writes in the same way: it is a part of the issuer, and of the paths of the documents.
fn check_path(path: &str) -> Result<(), String> {
    let is_open = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    for segment in path.split('/').skip(1) {
        match segment {
            "" => return Err("two slashes follow each other in its path; write one".into()),
            "." | ".." => return Err("its path has . or .. in it; write where that leads".into()),
            name if name.eq_ignore_ascii_case(".well-known") => {
                return Err("its path has .well-known in it; write what stands before that".into());
            }
            name if !name.bytes().all(is_open) => {
                return Err("its path has other characters than letters, digits and - . _ ~".into());
            }
            _ => {}
        }
    }
    Ok(())
}

/// Where a password or a token may stand. To be checked first: no other message may show one.
pub(in crate::config) fn check_no_secret(text: &str) -> Result<(), &'static str> {
    for (sign, fault) in [('#', "it has a fragment"), ('?', "it has a query"), ('@', "it has a user name")] {
        if text.contains(sign) {
            return Err(fault);
        }
    }
    Ok(())
}

/// Splits `host:port`; the brackets of an IPv6 address stay with the host.
pub(crate) fn split_port(authority: &str) -> (&str, Option<&str>) {
    match authority.rfind(':') {
        Some(colon) if !authority[colon..].contains(']') => (&authority[..colon], Some(&authority[colon + 1..])),
        _ => (authority, None),
    }
}

/// A port from 1 to 65535, without leading zeros.
pub(super) fn check_port(port: &str) -> Result<u16, String> {
    let number = port.parse().ok().filter(|number: &u16| *number > 0 && number.to_string() == port);
    number.ok_or_else(|| format!("the port {port:?} is not a number from 1 to 65535"))
}

/// A DNS name, an IPv4 address, or an IPv6 address in brackets.
pub(in crate::config) fn check_host(host: &str) -> Result<(), String> {
    if host.is_empty() {
        return Err("the host is missing".into());
    }
    if let Some(inner) = host.strip_prefix('[') {
        let address = inner.strip_suffix(']').and_then(|inner| inner.parse::<Ipv6Addr>().ok());
        return match address {
            Some(address) if format!("[{address}]") == host => Ok(()),
            Some(address) => Err(format!("the host {host:?} has a shorter form; write \"[{address}]\"")),
            None => Err(format!("the host {host:?} is no IPv6 address")),
        };
    }
    if host.contains(':') {
        return Err(format!("the host {host:?} has a colon; write an IPv6 address in brackets"));
    }
    if !host.is_ascii() {
        return Err("the host is not ASCII; write it in its xn-- form".into());
    }
    if host.ends_with('.') {
        return Err("the host ends in a dot; leave the dot out".into());
    }
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    if host.len() > 253 || !host.split('.').all(is_label) {
        return Err(format!("the host {host:?} is no DNS name and no IP address"));
    }
    // Resolvers, browsers and rustls read such a name as an address in parts: 0x7f.1 is 127.0.0.1.
    let last = host.rsplit('.').next().unwrap_or(host);
    let is_hexadecimal = |digits: &str| digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    let is_number = last.bytes().all(|byte| byte.is_ascii_digit())
        || last.strip_prefix("0x").or_else(|| last.strip_prefix("0X")).is_some_and(is_hexadecimal);
    if is_number && host.parse::<std::net::Ipv4Addr>().is_err() {
        return Err(format!("the host {host:?} is no IPv4 address"));
    }
    Ok(())
}

parsed_from_text!(PublicUrl);
written_as_text!(PublicUrl: text);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_taken_as_it_is() {
        for text in [
            "http://localhost:8000",
            "https://gateway.example.com",
            "https://10.0.0.7:8443",
            "http://[::1]:8000",
            "https://my_gw.internal",
            "https://gw.example.com/bifrost",
            "http://[::1]:8000/Teams/a-1.x_y~z",
        ] {
            let url = PublicUrl::try_from(text.to_owned()).unwrap();
            assert_eq!(url.as_str(), text);
            assert_eq!(format!("{}://{}{}", url.scheme().as_str(), url.authority(), url.path()), text);
            assert_eq!(format!("{}{}", url.origin(), url.path()), text);
            assert!(!url.authority().contains('/'));
        }
    }

    #[test]
    fn everything_else_is_refused_with_its_fault() {
        for (text, fault) in [
            ("https://h/", "trailing slash; write \"https://h\""),
            ("https://h//", "trailing slash; write \"https://h\""),
            ("https://h/a/", "trailing slash; write \"https://h/a\""),
            ("https://h//a", "two slashes"),
            ("https://h/a/../b", ". or .."),
            ("https://h/.", ". or .."),
            ("https://h/a%20b", "other characters"),
            ("https://h/a;b", "other characters"),
            ("https://h/a b", "other characters"),
            ("https://h/h\u{f6}he", "other characters"),
            ("https://h/a/.Well-Known", ".well-known"),
            ("https://H/A", "write \"https://h/A\""),
            ("HTTPS://H/A/", "write \"https://h/A\""),
            ("https://h:443/a", "write \"https://h/a\""),
            ("https:///a", "the host is missing"),
            ("https://h?x", "a query"),
            ("https://h#x", "a fragment"),
            ("https://u:p@h", "a user name"),
            ("HTTPS://u:p@H/", "a user name"),
            ("https://Gw.Example.com", "write \"https://gw.example.com\""),
            ("HTTPS://h", "write \"https://h\""),
            ("https://h:0", "1 to 65535"),
            ("https://h:99999", "1 to 65535"),
            ("https://h:", "1 to 65535"),
            ("https://h:+80", "1 to 65535"),
            ("https://h:0443", "1 to 65535"),
            ("https://h:443", "write \"https://h\""),
            ("http://h:80", "write \"http://h\""),
            ("h:8000", "the scheme is missing"),
            ("ftp://h", "neither http nor https"),
            ("https://", "the host is missing"),
            ("https://:8000", "the host is missing"),
            ("https://a b", "no DNS name"),
            ("https://a..b", "no DNS name"),
            ("https://h.", "leave the dot out"),
            ("https://höst", "xn--"),
            ("https://1.2.3", "no IPv4"),
            ("https://1.2.3.256", "no IPv4"),
            ("https://0x7f.0x1", "no IPv4"),
            ("https://::1", "brackets"),
            ("https://[::1", "IPv6"),
            ("https://[0:0::1]", "shorter form"),
            ("https://h\n", "no DNS name"),
            ("", "the scheme is missing"),
        ] {
            let error = text.parse::<PublicUrl>().unwrap_err().to_string();
            assert!(error.contains(fault), "{text:?} gave {error:?}");
        }
    }
}
