//! Generation B: Bifrost as an OAuth authorization server of its own (1.6.3 and later). Discovery at any suffix, keys,
//! registration, authorization with consent by API, tokens that are signed and rotating refresh tokens.
//!
//! Source: `handlers/mcpoauth2.go`, `handlers/mcpoauth2issuance.go` and `handlers/mcpoauth2consent.go` of those versions.
//! None of them could be run where this was written.

use std::{
    collections::{HashMap, HashSet},
    time::{Duration, Instant},
};

use form_urlencoded::Serializer;
use hyper::{Method, StatusCode, header};
use serde_json::{Value, json};

use super::{
    Bifrost,
    claude_code::{self, Device},
    clients::Generation,
    grants,
    keys::KEYS,
    lock, mcp,
    oauth::opaque,
    plain,
    reply::{self, Reply},
    route::Ask,
};

const REGISTER: &str = "/oauth2/register";
const AUTHORIZE: &str = "/oauth2/authorize";
const TOKEN: &str = "/oauth2/token";
const JWKS: &str = "/.well-known/jwks.json";
const FLOWS: &str = "/api/oauth2/consent/flows/";
const TEMP_TOKEN: &str = "x-bifrost-temp-token";

const FLOW_LIFE: Duration = Duration::from_mins(5);

/// Its `client.mcp_server_auth_mode`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    Headers,
    Both,
    Oauth,
}

/// Everything that the endpoints remember between requests.
#[derive(Default)]
pub(super) struct Store {
    pub(super) issuer_url: Option<String>,
    pub(super) clients: HashMap<String, Client>,
    pub(super) flows: HashMap<String, Flow>,
    pub(super) refresh: HashMap<String, Grant>,
    /// Those that were rotated, with their families.
    pub(super) spent: HashMap<String, String>,
    pub(super) access: HashMap<String, Access>,
    /// The families that have been refreshed.
    pub(super) refreshed: HashSet<String>,
    /// How many messages an access token is good for.
    pub(super) uses: Option<usize>,
}

pub(super) struct Client {
    name: String,
    redirect_uris: Vec<String>,
    scope: String,
}

/// A request for authorization.
#[derive(Clone)]
pub(super) struct Flow {
    pub(super) grant: Grant,
    pub(super) redirect_uri: String,
    pub(super) challenge: String,
    pub(super) state: String,
    pub(super) temp_token: String,
    /// There is one as soon as a user has consented.
    pub(super) code: Option<String>,
    pub(super) end: Instant,
    /// That of a device has no redirect: it fetches its tokens itself.
    pub(super) device: Option<Device>,
}

impl Flow {
    /// One that a device began.
    pub(super) fn of_device(grant: Grant, device: Device, life: Duration) -> Self {
        Flow {
            grant,
            redirect_uri: String::new(),
            challenge: String::new(),
            state: String::new(),
            // Nobody knows it until the user has typed the code.
            temp_token: opaque(),
            code: None,
            end: Instant::now() + life,
            device: Some(device),
        }
    }
}

/// What was authorized.
#[derive(Clone)]
pub(super) struct Grant {
    pub(super) family: String,
    pub(super) client_id: String,
    pub(super) scope: String,
    pub(super) resource: String,
}

pub(super) struct Access {
    pub(super) issuer: String,
    pub(super) resource: String,
    pub(super) end: Instant,
    pub(super) used: usize,
}

impl Bifrost {
    /// The one MCP server behind `/mcp/<slug>`.
    pub const SLUG: &str = "github";

    /// Says what `oauth2_server_config.issuer_url` is; without one the issuer is derived from each request.
    pub fn set_issuer_url(&self, url: &str) {
        lock(&self.state.oauth2).issuer_url = Some(url.to_owned());
    }

    /// Lets every access token end after so many messages; refresh tokens stay good.
    pub fn end_access_tokens_after(&self, uses: usize) {
        lock(&self.state.oauth2).uses = Some(uses);
    }

    /// How many logins have been refreshed.
    pub fn refreshed(&self) -> usize {
        lock(&self.state.oauth2).refreshed.len()
    }
}

/// Answers what this generation alone has; `None` when it has no such path or method.
pub(super) async fn answer(ask: &Ask) -> Option<Reply> {
    let Generation::Oauth2(mode) = ask.generation() else { return None };
    let path = ask.path.as_str();
    Some(match (ask.method.as_str(), path) {
        ("GET", JWKS) if mode == Mode::Headers => reply::empty(StatusCode::NOT_FOUND),
        ("GET", JWKS) => unsorted(StatusCode::OK, &KEYS.jwks()),
        ("GET", _) if is_document(path) => document(ask, mode),
        ("POST", REGISTER) => register(ask),
        ("GET", AUTHORIZE) => authorize(ask),
        ("POST", TOKEN) => grants::token(ask),
        ("GET" | "PUT", _) if path.starts_with(FLOWS) => consent(ask, &path[FLOWS.len()..]),
        // The page is the dashboard's, whose script reads the fragment.
        ("GET", "/oauth/consent") => plain::dashboard(),
        ("GET" | "POST", _) if is_mcp(path) => mcp::handle(ask).await,
        ("GET", _) => return None,
        (_, JWKS | AUTHORIZE) => not_allowed("GET, OPTIONS"),
        (_, REGISTER | TOKEN) => not_allowed("GET, OPTIONS, POST"),
        _ => return None,
    })
}

