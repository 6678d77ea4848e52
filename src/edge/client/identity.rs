//! What a session says of its client, read once and with the trust it deserves.

use std::net::{IpAddr, Ipv4Addr};

use http::HeaderValue;
use pingora_proxy::Session;

use super::connection::{Connection, address_value};
use crate::{config::Scheme, plugin::request, trust::TrustedProxies};

pub(in crate::edge) const X_FORWARDED_FOR: &str = "x-forwarded-for";

/// The client side of a request.
pub(in crate::edge) struct Client<'a> {
    session: &'a Session,
    trusted: &'a TrustedProxies,
}

impl<'a> Client<'a> {
    pub fn of(session: &'a Session, trusted: &'a TrustedProxies) -> Self {
        Client { session, trusted }
    }

    /// The effective host. An absolute target that disagrees with `Host`, and more than one `Host`, have been refused, by
    /// `framing` or, in a proxy of somebody else's, by Pingora.
    pub fn host(&self) -> Option<&'a [u8]> {
        request::host(self.session)
    }

    /// The path as it was sent, without a query.
    pub fn path(&self) -> &'a [u8] {
        self.session.req_header().uri.path().as_bytes()
    }

    /// The address at the other end of the connection. One that has none, as a Unix socket, counts as loopback.
    pub fn peer(&self) -> IpAddr {
        request::peer(self.session).unwrap_or(Ipv4Addr::LOCALHOST.into())
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
        request::scheme_when(self.session, || self.is_trusted())
    }
}
