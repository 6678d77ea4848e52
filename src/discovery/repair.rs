//! Keeps what Bifrost says of itself in forwarded answers consistent with the documents: it builds
//! absolute URLs from the Host header and, behind a TLS terminator, with the wrong scheme.

use std::{borrow::Cow, ops::Range};

use super::{
    origins::Origins,
    well_known::{Document, Spot, Target},
};
use crate::{
    config::{PublicUrl, Scheme},
    host::Host,
};

/// What makes a server's words of itself agree with the documents that one request could have asked for.
#[derive(Debug)]
pub(crate) struct Repair<'a> {
    own: Cow<'a, PublicUrl>,
    origins: &'a Origins,
}

impl<'a> Repair<'a> {
    /// Begins with the public URL that a request is for. `None` where the server may know better: derived from a request
    /// over plain HTTP, it may be wrong about a TLS terminator that nobody has told of.
    pub fn new(own: Cow<'a, PublicUrl>, origins: &'a Origins) -> Option<Self> {
        let may_know_better = origins.are_derived() && own.scheme() == Scheme::Http;
        (!may_know_better).then_some(Repair { own, origins })
    }

    /// Repairs a `Location`; `None` when there is nothing to repair.
    pub fn location(&self, value: &[u8]) -> Option<Vec<u8>> {
        location(value, &self.own, self.origins)
    }

    /// Repairs a `WWW-Authenticate`; `None` when there is nothing to repair.
    pub fn challenge(&self, value: &[u8]) -> Option<Vec<u8>> {
        challenge(value, &self.own, self.origins)
    }
}

/// Whether a `WWW-Authenticate` is a Bifrost's: its `resource_metadata` is where a Bifrost below this path has it, or one
/// that knows nothing of the path.
pub(crate) fn is_bifrosts(value: &[u8], base: &str) -> bool {
    resource_metadata(value).is_some_and(|(_, url)| names_resource(url.rest, base) || names_resource(url.rest, ""))
}

/// Whether a value of `Access-Control-Expose-Headers` lets web pages of other origins read challenges.
pub(crate) fn exposes_challenges(value: &[u8]) -> bool {
    value.split(|byte| *byte == b',').any(|name| name.trim_ascii().eq_ignore_ascii_case(b"www-authenticate"))
}

/// A `Location` that names one of our own hosts with the wrong scheme, with the right one. The rest
/// stays as it is, fragment and all. `None` when there is nothing to repair.
pub fn location(value: &[u8], own: &PublicUrl, origins: &Origins) -> Option<Vec<u8>> {
    let url = AbsoluteUrl::parse(value)?;
    let base = if is_at(&url, own) { own } else { find(&url, origins)? };
    (base.scheme() != url.scheme).then(|| [base.origin().as_bytes(), url.rest].concat())
}

/// A `WWW-Authenticate` whose `resource_metadata` (RFC 9728 section 5.1) names our metadata on a
/// foreign origin, or at the root where nothing is, with our own. Every other byte stays. `None` when there is nothing
/// to repair.
pub fn challenge(value: &[u8], own: &PublicUrl, origins: &Origins) -> Option<Vec<u8>> {
    let (place, url) = resource_metadata(value)?;
    let is_own = url.scheme == own.scheme() && is_at(&url, own);
    let base = match () {
        () if names_resource(url.rest, own.path()) && !is_own => own.origin(),
        () if names_resource(url.rest, own.path()) => return None,
        // A server that knows nothing of the path, or of the host.
        () if names_resource(url.rest, "") && !(is_own && has_root(own, origins)) => own.as_str(),
        () => return None,
    };
    Some([&value[..place.start], base.as_bytes(), url.rest, &value[place.end..]].concat())
}

/// The URL in the `resource_metadata` of a challenge, and its place.
fn resource_metadata(value: &[u8]) -> Option<(Range<usize>, AbsoluteUrl<'_>)> {
    const PARAMETER: &[u8] = b"resource_metadata=\"";
    let is_parameter = |place: &usize| {
        value[*place..].get(..PARAMETER.len()).is_some_and(|part| part.eq_ignore_ascii_case(PARAMETER))
            && place.checked_sub(1).is_none_or(|before| matches!(value[before], b' ' | b'\t' | b','))
    };
    let start = PARAMETER.len() + (0..value.len()).find(is_parameter)?;
    let end = start + value[start..].iter().position(|byte| *byte == b'"')?;
    Some((start..end, AbsoluteUrl::parse(&value[start..end])?))
}

