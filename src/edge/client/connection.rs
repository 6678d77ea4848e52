//! What is known of a client's connection.

use std::{
    any::Any,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use http::{HeaderValue, StatusCode};
use once_cell::sync::OnceCell;
use pingora::{
    Result,
    http::ResponseHeader,
    protocols::{Digest, raw_connect::ProxyDigest},
};
use pingora_proxy::Session;

use super::resets::Resets;

/// A connection of a client.
#[expect(clippy::struct_excessive_bools, reason = "four facts, of which none follows from another")]
pub(in crate::edge) struct Connection {
    /// GETs for a host with an https public URL are redirected there.
    pub redirects_to_https: bool,
    pub has_http2: bool,
    pub is_tls: bool,
    /// As the socket or a trusted proxy says; a Unix socket has none.
    pub peer: Option<SocketAddr>,
    /// The same for servers: its address, as the value of a header.
    pub peer_value: HeaderValue,
    /// Behind it is somebody whom a proxy does not know: what it says of others is not believed as that proxy's is.
    pub is_anonymous: bool,
    /// Requests that have got past Pingora.
    exchanges: AtomicU64,
    /// The request that comes is the last one.
    is_last: AtomicBool,
    /// Of HTTP/2.
    resets: OnceCell<Arc<Resets>>,
}

impl Connection {
    pub fn new(redirects_to_https: bool, has_http2: bool, is_tls: bool, peer: Option<SocketAddr>) -> Self {
        let (exchanges, is_last) = (AtomicU64::new(0), AtomicBool::new(false));
        let address = peer.map_or(Ipv4Addr::LOCALHOST.into(), |peer| peer.ip().to_canonical());
        let peer_value = address_value(address);
        let resets = OnceCell::new();
        let is_anonymous = false;
        Connection { redirects_to_https, has_http2, is_tls, peer, peer_value, is_anonymous, exchanges, is_last, resets }
    }

    /// The same of somebody whom the proxy at the other end does not know.
    pub fn of_somebody(self) -> Self {
        Connection { is_anonymous: true, ..self }
    }

    /// The connection of a session, unless another program has made it.
    pub fn of(session: &Session) -> Option<&Connection> {
        Self::of_digest(session.digest()?).map(Arc::as_ref)
    }

    /// The same, of what its requests are told of it.
    pub fn of_digest(digest: &Digest) -> Option<&Arc<Connection>> {
        digest.proxy_digest.as_ref()?.user_data.as_ref()?.downcast_ref()
    }

    /// The other end, for the log.
    pub fn shown_peer(&self) -> String {
        shown(self.peer)
    }

    /// There is one more request. Whether it is the last one in HTTP/1.
    pub fn begin_exchange(&self) -> bool {
        self.exchanges.fetch_add(1, Ordering::Relaxed);
        self.is_last.load(Ordering::Relaxed)
    }

    /// The request that comes is the last one.
    pub fn end_soon(&self) {
        self.is_last.store(true, Ordering::Relaxed);
    }

    /// It is HTTP/2, whose mistakes are counted there.
    pub fn begin_http2(&self, resets: Arc<Resets>) {
        let _once = self.resets.set(resets);
    }

    /// There was a malformed request.
    pub fn mistake(&self) {
        if let Some(resets) = self.resets.get() {
            resets.mistake();
        }
    }

    pub fn exchanges(&self) -> u64 {
        self.exchanges.load(Ordering::Relaxed)
    }
}

/// Pingora's slot for what a connection carries along, with that in it.
pub(in crate::edge) fn slot(carried: impl Any + Send + Sync) -> Result<Arc<ProxyDigest>> {
    // The response of a proxy between here and there, which there is not.
    let answer = ResponseHeader::build_no_case(StatusCode::OK, Some(0))?;
    Ok(Arc::new(ProxyDigest::new(Box::new(answer), Some(Box::new(carried)))))
}

/// Writes an address as the value of a header.
pub(in crate::edge) fn address_value(address: IpAddr) -> HeaderValue {
    HeaderValue::try_from(address.to_string()).expect("an address is a header value")
}

/// The other end of a connection, for the log.
pub(in crate::edge) fn shown(peer: Option<SocketAddr>) -> String {
    peer.map_or_else(|| "unix socket".to_owned(), |peer| peer.ip().to_canonical().to_string())
}
