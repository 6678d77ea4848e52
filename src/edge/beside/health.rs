//! The active check of a server: one GET on a connection of its own.

use pingora::upstreams::peer::HttpPeer;
use tokio::time::timeout;

use super::ask::{Asker, Get, why};
use crate::config::HealthChecks;

/// Checks servers.
pub(super) struct Checker(Asker);

impl Checker {
    pub fn new() -> Self {
        Checker(Asker::new())
    }

    /// One check of the server behind the peer, whose name is `host`.
    ///
    /// # Errors
    /// What was bad about it.
    pub async fn check(&self, peer: &HttpPeer, host: &str, options: &HealthChecks) -> Result<(), String> {
        let get = Get { host, path: &options.path, headers: &[], most: MOST_BYTES };
        match timeout(options.timeout, self.0.get(peer, &get)).await {
            Ok(Ok(got)) if options.statuses.iter().any(|good| good.as_u16() == got.status.as_u16()) => Ok(()),
            Ok(Ok(got)) => Err(format!("status {}", got.status.as_u16())),
            Ok(Err(error)) => Err(why(&error)),
            Err(_) => Err(format!("no answer within {:?}", options.timeout)),
        }
    }
}

/// Of the body of a response; more is not read, and says nothing.
const MOST_BYTES: usize = 1024 * 1024;
