//! The gateway for Claude Code (2.x): its own metadata, the device flow of RFC 8628, and what a token of it opens.
//!
//! Source: `handlers/claudecodegateway.go`, and `handlers/mcpoauth2consent.go` for the approval, which no version that
//! could be run here has. What `messages` and `models` answer is of Anthropic's Messages API, which the original passes
//! through.

use std::{
    collections::HashMap,
    fmt::Write,
    net::IpAddr,
    time::{Duration, Instant},
};

use hyper::{
    StatusCode,
    header::{self, HeaderName},
};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::{
    Bifrost,
    admission::{bearer, lasts},
    clients::Generation,
    grants, lock,
    oauth::opaque,
    oauth2::{Flow, Grant, issuer, unsorted},
    plain,
    reply::{self, Reply},
    route::Ask,
};

const PREFIX: &str = "/claude-code";
const CLIENT_ID: &str = "bifrost-claude-code";
pub(super) const CLIENT_NAME: &str = "Claude Code";
const DEVICE_GRANT: &str = "urn:ietf:params:oauth:grant-type:device_code";
const NOT_ENABLED: &str = "the claude code gateway is not enabled";

const DEVICE_LIFE: Duration = Duration::from_mins(10);
/// Between two polls.
const POLL: Duration = Duration::from_secs(5);
/// One that comes a second early is in time.
const SOONEST: Duration = Duration::from_secs(4);
/// Requests of one address in a minute, to either of the endpoints that need no credentials. The first versions had 30.
const LIMIT: u32 = 120;
/// Of a user code: no vowels, and nothing that looks like something else.
const ALPHABET: &[u8; 20] = b"BCDFGHJKLMNPQRSTVWXZ";

/// What it remembers, but for the flows, which are those of every login.
#[derive(Default)]
pub(super) struct Gateway {
    is_enabled: bool,
    settings: Option<Value>,
    windows: HashMap<(&'static str, IpAddr), (Instant, u32)>,
    polls: HashMap<String, Instant>,
}

/// A login of a device.
#[derive(Clone)]
pub(super) struct Device {
    code: String,
    /// Without its hyphen.
    user_code: String,
    /// Whether its tokens have been fetched.
    is_spent: bool,
}

impl Bifrost {
    /// Switches the gateway on, which serves nothing as long as there is no `issuer_url`.
    pub fn enable_claude_code(&self) {
        lock(&self.state.claude_code).is_enabled = true;
    }

