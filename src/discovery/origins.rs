//! From the host of a request to the public URL it stands for.

use std::{borrow::Cow, collections::HashMap};

use crate::config::{PublicUrl, Scheme, split_port};

/// The public URLs, found by the host that a client sends.
#[derive(Debug, Clone)]
pub struct Origins {
    urls: Vec<PublicUrl>,
    by_host: HashMap<Box<[u8]>, usize>,
}

impl Origins {
    /// Compiles the public URLs. With none, every origin is derived from the request.
    pub fn new(urls: &[PublicUrl]) -> Self {
        let mut by_host: HashMap<Box<[u8]>, usize> = HashMap::new();
        for (place, url) in urls.iter().enumerate() {
            let authority = url.authority();
            by_host.insert(authority.as_bytes().into(), place);
            if split_port(authority).1.is_none() {
                let with_port = format!("{authority}:{}", url.scheme().default_port());
                by_host.entry(with_port.into_bytes().into()).or_insert(place);
            }
        }
        Origins { urls: urls.to_vec(), by_host }
    }

    /// The public URLs in the order of the file.
    pub fn urls(&self) -> &[PublicUrl] {
        &self.urls
    }

    /// Whether there are no public URLs, so that origins are derived.
    pub fn are_derived(&self) -> bool {
        self.urls.is_empty()
    }

    /// The place of the public URL whose host this is: in any case, with or without its scheme's
    /// default port, with or without the root's trailing dot.
    pub fn find(&self, host: &[u8]) -> Option<usize> {
        if let Some(place) = self.by_host.get(host) {
            return Some(*place);
        }
        self.by_host.get(&*normal(host)?).copied()
    }

    /// The https public URL on the host that a client sends, whatever their ports.
    pub fn https_of(&self, host: &[u8]) -> Option<&PublicUrl> {
        let exact = self.find(host).map(|place| &self.urls[place]).filter(|url| url.scheme() == Scheme::Https);
        exact.or_else(|| {
            let host = std::str::from_utf8(host).ok()?.to_ascii_lowercase();
            let (name, _) = split_port(&host);
            let name = name.strip_suffix('.').unwrap_or(name);
            let mut https = self.urls.iter().filter(|url| url.scheme() == Scheme::Https);
            https.find(|url| split_port(url.authority()).0 == name)
        })
    }

    /// The origin that a request with this host and scheme is for: a public URL, or the derived one.
    pub fn of_request(&self, host: &[u8], scheme: Scheme) -> Option<Cow<'_, PublicUrl>> {
        if self.are_derived() {
            PublicUrl::of_request(host, scheme).map(Cow::Owned)
        } else {
            self.find(host).map(|place| Cow::Borrowed(&self.urls[place]))
        }
    }
}

/// The host in lower case without a trailing dot, if that differs.
fn normal(host: &[u8]) -> Option<Box<[u8]>> {
    let mut lower = host.to_ascii_lowercase();
    let name_end = lower.iter().rposition(|byte| *byte == b':').unwrap_or(lower.len());
    if name_end > 0 && lower[name_end - 1] == b'.' {
        lower.remove(name_end - 1);
    }
    (lower != host).then(|| lower.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origins(urls: &[&str]) -> Origins {
        let urls: Vec<_> = urls.iter().map(|url| PublicUrl::try_from((*url).to_owned()).unwrap()).collect();
        Origins::new(&urls)
    }

    #[test]
    fn a_host_finds_its_public_url() {
        let origins = origins(&["https://gw.example.com", "http://localhost:8000", "http://[::1]:8000"]);
        for (host, place) in [
            ("gw.example.com", 0),
            ("GW.Example.COM", 0),
            ("gw.example.com:443", 0),
            ("gw.example.com.", 0),
            ("gw.example.com.:443", 0),
            ("localhost:8000", 1),
            ("[::1]:8000", 2),
        ] {
            assert_eq!(origins.find(host.as_bytes()), Some(place), "{host}");
        }
    }

    #[test]
    fn any_other_host_finds_none() {
        let origins = origins(&["https://gw.example.com", "http://localhost:8000"]);
        for host in [
            "",
            ".",
            ":",
            "localhost",
            "localhost:80",
            "localhost:8001",
            "localhost:8000:80",
            "gw.example.com:80",
            "gw.example.com:8443",
            "gw.example.com..",
            "evil.gw.example.com",
            "gw.example.com.evil",
            "user@gw.example.com",
            "gw.example.com/",
            "gw.example.com, gw.example.com",
            " gw.example.com",
        ] {
            assert_eq!(origins.find(host.as_bytes()), None, "{host:?}");
        }
    }

    #[test]
    fn without_public_urls_the_origin_is_derived_and_checked() {
        let origins = origins(&[]);
        let derived = |host: &str, scheme| origins.of_request(host.as_bytes(), scheme).map(|url| url.to_string());
        assert_eq!(derived("GW.example.com:443", Scheme::Https).as_deref(), Some("https://gw.example.com"));
        assert_eq!(derived("gw.example.com:443", Scheme::Http).as_deref(), Some("http://gw.example.com:443"));
        assert_eq!(derived("gw.example.com.", Scheme::Http).as_deref(), Some("http://gw.example.com"));
        for host in ["", "a b", "a/b", "a\"b", "u@h", "h:0", "h:x", "h:8443:80", "[::1", "a,b", "h\u{e9}"] {
            assert_eq!(derived(host, Scheme::Http), None, "{host:?}");
        }
    }
}
