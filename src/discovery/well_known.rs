//! Which paths are ours. The raw path decides: a document lives at one spelling, byte for byte. It is
//! normalised only to find the other spellings, which a server behind us might read as one of ours.

use super::spelling::{NAMES, may_hide_well_known, names_ours};
use crate::generation::CLAUDE_CODE;

/// A discovery document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Document {
    /// Authorization server metadata, RFC 8414.
    AuthorizationServer,
    /// Protected resource metadata, RFC 9728.
    ProtectedResource,
    /// Authorization server metadata of the Claude Code gateway, whose issuer is below the public URL.
    ClaudeCode,
}

impl Document {
    #[doc(hidden)]
    pub const ALL: [Document; 3] = [Document::AuthorizationServer, Document::ProtectedResource, Document::ClaudeCode];
}

/// What a path of ours names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Target {
    /// A document.
    Document(Document),
    /// The protected resource metadata of `/mcp/<slug>` and of `/v1/mcp`, which the profile `oauth2` has.
    Oauth2Resource,
    /// The keys that sign tokens (RFC 7517 section 5), which a server alone has, under the profile `oauth2`.
    Keys,
    /// Nothing: a suffix, a sibling or another spelling. Answered 404 here, because the server's
    /// dashboard would answer HTML, and never aliased, because the issuer would not match
    /// (RFC 8414 section 3.3).
    Nothing,
}

/// Where the authorization server metadata is (RFC 8414 section 3).
pub const AUTHORIZATION_SERVER: &str = "/.well-known/oauth-authorization-server";
/// Where the protected resource metadata is, the fallback of MCP clients (RFC 9728 section 3).
pub const PROTECTED_RESOURCE: &str = "/.well-known/oauth-protected-resource";
/// Where RFC 9728 section 3.1 puts the metadata of the resource `/mcp`.
pub const PROTECTED_RESOURCE_MCP: &str = "/.well-known/oauth-protected-resource/mcp";
/// Where Claude Code looks for the metadata of its gateway: behind the issuer's path, and not where RFC 8414 has it.
pub const CLAUDE_CODE_METADATA: &str = "/claude-code/.well-known/oauth-authorization-server";

/// What the path of a request target names for a public URL without a path, or `None` when it is not ours. A query is
/// ignored.
pub fn classify(raw: &[u8]) -> Option<Target> {
    Spot::of(raw).map(|spot| spot.target(|base| base.is_empty().then_some(())).0)
}

/// The paths at which a public URL with this path has its documents, those of the Claude Code gateway last. For one
/// with a path they are where RFC 8414 section 3.1 and RFC 9728 section 3.1 put them, between host and path, and where
/// clients look that append to what they are given.
pub fn places(base: &str) -> Vec<String> {
    let mut places = Vec::new();
    if !base.is_empty() {
        places.push(format!("{AUTHORIZATION_SERVER}{base}"));
        places.push(format!("{PROTECTED_RESOURCE}{base}/mcp"));
    }
    let appended = [AUTHORIZATION_SERVER, PROTECTED_RESOURCE, PROTECTED_RESOURCE_MCP, CLAUDE_CODE_METADATA];
    places.extend(appended.iter().map(|path| format!("{base}{path}")));
    places
}

/// A path of ours, taken apart.
#[derive(Debug, Clone, Copy)]
pub(super) enum Spot<'a> {
    /// It has one of our names, spelled out.
    Plain {
        /// What stands before `/.well-known`.
        before: &'a [u8],
        name: &'static [u8],
        /// What stands behind the name: nothing, or a slash and more.
        after: &'a [u8],
    },
    /// It only normalises to one.
    OtherSpelling,
}

impl<'a> Spot<'a> {
    /// Takes the path of a request target apart; `None` when it is not ours.
    pub fn of(raw: &'a [u8]) -> Option<Self> {
        let path = without_query(raw);
        if !may_hide_well_known(path) {
            return None;
        }
        Self::plain(path).or_else(|| names_ours(path).then_some(Spot::OtherSpelling))
    }

    fn plain(path: &'a [u8]) -> Option<Self> {
        const FOLDER: &[u8] = b"/.well-known/";
        let start = path.windows(FOLDER.len()).position(|part| part == FOLDER)?;
        let below = &path[start + FOLDER.len()..];
        let end = below.iter().position(|byte| *byte == b'/').unwrap_or(below.len());
        let name = NAMES.into_iter().find(|name| *name == &below[..end])?;
        Some(Spot::Plain { before: &path[..start], name, after: &below[end..] })
    }

