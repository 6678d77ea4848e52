//! From the host and the path of a request to the public URL they stand for.

use std::{borrow::Cow, collections::HashMap};

use crate::{
    config::{DiscoveryKeys, PublicUrl, Scheme, split_port},
    host::Host,
};

/// The public URLs of all sites, found by the host that a client sends, and the path.
#[derive(Debug, Clone)]
pub struct Origins {
    urls: Vec<PublicUrl>,
    /// The place of the site of each.
    sites: Vec<usize>,
    /// There is one site, which has whatever is for its hosts.
    is_one_site: bool,
    by_host: HashMap<Box<[u8]>, Bases>,
}

/// What a request is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Base {
    /// The place of its site.
    pub site: usize,
    /// How much of its path is that of the public URL, in bytes: what stands behind it is the path as a Bifrost has it.
    pub length: usize,
}

/// The public URLs of one host, found by their paths: as fast when there are a thousand.
#[derive(Debug, Clone, Default)]
pub(super) struct Bases {
    by_path: HashMap<Box<[u8]>, usize>,
    /// The longest of the paths, in bytes.
    longest: usize,
    /// The one with the first path of all, in their order.
    first: Option<(Box<[u8]>, usize)>,
}

impl Bases {
    fn add(&mut self, path: &str, place: usize) {
        self.longest = self.longest.max(path.len());
        if self.first.as_ref().is_none_or(|(first, _)| **first > *path.as_bytes()) {
            self.first = Some((path.as_bytes().into(), place));
        }
        self.by_path.insert(path.as_bytes().into(), place);
    }

    /// The place of the one with exactly this path.
    pub fn at(&self, path: &[u8]) -> Option<usize> {
        self.by_path.get(path).copied()
    }

    /// The place of the one with the longest path that this is, or is below.
    pub fn above(&self, path: &[u8]) -> Option<usize> {
        let mut end = path.len().min(self.longest);
        loop {
            let is_whole = matches!(path.get(end), None | Some(b'/' | b'?'));
            if let Some(place) = self.at(&path[..end]).filter(|_| is_whole) {
                return Some(place);
            }
            end = path[..end].iter().rposition(|byte| *byte == b'/')?;
        }
    }

    /// The same, or above all of them, any: they have one scheme.
    pub fn find(&self, path: &[u8]) -> Option<usize> {
        self.above(path).or_else(|| self.first.as_ref().map(|(_, place)| *place))
    }
}