    /// Says what its `claude_code_gateway.managed_settings` are.
    pub fn set_managed_settings(&self, settings: &Value) {
        lock(&self.state.claude_code).settings = Some(settings.clone());
    }
}

/// Answers what is below `/claude-code`; `None` of what is not, or has no such method.
pub(super) fn answer(ask: &Ask) -> Option<Reply> {
    let path = ask.path.strip_prefix(PREFIX)?;
    if !matches!(ask.generation(), Generation::Oauth2(_)) {
        return None;
    }
    let (method, is_enabled) = (ask.method.as_str(), is_enabled(ask));
    let off = || oauth_error(StatusCode::NOT_FOUND, "not_found", NOT_ENABLED);
    Some(match (method, path) {
        ("GET", "/.well-known/oauth-authorization-server") if is_enabled => metadata(ask),
        ("POST", "/oauth/device_authorization") if is_enabled => device_authorization(ask),
        ("POST", "/oauth/token") if is_enabled => token(ask),
        ("POST", "/oauth/revoke") if is_enabled => revoke(ask),
        ("POST", "/device/verify") if is_enabled => device_verify(ask),
        ("GET", "/.well-known/oauth-authorization-server")
        | ("POST", "/oauth/device_authorization" | "/oauth/token" | "/oauth/revoke") => off(),
        ("POST", "/device/verify") => ask.error(StatusCode::NOT_FOUND, NOT_ENABLED),
        ("GET", "/managed/settings" | "/v1/models")
        | ("POST", "/v1/metrics" | "/v1/logs" | "/v1/traces" | "/v1/messages" | "/v1/messages/count_tokens") => {
            if is_enabled {
                with_token(ask, path)
            } else {
                anthropic_error(StatusCode::NOT_FOUND, "not_found_error", NOT_ENABLED)
            }
        }
        _ => return None,
    })
}

fn is_enabled(ask: &Ask) -> bool {
    let is_enabled = lock(&ask.state.claude_code).is_enabled;
    is_enabled && lock(&ask.state.oauth2).issuer_url.is_some()
}

/// Where it is: its issuer, and the resource of its tokens.
fn base(ask: &Ask) -> String {
    format!("{}{PREFIX}", issuer(ask).trim_end_matches('/'))
}

fn verification(ask: &Ask) -> String {
    format!("{}/oauth/device", issuer(ask).trim_end_matches('/'))
}

/// Where the browser goes once a device may log in.
pub(super) fn approved(ask: &Ask) -> String {
    verification(ask) + "?approved=1"
}

fn metadata(ask: &Ask) -> Reply {
    let base = base(ask);
    let document = json!({
        "issuer": base,
        "device_authorization_endpoint": format!("{base}/oauth/device_authorization"),
        "token_endpoint": format!("{base}/oauth/token"),
        "revocation_endpoint": format!("{base}/oauth/revoke"),
        "grant_types_supported": [DEVICE_GRANT, "refresh_token"],
        "response_types_supported": [],
        "token_endpoint_auth_methods_supported": ["none"],
        "scopes_supported": ["claude-code"],
    });
    no_store(unsorted(StatusCode::OK, &document))
}

// === The login ===

fn device_authorization(ask: &Ask) -> Reply {
    if !is_within_limit(ask, "device_authorization") {
        let why = "too many sign-in attempts from this address; wait a minute and try again";
        return later(oauth_error(StatusCode::TOO_MANY_REQUESTS, "slow_down", why));
    }
    let (id, code, shown) = (opaque(), opaque(), user_code());
    let device = Device { code: code.clone(), user_code: normalized(&shown), is_spent: false };
    let grant = Grant {
        family: id.clone(),
        client_id: CLIENT_ID.to_owned(),
        scope: "claude-code".to_owned(),
        resource: base(ask),
    };
    lock(&ask.state.oauth2).flows.insert(id, Flow::of_device(grant, device, DEVICE_LIFE));
    let page = verification(ask);
    no_store(unsorted(
        StatusCode::OK,
        &json!({
            "device_code": code,
            "user_code": shown,
            "verification_uri": page,
            "verification_uri_complete": format!("{page}?user_code={shown}"),
            "expires_in": DEVICE_LIFE.as_secs(),
            "interval": POLL.as_secs(),
        }),
    ))
}

/// What the page asks for that a user types the code into.
fn device_verify(ask: &Ask) -> Reply {
    if !is_within_limit(ask, "verify") {
        let why = "too many attempts from this address; wait a minute and try again";
        return later(ask.error(StatusCode::TOO_MANY_REQUESTS, why));
    }
    let body: Option<Value> = ask.body.as_deref().and_then(|body| serde_json::from_slice(body).ok());
    let Some(body) = body else { return ask.error(StatusCode::BAD_REQUEST, "invalid request body") };
    let wanted = normalized(body["user_code"].as_str().unwrap_or_default());
    if wanted.len() != 8 {
        return ask.error(StatusCode::BAD_REQUEST, "enter the 8-character code shown in Claude Code");
    }
    let base = issuer(ask);
    let mut store = lock(&ask.state.oauth2);
    let is_meant = |flow: &Flow| {
        let code = flow.device.as_ref().map(|device| device.user_code.as_str());
        code == Some(wanted.as_str()) && flow.code.is_none() && lasts(flow.end)
    };
    let Some((id, flow)) = store.flows.iter_mut().find(|(_, flow)| is_meant(flow)) else {
        let why = "this code is not valid or has expired; run /login in Claude Code again";
        return ask.error(StatusCode::NOT_FOUND, why);
    };
    flow.temp_token = opaque();
    let url = format!("{base}/oauth/consent?flow={id}#t={}", flow.temp_token);
    reply::json(StatusCode::OK, &json!({"consent_url": url}))
}

fn token(ask: &Ask) -> Reply {
    let given = |name| ask.form(name).unwrap_or_default();
    let refuse = |code, description: &str| oauth_error(StatusCode::BAD_REQUEST, code, description);
    match given("grant_type").as_str() {
        DEVICE_GRANT if given("device_code").is_empty() => refuse("invalid_request", "device_code is required"),
        DEVICE_GRANT => poll(ask, &given("device_code")),
        "refresh_token" if given("refresh_token").is_empty() => refuse("invalid_request", "refresh_token is required"),
        "refresh_token" => grants::refresh(ask, &given("refresh_token"), CLIENT_ID, ""),
        other => refuse("unsupported_grant_type", &format!("grant_type {other:?} not supported")),
    }
}

fn poll(ask: &Ask, code: &str) -> Reply {
    let refuse = |code, description| oauth_error(StatusCode::BAD_REQUEST, code, description);
    let issuer = issuer(ask);
    let mut store = lock(&ask.state.oauth2);
    let flow = store.flows.values_mut().find(|flow| flow.device.as_ref().is_some_and(|device| device.code == code));
    let Some(flow) = flow else { return refuse("expired_token", "the device code is unknown or has expired") };
    if !lasts(flow.end) {
        return refuse("expired_token", "the device code has expired");
    }
    if flow.code.is_none() {
        let now = Instant::now();
        let last = lock(&ask.state.claude_code).polls.insert(code.to_owned(), now);
        return if last.is_some_and(|last| now - last < SOONEST) {
            refuse("slow_down", "polling faster than the advertised interval")
        } else {
            refuse("authorization_pending", "waiting for the user to approve the sign-in")
        };
    }
    let grant = flow.grant.clone();
    match &mut flow.device {
        Some(device) if !device.is_spent => device.is_spent = true,
        _ => return refuse("expired_token", "the device code has already been used"),
    }
    grants::issue(&mut store, grant, issuer)
}

/// RFC 7009: a token that is unknown is no error, and one that is known ends its whole family.
fn revoke(ask: &Ask) -> Reply {
    let Some(token) = ask.form("token").filter(|token| !token.is_empty()) else {
        return oauth_error(StatusCode::BAD_REQUEST, "invalid_request", "token is required");
    };
    let mut store = lock(&ask.state.oauth2);
    let family = store.refresh.get(&token).filter(|grant| grant.client_id == CLIENT_ID);
    if let Some(family) = family.map(|grant| grant.family.clone()) {
        store.refresh.retain(|_, grant| grant.family != family);
    }
    done()
}

// === What a token opens ===

fn with_token(ask: &Ask, path: &str) -> Reply {
    let refuse = |message| {
        let reply = anthropic_error(StatusCode::UNAUTHORIZED, "authentication_error", message);
        reply::with_header(reply, HeaderName::from_static("x-should-retry"), "false")
    };
    let Some(token) = bearer(ask) else { return refuse("sign in to this gateway with /login") };
    if grants::verify(ask, token, &base(ask), false).is_err() {
        return refuse("the gateway session is invalid or expired; sign in again with /login");
    }
    match path {
        "/managed/settings" => managed_settings(ask),
        "/v1/models" => {
            let model = json!({"created_at": "2026-01-01T00:00:00Z", "display_name": "A model", "id": "claude", "type": "model"});
            let list = json!({"data": [model], "first_id": "claude", "has_more": false, "last_id": "claude"});
            reply::json(StatusCode::OK, &list)
        }
        "/v1/messages" => plain::message(ask),
        "/v1/messages/count_tokens" => reply::json(StatusCode::OK, &json!({"input_tokens": 1})),
        // It takes what is measured, and throws it away.
        _ => done(),
    }
}

fn managed_settings(ask: &Ask) -> Reply {
    let Some(settings) = lock(&ask.state.claude_code).settings.clone() else {
        let message = "no managed settings are configured on this gateway";
        return anthropic_error(StatusCode::NOT_FOUND, "not_found_error", message);
    };
    let mut checksum = "sha256:".to_owned();
    for byte in Sha256::digest(settings.to_string()) {
        let _ = write!(checksum, "{byte:02x}");
    }
    let tag = format!("\"{checksum}\"");
    let is_known = ask.texts(header::IF_NONE_MATCH).any(|known| known == tag);
    let reply = if is_known {
        reply::empty(StatusCode::NOT_MODIFIED)
    } else {
        let body = json!({"checksum": checksum, "settings": settings, "uuid": checksum});
        reply::json(StatusCode::OK, &body)
    };
    reply::with_header(reply, header::ETAG, &tag)
}

// === Small things ===

/// Counts a request of an address, by the peer of the connection, which behind a proxy is the proxy.
fn is_within_limit(ask: &Ask, endpoint: &'static str) -> bool {
    let mut gateway = lock(&ask.state.claude_code);
    let window = gateway.windows.entry((endpoint, ask.caller.address)).or_insert_with(|| (Instant::now(), 0));
    if window.0.elapsed() >= Duration::from_mins(1) {
        *window = (Instant::now(), 0);
    }
    window.1 += 1;
    window.1 <= LIMIT
}

fn user_code() -> String {
    let digest = Sha256::digest(opaque());
    let letters: String = digest.iter().take(8).map(|byte| char::from(ALPHABET[usize::from(*byte) % 20])).collect();
    format!("{}-{}", &letters[..4], &letters[4..])
}

fn normalized(code: &str) -> String {
    code.to_ascii_uppercase().chars().filter(char::is_ascii_uppercase).collect()
}

/// The answer of a handler that sets the status alone.
fn done() -> Reply {
    reply::whole(StatusCode::OK, reply::PLAIN, "")
}

fn no_store(mut reply: Reply) -> Reply {
    reply::set(&mut reply, header::CACHE_CONTROL, "no-store");
    reply
}

fn later(reply: Reply) -> Reply {
    reply::with_header(reply, header::RETRY_AFTER, "60")
}

fn oauth_error(status: StatusCode, code: &str, description: &str) -> Reply {
    unsorted(status, &json!({"error": code, "error_description": description}))
}

fn anthropic_error(status: StatusCode, kind: &str, message: &str) -> Reply {
    unsorted(status, &json!({"type": "error", "error": {"type": kind, "message": message}}))
}