    /// What it names, and for which public URL. `at` finds the one with a path.
    pub fn target<P>(self, at: impl Fn(&[u8]) -> Option<P>) -> (Target, Option<P>) {
        let Spot::Plain { before, name, after } = self else { return (Target::Nothing, None) };
        let found = match name {
            b"oauth-authorization-server" => authorization_server(before, after, at),
            b"oauth-protected-resource" => protected_resource(before, after, at),
            b"jwks.json" if after.is_empty() => at(before).map(|url| (Target::Keys, url)),
            _ => None,
        };
        found.map_or((Target::Nothing, None), |(target, url)| (target, Some(url)))
    }
}

/// Whether the path of a request target may be for discovery: a look, and no answer.
pub(crate) fn may_be_discovery(raw: &[u8]) -> bool {
    may_hide_well_known(without_query(raw))
}

pub(super) fn without_query(raw: &[u8]) -> &[u8] {
    &raw[..raw.iter().position(|byte| *byte == b'?').unwrap_or(raw.len())]
}

fn authorization_server<P>(before: &[u8], after: &[u8], at: impl Fn(&[u8]) -> Option<P>) -> Option<(Target, P)> {
    let own = |url| (Target::Document(Document::AuthorizationServer), url);
    if !after.is_empty() {
        return if before.is_empty() { at(after).map(own) } else { None };
    }
    at(before).map(own).or_else(|| {
        let url = at(before.strip_suffix(CLAUDE_CODE.as_bytes())?)?;
        Some((Target::Document(Document::ClaudeCode), url))
    })
}

/// Of several public URLs that fit, the one with the longest path counts.
fn protected_resource<P>(before: &[u8], after: &[u8], at: impl Fn(&[u8]) -> Option<P>) -> Option<(Target, P)> {
    let inserted = || {
        let bases = [after.strip_suffix(b"/mcp"), after.strip_suffix(b"/v1/mcp"), without_slug(after)];
        let mut bases = bases.into_iter().flatten().filter(|base| before.is_empty() && !base.is_empty());
        bases.find_map(|base| Some((resource(&after[base.len()..])?, at(base)?)))
    };
    inserted().or_else(|| Some((resource(after)?, at(before)?)))
}

/// What the metadata of the protected resource with this path below a public URL is.
fn resource(path: &[u8]) -> Option<Target> {
    match path {
        b"" | b"/mcp" => Some(Target::Document(Document::ProtectedResource)),
        b"/v1/mcp" => Some(Target::Oauth2Resource),
        _ => without_slug(path).filter(|base| base.is_empty()).map(|_| Target::Oauth2Resource),
    }
}