/// The answer to a method that a path does not have; GET is the dashboard's everywhere.
fn not_allowed(allow: &str) -> Reply {
    let reply = reply::whole(StatusCode::METHOD_NOT_ALLOWED, reply::TEXT, "Method Not Allowed");
    reply::with_header(reply, header::ALLOW, allow)
}

/// Whether a path is `/mcp` or `/mcp/<slug>`.
fn is_mcp(path: &str) -> bool {
    let slug = path.strip_prefix("/mcp/");
    path == "/mcp" || slug.is_some_and(|slug| !slug.is_empty() && !slug.contains('/'))
}

/// Whether a path is that of a document, at the root or with any suffix.
fn is_document(path: &str) -> bool {
    let names = ["/.well-known/oauth-authorization-server", "/.well-known/oauth-protected-resource"];
    names.iter().any(|name| path.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with('/')))
}

fn document(ask: &Ask, mode: Mode) -> Reply {
    if mode == Mode::Headers {
        return reply::empty(StatusCode::NOT_FOUND);
    }
    let base = issuer(ask);
    unsorted(
        StatusCode::OK,
        &if ask.path.contains("authorization-server") {
            json!({
                "issuer": base,
                "authorization_endpoint": format!("{base}{AUTHORIZE}"),
                "token_endpoint": format!("{base}{TOKEN}"),
                "registration_endpoint": format!("{base}{REGISTER}"),
                "jwks_uri": format!("{base}{JWKS}"),
                "response_types_supported": ["code"],
                "grant_types_supported": ["authorization_code", "refresh_token"],
                "code_challenge_methods_supported": ["S256"],
                "token_endpoint_auth_methods_supported": ["none"],
                "scopes_supported": ["mcp"],
                "authorization_response_iss_parameter_supported": true,
            })
        } else {
            json!({
                "resource": resource(ask), "authorization_servers": [base], "scopes_supported": ["mcp"],
                "bearer_methods_supported": ["header"],
            })
        },
    )
}

pub(super) fn issuer(ask: &Ask) -> String {
    lock(&ask.state.oauth2).issuer_url.clone().unwrap_or_else(|| ask.base())
}

/// The one resource that tokens are issued for, whatever the suffix of a document and the slug of a request.
pub(super) fn resource(ask: &Ask) -> String {
    format!("{}/mcp", issuer(ask).trim_end_matches('/'))
}

/// The members in an order that is another one each time, without a line break behind them.
pub(super) fn unsorted(status: StatusCode, object: &Value) -> Reply {
    let members: HashMap<_, _> = object.as_object().into_iter().flatten().collect();
    let members: Vec<_> = members.into_iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
    reply::whole(status, reply::JSON, format!("{{{}}}", members.join(",")))
}

pub(super) fn error(code: &str, description: &str) -> Reply {
    unsorted(StatusCode::BAD_REQUEST, &json!({"error": code, "error_description": description}))
}

// === Registration and authorization ===

fn register(ask: &Ask) -> Reply {
    let request: Option<Value> = ask.body.as_deref().and_then(|body| serde_json::from_slice(body).ok());
    let Some(request) = request.filter(Value::is_object) else {
        return error("invalid_request", "malformed request body");
    };
    let list = |name: &str| -> Vec<String> {
        let items = request[name].as_array().into_iter().flatten();
        items.filter_map(|item| item.as_str().map(str::to_owned)).collect()
    };
    let or = |given: Vec<String>, default: &str| if given.is_empty() { vec![default.to_owned()] } else { given };
    let redirect_uris = list("redirect_uris");
    if redirect_uris.is_empty() {
        return error("invalid_redirect_uri", "redirect_uris is required");
    }
    let is_safe = |uri: &String| {
        let local = ["http://localhost", "http://127.0.0.1"];
        let is_local = local.iter().any(|start| {
            uri.strip_prefix(start).is_some_and(|rest| rest.is_empty() || rest.starts_with([':', '/', '?']))
        });
        (uri.starts_with("https://") || is_local) && uri.bytes().all(|byte| byte.is_ascii_graphic())
    };
    if !redirect_uris.iter().all(is_safe) {
        return error("invalid_redirect_uri", "redirect_uris must use https (or http for loopback addresses)");
    }
    if !matches!(request["token_endpoint_auth_method"].as_str().unwrap_or_default(), "" | "none") {
        return error("invalid_client_metadata", "only token_endpoint_auth_method=none is supported");
    }
    let grant_types = or(list("grant_types"), "authorization_code");
    if !grant_types.iter().all(|grant| ["authorization_code", "refresh_token"].contains(&grant.as_str())) {
        return error("invalid_client_metadata", "unsupported grant_type");
    }
    let response_types = or(list("response_types"), "code");
    let scope = request["scope"].as_str().filter(|scope| !scope.is_empty()).unwrap_or("mcp").to_owned();
    let client_id = opaque();
    let answer = json!({
        "client_id": client_id, "client_id_issued_at": grants::now(), "grant_types": grant_types,
        "response_types": response_types, "redirect_uris": redirect_uris, "token_endpoint_auth_method": "none",
        "scope": scope,
    });
    let name = request["client_name"].as_str().unwrap_or_default().to_owned();
    lock(&ask.state.oauth2).clients.insert(client_id, Client { name, redirect_uris, scope });
    unsorted(StatusCode::CREATED, &answer)
}