/// Whether this is where the public URL with this path has the metadata of a protected resource.
fn names_resource(path: &[u8], base: &str) -> bool {
    let at_base = |path: &[u8]| (path == base.as_bytes()).then_some(());
    // Of a URL with a query nothing is known.
    let spot = Spot::of(path).filter(|_| !path.contains(&b'?'));
    spot.is_some_and(|spot| {
        let (target, url) = spot.target(at_base);
        url.is_some() && matches!(target, Target::Document(Document::ProtectedResource) | Target::Oauth2Resource)
    })
}

fn has_root(own: &PublicUrl, origins: &Origins) -> bool {
    origins.are_derived() || origins.bases(own.authority().as_bytes()).is_some_and(|bases| bases.at(b"").is_some())
}

/// An absolute http or https URL, in parts.
struct AbsoluteUrl<'a> {
    scheme: Scheme,
    authority: &'a [u8],
    rest: &'a [u8],
}

impl<'a> AbsoluteUrl<'a> {
    fn parse(value: &'a [u8]) -> Option<Self> {
        let (scheme, after) = [Scheme::Http, Scheme::Https].into_iter().find_map(|scheme| {
            let name = scheme.as_str().as_bytes();
            let (start, after) = value.split_at_checked(name.len())?;
            let after = after.strip_prefix(b"://")?;
            start.eq_ignore_ascii_case(name).then_some((scheme, after))
        })?;
        let end = after.iter().position(|byte| matches!(byte, b'/' | b'?' | b'#')).unwrap_or(after.len());
        let (authority, rest) = after.split_at(end);
        Some(AbsoluteUrl { scheme, authority, rest })
    }

    /// Its host without the default port of its own scheme.
    fn host(&self) -> Option<Host<'a>> {
        let host = Host::parse(self.authority)?;
        Some(Host { port: host.port.filter(|port| *port != self.scheme.default_port()), ..host })
    }
}

/// Whether the URL has the host of the public URL, whose scheme it may have wrong.
fn is_at(url: &AbsoluteUrl<'_>, own: &PublicUrl) -> bool {
    let (Some(written), Some(host)) = (Host::parse(url.authority), url.host()) else { return false };
    let default_port = Some(own.scheme().default_port());
    let is_same = |own: &Host<'_>| [written, host].iter().any(|host| host.is_same(own, default_port));
    Host::parse(own.authority().as_bytes()).as_ref().is_some_and(is_same)
}