/// A path without `/mcp/<slug>` at its end, as Bifrost names its virtual MCP servers and MCP clients: one segment that
/// needs no escape.
pub(super) fn without_slug(path: &[u8]) -> Option<&[u8]> {
    let slash = path.iter().rposition(|byte| *byte == b'/')?;
    let slug = &path[slash + 1..];
    let is_open = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~".contains(byte);
    let is_slug = !matches!(slug, b"" | b"." | b"..") && slug.iter().all(is_open);
    path[..slash].strip_suffix(b"/mcp").filter(|_| is_slug)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::generation::JWKS;

    #[test]
    fn documents_live_at_one_spelling() {
        for (path, document) in [
            (AUTHORIZATION_SERVER, Document::AuthorizationServer),
            (PROTECTED_RESOURCE, Document::ProtectedResource),
            (PROTECTED_RESOURCE_MCP, Document::ProtectedResource),
            (CLAUDE_CODE_METADATA, Document::ClaudeCode),
        ] {
            assert_eq!(classify(path.as_bytes()), Some(Target::Document(document)));
            let with_query = format!("{path}?a=/../b");
            assert_eq!(classify(with_query.as_bytes()), Some(Target::Document(document)));
        }
    }

    #[test]
    fn the_metadata_of_a_slug_and_the_keys_live_at_one_spelling() {
        for slug in ["a", "GitHub-tools~2", "v1.2_x", "..."] {
            let path = format!("{PROTECTED_RESOURCE_MCP}/{slug}");
            assert_eq!(classify(path.as_bytes()), Some(Target::Oauth2Resource), "{path}");
            assert_eq!(classify(format!("{path}?x").as_bytes()), Some(Target::Oauth2Resource));
        }
        assert_eq!(classify(b"/.well-known/oauth-protected-resource/v1/mcp"), Some(Target::Oauth2Resource));
        assert_eq!(classify(JWKS.as_bytes()), Some(Target::Keys));
        assert_eq!(classify(b"/.well-known/jwks.json?x"), Some(Target::Keys));
    }

    #[test]
    fn other_spellings_suffixes_and_siblings_are_nothing() {
        for path in [
            "/.well-known/oauth-authorization-server/",
            "/.well-known/oauth-authorization-server/mcp",
            "/.well-known/oauth-authorization-server#x",
            "/.well-known/oauth-protected-resource/",
            "/.well-known/oauth-protected-resource/mcp/",
            "/.well-known/oauth-protected-resource/other",
            "/.well-known/oauth-protected-resource/mcp/a/b",
            "/.well-known/oauth-protected-resource/mcp/a/",
            "/.well-known/oauth-protected-resource/mcp/%61",
            "/.well-known/oauth-protected-resource/mcp/..",
            "/.well-known/oauth-protected-resource/mcp/a;b",
            "/.well-known/oauth-protected-resource/mcp//a",
            "/.well-known/oauth-protected-resource/v1/mcp/",
            "/.well-known/oauth-protected-resource/v1/mcp/a",
            "/.well-known/oauth-protected-resource//v1/mcp",
            "/.well-known/oauth-protected-resource/v1",
            "/.well-known/oauth-authorization-server/claude-code",
            "/claude-code/.well-known/oauth-authorization-server/",
            "/claude-code//.well-known/oauth-authorization-server",
            "//claude-code/.well-known/oauth-authorization-server",
            "/claude-code/.well-known/oauth-authorization-server;x",
            "/claude-code/%2ewell-known/oauth-authorization-server",
            "/Claude-Code/.well-known/oauth-authorization-server",
            "/x/claude-code/.well-known/oauth-authorization-server",
            "/claude-codex/.well-known/oauth-authorization-server",
            "/claude-code/.well-known/oauth-protected-resource",
            "/claude-code/.well-known/openid-configuration",
            "/.well-known/jwks.json/",
            "//.well-known/jwks.json",
            "/.well-known/JWKS.json",
            "/.well-known/jwks%2ejson",
            "/.well-known/jwks.json;x",
            "/.well-known/openid-configuration",
            "/.well-known/openid-configuration/mcp",
            "/mcp/.well-known/openid-configuration",
            "//.well-known/oauth-authorization-server",
            "/.well-known//oauth-authorization-server",
            "/./.well-known/oauth-authorization-server",
            "/.well-known/./oauth-authorization-server",
            "/x/../.well-known/oauth-authorization-server",
            "/.well-known/x/../oauth-authorization-server",
            "/.well-known/oauth-authorization-server/../../v1/models",
            "/%2ewell-known/oauth-authorization-server",
            "/%2E%77ell-known/oauth-authorization-server",
            "/.well-known%2Foauth-authorization-server",
            "/.well-known%5coauth-authorization-server",
            "/.well-known/..;/../oauth-authorization-server",
            "/.well-known/..;/../oauth-authorization-server%3fx",
            "/.well-known/oauth-authorization-server%00x",
            "/.well-known;x\\y/oauth-authorization-server",
            "/%00.well-known/oauth-protected-resource/a",
            "/.well-known//../oauth-authorization-server",
            "/.well-known/%20/../oauth-authorization-server",
            "/.well-known\\oauth-authorization-server",
            "/.WELL-KNOWN/oauth-authorization-server",
            "/.well-known/OAuth-Authorization-Server",
            "/.well-known;x/oauth-authorization-server",
            "/.well-known/oauth-authorization-server;x",
            "/.well-known/oauth-authorization-server%3bx",
            "/.well-known/oauth-authorization-server%20",
            "/.well-known/%09oauth-authorization-server",
            "/.well-known%00/oauth-authorization-server",
            "/.well-known/oauth-authorization-server\0",
        ] {
            assert_eq!(classify(path.as_bytes()), Some(Target::Nothing), "{path}");
        }
    }

    const BASES: [&str; 4] = ["", "/bifrost", "/bifrost/two", "/mcp"];

    /// What a path names, and for which of these public URLs.
    fn below<'a>(path: &str, bases: &[&'a str]) -> (Target, Option<&'a str>) {
        let at = |path: &[u8]| bases.iter().copied().find(|base| base.as_bytes() == path);
        Spot::of(path.as_bytes()).unwrap().target(at)
    }

    #[test]
    fn every_place_of_a_public_url_with_a_path_is_its_own() {
        for base in BASES {
            for place in places(base) {
                let (target, url) = below(&place, &BASES);
                let document = match place {
                    _ if place.contains("claude-code") => Document::ClaudeCode,
                    _ if place.contains("protected") => Document::ProtectedResource,
                    _ => Document::AuthorizationServer,
                };
                assert_eq!((target, url), (Target::Document(document), Some(base)), "{place}");
            }
        }
    }

    #[test]
    fn below_a_path_all_else_is_there_too_and_nothing_at_the_root() {
        for path in [
            "/.well-known/oauth-protected-resource/bifrost/mcp/github",
            "/.well-known/oauth-protected-resource/bifrost/v1/mcp",
            "/bifrost/.well-known/oauth-protected-resource/mcp/github",
            "/bifrost/.well-known/oauth-protected-resource/v1/mcp",
        ] {
            assert_eq!(below(path, &["/bifrost"]), (Target::Oauth2Resource, Some("/bifrost")), "{path}");
        }
        assert_eq!(below("/bifrost/.well-known/jwks.json", &["/bifrost"]), (Target::Keys, Some("/bifrost")));
        for path in places("").iter().map(String::as_str).chain([
            JWKS,
            "/.well-known/jwks.json/bifrost",
            "/.well-known/oauth-protected-resource/bifrost",
            "/.well-known/oauth-protected-resource/bifrost/",
            "/.well-known/oauth-protected-resource/bifrost/other",
            "/.well-known/oauth-protected-resource/bifrost/mcp/a/b",
            "/.well-known/oauth-authorization-server/bifrost/",
            "/.well-known/oauth-authorization-server/bifrost/mcp",
            "/.well-known/oauth-authorization-server/bifrost/claude-code",
            "/.well-known/oauth-authorization-server/bifros",
            "/.well-known/oauth-authorization-server/bifrostx",
            "/.well-known/oauth-authorization-server/Bifrost",
            "/.well-known/oauth-authorization-server//bifrost",
            "/.well-known/oauth-authorization-server/%62ifrost",
            "/bifrost/.well-known/oauth-authorization-server/",
            "/bifrost/.well-known/oauth-authorization-server/bifrost",
            "/bifrost/mcp/.well-known/oauth-authorization-server",
            "/bifrost//.well-known/oauth-authorization-server",
            "/bifrost/./.well-known/oauth-authorization-server",
            "/bifrost;x/.well-known/oauth-authorization-server",
            "/BIFROST/.well-known/oauth-authorization-server",
            "/x/../bifrost/.well-known/oauth-authorization-server",
            "/bifrost/%2ewell-known/oauth-authorization-server",
        ]) {
            assert_eq!(below(path, &["/bifrost"]), (Target::Nothing, None), "{path}");
        }
    }

    #[test]
    fn of_two_public_urls_that_fit_the_longer_one_counts() {
        let of = |path: &str| below(path, &["", "/v1", "/mcp"]).1;
        assert_eq!(of("/.well-known/oauth-protected-resource/mcp/mcp"), Some("/mcp"));
        assert_eq!(of("/.well-known/oauth-protected-resource/mcp/other"), Some(""));
        assert_eq!(of("/.well-known/oauth-protected-resource/v1/mcp"), Some("/v1"));
        assert_eq!(of("/.well-known/oauth-protected-resource/mcp"), Some(""));
    }

    #[test]
    fn everything_else_is_not_ours() {
        for path in [
            "/",
            "*",
            "",
            "/mcp",
            "/v1/chat/completions",
            "/.well-known/jwks",
            "/.well-known/oauth-authorization-server-evil",
            "/.well-known/oauth-authorization-serverx/y",
            "/.well-known",
            "/oauth-authorization-server",
            "/.well-known/../oauth-authorization-server",
            "/a?/.well-known/oauth-authorization-server",
            "/%",
            "/%2",
            "/%zz",
        ] {
            assert_eq!(classify(path.as_bytes()), None, "{path}");
        }
    }

    proptest! {

        #[test]
        fn no_bytes_panic(raw in prop::collection::vec(any::<u8>(), 0..200)) {
            classify(&raw);
        }

        /// Escaping any bytes of an owned path never gets it past us.
        #[test]
        fn an_escaped_document_is_nothing(escaped in prop::collection::vec(any::<bool>(), AUTHORIZATION_SERVER.len())) {
            prop_assume!(escaped.iter().any(|escape| *escape));
            let path: String = AUTHORIZATION_SERVER
                .bytes()
                .zip(&escaped)
                .map(|(byte, escape)| if *escape { format!("%{byte:02x}") } else { char::from(byte).to_string() })
                .collect();
            prop_assert_eq!(classify(path.as_bytes()), Some(Target::Nothing));
        }
    }
}