fn authorize(ask: &Ask) -> Reply {
    let given = |name| ask.param(name).unwrap_or_default();
    let (client_id, redirect_uri, state) = (given("client_id"), given("redirect_uri"), given("state"));
    let (own, base) = (resource(ask), issuer(ask));
    let mut store = lock(&ask.state.oauth2);
    let Some(client) = store.clients.get(&client_id) else { return error("invalid_client", "unknown client_id") };
    if !client.redirect_uris.contains(&redirect_uri) {
        return error("invalid_redirect_uri", "redirect_uri not registered for this client");
    }
    let refuse = |code: &str, description: &str| {
        let parameters = [("error", code), ("error_description", description), ("state", &state)];
        reply::found(&with_query(&redirect_uri, &parameters))
    };
    let scope = Some(given("scope")).filter(|scope| !scope.is_empty()).unwrap_or_else(|| client.scope.clone());
    if !scope.split_whitespace().all(|one| client.scope.split_whitespace().any(|known| known == one)) {
        return refuse("invalid_scope", "requested scope exceeds the scope registered for this client");
    }
    if given("response_type") != "code" {
        return refuse("unsupported_response_type", "only response_type=code is supported");
    }
    if given("code_challenge_method") != "S256" || given("code_challenge").is_empty() {
        return refuse("invalid_request", "code_challenge is required");
    }
    if ![String::new(), own.clone()].contains(&given("resource")) {
        return refuse("invalid_target", "resource does not identify this MCP server");
    }
    let (id, temp_token) = (opaque(), opaque());
    let flow = Flow {
        grant: Grant { family: id.clone(), client_id, scope, resource: own },
        challenge: given("code_challenge"),
        temp_token: temp_token.clone(),
        redirect_uri,
        state,
        code: None,
        end: Instant::now() + FLOW_LIFE,
        device: None,
    };
    store.flows.insert(id.clone(), flow);
    reply::found(&format!("{base}/oauth/consent?flow={id}#t={temp_token}"))
}

fn with_query(uri: &str, parameters: &[(&str, &str)]) -> String {
    let mut query = Serializer::new(String::new());
    query.extend_pairs(parameters.iter().filter(|(_, value)| !value.is_empty()));
    format!("{uri}{}{}", if uri.contains('?') { '&' } else { '?' }, query.finish())
}

/// What the consent page asks for and sends.
fn consent(ask: &Ask, id: &str) -> Reply {
    let (base, approved) = (issuer(ask), claude_code::approved(ask));
    let mut store = lock(&ask.state.oauth2);
    let Store { flows, clients, .. } = &mut *store;
    let token = ask.headers.get(TEMP_TOKEN).and_then(|token| token.to_str().ok());
    let Some(flow) = flows.get_mut(id).filter(|flow| token == Some(flow.temp_token.as_str())) else {
        return ask.error(StatusCode::UNAUTHORIZED, "Unauthorized");
    };
    if flow.code.is_some() {
        return ask.error(StatusCode::GONE, "authorization flow has already been completed");
    }
    if flow.end <= Instant::now() {
        return ask.error(StatusCode::GONE, "authorization flow has expired");
    }
    if ask.method == Method::GET {
        let name = match flow.device {
            Some(_) => Some(claude_code::CLIENT_NAME.to_owned()),
            None => clients.get(&flow.grant.client_id).map(|client| client.name.clone()),
        };
        let detail = json!({
            "redirect_uri": flow.redirect_uri, "client_name": name, "available_modes": ["vk"],
            "expires_at": "2030-01-01T00:00:00Z",
        });
        return reply::json(StatusCode::OK, &detail);
    }
    let body: Value = ask.body.as_deref().and_then(|body| serde_json::from_slice(body).ok()).unwrap_or_default();
    let refuse = |message: &str| ask.error(StatusCode::BAD_REQUEST, message);
    if body["mode"] != "vk" {
        return refuse("mode is not available");
    }
    if body["value"] != Bifrost::VIRTUAL_KEY {
        return refuse("virtual key not found");
    }
    let code = opaque();
    let url = match flow.device {
        Some(_) => approved,
        None => with_query(&flow.redirect_uri, &[("code", &code), ("iss", &base), ("state", &flow.state)]),
    };
    flow.code = Some(code);
    reply::json(StatusCode::OK, &json!({"redirect_url": url}))
}