fn find<'a>(url: &AbsoluteUrl<'_>, origins: &'a Origins) -> Option<&'a PublicUrl> {
    origins.find(url.authority, url.rest).or_else(|| origins.find(url.host()?.to_string().as_bytes(), url.rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> PublicUrl {
        PublicUrl::try_from(text.to_owned()).unwrap()
    }

    #[test]
    fn a_location_on_our_host_gets_our_scheme() {
        let own = url("https://gw.example.com");
        let origins = Origins::of_urls(vec![own.clone(), url("https://other.example.com:8443")]);
        for (value, repaired) in [
            ("http://gw.example.com/oauth/consent?flow=1#t=2", Some("https://gw.example.com/oauth/consent?flow=1#t=2")),
            ("HTTP://GW.example.com:80/x", Some("https://gw.example.com/x")),
            ("http://gw.example.com:443/x", Some("https://gw.example.com/x")),
            ("http://gw.example.com", Some("https://gw.example.com")),
            ("http://gw.example.com?x", Some("https://gw.example.com?x")),
            ("http://other.example.com:8443/x", Some("https://other.example.com:8443/x")),
            ("https://gw.example.com/x", None),
            ("http://gw.example.com:8080/x", None),
            ("http://127.0.0.1:9/callback?code=1", None),
            ("http://evil.example.com/", None),
            ("http://gw.example.com.evil/", None),
            ("http://gw.example.com@evil/", None),
            ("/oauth/consent", None),
            ("//gw.example.com/x", None),
            ("", None),
        ] {
            let found = location(value.as_bytes(), &own, &origins);
            assert_eq!(found.as_deref(), repaired.map(str::as_bytes), "{value}");
        }
    }

    #[test]
    fn a_derived_origin_repairs_its_own_host() {
        let found = location(b"http://gw.example.com/x", &url("https://gw.example.com"), &Origins::of_urls(Vec::new()));
        assert_eq!(found.as_deref(), Some(&b"https://gw.example.com/x"[..]));
    }

    #[test]
    fn a_challenge_that_names_a_foreign_origin_is_repaired() {
        let own = url("https://gw.example.com");
        for (value, repaired) in [
            (
                "Bearer resource_metadata=\"http://10.0.0.5:8080/.well-known/oauth-protected-resource\", scope=\"a b\"",
                Some(
                    "Bearer resource_metadata=\"https://gw.example.com/.well-known/oauth-protected-resource\", scope=\"a b\"",
                ),
            ),
            (
                "Bearer realm=\"x\", Resource_Metadata=\"http://gw.example.com/.well-known/oauth-protected-resource/mcp\"",
                Some(
                    "Bearer realm=\"x\", Resource_Metadata=\"https://gw.example.com/.well-known/oauth-protected-resource/mcp\"",
                ),
            ),
            (
                "Bearer resource_metadata=\"http://10.0.0.5:8080/.well-known/oauth-protected-resource/mcp/github\"",
                Some(
                    "Bearer resource_metadata=\"https://gw.example.com/.well-known/oauth-protected-resource/mcp/github\"",
                ),
            ),
            ("Bearer resource_metadata=\"http://x/.well-known/oauth-protected-resource/mcp/a/b\"", None),
            ("Bearer resource_metadata=\"https://gw.example.com/.well-known/oauth-protected-resource\"", None),
            ("Bearer resource_metadata=\"https://idp.example.com/metadata\"", None),
            ("Bearer resource_metadata=\"http://x/.well-known/oauth-protected-resource", None),
            ("Bearer x_resource_metadata=\"http://x/.well-known/oauth-protected-resource\"", None),
            ("Basic realm=\"x\"", None),
        ] {
            let found = challenge(value.as_bytes(), &own, &Origins::of_urls(vec![own.clone()]));
            assert_eq!(found.as_deref(), repaired.map(str::as_bytes), "{value}");
        }
    }

    #[test]
    fn below_a_path_a_location_keeps_its_own() {
        let own = url("https://gw.example.com/bifrost");
        let origins = Origins::of_urls(vec![own.clone(), url("https://other.example.com/two")]);
        for (value, repaired) in [
            ("http://gw.example.com/bifrost/x", Some("https://gw.example.com/bifrost/x")),
            ("http://gw.example.com/elsewhere", Some("https://gw.example.com/elsewhere")),
            ("http://other.example.com/x", Some("https://other.example.com/x")),
            ("https://gw.example.com/bifrost/x", None),
            ("/bifrost/x", None),
        ] {
            let found = location(value.as_bytes(), &own, &origins);
            assert_eq!(found.as_deref(), repaired.map(str::as_bytes), "{value}");
        }
    }

    #[test]
    fn below_a_path_a_challenge_names_metadata_that_is_there() {
        let own = url("https://gw/bifrost");
        for (metadata, without_root, with_root) in [
            ("https://gw/bifrost/.well-known/oauth-protected-resource/mcp", None, None),
            ("https://gw/.well-known/oauth-protected-resource/bifrost/mcp", None, None),
            (
                "http://gw/bifrost/.well-known/oauth-protected-resource/mcp/github",
                Some("https://gw/bifrost/.well-known/oauth-protected-resource/mcp/github"),
                Some("https://gw/bifrost/.well-known/oauth-protected-resource/mcp/github"),
            ),
            (
                "http://10.0.0.5:8080/.well-known/oauth-protected-resource/bifrost/v1/mcp",
                Some("https://gw/.well-known/oauth-protected-resource/bifrost/v1/mcp"),
                Some("https://gw/.well-known/oauth-protected-resource/bifrost/v1/mcp"),
            ),
            (
                "http://10.0.0.5:8080/.well-known/oauth-protected-resource/mcp",
                Some("https://gw/bifrost/.well-known/oauth-protected-resource/mcp"),
                Some("https://gw/bifrost/.well-known/oauth-protected-resource/mcp"),
            ),
            (
                "https://gw/.well-known/oauth-protected-resource",
                Some("https://gw/bifrost/.well-known/oauth-protected-resource"),
                None,
            ),
            ("https://gw/other/.well-known/oauth-protected-resource/mcp", None, None),
            ("https://idp/metadata", None, None),
        ] {
            let value = format!("Bearer resource_metadata=\"{metadata}\"");
            for (urls, repaired) in [(&[own.clone()][..], without_root), (&[own.clone(), url("https://gw")], with_root)]
            {
                let found = challenge(value.as_bytes(), &own, &Origins::of_urls(urls.to_vec()));
                let repaired = repaired.map(|metadata| format!("Bearer resource_metadata=\"{metadata}\""));
                assert_eq!(found.as_deref(), repaired.as_deref().map(str::as_bytes), "{metadata}");
            }
        }
    }
}
