//! The servers of one configuration, ready to be connected to.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use pingora::{protocols::l4::socket::SocketAddr as PingoraAddress, upstreams::peer::HttpPeer};

use super::{
    peer::{ServerTls, group, prototype},
    waits::Waits,
};
use crate::{
    config::{self, HashKey, PathPrefix, Site, SiteName},
    fleet::{Fleet, Runtime},
};

/// The servers of a site, ready to be connected to.
pub struct Servers {
    fleet: Fleet,
    upstreams: Vec<Upstream>,
    pub(in crate::edge) hash_key: Option<HashKey>,
    /// An idle connection is kept so long.
    pub(in crate::edge) idle: Duration,
    waits: Waits,
    /// Longest prefix first.
    waits_by_path: Vec<(PathPrefix, Waits)>,
}

/// A configured server, but for the address.
pub(in crate::edge) struct Upstream {
    /// Whether HTTP/2 is spoken to it.
    pub is_http2: bool,
    /// For HTTP/1.1, or why there is none although it is wanted.
    pub tls: Option<Result<ServerTls, String>>,
    /// Apart from servers of one address with other settings.
    pub group: u64,
    peer: HttpPeer,
}

impl Servers {
    /// Compiles the servers of a site, with what the runtime knows of them. The site is measured under this name.
    pub fn new(site: &Site, name: Option<&SiteName>, runtime: Arc<Runtime>) -> Self {
        let idle = site.timeouts.idle;
        Servers {
            upstreams: site.servers.iter().map(|server| Upstream::new(server, &site.timeouts)).collect(),
            fleet: Fleet::new(site, name, runtime),
            hash_key: site.balance.hash_key.clone(),
            idle,
            waits: Waits::of(&site.timeouts),
            waits_by_path: Waits::by_path(&site.timeouts, &site.base_paths()),
        }
    }

    /// Tells the fleet behind it.
    pub fn fleet(&self) -> &Fleet {
        &self.fleet
    }

    /// Tells how one is connected to, by its place in the configuration.
    pub(in crate::edge) fn upstream(&self, configured: usize) -> &Upstream {
        &self.upstreams[configured]
    }

    /// Tells the limits for a path that has none of its own.
    pub(in crate::edge) fn common_waits(&self) -> Waits {
        self.waits
    }

    /// Tells the limits for a path.
    pub(in crate::edge) fn waits(&self, path: &[u8]) -> Waits {
        self.below(path).map_or(self.waits, |(_, waits)| *waits)
    }

    /// Tells for which prefix it has these limits; none when they are those for all.
    pub(in crate::edge) fn waits_of(&self, path: &[u8]) -> Option<&PathPrefix> {
        self.below(path).map(|(prefix, _)| prefix)
    }

    fn below(&self, path: &[u8]) -> Option<&(PathPrefix, Waits)> {
        self.waits_by_path.iter().find(|(prefix, _)| prefix.covers(path))
    }

    /// Makes a peer for a health check of a server.
    pub(in crate::edge) fn peer_for_check(
        &self,
        address: SocketAddr,
        configured: usize,
        timeout: Duration,
    ) -> HttpPeer {
        let mut peer = self.upstreams[configured].peer(address, timeout);
        // A connection of HTTP/2 that takes no other request is not kept for the next check.
        peer.options.max_h2_streams = 1;
        peer
    }
}

impl Upstream {
    fn new(server: &config::Server, timeouts: &config::Timeouts) -> Self {
        let mut peer = prototype(server);
        peer.options.idle_timeout = Some(timeouts.idle);
        peer.options.h2_ping_interval = Some(timeouts.ping);
        Upstream { is_http2: server.http2, tls: ServerTls::of(server), group: group(server), peer }
    }

    /// Makes a peer of one address of the server, to be connected to within a time.
    pub fn peer(&self, address: SocketAddr, connect: Duration) -> HttpPeer {
        let mut peer = self.peer.clone();
        peer._address = PingoraAddress::Inet(address);
        peer.options.connection_timeout = Some(connect);
        peer.options.total_connection_timeout = Some(connect);
        peer
    }

    /// Makes one for a request that Pingora carries: on a connection that requests share, it has one limit for the
    /// first byte and for silence.
    pub fn peer_for_request(
        &self,
        address: SocketAddr,
        connect: Duration,
        waits: &Waits,
        is_new: bool,
        era: u64,
    ) -> HttpPeer {
        let mut peer = self.peer(address, connect);
        // Connections of before it was down are not found any more.
        peer.group_key = peer.group_key.wrapping_add(era);
        if is_new {
            // Nobody has an idle connection for this group, and it needs none when the request is over.
            peer.group_key = rand::random();
            peer.options.idle_timeout = Some(Duration::ZERO);
        }
        peer.options.write_timeout = Some(waits.silence);
        peer.options.read_timeout = Some(waits.first_byte.max(waits.silence));
        peer
    }
}

#[cfg(test)]
mod tests {
    use pingora::upstreams::peer::Peer;

    use super::*;
    use crate::config::Loaded;

    #[test]
    fn a_connection_of_http2_of_before_its_server_was_down_is_not_found_again() {
        let yaml = "listeners: [{address: \"127.0.0.1:8000\"}]\nservers: [{address: \"10.0.0.1:8080\", http2: true}]\n";
        let config = Loaded::from_text("test.yaml".as_ref(), yaml).unwrap().config;
        let servers = Servers::new(&config.sites[0], None, Arc::default());
        let (address, waits) = (([10, 0, 0, 1], 8080).into(), servers.common_waits());
        let found_by =
            |era| servers.upstream(0).peer_for_request(address, waits.connect, &waits, false, era).reuse_hash();
        assert_eq!(found_by(1), found_by(1));
        assert_ne!(found_by(0), found_by(1));
    }
}
