//! What a session says of its client, read once and with the trust it deserves.

use std::net::{IpAddr, Ipv4Addr};

use http::{HeaderValue, header};
use pingora::protocols::l4::socket::SocketAddr;
use pingora_proxy::Session;

use super::connection::{Connection, address_value};
use crate::{
    config::Scheme,
    framing,
    trust::{self, TrustedProxies},
};

pub(in crate::edge) const X_FORWARDED_FOR: &str = "x-forwarded-for";
pub(in crate::edge) const X_FORWARDED_PROTO: &str = "x-forwarded-proto";

/// The client side of a request.
pub(in crate::edge) struct Client<'a> {
    session: &'a Session,
    trusted: &'a TrustedProxies,
}

impl<'a> Client<'a> {
    pub fn of(session: &'a Session, trusted: &'a TrustedProxies) -> Self {
        Client { session, trusted }
    }

    /// The effective host: `:authority` of HTTP/2, or `Host`. An absolute target that disagrees with `Host`, and
    /// more than one `Host`, have been refused, by `framing` or, in a proxy of somebody else's, by Pingora.
    pub fn host(&self) -> Option<&'a [u8]> {
        Self::host_of(self.session)
    }

    /// The same, of a session.
    pub fn host_of(session: &'a Session) -> Option<&'a [u8]> {
        let header = session.req_header();
        let authority = header.uri.authority().map(|authority| authority.as_str().as_bytes());
        let host = authority.or_else(|| header.headers.get(header::HOST).map(HeaderValue::as_bytes));
        // Of a client of HTTP/1.0 that sends no Host.
        host.or_else(|| framing::authority(header.raw_path()))
    }

    /// The path as it was sent, without a query.
    pub fn path(&self) -> &'a [u8] {
        self.session.req_header().uri.path().as_bytes()
    }

    /// The address at the other end of the connection. A Unix socket has none and counts as loopback.
    pub fn peer(&self) -> IpAddr {
        match self.session.client_addr() {
            Some(SocketAddr::Inet(address)) => address.ip().to_canonical(),
            _ => Ipv4Addr::LOCALHOST.into(),
        }
    }

    /// The same as the value of a header.
    pub fn peer_value(&self) -> HeaderValue {
        match Connection::of(self.session) {
            Some(connection) => connection.peer_value.clone(),
            None => address_value(self.peer()),
        }
    }

    /// Whether what it says of others is believed.
    pub fn is_trusted(&self) -> bool {
        self.trusted.contains(self.peer()) && !Connection::of(self.session).is_some_and(|known| known.is_anonymous)
    }

    /// The address of the client itself.
    pub fn address(&self) -> IpAddr {
        let peer = self.peer();
        if !self.is_trusted() {
            return peer;
        }
        let values = self.session.req_header().headers.get_all(X_FORWARDED_FOR);
        self.trusted.client(peer, values.iter().map(HeaderValue::as_bytes))
    }

    /// The scheme that the client used as far as the connection shows it: TLS here, or what a trusted
    /// proxy says.
    pub fn scheme(&self) -> Scheme {
        if self.session.digest().is_some_and(|digest| digest.ssl_digest.is_some()) {
            return Scheme::Https;
        }
        if !self.is_trusted() {
            return Scheme::Http;
        }
        let told = self.session.req_header().headers.get(X_FORWARDED_PROTO);
        told.and_then(|value| trust::forwarded_proto(value.as_bytes())).unwrap_or(Scheme::Http)
    }
}
