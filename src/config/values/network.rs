//! Networks of IP addresses.

use ipnet::IpNet;
use schemars::JsonSchema;
use serde::Deserialize;

use super::{patterns, text::written_as_text};

/// A network, or a single address, in CIDR notation, without host bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(try_from = "String")]
#[schemars(with = "String", extend("pattern" = patterns::network(), "examples" = ["10.0.0.0/8", "192.0.2.1", "fd00::/8"]))]
pub struct Network(pub IpNet);

impl TryFrom<String> for Network {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let network = text.parse().or_else(|_| text.parse::<std::net::IpAddr>().map(IpNet::from));
        let Ok(network) = network else {
            return Err(format!("{text:?} is no network; write an address or CIDR such as \"10.0.0.0/8\""));
        };
        if network.trunc() != network {
            return Err(format!("{text:?} has bits set beyond its prefix; write \"{}\"", network.trunc()));
        }
        // Addresses are compared in their IPv4 form, which no such network would ever cover.
        if let IpNet::V6(mapped) = network
            && let Some(address) = mapped.network().to_ipv4_mapped()
        {
            let prefix = mapped.prefix_len().saturating_sub(96);
            return Err(format!("{text:?} is IPv4 in its IPv6 form; write \"{address}/{prefix}\""));
        }
        Ok(Network(network))
    }
}

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
    fn what_would_cover_something_else_is_refused_with_what_was_meant() {
        for (text, remedy) in [
            ("10.0.0.1/8", "write \"10.0.0.0/8\""),
            ("2001:db8::1/32", "write \"2001:db8::/32\""),
            ("::ffff:10.0.0.0/104", "write \"10.0.0.0/8\""),
            ("::ffff:10.0.0.1", "write \"10.0.0.1/32\""),
            ("10.0.0.0/33", "no network"),
            ("localhost", "no network"),
            ("", "no network"),
        ] {
            let error = Network::try_from(text.to_owned()).unwrap_err();
            assert!(error.contains(remedy), "{text:?} gave {error:?}");
        }
    }
}
