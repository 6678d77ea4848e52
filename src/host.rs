//! Hosts, as clients write them in `Host`, `:authority` and absolute targets: read once, and compared as what they are,
//! not as text.

use std::{
    fmt,
    net::{Ipv4Addr, Ipv6Addr},
    str,
};

/// A host, perhaps with a port (RFC 3986 section 3.2). Two of them are equal when they mean the same, but for a port
/// that is left out: see [`Host::is_same`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Host<'a> {
    /// Without the port.
    pub name: HostName<'a>,
    /// None where it is left out or empty.
    pub port: Option<u16>,
}

/// A name or an address.
#[derive(Debug, Clone, Copy)]
pub enum HostName<'a> {
    /// A name as it was written, without the root's trailing dot. Case means nothing in it.
    Name(&'a str),
    /// An IPv4 address.
    V4(Ipv4Addr),
    /// An IPv6 address, in brackets.
    V6(Ipv6Addr),
}

impl<'a> Host<'a> {
    /// Reads one. None when it is empty, or no host, or has what is no port behind it.
    pub fn parse(text: &'a [u8]) -> Option<Self> {
        let text = str::from_utf8(text).ok()?;
        let (name, port) = if let Some(rest) = text.strip_prefix('[') {
            let (address, port) = rest.split_once(']')?;
            (HostName::V6(address.parse().ok()?), port)
        } else {
            let (name, port) = text.split_at(text.find(':').unwrap_or(text.len()));
            (HostName::parse(name)?, port)
        };
        let port = match port.strip_prefix(':') {
            None if port.is_empty() => None,
            Some("") => None,
            Some(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => Some(digits.parse().ok()?),
            _ => return None,
        };
        Some(Host { name, port })
    }

    /// Whether both mean the same where the default of a port that is left out is known.
    pub fn is_same(&self, other: &Host<'_>, default_port: Option<u16>) -> bool {
        self.name == other.name && self.port.or(default_port) == other.port.or(default_port)
    }
}

impl<'a> HostName<'a> {
    /// Reads what stands in no brackets.
    fn parse(name: &'a str) -> Option<Self> {
        let name = name.strip_suffix('.').unwrap_or(name);
        if let Ok(address) = name.parse() {
            return Some(HostName::V4(address));
        }
        let is_of_name = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
        (!name.is_empty() && !name.ends_with('.') && name.bytes().all(is_of_name)).then_some(HostName::Name(name))
    }
}

impl PartialEq for HostName<'_> {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (HostName::Name(one), HostName::Name(other)) => one.eq_ignore_ascii_case(other),
            (HostName::V4(one), HostName::V4(other)) => one == other,
            (HostName::V6(one), HostName::V6(other)) => one == other,
            _ => false,
        }
    }
}

impl Eq for HostName<'_> {}

impl fmt::Display for HostName<'_> {
    /// In its one form: names in lower case, addresses as short as they can be.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            HostName::Name(name) => {
                name.bytes().try_for_each(|byte| write!(f, "{}", char::from(byte.to_ascii_lowercase())))
            }
            HostName::V4(address) => address.fmt(f),
            HostName::V6(address) => write!(f, "[{address}]"),
        }
    }
}

impl fmt::Display for Host<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.port {
            Some(port) => write!(f, "{}:{port}", self.name),
            None => self.name.fmt(f),
        }
    }
}

/// Finds the authority of an absolute target (RFC 9112 section 3.2.2).
pub fn authority(target: &[u8]) -> Option<&[u8]> {
    let rest = ["http://", "https://"].iter().find_map(|scheme| {
        let (start, rest) = target.split_at_checked(scheme.len())?;
        start.eq_ignore_ascii_case(scheme.as_bytes()).then_some(rest)
    })?;
    let end = rest.iter().position(|byte| matches!(byte, b'/' | b'?')).unwrap_or(rest.len());
    Some(&rest[..end])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_host_has_one_form() {
        for (text, form) in [
            ("x", "x"),
            ("Gw.Example.COM", "gw.example.com"),
            ("gw.example.com.", "gw.example.com"),
            ("a-b_c.~d:8080", "a-b_c.~d:8080"),
            ("x:", "x"),
            ("x.:080", "x:80"),
            ("127.0.0.1:80", "127.0.0.1:80"),
            ("127.0.0.1.", "127.0.0.1"),
            ("127.1", "127.1"),
            ("[::1]", "[::1]"),
            ("[::1]:", "[::1]"),
            ("[2001:DB8:0:0::1]:80", "[2001:db8::1]:80"),
            ("[0:0:0:0:0:ffff:7f00:1]", "[::ffff:127.0.0.1]"),
            ("x:0", "x:0"),
        ] {
            let host = Host::parse(text.as_bytes()).unwrap_or_else(|| panic!("{text}"));
            assert_eq!(host.to_string(), form, "{text}");
        }
    }

    #[test]
    fn what_is_no_host_is_none() {
        for text in [
            "",
            ".",
            ":",
            ":80",
            "x:ed",
            "x:+80",
            "x:80:80",
            "x:65536",
            "::1",
            "[::1",
            "[::1]x",
            "[::1].",
            "[]",
            "[x]",
            "[:.:1]",
            "[1.2.3.4]",
            "[fe80::1%25eth0]",
            "[v1.x]",
            "u@x",
            "x/y",
            "x y",
            "x\\y",
            "x, y",
            "x%20",
            "x!",
            "caf\u{e9}",
            "x..",
        ] {
            assert_eq!(Host::parse(text.as_bytes()), None, "{text:?}");
        }
        assert_eq!(Host::parse(b"\xff"), None);
    }

    #[test]
    fn what_means_the_same_is_the_same() {
        let is_same = |one: &str, other: &str, port| {
            Host::parse(one.as_bytes()).unwrap().is_same(&Host::parse(other.as_bytes()).unwrap(), port)
        };
        for (one, other, port) in [
            ("Gw:80", "gw", Some(80)),
            ("gw:", "gw.:0080", Some(80)),
            ("[::1]:443", "[0:0::1]", Some(443)),
            ("10.0.0.1:1", "10.0.0.1.:1", None),
        ] {
            assert!(is_same(one, other, port) && is_same(other, one, port), "{one} {other}");
        }
        for (one, other, port) in [
            ("gw:80", "gw", Some(443)),
            ("gw:80", "gw", None),
            ("gw", "gv", Some(80)),
            ("[::ffff:127.0.0.1]", "127.0.0.1", Some(80)),
        ] {
            assert!(!is_same(one, other, port) && !is_same(other, one, port), "{one} {other}");
        }
    }

    proptest! {
        #[test]
        fn its_form_is_itself(text in r"[a-zA-Z0-9.:\[\]_~-]{0,20}|\[[0-9a-f:.]{0,24}\](:[0-9]{0,6})?") {
            if let Some(host) = Host::parse(text.as_bytes()) {
                let form = host.to_string();
                let again = Host::parse(form.as_bytes());
                prop_assert_eq!(again, Some(host));
                prop_assert_eq!(again.map(|again| again.to_string()), Some(form));
            }
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..30)) {
            let _host = Host::parse(&bytes);
        }
    }
}
