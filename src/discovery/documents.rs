//! The two discovery documents, in the member order of Bifrost's published example.

use bytes::Bytes;
use serde::Serialize;

use super::well_known::{Document, JWKS};
use crate::config::{Profile, PublicUrl};

/// Authorization server metadata (RFC 8414 section 2).
#[derive(Debug, Serialize)]
struct AuthorizationServerMetadata<'a> {
    issuer: &'a str,
    authorization_endpoint: String,
    token_endpoint: String,
    registration_endpoint: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    jwks_uri: Option<String>,
    response_types_supported: &'a [&'a str],
    grant_types_supported: &'a [&'a str],
    code_challenge_methods_supported: &'a [&'a str],
    token_endpoint_auth_methods_supported: &'a [&'a str],
    scopes_supported: &'a [&'a str],
    /// RFC 9207 section 3.
    #[serde(skip_serializing_if = "is_false")]
    authorization_response_iss_parameter_supported: bool,
}

/// Protected resource metadata (RFC 9728 section 2).
#[derive(Debug, Serialize)]
struct ProtectedResourceMetadata<'a> {
    resource: String,
    authorization_servers: &'a [&'a str],
    scopes_supported: &'a [&'a str],
    bearer_methods_supported: &'a [&'a str],
}

/// What one generation of Bifrost says of itself.
struct Contract {
    endpoints: &'static str,
    grant_types: &'static [&'static str],
    scopes: &'static [&'static str],
    /// Where the keys are that sign its tokens.
    keys: Option<&'static str>,
    /// Whether the answer to a request for authorization names the issuer.
    names_issuer: bool,
}

fn contract(profile: Profile) -> Contract {
    match profile {
        Profile::PerUserOauth => Contract {
            endpoints: "/api/oauth/per-user",
            grant_types: &["authorization_code"],
            scopes: &["mcp:read", "mcp:write"],
            keys: None,
            names_issuer: false,
        },
        Profile::Oauth2 => Contract {
            endpoints: "/oauth2",
            grant_types: &["authorization_code", "refresh_token"],
            scopes: &["mcp"],
            keys: Some(JWKS),
            names_issuer: true,
        },
    }
}

/// Whether a POST to this path is a step of a login: the registration of a client (RFC 7591) or a request for a
/// token (RFC 6749 section 3.2).
pub fn is_login(path: &[u8], profile: Profile) -> bool {
    let rest = path.strip_prefix(contract(profile).endpoints.as_bytes());
    matches!(rest, Some(b"/token" | b"/register"))
}

/// A document as JSON, with the newline that Bifrost 1.5 ends it with.
///
/// `resource` is the same at every path of the protected resource metadata, although RFC 9728 section 3.3 has it differ
/// for `/mcp/<slug>`: a Bifrost of the profile `oauth2` refuses to authorize any other resource (`invalid_target`), and
/// takes no token for another. MCP clients accept a resource above the URL that they were given.
pub(super) fn render(document: Document, profile: Profile, base: &PublicUrl) -> Bytes {
    let Contract { endpoints, grant_types, scopes, keys, names_issuer } = contract(profile);
    let base = base.as_str();
    match document {
        Document::AuthorizationServer => json(&AuthorizationServerMetadata {
            issuer: base,
            authorization_endpoint: format!("{base}{endpoints}/authorize"),
            token_endpoint: format!("{base}{endpoints}/token"),
            registration_endpoint: format!("{base}{endpoints}/register"),
            jwks_uri: keys.map(|path| format!("{base}{path}")),
            response_types_supported: &["code"],
            grant_types_supported: grant_types,
            code_challenge_methods_supported: &["S256"],
            token_endpoint_auth_methods_supported: &["none"],
            scopes_supported: scopes,
            authorization_response_iss_parameter_supported: names_issuer,
        }),
        Document::ProtectedResource => json(&ProtectedResourceMetadata {
            resource: format!("{base}/mcp"),
            authorization_servers: &[base],
            scopes_supported: scopes,
            bearer_methods_supported: &["header"],
        }),
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "what serde calls")]
fn is_false(flag: &bool) -> bool {
    !flag
}

fn json(document: &impl Serialize) -> Bytes {
    let mut text = serde_json::to_vec(document).expect("texts and lists of texts always serialize");
    text.push(b'\n');
    text.into()
}
