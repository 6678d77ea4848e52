//! Whom the edge believes about the client: the trusted proxies, and what their `X-Forwarded-*`
//! headers say. Nothing that any other peer sends of these is read.

#[cfg(feature = "edge")]
pub mod proxy_header;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use crate::config::{Network, Scheme};

/// The peers whose `X-Forwarded-*` headers are believed.
#[derive(Debug, Clone, Default)]
pub struct TrustedProxies(Vec<Network>);

impl TrustedProxies {
    /// Compiles the networks of the configuration.
    pub fn new(networks: &[Network]) -> Self {
        TrustedProxies(networks.to_vec())
    }

    /// Whether this address is a trusted proxy's. An IPv4 address in its IPv6 form counts as IPv4.
    pub fn contains(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(address))
    }

    /// Whether the other end of a connection is a trusted proxy. That of a Unix socket counts as `127.0.0.1`.
    pub fn contains_peer(&self, peer: Option<SocketAddr>) -> bool {
        self.contains(peer.map_or(Ipv4Addr::LOCALHOST.into(), |peer| peer.ip()))
    }

    /// The client's address: the peer's, or, when the peer is trusted, the first address that is not
    /// a trusted proxy's, walking the `X-Forwarded-For` headers from the right. An entry that is no
    /// address ends the walk.
    pub fn client<'a>(&self, peer: IpAddr, forwarded_for: impl DoubleEndedIterator<Item = &'a [u8]>) -> IpAddr {
        let mut client = peer;
        for value in forwarded_for.rev() {
            for entry in value.rsplit(|byte| *byte == b',') {
                if !self.contains(client) {
                    return client;
                }
                match address(entry) {
                    Some(address) => client = address,
                    None => return client,
                }
            }
        }
        client
    }
}

/// The scheme in an `X-Forwarded-Proto`: its first entry, in any case, as Bifrost reads it.
pub fn forwarded_proto(value: &[u8]) -> Option<Scheme> {
    let first = value.split(|byte| *byte == b',').next()?.trim_ascii();
    [Scheme::Http, Scheme::Https].into_iter().find(|scheme| first.eq_ignore_ascii_case(scheme.as_str().as_bytes()))
}

/// An entry of `X-Forwarded-For`: an address, perhaps in brackets, perhaps with a port.
fn address(entry: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(entry).ok()?.trim();
    text.parse()
        .ok()
        .or_else(|| text.parse().ok().map(|socket: std::net::SocketAddr| socket.ip()))
        .or_else(|| text.strip_prefix('[')?.strip_suffix(']')?.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(peer: &str, forwarded_for: &[&str]) -> String {
        let trusted = ["10.0.0.0/8", "fd00::/8"].map(|text| Network::try_from(text.to_owned()).unwrap());
        let peer = peer.parse().unwrap();
        TrustedProxies::new(&trusted).client(peer, forwarded_for.iter().map(|value| value.as_bytes())).to_string()
    }

    #[test]
    fn an_untrusted_peer_is_the_client_whatever_it_says() {
        assert_eq!(client("192.0.2.1", &["198.51.100.7"]), "192.0.2.1");
    }

    #[test]
    fn the_walk_passes_trusted_proxies_from_the_right() {
        assert_eq!(client("10.0.0.1", &["203.0.113.9, 198.51.100.7, 10.2.2.2"]), "198.51.100.7");
        assert_eq!(client("10.0.0.1", &["203.0.113.9", "198.51.100.7:4711"]), "198.51.100.7");
        assert_eq!(client("::ffff:10.0.0.1", &["[2001:db8::1]:80"]), "2001:db8::1");
        assert_eq!(client("10.0.0.1", &["10.9.9.9"]), "10.9.9.9");
        assert_eq!(client("10.0.0.1", &[]), "10.0.0.1");
        assert_eq!(client("10.0.0.1", &["198.51.100.7, nonsense"]), "10.0.0.1");
    }

    #[test]
    fn only_the_first_forwarded_proto_counts() {
        assert_eq!(forwarded_proto(b"HTTPS, http"), Some(Scheme::Https));
        assert_eq!(forwarded_proto(b" http"), Some(Scheme::Http));
        assert_eq!(forwarded_proto(b"ftp"), None);
        assert_eq!(forwarded_proto(b""), None);
    }
}
