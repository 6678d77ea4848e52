//! What the edge would do with a request, step by step, and which keys decide: the request is taken through the phases
//! that serve ([`crate::edge::Edge::rehearse`]), and what came of it is told.

mod asked;
mod discovery;
mod forwarding;
mod steps;
mod table;
mod telling;

use serde::Serialize;
use serde_yaml::Value;

pub use self::{asked::Asked, table::table};
use crate::{
    config::Loaded,
    edge::{Edge, Heard},
};

/// What becomes of a request.
#[derive(Debug, Serialize)]
pub struct Explanation {
    /// The configuration.
    pub file: String,
    /// The method.
    pub method: String,
    /// The URL.
    pub url: String,
    /// The steps, in the order in which they are taken.
    pub steps: Vec<Step>,
    /// `edge`, or `server`.
    pub answered_by: &'static str,
    /// The status that the edge answers with, if it does.
    pub status: Option<u16>,
    /// Why the edge refuses it, as in metrics and the access log.
    pub reason: Option<&'static str>,
    /// What the servers of its site are at the moment, where that was asked for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub servers_now: Vec<ServerNow>,
    /// The place of its site.
    #[serde(skip)]
    pub site: Option<usize>,
}

/// One thing that is settled about a request.
#[derive(Debug, Serialize)]
pub struct Step {
    /// What is settled.
    pub step: &'static str,
    /// How.
    pub says: String,
    /// The keys that decide.
    pub keys: Vec<Key>,
}

/// A key of the configuration.
#[derive(Debug, Serialize)]
pub struct Key {
    /// Its path: in the file where it is written, or else in the configuration as `bridgehead config` prints it.
    pub key: String,
    /// What it says, or stands for without a word; what comes from the environment is named.
    pub value: Option<Value>,
    /// Where it is written; nothing where its default holds.
    pub file: Option<String>,
    /// The line there.
    pub line: Option<usize>,
}

/// What a server is at the moment.
#[derive(Debug, Serialize)]
pub struct ServerNow {
    /// As the configuration names it.
    pub server: String,
    /// The address.
    pub address: String,
    /// `up`, `down`, `open` (its breaker), `draining` or `unknown`.
    pub state: String,
    /// The requests that it has.
    pub in_flight: u64,
}

/// Tells what becomes of a request, from the configuration alone.
///
/// # Errors
/// When there is no such listener, or no such request.
pub async fn explain(loaded: &Loaded, asked: &Asked) -> Result<Explanation, String> {
    let listener = asked.listener(&loaded.config)?;
    let (edge, bytes) = (Edge::new(&loaded.config, 1), asked.head()?);
    let Some(configured) = loaded.config.edge.listeners.get(listener) else {
        return Err("there is no listener".to_owned());
    };
    let peer = asked.peer(configured);
    let rehearsal = edge.rehearse(&Heard { listener: configured, peer, head: &bytes }).await?;
    let snapshot = edge.snapshot().load_full();
    Ok(telling::Telling::new(loaded, asked, &snapshot, &rehearsal, listener).tell())
}
