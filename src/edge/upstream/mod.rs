//! The servers' side: connections of HTTP/1.1 to servers, and what goes on on them.

mod clock;
mod connection;
mod dial;
mod exchange;
mod pool;
mod tunnel;
mod upload;

use std::{net::SocketAddr, time::Duration};

use pingora::Result;
use tokio::time::Instant;

pub(super) use self::{
    connection::Connection,
    exchange::{Ended, Exchanging, deliver},
    pool::Pool,
    tunnel::{is_opened_by, tunnel},
    upload::{Upload, announce, announced, piece},
};
use self::{dial::dial, pool::Key};
use super::snapshot::Upstream;
use crate::fleet::Server;

/// Takes an idle connection to a server, or makes one, within a time; `now` is kept up.
///
/// # Errors
/// Why there is none.
pub(super) async fn connect(
    pool: &Pool,
    upstream: &Upstream,
    address: SocketAddr,
    within: Duration,
    is_new: bool,
    server: Option<&Server>,
    now: &mut Instant,
) -> Result<Box<Connection>> {
    let rested = if is_new { None } else { pool.take(&key(upstream, address), *now) };
    if let Some(connection) = rested {
        return Ok(connection);
    }
    let era = server.map(Server::era).unwrap_or_default();
    // Boxed, because most requests do without.
    let dialled = Box::pin(dial(address, upstream.tls.as_ref(), within)).await;
    *now = Instant::now();
    dialled.map(|mut connection| {
        connection.era = era;
        Box::new(connection)
    })
}

/// What the idle connections to an address of a server can be used for.
pub(super) fn key(upstream: &Upstream, address: SocketAddr) -> Key {
    Key { address, group: upstream.group }
}
