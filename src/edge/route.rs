//! To a server: the fleet's choice as a Pingora peer.

use std::net::SocketAddr;

use pingora::{Error, ErrorType, Result, upstreams::peer::HttpPeer};
use tokio::time::timeout;

use crate::{
    config::{Config, Timeouts},
    fleet::{Attempts, Fleet},
};

/// The servers of the fleet, ready to be connected to.
pub struct Servers {
    fleet: Fleet,
    /// A peer for each server whose address is no name.
    prototypes: Vec<Option<HttpPeer>>,
    timeouts: Timeouts,
}

impl Servers {
    /// Compiles the servers of the configuration.
    pub fn new(config: &Config) -> Self {
        let fleet = Fleet::new(config);
        let prototype = |address: SocketAddr| peer(address, config.timeouts);
        Servers {
            prototypes: fleet.servers().iter().map(|server| server.ip().map(prototype)).collect(),
            fleet,
            timeouts: config.timeouts,
        }
    }

    /// The fleet behind it.
    pub fn fleet(&self) -> &Fleet {
        &self.fleet
    }

    /// The peer for the next attempt: the next address of the last server, or of the next one.
    pub(super) async fn next(&self, attempts: &mut Attempts) -> Result<Box<HttpPeer>> {
        let mut unresolved = None;
        loop {
            if let Some(address) = attempts.untried.pop_front() {
                return Ok(Box::new(peer(address, self.timeouts)));
            }
            let Some(place) = self.fleet.pick(attempts) else {
                return Err(unresolved.unwrap_or_else(|| Error::explain(NO_SERVER, "no server is configured")));
            };
            if let Some(peer) = &self.prototypes[place] {
                return Ok(Box::new(peer.clone()));
            }
            let name = self.fleet.servers()[place].as_str();
            match timeout(self.timeouts.connect, tokio::net::lookup_host(name)).await {
                Ok(Ok(addresses)) => attempts.untried.extend(addresses),
                Ok(Err(error)) => {
                    let message = format!("the name {name} does not resolve");
                    unresolved = Some(Error::because(ErrorType::ConnectError, message, error));
                }
                Err(_) => {
                    let message = format!("the name {name} does not resolve in time");
                    unresolved = Some(Error::explain(ErrorType::ConnectTimedout, message));
                }
            }
        }
    }
}

/// There is no server to send the request to.
pub(super) const NO_SERVER: ErrorType = ErrorType::Custom("NoServer");

/// A peer for one server. `HttpPeer::new` cannot fail on a socket address.
fn peer(address: SocketAddr, timeouts: Timeouts) -> HttpPeer {
    let mut peer = HttpPeer::new(address, false, String::new());
    peer.options.connection_timeout = Some(timeouts.connect);
    peer.options.total_connection_timeout = Some(timeouts.connect);
    peer.options.read_timeout = Some(timeouts.silence);
    peer.options.write_timeout = Some(timeouts.silence);
    // Bifrost itself never closes an idle connection; a firewall between us may.
    peer.options.idle_timeout = Some(super::IDLE_TIMEOUT);
    peer
}
