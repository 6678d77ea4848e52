//! What generation B issues: signed access tokens and refresh tokens that rotate, and whether it takes them back.
//!
//! Source: `handlers/mcpoauth2issuance.go` and `handlers/mcpoauth2jwt.go` of 1.6.3 and later; the words for a token that
//! is not taken are of the library that reads it, and were not to be had in full.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use hyper::{StatusCode, header};
use serde_json::json;
use sha2::{Digest, Sha256};

use super::{
    admission::lasts,
    keys::KEYS,
    lock,
    oauth::opaque,
    oauth2::{Access, Grant, Store, error, issuer, unsorted},
    reply::{self, Reply},
    route::Ask,
};

const TOKEN_LIFE: Duration = Duration::from_mins(10);

pub(super) fn token(ask: &Ask) -> Reply {
    match ask.form("grant_type").unwrap_or_default().as_str() {
        "authorization_code" => exchange(ask),
        "refresh_token" => {
            let given = |name| ask.form(name).unwrap_or_default();
            refresh(ask, &given("refresh_token"), &client_of(ask), &given("resource"))
        }
        other => error("unsupported_grant_type", &format!("grant_type {other:?} not supported")),
    }
}

fn exchange(ask: &Ask) -> Reply {
    let given = |name| ask.form(name).unwrap_or_default();
    let (code, verifier, client_id) = (given("code"), given("code_verifier"), client_of(ask));
    if code.is_empty() || verifier.is_empty() || client_id.is_empty() {
        return error("invalid_request", "code, code_verifier and client_id are required");
    }
    let base = issuer(ask);
    let mut store = lock(&ask.state.oauth2);
    let flow =
        store.flows.iter().find(|(_, flow)| flow.device.is_none() && flow.code.as_deref() == Some(code.as_str()));
    let Some((id, flow)) = flow.map(|(id, flow)| (id.clone(), flow.clone())) else {
        return error("invalid_grant", "authorization code not found or already used");
    };
    let resource = given("resource");
    let fault = if flow.end <= Instant::now() {
        Some("authorization code expired")
    } else if flow.grant.client_id != client_id {
        Some("client_id mismatch")
    } else if flow.redirect_uri != given("redirect_uri") {
        Some("redirect_uri mismatch")
    } else if !resource.is_empty() && resource != flow.grant.resource {
        Some("resource mismatch")
    } else if URL_SAFE_NO_PAD.encode(Sha256::digest(verifier)) != flow.challenge {
        Some("PKCE verification failed")
    } else {
        None
    };
    if let Some(fault) = fault {
        return error("invalid_grant", fault);
    }
    store.flows.remove(&id);
    issue(&mut store, flow.grant, base)
}

pub(super) fn refresh(ask: &Ask, token: &str, client_id: &str, resource: &str) -> Reply {
    if token.is_empty() || client_id.is_empty() {
        return error("invalid_request", "refresh_token and client_id are required");
    }
    let base = issuer(ask);
    let mut store = lock(&ask.state.oauth2);
    if let Some(family) = store.spent.get(token).cloned() {
        // It was stolen, from its owner or by it: nobody keeps it.
        store.refresh.retain(|_, grant| grant.family != family);
        return error("invalid_grant", "refresh token not found or revoked");
    }
    match store.refresh.get(token) {
        None => return error("invalid_grant", "refresh token not found or revoked"),
        Some(grant) if grant.client_id != client_id => return error("invalid_grant", "client_id mismatch"),
        Some(grant) if !resource.is_empty() && resource != grant.resource => {
            return error("invalid_grant", "resource mismatch");
        }
        Some(_) => {}
    }
    let grant = store.refresh.remove(token).expect("it is there");
    store.spent.insert(token.to_owned(), grant.family.clone());
    store.refreshed.insert(grant.family.clone());
    issue(&mut store, grant, base)
}

/// The client, in the form or as the user name of Basic credentials.
fn client_of(ask: &Ask) -> String {
    let basic = || {
        let value = ask.texts(header::AUTHORIZATION).find_map(|value| value.strip_prefix("Basic "))?;
        let pair = base64::engine::general_purpose::STANDARD.decode(value).ok()?;
        Some(String::from_utf8(pair).ok()?.split(':').next()?.to_owned())
    };
    ask.form("client_id").filter(|id| !id.is_empty()).or_else(basic).unwrap_or_default()
}

pub(super) fn issue(store: &mut Store, grant: Grant, issuer: String) -> Reply {
    let start = now();
    let access_token = KEYS.sign(&json!({
        "iss": issuer, "aud": [grant.resource], "sub": "vk-1", "bf_mode": "vk", "scope": grant.scope, "iat": start,
        "nbf": start, "exp": start + TOKEN_LIFE.as_secs(), "jti": opaque(),
    }));
    let refresh_token = opaque();
    let answer = json!({
        "access_token": access_token, "token_type": "Bearer", "expires_in": TOKEN_LIFE.as_secs(),
        "refresh_token": refresh_token, "scope": grant.scope,
    });
    let access = Access { issuer, resource: grant.resource.clone(), end: Instant::now() + TOKEN_LIFE, used: 0 };
    store.access.insert(access_token, access);
    store.refresh.insert(refresh_token, grant);
    let mut reply = unsorted(StatusCode::OK, &answer);
    reply::set(&mut reply, header::CACHE_CONTROL, "no-store");
    reply::set(&mut reply, header::PRAGMA, "no-cache");
    reply
}

pub(super) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

/// Why a token is not taken.
pub(super) struct Refused(pub(super) &'static str);

/// Takes an access token, for this resource alone, and counts its use.
pub(super) fn verify(ask: &Ask, token: &str, resource: &str, counts: bool) -> Result<(), Refused> {
    let issuer = issuer(ask);
    let mut store = lock(&ask.state.oauth2);
    let uses = store.uses.unwrap_or(usize::MAX);
    let access = store.access.get_mut(token).ok_or(Refused("invalid token: token is malformed"))?;
    // A client may open a stream at any time, and two refreshes at once are a theft.
    access.used += usize::from(counts);
    if !lasts(access.end) || counts && access.used > uses {
        return Err(Refused("invalid token: token is expired"));
    }
    let is_own = access.issuer == issuer && access.resource == resource;
    if is_own { Ok(()) } else { Err(Refused("invalid token: token has invalid audience")) }
}
