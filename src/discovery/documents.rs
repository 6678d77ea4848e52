//! The two discovery documents, in the member order of Bifrost's published example.

use bytes::Bytes;
use serde::Serialize;

use super::well_known::Document;
use crate::config::{Profile, PublicUrl};

/// Authorization server metadata (RFC 8414 section 2).
#[derive(Debug, Serialize)]
struct AuthorizationServerMetadata<'a> {
    issuer: &'a str,
    authorization_endpoint: String,
    token_endpoint: String,
    registration_endpoint: String,
    response_types_supported: &'a [&'a str],
    grant_types_supported: &'a [&'a str],
    code_challenge_methods_supported: &'a [&'a str],
    token_endpoint_auth_methods_supported: &'a [&'a str],
    scopes_supported: &'a [&'a str],
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
}

fn contract(profile: Profile) -> Contract {
    match profile {
        Profile::PerUserOauth => Contract {
            endpoints: "/api/oauth/per-user",
            grant_types: &["authorization_code"],
            scopes: &["mcp:read", "mcp:write"],
        },
    }
}

/// Whether a POST to this path is a step of a login: the registration of a client (RFC 7591) or a request for a
/// token (RFC 6749 section 3.2).
pub fn is_login(path: &[u8], profile: Profile) -> bool {
    let rest = path.strip_prefix(contract(profile).endpoints.as_bytes());
    matches!(rest, Some(b"/token" | b"/register"))
}

/// A document as JSON, with the newline that Bifrost ends it with.
pub(super) fn render(document: Document, profile: Profile, base: &PublicUrl) -> Bytes {
    let Contract { endpoints, grant_types, scopes } = contract(profile);
    let base = base.as_str();
    match document {
        Document::AuthorizationServer => json(&AuthorizationServerMetadata {
            issuer: base,
            authorization_endpoint: format!("{base}{endpoints}/authorize"),
            token_endpoint: format!("{base}{endpoints}/token"),
            registration_endpoint: format!("{base}{endpoints}/register"),
            response_types_supported: &["code"],
            grant_types_supported: grant_types,
            code_challenge_methods_supported: &["S256"],
            token_endpoint_auth_methods_supported: &["none"],
            scopes_supported: scopes,
        }),
        Document::ProtectedResource => json(&ProtectedResourceMetadata {
            resource: format!("{base}/mcp"),
            authorization_servers: &[base],
            scopes_supported: scopes,
            bearer_methods_supported: &["header"],
        }),
    }
}

fn json(document: &impl Serialize) -> Bytes {
    let mut text = serde_json::to_vec(document).expect("texts and lists of texts always serialize");
    text.push(b'\n');
    text.into()
}
