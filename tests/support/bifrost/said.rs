//! What a Bifrost says of itself: `GET /api/version`, `GET /api/config`. Source: Bifrost's `ConfigHandler`, by which the
//! version is a JSON text, and `client_config` has the members of `client` in a `config.json`.

use hyper::{Method, StatusCode};
use serde_json::{Value, json};

use super::{
    Bifrost, clients, lock,
    reply::{self, Reply},
    route::Ask,
};

#[derive(Default)]
pub(super) struct Said {
    version: Option<String>,
    client: Option<Value>,
}

impl Bifrost {
    /// Says that it is of this version, and has this under `client`.
    pub fn say(&self, version: &str, client: Option<Value>) {
        *lock(&self.state.said) = Said { version: Some(version.to_owned()), client };
    }
}

pub(super) fn answer(ask: &Ask) -> Option<Reply> {
    let said = lock(&ask.state.said);
    match (&ask.method, ask.path.as_str()) {
        (&Method::GET, "/api/version") => {
            said.version.as_ref().map(|version| reply::json(StatusCode::OK, &json!(version)))
        }
        (&Method::GET, "/api/config") => {
            let client = said.client.as_ref()?;
            Some(
                clients::refusal(ask).unwrap_or_else(|| reply::json(StatusCode::OK, &json!({"client_config": client}))),
            )
        }
        _ => None,
    }
}
