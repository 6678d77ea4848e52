//! Who is let into `/mcp`: virtual keys, tokens of either generation, nobody in particular.
//!
//! Source of what 1.6.0 answers: `tests/bifrost/golden`. Source of `oauth2`: `handlers/mcpserver.go` of 2.x, `admit` and
//! `authenticate`. Source of the challenge of 1.5: the same file there, and `handlers/oauth2_per_user.go`.

use std::{collections::HashMap, time::Instant};

use hyper::{Method, StatusCode, header};

use super::{
    Bifrost, Mode,
    clients::Generation,
    grants::{self, Refused},
    lock,
    oauth::RESOURCE_METADATA,
    reply::{self, Reply},
    route::Ask,
};

/// What every virtual key begins with. Anything else in a header that may hold one is somebody else's credential.
const PREFIX: &str = "sk-bf-";

const KEY_1_6: &str = "virtual key required to access mcp server; set one of x-bf-vk, Authorization: Bearer <vk>, or \
                       x-api-key in your MCP client config";
const KEY_2: &str = "virtual key required to access mcp server; set one of x-bf-vk, Authorization: Bearer <vk>, \
                     x-api-key, or x-goog-api-key in your MCP client config";
const CONFLICT: &str = "conflicting credentials: an OAuth token and a virtual key header were both provided; send only \
                        the OAuth token";
const STRICT: &str = "this server requires OAuth JWT authentication; header credentials are not accepted in oauth mode";

/// What admission depends on.
#[derive(Debug)]
pub(super) struct Rules {
    /// The virtual keys, with their names.
    keys: HashMap<String, String>,
    /// Its `client.enforce_auth_on_inference`, when it is set.
    is_enforced: Option<bool>,
    /// Whether `/mcp` is still being made ready.
    is_unready: bool,
}

impl Default for Rules {
    fn default() -> Self {
        let keys = HashMap::from([(Bifrost::VIRTUAL_KEY.to_owned(), "interop".to_owned())]);
        Rules { keys, is_enforced: None, is_unready: false }
    }
}

impl Bifrost {
    /// The key that its users consent with, and that takes the place of a token where headers are taken.
    pub const VIRTUAL_KEY: &str = "sk-bf-interop";

    /// Takes this virtual key, too.
    pub fn add_virtual_key(&self, key: &str, name: &str) {
        lock(&self.state.rules).keys.insert(key.to_owned(), name.to_owned());
    }

    /// Says what its `client.enforce_auth_on_inference` is. Left out it is true from 2.2.6 on, and before that false.
    pub fn enforce_auth(&self, is_enforced: bool) {
        lock(&self.state.rules).is_enforced = Some(is_enforced);
    }

    /// Answers at `/mcp` that it is not ready, or no longer.
    pub fn set_mcp_ready(&self, is_ready: bool) {
        lock(&self.state.rules).is_unready = !is_ready;
    }
}

/// The name of the virtual key of a request that is let in, if it has one, or the refusal.
type Admission = Result<Option<String>, Box<Reply>>;

/// Lets a request to `/mcp` or `/mcp/<slug>` in; the name of its virtual key, if it has one, or the refusal.
pub(super) fn admit(ask: &Ask) -> Admission {
    let generation = ask.generation();
    let key = virtual_key(ask, generation);
    let admitted = match generation {
        Generation::Oauth2(mode) => by_oauth2(ask, mode, key.as_deref()),
        Generation::PerUser { has_clients: true } if key.is_none() => by_session(ask),
        Generation::PerUser { .. } | Generation::Gap => by_key(ask, key.as_deref(), KEY_1_6, false),
    }?;
    if lock(&ask.state.rules).is_unready {
        return Err(Box::new(ask.error(StatusCode::SERVICE_UNAVAILABLE, "MCP server is not ready")));
    }
    Ok(admitted)
}

/// The virtual key of a request, known or not.
fn virtual_key(ask: &Ask, generation: Generation) -> Option<String> {
    let header = |name: &str| ask.headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim);
    let google = matches!(generation, Generation::Oauth2(_)).then(|| header("x-goog-api-key")).flatten();
    let key = header("x-bf-vk")
        .filter(|key| !key.is_empty())
        .or_else(|| bearer(ask).filter(is_key))
        .or_else(|| header("x-api-key").filter(is_key))
        .or_else(|| google.filter(is_key));
    key.map(str::to_owned)
}

fn is_key(value: &&str) -> bool {
    value.get(..PREFIX.len()).is_some_and(|start| start.eq_ignore_ascii_case(PREFIX))
}

pub(super) fn bearer(ask: &Ask) -> Option<&str> {
    ask.texts(header::AUTHORIZATION)
        .filter_map(|value| value.split_once(' '))
        .find(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
        .map(|(_, token)| token.trim())
}

/// By a virtual key, or by nothing where nothing is demanded.
fn by_key(ask: &Ask, key: Option<&str>, missing: &str, is_challenged: bool) -> Admission {
    let refuse = |message: &str| {
        let reply = ask.error(StatusCode::UNAUTHORIZED, message);
        Err(Box::new(if is_challenged { challenge(ask, reply) } else { reply }))
    };
    let rules = lock(&ask.state.rules);
    let is_enforced = rules.is_enforced.unwrap_or(matches!(ask.generation(), Generation::Oauth2(_)));
    match key {
        Some(key) => match rules.keys.get(key) {
            Some(name) => Ok(Some(name.clone())),
            None => refuse("virtual key not found"),
        },
        None if is_enforced => refuse(missing),
        None => Ok(None),
    }
}

/// By the token of a login of 1.5.
fn by_session(ask: &Ask) -> Admission {
    let store = lock(&ask.state.oauth);
    if bearer(ask).is_some_and(|token| store.knows_token(token)) {
        return Ok(None);
    }
    let reply = ask.error(StatusCode::UNAUTHORIZED, "oauth authentication required for mcp access");
    let value = format!("Bearer resource_metadata=\"{}{RESOURCE_METADATA}\"", ask.base());
    Err(Box::new(reply::with_header(reply, header::WWW_AUTHENTICATE, &value)))
}

fn by_oauth2(ask: &Ask, mode: Mode, key: Option<&str>) -> Admission {
    let has_discovery = mode != Mode::Headers;
    let refuse = |message: &str| Err(Box::new(challenge(ask, ask.error(StatusCode::UNAUTHORIZED, message))));
    let token = bearer(ask).filter(|token| has_discovery && !is_key(token));
    let admitted = match token {
        Some(_) if key.is_some() => return refuse(CONFLICT),
        Some(token) => {
            let counts = ask.method == Method::POST;
            match grants::verify(ask, token, &super::oauth2::resource(ask), counts) {
                Ok(()) => None,
                Err(Refused(why)) => return refuse(why),
            }
        }
        None if mode == Mode::Oauth => return refuse(STRICT),
        None => by_key(ask, key, KEY_2, has_discovery)?,
    };
    match ask.path.strip_prefix("/mcp/") {
        Some(slug) if slug != Bifrost::SLUG => Err(Box::new(ask.error(StatusCode::FORBIDDEN, "access_denied"))),
        _ => Ok(admitted),
    }
}

/// Says where a token is to be had: the same for every slug.
fn challenge(ask: &Ask, reply: Reply) -> Reply {
    let base = super::oauth2::issuer(ask);
    let value = format!("Bearer resource_metadata=\"{base}{RESOURCE_METADATA}/mcp\"");
    reply::with_header(reply, header::WWW_AUTHENTICATE, &value)
}

/// Whether something has not ended yet.
pub(super) fn lasts(end: Instant) -> bool {
    end > Instant::now()
}
