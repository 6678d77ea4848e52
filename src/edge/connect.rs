//! Connections to servers: how one is made for a peer, and the peer that a configured server is.

use std::{
    any::Any,
    hash::{DefaultHasher, Hash, Hasher},
    sync::Arc,
    time::Duration,
};

use async_trait::async_trait;
use once_cell::sync::Lazy;
use pingora::{
    Error, ErrorType, Result,
    connectors::{
        ConnectorOptions, TransportConnector,
        http::custom::{Connection, Connector},
    },
    protocols::{ALPN, Stream, l4::socket::SocketAddr, tls::CustomALPN},
    upstreams::peer::{HttpPeer, Peer},
    utils::tls::{CertKey, WrappedX509, parse_x509},
};

use super::{TCP_KEEPALIVE, dial::dial, idle::Idle, watch::Watched};
use crate::config;

/// Makes the connections of HTTP/1.1, each of them watched, and keeps the idle ones. Pingora makes those of HTTP/2.
/// It keeps those, and the few of HTTP/1.1 whose last answer it has read itself.
pub struct WatchedConnector {
    transport: TransportConnector,
    idle: Option<Arc<Idle>>,
}

impl WatchedConnector {
    /// A connector of its own, with a place for idle connections, or none.
    pub(super) fn new(options: ConnectorOptions, idle: Option<Arc<Idle>>) -> Self {
        WatchedConnector { transport: TransportConnector::new(Some(options)), idle }
    }

    async fn connect(&self, peer: &HttpPeer) -> Result<Stream> {
        match (&peer._address, peer.options.connection_timeout) {
            (SocketAddr::Inet(address), Some(within)) if !peer.is_tls() => dial(*address, within).await,
            _ => {
                let mut peer = peer.clone();
                peer.options.alpn = ALPN::H1;
                self.transport.new_stream(&peer).await
            }
        }
    }
}

/// Marks a peer whose connections are to be watched: for Pingora that is a protocol of our own, which
/// then turns out to be HTTP/1.1. It is never sent.
static WATCHED: Lazy<ALPN> = Lazy::new(|| ALPN::Custom(CustomALPN::new(b"watched".to_vec())));

#[async_trait]
impl Connector for WatchedConnector {
    type Session = ();

    async fn get_http_session<P: Peer + Send + Sync + 'static>(&self, peer: &P) -> Result<(Connection<()>, bool)> {
        let Some(peer) = (peer as &dyn Any).downcast_ref::<HttpPeer>() else {
            return Error::e_explain(ErrorType::InternalError, "no peer of the edge");
        };
        let mut home = self.idle.as_ref().map(|idle| idle.home(peer.reuse_hash(), peer.idle_timeout()));
        if let Some(resting) = Watched::from_rest(&mut home) {
            return Ok((Connection::Stream(Box::new(resting)), true));
        }
        // Boxed, because it is large, and most requests do without.
        let stream = Box::pin(self.connect(peer)).await?;
        Ok((Connection::Stream(Box::new(Watched::new(stream, home)?)), false))
    }

    async fn reused_http_session<P: Peer + Send + Sync + 'static>(&self, _: &P) -> Option<()> {
        None
    }

    async fn release_http_session<P: Peer + Send + Sync + 'static>(&self, (): (), _: &P, _: Option<Duration>) {}
}

/// The peer that every address of a configured server is made from.
pub(super) fn prototype(server: &config::Server) -> HttpPeer {
    let any: std::net::SocketAddr = ([0, 0, 0, 0], 0).into();
    let server_name = server.tls.as_ref().map(|tls| match &tls.server_name {
        Some(name) => name.0.clone(),
        None => server.address.host().to_owned(),
    });
    // An address that is no name cannot fail to resolve.
    let mut peer = HttpPeer::new(any, server.tls.is_some(), server_name.unwrap_or_default());
    if let Some(tls) = &server.tls {
        let certificates = |list: &[Vec<u8>]| -> Vec<WrappedX509> {
            list.iter().map(|certificate| WrappedX509::new(certificate.clone(), parse_x509)).collect()
        };
        peer.options.ca = (!tls.files.ca.is_empty()).then(|| certificates(&tls.files.ca).into());
        if !tls.files.chain.is_empty() {
            peer.client_cert_key = Some(Arc::new(CertKey::new(tls.files.chain.clone(), tls.files.key.clone())));
        }
    }
    match (server.http2, &server.tls) {
        (true, Some(_)) => peer.options.alpn = ALPN::H2H1,
        (true, None) => peer.options.alpn = ALPN::H2,
        (false, _) => peer.options.alpn = WATCHED.clone(),
    }
    peer.options.max_h2_streams = H2_STREAMS;
    peer.options.tcp_keepalive = Some(TCP_KEEPALIVE);
    peer.group_key = group(server);
    peer
}

/// Connects with HTTP/1.1 even to a server that speaks HTTP/2: a WebSocket needs it.
pub(super) fn over_http_1(peer: &mut HttpPeer) {
    if !matches!(peer.options.alpn, ALPN::Custom(_)) {
        peer.options.alpn = WATCHED.clone();
        // Apart from connections that fell back to HTTP/1.1, which nobody watches.
        peer.group_key = !peer.group_key;
    }
}

/// Requests that share one HTTP/2 connection to a server.
const H2_STREAMS: usize = 100;

/// Pingora shares idle connections between peers of one address, whatever their authorities and protocols:
/// this keeps those of different settings apart.
fn group(server: &config::Server) -> u64 {
    let mut hasher = DefaultHasher::new();
    server.http2.hash(&mut hasher);
    server.tls.as_ref().map(|tls| &tls.files).hash(&mut hasher);
    hasher.finish()
}
