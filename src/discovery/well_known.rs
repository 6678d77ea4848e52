//! Which paths are ours. The raw path decides: a document lives at one spelling, byte for byte. It is
//! normalised only to find the other spellings, which a server behind us might read as one of ours.

use crate::generation::JWKS;

/// A discovery document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Document {
    /// Authorization server metadata, RFC 8414.
    AuthorizationServer,
    /// Protected resource metadata, RFC 9728.
    ProtectedResource,
}

/// What a path of ours names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// A document.
    Document(Document),
    /// The protected resource metadata of `/mcp/<slug>`, which the profile `oauth2` has.
    SlugResource,
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

const WELL_KNOWN: &[u8] = b".well-known";
/// The names under `/.well-known/` that belong to discovery.
const NAMES: [&[u8]; 4] =
    [b"oauth-authorization-server", b"oauth-protected-resource", b"openid-configuration", b"jwks.json"];

/// What the path of a request target names, or `None` when it is not ours. A query is ignored.
pub fn classify(raw: &[u8]) -> Option<Target> {
    let end = raw.iter().position(|byte| *byte == b'?').unwrap_or(raw.len());
    let path = &raw[..end];
    if path == AUTHORIZATION_SERVER.as_bytes() {
        return Some(Target::Document(Document::AuthorizationServer));
    }
    if path == PROTECTED_RESOURCE.as_bytes() || path == PROTECTED_RESOURCE_MCP.as_bytes() {
        return Some(Target::Document(Document::ProtectedResource));
    }
    if is_slug_resource(path) {
        return Some(Target::SlugResource);
    }
    if path == JWKS.as_bytes() {
        return Some(Target::Keys);
    }
    (may_hide_well_known(path) && names_ours(path)).then_some(Target::Nothing)
}

/// Whether a path is where RFC 9728 section 3.1 puts the metadata of the resource `/mcp/<slug>`, as Bifrost names its
/// virtual MCP servers and MCP clients: one segment that needs no escape.
pub(super) fn is_slug_resource(path: &[u8]) -> bool {
    let slug = path.strip_prefix(PROTECTED_RESOURCE_MCP.as_bytes()).and_then(|rest| rest.strip_prefix(b"/"));
    slug.is_some_and(|slug| {
        let is_open = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~".contains(byte);
        !matches!(slug, b"" | b"." | b"..") && slug.iter().all(is_open)
    })
}

/// A path can only be ours if it shows `.well-known` in some case, or hides it behind an escape.
fn may_hide_well_known(path: &[u8]) -> bool {
    path.contains(&b'%') || path.windows(WELL_KNOWN.len()).any(|part| part.eq_ignore_ascii_case(WELL_KNOWN))
}

/// Whether any reading of the path passes `.well-known` followed by one of our names, at the root
/// or below (RFC 8615 section 3 knows it at the root only).
fn names_ours(path: &[u8]) -> bool {
    let decoded: Vec<u8> = percent_encoding::percent_decode(path).collect();
    [path, &decoded].iter().any(|path| {
        let path = path.to_ascii_lowercase();
        // Whoever leaves out most sees most, unless `..` takes away something that another one has left out, or a
        // backslash ends what another one leaves out.
        let is_odd = path.contains(&b'\\') || path.windows(2).any(|pair| pair == b"..");
        Reader::MOST_LENIENT.sees_ours(&path) || is_odd && Reader::all().any(|reader| reader.sees_ours(&path))
    })
}

/// What a server leaves out of a path, or takes for a slash.
#[expect(clippy::struct_excessive_bools, reason = "each is a way of reading, and all combinations are tried")]
#[derive(Clone, Copy)]
struct Reader {
    parameters: bool,
    ends: bool,
    blanks: bool,
    empty: bool,
    backslash: bool,
}

impl Reader {
    const MOST_LENIENT: Reader = Reader { parameters: true, ends: true, blanks: true, empty: true, backslash: true };

    fn all() -> impl Iterator<Item = Reader> {
        let bit = |bits: u8, place: u8| bits >> place & 1 == 1;
        let of = move |bits| Reader {
            parameters: bit(bits, 0),
            blanks: bit(bits, 1),
            empty: bit(bits, 2),
            backslash: bit(bits, 3),
            ends: bit(bits, 4),
        };
        (0..32).map(of)
    }

    fn sees_ours(self, path: &[u8]) -> bool {
        let mut segments: Vec<&[u8]> = Vec::new();
        for part in path.split(|byte| *byte == b'/' || self.backslash && *byte == b'\\') {
            match self.segment(part) {
                b"" if self.empty => {}
                b"." => {}
                b".." => {
                    segments.pop();
                }
                name if NAMES.contains(&name) && segments.last() == Some(&WELL_KNOWN) => return true,
                other => segments.push(other),
            }
        }
        false
    }

    fn segment(self, part: &[u8]) -> &[u8] {
        let is_end = |byte: &u8| self.parameters && *byte == b';' || self.ends && matches!(byte, b'?' | b'#' | 0);
        let is_blank = |byte: &u8| self.blanks && (*byte <= b' ' || *byte == 0x7f);
        // A zero byte in front is a blank, and not the end.
        let start = part.iter().position(|byte| !is_blank(byte)).unwrap_or(part.len());
        let name = part[start..].split(is_end).next().unwrap_or_default();
        let end = name.iter().rposition(|byte| !is_blank(byte)).map_or(0, |last| last + 1);
        &name[..end]
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn documents_live_at_one_spelling() {
        for (path, document) in [
            (AUTHORIZATION_SERVER, Document::AuthorizationServer),
            (PROTECTED_RESOURCE, Document::ProtectedResource),
            (PROTECTED_RESOURCE_MCP, Document::ProtectedResource),
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
            assert_eq!(classify(path.as_bytes()), Some(Target::SlugResource), "{path}");
            assert_eq!(classify(format!("{path}?x").as_bytes()), Some(Target::SlugResource));
        }
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
