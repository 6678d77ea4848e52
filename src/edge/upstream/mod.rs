//! The servers' side: connections of HTTP/1.1 to servers, and what goes on on them.

mod clock;
mod connection;
mod dial;
mod exchange;
mod pool;
mod tunnel;
mod upload;

use std::{iter, net::SocketAddr, time::Duration};

use pingora::{Error, ErrorType, Result};
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

/// Which idle connections a request may have.
#[derive(Debug, Clone, Copy)]
pub(super) enum Reuse {
    Nothing,
    /// One that the system has not seen end, however busy this thread is: a request that cannot be repeated would be lost
    /// on it.
    Proven,
    Whatever,
}

/// Takes an idle connection to a server, or makes one, within a time; `now` is kept up.
///
/// # Errors
/// Why there is none.
pub(super) async fn connect(
    pool: &Pool,
    upstream: &Upstream,
    address: SocketAddr,
    within: Duration,
    reuse: Reuse,
    server: Option<&Server>,
    now: &mut Instant,
) -> Result<Box<Connection>> {
    let idle = || pool.take(&key(upstream, address), *now);
    let rested = match reuse {
        Reuse::Nothing => None,
        Reuse::Proven => iter::from_fn(idle).find(|connection| !connection.has_ended()),
        Reuse::Whatever => idle(),
    };
    if let Some(connection) = rested {
        return Ok(connection);
    }
    let era = server.map(Server::era).unwrap_or_default();
    let tls = upstream.tls.as_ref().map(Result::as_ref).transpose();
    let tls = tls.or_else(|why| Error::e_explain(ErrorType::TLSHandshakeFailure, format!("its tls: {why}")))?;
    // Boxed, because most requests do without.
    let dialled = Box::pin(dial(address, tls, within)).await;
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::{config::Loaded, edge::snapshot::Servers};

    #[tokio::test]
    async fn a_server_whose_tls_is_of_no_use_is_not_connected_to_without() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let yaml =
            format!("listeners: [{{address: \"127.0.0.1:8000\"}}]\nservers: [{{address: \"{address}\", tls: {{}}}}]\n");
        let mut site = Loaded::from_text("test.yaml".as_ref(), &yaml).unwrap().config.sites.remove(0);
        // As if its files had not been checked: a certificate without its key.
        let certificate = rcgen::generate_simple_self_signed(["edge".to_owned()]).unwrap().cert;
        site.servers[0].tls.as_mut().unwrap().files.chain = vec![certificate.der().to_vec()];
        let servers = Servers::new(&site, None, Arc::default());
        let (pool, within) = (Pool::new(1, 1), Duration::from_secs(5));
        let connected = connect(&pool, servers.upstream(0), address, within, Reuse::Nothing, None, &mut Instant::now())
            .await
            .map(drop);
        assert_eq!(*connected.unwrap_err().etype(), ErrorType::TLSHandshakeFailure);
    }
}
