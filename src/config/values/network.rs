//! Networks of IP addresses.

use std::net::IpAddr;

use ipnet::IpNet;
use serde::Deserialize;

use super::{
    invalid::InvalidValue,
    text::{parsed_from_text, written_as_text},
};

/// A network, or a single address, in CIDR notation, without host bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "edge", derive(schemars::JsonSchema))]
#[serde(try_from = "String")]
#[cfg_attr(feature = "edge", schemars(with = "String", extend("pattern" = super::patterns::network(), "examples" = ["10.0.0.0/8", "192.0.2.1", "fd00::/8"])))]
pub struct Network(IpNet);

impl Network {
    /// Whether the address is in it. An IPv4 address in its IPv6 form counts as IPv4.
    pub fn contains(&self, address: IpAddr) -> bool {
        self.0.contains(&address.to_canonical())
    }

    /// How many bits all its addresses begin with.
    pub fn prefix_len(&self) -> u8 {
        self.0.prefix_len()
    }

    pub(in crate::config) fn net(&self) -> IpNet {
        self.0
    }
}

impl TryFrom<String> for Network {
    type Error = InvalidValue;

    fn try_from(text: String) -> Result<Self, InvalidValue> {
        let Some(network) = parse(&text) else {
            let message = format!(
                "{text:?} is no network; write an address or CIDR such as \"10.0.0.0/8\", its numbers without leading \
                 zeros"
            );
            return Err(InvalidValue::new(message));
        };
        if network.trunc() != network {
            let message = format!("{text:?} has bits set beyond its prefix; write \"{}\"", network.trunc());
            return Err(InvalidValue::new(message));
        }
        // Addresses are compared in their IPv4 form, which no such network would ever cover.
        if let IpNet::V6(mapped) = network
            && let Some(address) = mapped.network().to_ipv4_mapped()
        {
            let prefix = mapped.prefix_len().saturating_sub(96);
            let message = format!("{text:?} is IPv4 in its IPv6 form; write \"{address}/{prefix}\"");
            return Err(InvalidValue::new(message));
        }
        Ok(Network(network))
    }
}

/// Reads the address as the standard library does: [`ipnet`] takes "010.0.0.0/8" for 10.0.0.0/8, which others read in
/// octal, for 8.0.0.0/8.
fn parse(text: &str) -> Option<IpNet> {
    let Some((address, prefix)) = text.split_once('/') else {
        return text.parse::<IpAddr>().ok().map(IpNet::from);
    };
    let is_number = prefix.bytes().all(|byte| byte.is_ascii_digit());
    let prefix = prefix.parse().ok().filter(|_| is_number)?;
    IpNet::new(address.parse().ok()?, prefix).ok()
}

parsed_from_text!(Network);
written_as_text!(Network: 0);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_and_addresses_are_taken() {
        for text in ["10.0.0.0/8", "192.0.2.1", "0.0.0.0/0", "fd00::/8", "2001:db8::1", "::/0"] {
            assert!(Network::try_from(text.to_owned()).is_ok(), "{text}");
        }
    }

    #[test]
    fn an_address_in_its_ipv6_form_is_in_the_network_of_its_ipv4_form() {
        let network: Network = "10.0.0.0/8".parse().unwrap();
        assert_eq!(network.prefix_len(), 8);
        for (address, is_in) in [("10.1.2.3", true), ("::ffff:10.1.2.3", true), ("11.0.0.1", false), ("::a00:1", false)]
        {
            assert_eq!(network.contains(address.parse().unwrap()), is_in, "{address}");
        }
    }

    #[test]
    fn what_would_cover_something_else_is_refused_with_what_was_meant() {
        for (text, remedy) in [
            ("10.0.0.1/8", "write \"10.0.0.0/8\""),
            ("2001:db8::1/32", "write \"2001:db8::/32\""),
            ("::ffff:10.0.0.0/104", "write \"10.0.0.0/8\""),
            ("::ffff:10.0.0.1", "write \"10.0.0.1/32\""),
            ("10.0.0.0/33", "no network"),
            ("10.0.0.0/+8", "no network"),
            ("10.0.0.0/", "no network"),
            ("010.0.0.0/8", "without leading zeros"),
            ("010.0.0.1", "without leading zeros"),
            ("localhost", "no network"),
            ("", "no network"),
        ] {
            let error = text.parse::<Network>().unwrap_err().to_string();
            assert!(error.contains(remedy), "{text:?} gave {error:?}");
        }
    }
}
