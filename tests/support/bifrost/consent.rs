//! The authorization code flow of generation A: authorize, consent and the exchange for a token.
//!
//! Source: `handlers/oauth2_per_user.go` of 1.5.0 to 1.5.2, but for the consent page, which is the tests' own.

use std::time::{Duration, Instant};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use form_urlencoded::Serializer;
use hyper::{StatusCode, header};
use serde_json::json;
use sha2::{Digest, Sha256};

use super::{
    lock,
    oauth::{CONSENT, Code, Flow, SUBMIT, opaque},
    reply::{self, Reply, bifrost_error, oauth_error},
    route::Ask,
};

const FLOW_COOKIE: &str = "__bifrost_flow_secret";
const FLOW_LIFE: Duration = Duration::from_mins(15);
const CODE_LIFE: Duration = Duration::from_mins(5);
pub(super) const TOKEN_LIFE: Duration = Duration::from_hours(24);

pub(super) fn authorize(ask: &Ask) -> Reply {
    let refuse = |message| bifrost_error(StatusCode::BAD_REQUEST, message);
    let given = |name| ask.param(name).filter(|value| !value.is_empty());
    if given("response_type").as_deref() != Some("code") {
        return refuse("response_type must be 'code'");
    }
    let (Some(client_id), Some(redirect_uri)) = (given("client_id"), given("redirect_uri")) else {
        return refuse("client_id and redirect_uri are required");
    };
    let method = given("code_challenge_method");
    let (Some(challenge), Some("S256")) = (given("code_challenge"), method.as_deref()) else {
        return refuse("PKCE is required: code_challenge and code_challenge_method=S256");
    };

    let mut store = lock(&ask.state.oauth);
    match store.clients.get(&client_id) {
        None => return refuse("Unknown client_id"),
        Some(uris) if !uris.contains(&redirect_uri) => {
            return refuse("redirect_uri not registered for this client");
        }
        Some(_) => {}
    }
    let (flow_id, secret) = (opaque(), opaque());
    let flow = Flow {
        client_id,
        redirect_uri,
        challenge,
        state: given("state"),
        resource: given("resource"),
        scope: given("scope"),
        secret: secret.clone(),
        end: Instant::now() + FLOW_LIFE,
    };
    store.flows.insert(flow_id.clone(), flow);
    drop(store);

    // Absolute and with scheme http even behind TLS, where the Secure cookie is then not sent
    // back: a fault of the original that an edge has to cope with.
    let location = format!("http://{}{CONSENT}?flow_id={flow_id}", ask.host());
    let mut cookie = format!("{FLOW_COOKIE}={secret}; HttpOnly; SameSite=Lax; Path=/; Max-Age=900");
    if reply::behind_tls(&ask.headers) {
        cookie.push_str("; Secure");
    }
    reply::with_header(reply::found(&location), header::SET_COOKIE, &cookie)
}

pub(super) fn consent(ask: &Ask) -> Reply {
    let flow_id = ask.param("flow_id");
    let flow = match flow_of_browser(ask, flow_id.as_deref()) {
        Ok(flow) => flow,
        Err((status, message)) => return reply::whole(status, reply::TEXT, message),
    };
    let page = format!(
        "<!doctype html>\n<title>Bifrost consent</title>\n\
         <p>Client {} asks for {} on {}.</p>\n\
         <form action=\"{SUBMIT}\" method=\"POST\">\n\
         <input type=\"hidden\" name=\"flow_id\" value=\"{}\">\n\
         <button type=\"submit\">Allow</button>\n</form>\n",
        escape(&flow.client_id),
        escape(flow.scope.as_deref().unwrap_or("the default scope")),
        escape(flow.resource.as_deref().unwrap_or("this server")),
        escape(&flow_id.unwrap_or_default()),
    );
    reply::whole(StatusCode::OK, reply::HTML, page)
}

pub(super) fn submit(ask: &Ask) -> Reply {
    let flow_id = ask.form("flow_id").unwrap_or_default();
    let flow = match flow_of_browser(ask, Some(&flow_id)) {
        Ok(flow) => flow,
        Err((status, message)) => return reply::whole(status, reply::TEXT, message),
    };
    let code = opaque();
    let mut query = Serializer::new(String::new());
    query.append_pair("code", &code);
    if let Some(state) = &flow.state {
        query.append_pair("state", state);
    }
    let joint = if flow.redirect_uri.contains('?') { '&' } else { '?' };
    let location = format!("{}{joint}{}", flow.redirect_uri, query.finish());

    let mut store = lock(&ask.state.oauth);
    store.flows.remove(&flow_id);
    let issued = Code {
        client_id: flow.client_id,
        redirect_uri: flow.redirect_uri,
        challenge: flow.challenge,
        end: Instant::now() + CODE_LIFE,
    };
    store.codes.insert(code, issued);
    drop(store);
    reply::found(&location)
}

/// The flow, provided that the browser that asks is the one that began it.
fn flow_of_browser(ask: &Ask, flow_id: Option<&str>) -> Result<Flow, (StatusCode, &'static str)> {
    let Some(flow_id) = flow_id.filter(|id| !id.is_empty()) else {
        return Err((StatusCode::BAD_REQUEST, "Missing flow_id"));
    };
    let store = lock(&ask.state.oauth);
    let flow = store.flows.get(flow_id);
    let Some(flow) = flow.filter(|flow| flow.end > Instant::now()) else {
        let message = "Invalid or expired consent flow";
        return Err((StatusCode::BAD_REQUEST, message));
    };
    let secret = ask
        .texts(header::COOKIE)
        .flat_map(|cookies| cookies.split(';'))
        .filter_map(|cookie| cookie.trim().split_once('='))
        .find(|(name, _)| *name == FLOW_COOKIE);
    match secret {
        Some((_, secret)) if secret == flow.secret => Ok(flow.clone()),
        _ => {
            let message = "Flow does not belong to this browser session";
            Err((StatusCode::FORBIDDEN, message))
        }
    }
}

pub(super) fn token(ask: &Ask) -> Reply {
    let given = |name| ask.form(name).filter(|value| !value.is_empty());
    let invalid = |description| oauth_error("invalid_grant", description);
    if given("grant_type").as_deref() != Some("authorization_code") {
        let only = "Only authorization_code grant is supported";
        return oauth_error("unsupported_grant_type", only);
    }
    let (Some(code), Some(verifier)) = (given("code"), given("code_verifier")) else {
        return oauth_error("invalid_request", "code and code_verifier are required");
    };

    let mut store = lock(&ask.state.oauth);
    // Taken out before the other checks: a failed exchange uses the code up as well.
    let Some(code) = store.codes.remove(&code) else {
        return invalid("Invalid or already used authorization code");
    };
    if code.end <= Instant::now() {
        return invalid("Authorization code expired");
    }
    if given("client_id").is_some_and(|id| id != code.client_id) {
        return invalid("client_id mismatch");
    }
    if given("redirect_uri").is_some_and(|uri| uri != code.redirect_uri) {
        return invalid("redirect_uri mismatch");
    }
    if URL_SAFE_NO_PAD.encode(Sha256::digest(verifier)) != code.challenge {
        return invalid("PKCE verification failed");
    }
    let token = opaque();
    store.tokens.insert(token.clone(), Instant::now() + TOKEN_LIFE);
    drop(store);
    let answer = json!({
        "access_token": token,
        "expires_in": TOKEN_LIFE.as_secs(),
        "scope": "mcp:read mcp:write",
        "token_type": "Bearer",
    });
    reply::json(StatusCode::OK, &answer)
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&#34;").replace('\'', "&#39;")
}
