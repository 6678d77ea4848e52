//! The discovery documents, in the member order of Bifrost's published example, or where there is none, of its source.

use bytes::Bytes;
use serde::Serialize;

use super::well_known::Document;
use crate::{
    config::PublicUrl,
    generation::{CLAUDE_CODE, Generation},
};

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

/// Authorization server metadata of the Claude Code gateway, which has the device grant (RFC 8628 section 4) and
/// revocation (RFC 7009) in place of the authorization code.
#[derive(Debug, Serialize)]
struct ClaudeCodeMetadata<'a> {
    issuer: &'a str,
    device_authorization_endpoint: String,
    token_endpoint: String,
    revocation_endpoint: String,
    grant_types_supported: &'a [&'a str],
    response_types_supported: &'a [&'a str],
    token_endpoint_auth_methods_supported: &'a [&'a str],
    scopes_supported: &'a [&'a str],
}

/// A document as JSON, with the newline that Bifrost 1.5 ends it with.
///
/// `resource` is the same at every path of the protected resource metadata, although RFC 9728 section 3.3 has it differ
/// for `/mcp/<slug>`: a Bifrost of the profile `oauth2` refuses to authorize any other resource (`invalid_target`), and
/// takes no token for another. MCP clients accept a resource above the URL that they were given.
pub(super) fn render(document: Document, generation: &Generation, base: &PublicUrl) -> Bytes {
    let Generation { registration, authorization, token, .. } = generation;
    let base = base.as_str();
    match document {
        Document::AuthorizationServer => json(&AuthorizationServerMetadata {
            issuer: base,
            authorization_endpoint: format!("{base}{authorization}"),
            token_endpoint: format!("{base}{token}"),
            registration_endpoint: format!("{base}{registration}"),
            jwks_uri: generation.keys.map(|path| format!("{base}{path}")),
            response_types_supported: &["code"],
            grant_types_supported: generation.grant_types,
            code_challenge_methods_supported: &["S256"],
            token_endpoint_auth_methods_supported: &["none"],
            scopes_supported: generation.scopes,
            authorization_response_iss_parameter_supported: generation.names_issuer,
        }),
        Document::ProtectedResource => json(&ProtectedResourceMetadata {
            resource: format!("{base}/mcp"),
            authorization_servers: &[base],
            scopes_supported: generation.scopes,
            bearer_methods_supported: &["header"],
        }),
        Document::ClaudeCode => claude_code(&format!("{base}{CLAUDE_CODE}")),
    }
}

fn claude_code(issuer: &str) -> Bytes {
    json(&ClaudeCodeMetadata {
        issuer,
        device_authorization_endpoint: format!("{issuer}/oauth/device_authorization"),
        token_endpoint: format!("{issuer}/oauth/token"),
        revocation_endpoint: format!("{issuer}/oauth/revoke"),
        grant_types_supported: &["urn:ietf:params:oauth:grant-type:device_code", "refresh_token"],
        response_types_supported: &[],
        token_endpoint_auth_methods_supported: &["none"],
        scopes_supported: &["claude-code"],
    })
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

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::generation::{ENDPOINT_MEMBERS, OAUTH2, PER_USER_OAUTH};

    #[test]
    fn the_endpoints_have_the_names_of_their_members() {
        let base = PublicUrl::try_from("https://a".to_owned()).unwrap();
        for generation in [&PER_USER_OAUTH, &OAUTH2] {
            let document = render(Document::AuthorizationServer, generation, &base);
            let document: Value = serde_json::from_slice(&document).unwrap();
            for member in ENDPOINT_MEMBERS {
                let endpoint = document[member].as_str().unwrap();
                assert!(endpoint.contains(generation.endpoints), "{member}: {endpoint}");
            }
        }
    }
}
