//! `GET /api/mcp/clients`, and what can be wrong with discovery.

use base64::Engine;
use hyper::{StatusCode, header};
use serde_json::{Value, json};

use super::{
    Bifrost, Mode, lock, oauth, plain,
    reply::{self, Reply},
    route::Ask,
};

pub(super) const PATH: &str = "/api/mcp/clients";

/// How discovery is answered.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Discovery {
    /// As generation A does with a `per_user_oauth` client.
    #[default]
    On,
    /// As it does without one.
    Off,
    /// By the page of the dashboard, as its old versions do on every path that is no other's. Source: `handlers/ui.go`
    /// before the hidden paths were closed.
    Page,
    /// As 1.6.0 does, which it is then altogether: it has neither discovery nor logins. Source: `tests/bifrost/golden`.
    Gap,
    /// As generation B does, which it is then altogether, in this mode.
    Oauth2(Mode),
    /// With an issuer that the request has no part in.
    OwnIssuer,
    /// By a redirect.
    Redirect,
    /// With more than any document.
    Huge,
    /// Not at all.
    Silent,
    /// As without a `per_user_oauth` client for one document, and then with a connection that is cut.
    OffThenCut,
}

/// Which versions it is one of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Generation {
    /// 1.5.0 to 1.5.2, with a `per_user_oauth` client or without.
    PerUser { has_clients: bool },
    /// 1.5.3 to 1.6.2.
    Gap,
    /// 1.6.3 and later, in this mode.
    Oauth2(Mode),
}

/// The MCP clients, as `config` objects of the API.
#[derive(Default)]
pub(super) struct Table {
    memory: Vec<Value>,
    database: Vec<Value>,
    /// Whether credentials are needed, those of [`Bifrost::TOKEN`], or [`Bifrost::USER`] and [`Bifrost::PASSWORD`].
    is_closed: bool,
    /// Whether the list of the process is not to be had, as from 1.6 on.
    has_one_list: bool,
    /// Whether the answer is 200 and no list.
    is_no_list: bool,
    pub discovery: Discovery,
}

impl Bifrost {
    pub const TOKEN: &str = "planted-token";
    pub const USER: &str = "admin";
    pub const PASSWORD: &str = "planted-password";

    /// Says which MCP clients its process has, and which its database.
    pub fn set_clients(&self, memory: &Value, database: &Value) {
        let mut table = lock(&self.state.table);
        table.memory.clone_from(memory.as_array().unwrap());
        table.database.clone_from(database.as_array().unwrap());
    }

    /// Lets nobody ask for the MCP clients without credentials.
    pub fn close_api(&self) {
        lock(&self.state.table).is_closed = true;
    }

    /// Answers as Bifrost does from 1.6 on: the MCP clients of its database only, a hundred at a time.
    pub fn list_only_the_database(&self) {
        lock(&self.state.table).has_one_list = true;
    }

    /// Answers 200 without a list when asked for the MCP clients, as whatever else is at that address does.
    pub fn answer_no_list(&self) {
        lock(&self.state.table).is_no_list = true;
    }

    /// Answers discovery so from now on.
    pub fn set_discovery(&self, discovery: Discovery) {
        lock(&self.state.table).discovery = discovery;
    }
}

/// What whoever may not use the API is answered.
pub(super) fn refusal(ask: &Ask) -> Option<Reply> {
    let is_open = !lock(&ask.state.table).is_closed || ask.texts(header::AUTHORIZATION).any(is_accepted);
    (!is_open).then(|| ask.error(StatusCode::UNAUTHORIZED, "Unauthorized"))
}

pub(super) fn list(ask: &Ask) -> Reply {
    if let Some(refusal) = refusal(ask) {
        return refusal;
    }
    let table = lock(&ask.state.table);
    if table.is_no_list {
        return reply::json(StatusCode::OK, &json!({"message": "log in"}));
    }
    let number = |name| ask.param(name).and_then(|value| value.parse::<usize>().ok());
    let is_paged = table.has_one_list || ask.param("limit").is_some() || ask.param("offset").is_some();
    let most = if table.has_one_list { 100 } else { usize::MAX };
    let all = if is_paged { &table.database } else { &table.memory };
    let (limit, offset) = (number("limit").unwrap_or(most), number("offset").unwrap_or_default());
    let page = all.iter().skip(offset).take(limit).map(|config| {
        let tools = json!([{"name": "a_tool", "description": "what it does"}]);
        json!({"config": config, "state": "connected", "tools": tools, "vk_configs": null})
    });
    let page: Vec<_> = page.collect();
    let list = json!({
        "clients": page, "count": page.len(), "limit": limit, "offset": offset, "total_count": all.len(),
    });
    reply::json(StatusCode::OK, &list)
}

fn is_accepted(authorization: &str) -> bool {
    let pair = format!("{}:{}", Bifrost::USER, Bifrost::PASSWORD);
    let basic = base64::engine::general_purpose::STANDARD.encode(pair);
    authorization == format!("Bearer {}", Bifrost::TOKEN) || authorization == format!("Basic {basic}")
}

impl Ask {
    /// What is asked is one of these versions.
    pub(super) fn generation(&self) -> Generation {
        match lock(&self.state.table).discovery {
            Discovery::Oauth2(mode) => Generation::Oauth2(mode),
            Discovery::Gap => Generation::Gap,
            Discovery::Off => Generation::PerUser { has_clients: false },
            _ => Generation::PerUser { has_clients: true },
        }
    }

    /// The error shape of Bifrost itself, as these versions have it.
    pub(super) fn error(&self, status: StatusCode, message: &str) -> Reply {
        match self.generation() {
            Generation::PerUser { .. } => reply::bifrost_error(status, message),
            Generation::Gap | Generation::Oauth2(_) => reply::routed_error(status, message),
        }
    }
}

/// A discovery document, or what is there in its place.
pub(super) async fn document(ask: &Ask) -> Reply {
    let discovery = lock(&ask.state.table).discovery;
    let is_server = ask.path == oauth::SERVER_METADATA;
    match discovery {
        Discovery::On if is_server => oauth::server_metadata(ask),
        Discovery::On => oauth::resource_metadata(ask),
        Discovery::Off => reply::whole(StatusCode::NOT_FOUND, reply::TEXT, "Not Found"),
        Discovery::Page => plain::dashboard(),
        Discovery::Gap | Discovery::Oauth2(_) => plain::dashboard_at(&ask.path),
        Discovery::OwnIssuer => {
            let base = "http://bifrost.internal:8080";
            let document = json!({"issuer": base, "resource": format!("{base}/mcp")});
            reply::json(StatusCode::OK, &document)
        }
        Discovery::Redirect => reply::found("https://elsewhere.example/"),
        Discovery::Huge => reply::whole(StatusCode::OK, reply::JSON, format!("{{\"x\":\"{}\"}}", "x".repeat(100_000))),
        Discovery::Silent => std::future::pending().await,
        Discovery::OffThenCut if is_server => reply::whole(StatusCode::NOT_FOUND, reply::TEXT, "Not Found"),
        Discovery::OffThenCut => {
            let (pen, reply) = reply::streamed(reply::JSON);
            pen.abort(Box::new(reply::Abort));
            reply
        }
    }
}
