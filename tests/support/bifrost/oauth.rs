//! What generation A remembers of OAuth, its discovery documents and client registration.
//!
//! Source: `handlers/oauth2_per_user.go` and the metadata handler of 1.5.0 to 1.5.2, which could not be run where this was
//! written.

use std::{
    collections::HashMap,
    hash::{BuildHasher, Hasher, RandomState},
    time::Instant,
};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use hyper::StatusCode;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::{
    consent::TOKEN_LIFE,
    lock,
    reply::{self, Reply, oauth_error},
    route::Ask,
};

pub(super) const SERVER_METADATA: &str = "/.well-known/oauth-authorization-server";
pub(super) const RESOURCE_METADATA: &str = "/.well-known/oauth-protected-resource";
pub(super) const REGISTER: &str = "/api/oauth/per-user/register";
pub(super) const AUTHORIZE: &str = "/api/oauth/per-user/authorize";
pub(super) const TOKEN: &str = "/api/oauth/per-user/token";
pub(super) const CONSENT: &str = "/oauth/consent";
pub(super) const SUBMIT: &str = "/api/oauth/per-user/consent/submit";

/// Everything the endpoints remember between requests.
#[derive(Default)]
pub(super) struct Store {
    /// The redirect URIs of each registered client.
    pub(super) clients: HashMap<String, Vec<String>>,
    pub(super) flows: HashMap<String, Flow>,
    pub(super) codes: HashMap<String, Code>,
    /// When each access token ends.
    pub(super) tokens: HashMap<String, Instant>,
}

impl Store {
    pub(super) fn accept(&mut self, token: &str) {
        self.tokens.insert(token.to_owned(), Instant::now() + TOKEN_LIFE);
    }

    pub(super) fn knows_token(&self, token: &str) -> bool {
        self.tokens.get(token).is_some_and(|end| *end > Instant::now())
    }
}

/// An authorization that waits for consent.
#[derive(Clone)]
pub(super) struct Flow {
    pub(super) client_id: String,
    pub(super) redirect_uri: String,
    pub(super) challenge: String,
    pub(super) state: Option<String>,
    pub(super) resource: Option<String>,
    pub(super) scope: Option<String>,
    pub(super) secret: String,
    pub(super) end: Instant,
}

/// An authorization code that was not exchanged yet.
pub(super) struct Code {
    pub(super) client_id: String,
    pub(super) redirect_uri: String,
    pub(super) challenge: String,
    pub(super) end: Instant,
}

pub(super) fn server_metadata(ask: &Ask) -> Reply {
    let base = ask.base();
    let document = json!({
        "authorization_endpoint": format!("{base}{AUTHORIZE}"),
        "code_challenge_methods_supported": ["S256"],
        "grant_types_supported": ["authorization_code"],
        "issuer": base,
        "registration_endpoint": format!("{base}{REGISTER}"),
        "response_types_supported": ["code"],
        "scopes_supported": ["mcp:read", "mcp:write"],
        "token_endpoint": format!("{base}{TOKEN}"),
        "token_endpoint_auth_methods_supported": ["none"],
    });
    reply::json(StatusCode::OK, &document)
}

pub(super) fn resource_metadata(ask: &Ask) -> Reply {
    let base = ask.base();
    let document = json!({
        "authorization_servers": [base],
        "bearer_methods_supported": ["header"],
        "resource": format!("{base}/mcp"),
        "scopes_supported": ["mcp:read", "mcp:write"],
    });
    reply::json(StatusCode::OK, &document)
}

pub(super) fn register(ask: &Ask) -> Reply {
    let request: Option<Value> = ask.body.as_deref().and_then(|body| serde_json::from_slice(body).ok());
    let Some(Value::Object(request)) = request else {
        return oauth_error("invalid_client_metadata", "a JSON object is required");
    };
    let list = |name: &str, absent: &[&str]| match request.get(name) {
        None | Some(Value::Null) => Some(absent.iter().map(ToString::to_string).collect()),
        Some(value) => strings(value),
    };
    let (Some(grants), Some(responses)) =
        (list("grant_types", &["authorization_code"]), list("response_types", &["code"]))
    else {
        return oauth_error("invalid_client_metadata", "not a list of strings");
    };
    let name = match request.get("client_name") {
        None | Some(Value::Null) => "",
        Some(Value::String(name)) => name,
        Some(_) => return oauth_error("invalid_client_metadata", "client_name is not a string"),
    };
    let uris = list("redirect_uris", &[]).unwrap_or_default();
    if uris.is_empty() || !uris.iter().all(|uri| can_redirect_to(uri)) {
        return oauth_error("invalid_redirect_uri", "redirect_uris is required");
    }

    let client_id = opaque();
    let answer = json!({
        "client_id": client_id,
        "client_name": name,
        "grant_types": grants,
        "redirect_uris": uris,
        "response_types": responses,
        "token_endpoint_auth_method": "none",
    });
    lock(&ask.state.oauth).clients.insert(client_id, uris);
    reply::json(StatusCode::CREATED, &answer)
}

fn strings(value: &Value) -> Option<Vec<String>> {
    let items = value.as_array()?.iter();
    items.map(|item| item.as_str().map(str::to_owned)).collect()
}

/// An absolute URI without fragment that can stand in a header.
fn can_redirect_to(uri: &str) -> bool {
    let scheme = uri.split_once(':').map_or("", |(scheme, _)| scheme);
    scheme.starts_with(|first: char| first.is_ascii_alphabetic())
        && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte))
        && uri.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#')
}

/// A string that no one guesses by accident; good enough for a server that only tests use.
pub(super) fn opaque() -> String {
    let mut digest = Sha256::new();
    for _ in 0..4 {
        digest.update(RandomState::new().build_hasher().finish().to_le_bytes());
    }
    URL_SAFE_NO_PAD.encode(digest.finalize())
}