impl Origins {
    /// Compiles the public URLs. With none, every origin is derived from the request.
    pub(super) fn new(sites: &[DiscoveryKeys<'_>]) -> Self {
        let of_sites = sites.iter().enumerate().flat_map(|(place, site)| site.public_urls.iter().map(move |_| place));
        let urls = sites.iter().flat_map(|site| site.public_urls.iter().cloned());
        Self::of(urls.collect(), of_sites.collect(), sites.len() == 1)
    }

    /// Compiles the public URLs of a single site.
    pub fn of_urls(urls: Vec<PublicUrl>) -> Self {
        let sites = vec![0; urls.len()];
        Self::of(urls, sites, true)
    }

    fn of(urls: Vec<PublicUrl>, sites: Vec<usize>, is_one_site: bool) -> Self {
        let mut by_host: HashMap<Box<[u8]>, Bases> = HashMap::new();
        for (place, url) in urls.iter().enumerate() {
            by_host.entry(url.authority().as_bytes().into()).or_default().add(url.path(), place);
        }
        // With the default port it is the same host, unless that is another one's own.
        for url in urls.iter().filter(|url| split_port(url.authority()).1.is_none()) {
            let with_port = format!("{}:{}", url.authority(), url.scheme().default_port());
            let bases = by_host.get(url.authority().as_bytes()).cloned().unwrap_or_default();
            by_host.entry(with_port.into_bytes().into()).or_insert(bases);
        }
        Origins { urls, sites, is_one_site, by_host }
    }

    /// The public URLs, site by site in the order of the configuration.
    pub fn urls(&self) -> &[PublicUrl] {
        &self.urls
    }

    /// The same of one site.
    pub fn urls_of(&self, site: usize) -> impl Iterator<Item = &PublicUrl> {
        self.urls.iter().zip(&self.sites).filter(move |(_, of)| **of == site).map(|(url, _)| url)
    }

    /// The place of the site of a public URL.
    pub(super) fn site(&self, url: Option<usize>) -> Option<usize> {
        self.sites.get(url?).copied()
    }

    /// Whether there are no public URLs, so that origins are derived.
    pub fn are_derived(&self) -> bool {
        self.urls.is_empty()
    }

    /// The public URLs whose host this is, in whatever form, with or without its scheme's default port.
    pub(super) fn bases(&self, host: &[u8]) -> Option<&Bases> {
        // Nearly always it comes in the form that it has.
        self.by_host.get(host).or_else(|| self.by_host.get(Host::parse(host)?.to_string().as_bytes()))
    }

    /// The public URL with this host and the longest path that the path of the request is, or is below; above all of
    /// them, any one with this host.
    pub fn find(&self, host: &[u8], path: &[u8]) -> Option<&PublicUrl> {
        let bases = self.bases(host)?;
        self.urls.get(bases.find(path)?)
    }

    /// What a request is for: the site of the public URL with its host and the longest path that its path is, or is
    /// below. A site that is the only one has whatever is for its hosts. `None` for what is nobody's.
    pub fn base(&self, host: &[u8], path: &[u8]) -> Option<Base> {
        let found = self.bases(host)?.above(path);
        let length = found.and_then(|place| self.urls.get(place)).map_or(0, |url| url.path().len());
        Some(Base { site: self.site(found).or(self.is_one_site.then_some(0))?, length })
    }

    /// The place of the site of a request for discovery on one of these hosts, with the public URL that it names.
    pub(super) fn site_of(&self, bases: &Bases, url: Option<usize>, path: &[u8]) -> Option<usize> {
        self.site(url.or_else(|| bases.above(path))).or(self.is_one_site.then_some(0))
    }

    /// The public URL with this host and the longest path that the path of the request is, or is below. Without public
    /// URLs, the origin of the request.
    pub(crate) fn above_request(&self, host: &[u8], path: &[u8], scheme: Scheme) -> Option<Cow<'_, PublicUrl>> {
        self.request_url(host, scheme, |bases| bases.above(path))
    }

