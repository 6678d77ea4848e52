//! To a server: the fleet's choice as a Pingora peer, with the limits of the request's path.

use std::{sync::Arc, time::Duration};

use http::header;
use pingora::{Error, ErrorType, Result, protocols::l4::socket::SocketAddr, upstreams::peer::HttpPeer};
use pingora_proxy::Session;

use super::{connect, exchange::Exchange, peer::Client};
use crate::{
    config::{Config, HashKey, PathPrefix, Timeouts},
    fleet::{Fleet, Runtime},
    reason::Reason,
    trust::TrustedProxies,
};

/// The servers of the fleet, ready to be connected to.
pub struct Servers {
    fleet: Fleet,
    /// The peer of each configured server, but for the address.
    prototypes: Vec<HttpPeer>,
    hash_key: Option<HashKey>,
    waits: Waits,
    /// Longest prefix first.
    waits_by_path: Vec<(PathPrefix, Waits)>,
}

/// How long the edge waits for a server.
#[derive(Debug, Clone, Copy)]
pub(super) struct Waits {
    pub connect: Duration,
    pub first_byte: Duration,
    pub silence: Duration,
    pub request: Option<Duration>,
}

impl Servers {
    /// Compiles the servers of the configuration, with what the runtime knows of them.
    pub fn new(config: &Config, runtime: Arc<Runtime>) -> Self {
        let idle = Some(config.timeouts.idle);
        let prototype = |server| {
            let mut peer = connect::prototype(server);
            peer.options.idle_timeout = idle;
            peer
        };
        Servers {
            prototypes: config.servers.iter().map(prototype).collect(),
            fleet: Fleet::new(config, runtime),
            hash_key: config.balance.hash_key.clone(),
            waits: Waits::of(&config.timeouts),
            waits_by_path: by_path(&config.timeouts),
        }
    }

    /// The fleet behind it.
    pub fn fleet(&self) -> &Fleet {
        &self.fleet
    }

    /// The limits for a path that has none of its own.
    pub(super) fn common_waits(&self) -> Waits {
        self.waits
    }

    /// The limits for a path.
    pub(super) fn waits(&self, path: &[u8]) -> Waits {
        let below = self.waits_by_path.iter().find(|(prefix, _)| prefix.covers(path));
        below.map_or(self.waits, |(_, waits)| *waits)
    }

    /// A peer for a health check of a server.
    pub(super) fn peer_for_check(
        &self,
        address: std::net::SocketAddr,
        configured: usize,
        timeout: Duration,
    ) -> HttpPeer {
        let mut peer = self.peer(configured, address, timeout);
        // A connection of HTTP/2 that takes no other request is not kept for the next check.
        peer.options.max_h2_streams = 1;
        peer
    }

    /// One address of a configured server, to be connected to within a time.
    fn peer(&self, configured: usize, address: std::net::SocketAddr, connect: Duration) -> HttpPeer {
        let mut peer = self.prototypes[configured].clone();
        peer._address = SocketAddr::Inet(address);
        peer.options.connection_timeout = Some(connect);
        peer.options.total_connection_timeout = Some(connect);
        peer
    }
}

/// The peer for the next attempt.
pub(super) fn next(session: &Session, exchange: &mut Exchange) -> Result<Box<HttpPeer>> {
    let snapshot = Arc::clone(&exchange.snapshot);
    let servers = &snapshot.servers;
    let key = servers.hash_key.as_ref().and_then(|key| hash_key(key, session, &snapshot.trusted));
    let Some(picked) = servers.fleet.pick(&mut exchange.attempts, key.as_deref()) else {
        let none = ErrorType::Custom(Reason::NoServer.name());
        return Error::e_explain(none, "there is no server to send it to");
    };
    let waits = exchange.waits;
    let connect = exchange.left().map_or(waits.connect, |left| left.max(SHORTEST).min(waits.connect));
    let mut peer = Box::new(servers.peer(picked.configured, picked.address, connect));
    if exchange.is_websocket {
        connect::over_http_1(&mut peer);
    }
    if picked.needs_new_connection {
        // Nobody has an idle connection for this group, and it needs none when the request is over.
        peer.group_key = rand::random();
        peer.options.idle_timeout = Some(Duration::ZERO);
    }
    peer.options.write_timeout = Some(waits.silence);
    if peer.options.alpn.get_max_http_version() == 2 {
        // On a connection that requests share, none is watched: Pingora has one limit for both.
        peer.options.read_timeout = Some(waits.first_byte.max(waits.silence));
    }
    Ok(peer)
}

/// A connection attempt takes at least so long.
const SHORTEST: Duration = Duration::from_millis(1);

impl Waits {
    fn of(timeouts: &Timeouts) -> Self {
        Waits {
            connect: timeouts.connect,
            first_byte: timeouts.first_byte,
            silence: timeouts.silence,
            request: timeouts.request,
        }
    }
}

fn by_path(timeouts: &Timeouts) -> Vec<(PathPrefix, Waits)> {
    let all = Waits::of(timeouts);
    let paths = timeouts.paths.iter().map(|path| {
        let waits = Waits {
            connect: path.connect.unwrap_or(all.connect),
            first_byte: path.first_byte.unwrap_or(all.first_byte),
            silence: path.silence.unwrap_or(all.silence),
            request: path.request.or(all.request),
        };
        (path.prefix.clone(), waits)
    });
    let mut paths: Vec<_> = paths.collect();
    paths.sort_by_key(|(prefix, _)| std::cmp::Reverse(prefix.as_str().len()));
    paths
}

/// What the request is hashed by, if it has it.
fn hash_key(key: &HashKey, session: &Session, trusted: &TrustedProxies) -> Option<Vec<u8>> {
    let headers = &session.req_header().headers;
    match key {
        HashKey::Header(name) => headers.get(name).map(|value| value.as_bytes().to_vec()),
        HashKey::Cookie(name) => {
            let values = headers.get_all(header::COOKIE).iter();
            let mut pairs = values.flat_map(|value| value.as_bytes().split(|byte| *byte == b';'));
            pairs.find_map(|pair| {
                pair.trim_ascii().strip_prefix(name.as_bytes())?.strip_prefix(b"=").map(<[u8]>::to_vec)
            })
        }
        HashKey::ClientAddress => Some(Client::of(session, trusted).address().to_string().into_bytes()),
    }
}
