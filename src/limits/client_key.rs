//! What counts as one client.

use std::net::IpAddr;

/// An IPv4 address, or an IPv6 network of 64 bits: a single host has a whole one of those to choose its addresses
/// from (RFC 7421).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct ClientKey(u64, bool);

impl ClientKey {
    pub fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(address) => ClientKey(address.to_bits().into(), false),
            IpAddr::V6(address) => {
                let network = address.to_bits() >> 64;
                // The upper half of 128 bits.
                ClientKey(u64::try_from(network).unwrap_or(u64::MAX), true)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_of_ipv4_and_a_network_of_ipv6_are_one_client() {
        let key = |text: &str| ClientKey::of(text.parse().unwrap());
        assert_eq!(key("192.0.2.1"), key("::ffff:192.0.2.1"));
        assert_ne!(key("192.0.2.1"), key("192.0.2.2"));
        assert_eq!(key("2001:db8::1"), key("2001:db8::ffff:1"));
        assert_ne!(key("2001:db8::1"), key("2001:db8:0:1::1"));
        assert_ne!(key("0.0.0.1"), key("0:0:0:1::"));
    }
}
