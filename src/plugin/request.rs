//! What a session says of its request, as discovery needs it.

use std::net::{IpAddr, Ipv4Addr};

use http::{HeaderValue, header};
use pingora::protocols::l4::socket::SocketAddr;
use pingora_proxy::Session;

use crate::{
    config::Scheme,
    discovery::Request,
    host::{Host, authority},
    trust::{self, TrustedProxies},
};

const X_FORWARDED_PROTO: &str = "x-forwarded-proto";

/// Finds the effective host of a request, as its client wrote it: `:authority` of HTTP/2, the authority of an absolute
/// target, or `Host` (RFC 9110 section 7.2). `None` for one of HTTP/1.0 that has none.
pub fn host(session: &Session) -> Option<&[u8]> {
    let header = session.req_header();
    let said = header.uri.authority().map(|authority| authority.as_str().as_bytes());
    let host = said.or_else(|| header.headers.get(header::HOST).map(HeaderValue::as_bytes));
    // Of a client of HTTP/1.0 that sends no Host.
    host.or_else(|| authority(header.raw_path()))
}

/// Whether a request is for this host, whatever the case in which it was written, a dot at its end, or its port. Only where
/// `host` has a port does that count, too.
///
/// Hosts are not to be compared as text: `Login.example.com`, `login.example.com.` and `login.example.com:443` are one.
pub fn is_for(session: &Session, host: &str) -> bool {
    let (asked, wanted) = (self::host(session).and_then(Host::parse), Host::parse(host.as_bytes()));
    asked.zip(wanted).is_some_and(|(asked, wanted)| {
        asked.name == wanted.name && wanted.port.is_none_or(|port| asked.port == Some(port))
    })
}

/// Finds the address at the other end of a connection; IPv4 in its IPv6 form as IPv4. A Unix socket counts as `127.0.0.1`.
/// `None` where it is not known.
pub fn peer(session: &Session) -> Option<IpAddr> {
    match session.client_addr()? {
        SocketAddr::Inet(address) => Some(address.ip().to_canonical()),
        SocketAddr::Unix(_) => Some(Ipv4Addr::LOCALHOST.into()),
    }
}

/// Finds the scheme that the client used, as far as it can be known: `https` where the connection has TLS; otherwise
/// what the first entry of `X-Forwarded-Proto` says, if the peer is one of these trusted proxies, and else `http`.
pub fn scheme(session: &Session, trusted: &TrustedProxies) -> Scheme {
    scheme_when(session, || peer(session).is_some_and(|peer| trusted.contains(peer)))
}

/// The same, where somebody else knows whether what the peer says of others is believed.
pub(crate) fn scheme_when(session: &Session, is_trusted: impl FnOnce() -> bool) -> Scheme {
    if session.digest().is_some_and(|digest| digest.ssl_digest.is_some()) {
        return Scheme::Https;
    }
    if !is_trusted() {
        return Scheme::Http;
    }
    let told = session.req_header().headers.get(X_FORWARDED_PROTO);
    told.and_then(|value| trust::forwarded_proto(value.as_bytes())).unwrap_or(Scheme::Http)
}

/// What discovery needs to know of a request.
pub(crate) fn of_session(session: &Session, scheme: Scheme) -> Request<'_> {
    let header = session.req_header();
    let target = header.uri.path_and_query().map_or("/", |target| target.as_str());
    Request {
        method: &header.method,
        target: target.as_bytes(),
        host: host(session),
        scheme,
        if_none_match: header.headers.get(header::IF_NONE_MATCH).map(HeaderValue::as_bytes),
    }
}