    /// The public URL that a request with this host, path and scheme is for, or the origin that is derived from it.
    pub fn of_request(&self, host: &[u8], path: &[u8], scheme: Scheme) -> Option<Cow<'_, PublicUrl>> {
        self.request_url(host, scheme, |bases| bases.find(path))
    }

    fn request_url(
        &self,
        host: &[u8],
        scheme: Scheme,
        place: impl FnOnce(&Bases) -> Option<usize>,
    ) -> Option<Cow<'_, PublicUrl>> {
        if self.are_derived() {
            return PublicUrl::of_request(host, scheme).map(Cow::Owned);
        }
        self.urls.get(place(self.bases(host)?)?).map(Cow::Borrowed)
    }

    /// An https public URL on the host that a client sends, whatever their ports.
    pub fn https_of(&self, host: &[u8]) -> Option<&PublicUrl> {
        let exact = self.find(host, b"").filter(|url| url.scheme() == Scheme::Https);
        exact.or_else(|| {
            let name = Host::parse(host)?.name;
            let mut https = self.urls.iter().filter(|url| url.scheme() == Scheme::Https);
            https.find(|url| Host::parse(url.authority().as_bytes()).is_some_and(|own| own.name == name))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origins(urls: &[&str]) -> Origins {
        let urls: Vec<_> = urls.iter().map(|url| PublicUrl::try_from((*url).to_owned()).unwrap()).collect();
        Origins::of_urls(urls)
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
            ("localhost:08000", 1),
            ("gw.example.com:", 0),
            ("[::1]:8000", 2),
            ("[0:0::1]:8000", 2),
        ] {
            assert_eq!(origins.find(host.as_bytes(), b"/mcp"), Some(&origins.urls()[place]), "{host}");
        }
    }

    #[test]
    fn any_other_host_finds_none() {
        let origins = origins(&["https://gw.example.com", "http://localhost:8000", "https://[::1]"]);
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
            "localhost:8000x",
            "[:.:1]",
            "[::1].",
            "[::1",
        ] {
            assert_eq!(origins.find(host.as_bytes(), b"/mcp"), None, "{host:?}");
        }
    }

    #[test]
    fn of_the_public_urls_of_one_host_the_longest_path_that_fits_counts() {
        let origins = origins(&["https://gw/a/b", "https://gw/a", "https://gw/ab", "https://other", "https://other/a"]);
        for (host, path, url) in [
            ("gw", "/a", "https://gw/a"),
            ("gw", "/a/", "https://gw/a"),
            ("gw", "/a?x", "https://gw/a"),
            ("gw", "/a/x/b", "https://gw/a"),
            ("GW:443", "/a/b", "https://gw/a/b"),
            ("gw", "/a/b/mcp", "https://gw/a/b"),
            ("gw", "/a/bc", "https://gw/a"),
            ("gw", "/ab/mcp", "https://gw/ab"),
            // Above all of them the scheme is known, and that is all.
            ("gw", "/", "https://gw/a"),
            ("gw", "/abc", "https://gw/a"),
            ("gw", "/A/b", "https://gw/a"),
            ("other", "/b", "https://other"),
            ("other", "*", "https://other"),
            ("other", "", "https://other"),
            ("other", "/a/mcp", "https://other/a"),
        ] {
            assert_eq!(origins.find(host.as_bytes(), path.as_bytes()).unwrap().as_str(), url, "{host} {path}");
        }
        for (host, path, length) in [
            ("gw", "/a/b/mcp", Some(4)),
            ("gw", "/abc", Some(0)),
            ("gw", "/", Some(0)),
            ("other", "/a", Some(2)),
            ("other", "/mcp", Some(0)),
            ("x", "/a", None),
        ] {
            let base = origins.base(host.as_bytes(), path.as_bytes());
            assert_eq!(base.map(|base| base.length), length, "{host} {path}");
        }
    }

    #[test]
    fn of_several_sites_each_has_what_is_below_its_own_urls_and_no_more() {
        let urls = ["https://gw/a", "https://gw/b", "https://other", "https://other/b"];
        let urls = urls.map(|url| PublicUrl::try_from(url.to_owned()).unwrap()).to_vec();
        let origins = Origins::of(urls, vec![0, 1, 0, 2], false);
        for (host, path, found) in [
            ("gw", "/a/mcp", Some((0, 2))),
            ("gw", "/b", Some((1, 2))),
            ("gw", "/v1/models", None),
            ("other", "/v1/models", Some((0, 0))),
            ("other", "/b/mcp", Some((2, 2))),
            ("else", "/a", None),
        ] {
            let base = origins.base(host.as_bytes(), path.as_bytes());
            assert_eq!(base.map(|base| (base.site, base.length)), found, "{host} {path}");
        }
    }

    #[test]
    fn without_public_urls_the_origin_is_derived_and_checked() {
        let origins = origins(&[]);
        let derived = |host: &str, scheme| origins.of_request(host.as_bytes(), b"/", scheme).map(|url| url.to_string());
        assert_eq!(derived("GW.example.com:443", Scheme::Https).as_deref(), Some("https://gw.example.com"));
        assert_eq!(derived("gw.example.com:443", Scheme::Http).as_deref(), Some("http://gw.example.com:443"));
        assert_eq!(derived("gw.example.com.", Scheme::Http).as_deref(), Some("http://gw.example.com"));
        for host in ["", "a b", "a/b", "a\"b", "u@h", "h:0", "h:x", "h:8443:80", "[::1", "a,b", "h\u{e9}"] {
            assert_eq!(derived(host, Scheme::Http), None, "{host:?}");
        }
    }
}
