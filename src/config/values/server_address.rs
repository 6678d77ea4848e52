//! The address of a Bifrost server.

use std::{fmt, net::SocketAddr, sync::Arc};

use schemars::JsonSchema;
use serde::Deserialize;

use super::{
    environment::other_reference,
    invalid::InvalidValue,
    patterns,
    public_url::{check_host, check_no_secret, check_port, shown, split_port},
    text::{parsed_from_text, written_as_text},
};

/// Host and port of a server: an IP address, or a DNS name, which is looked up again and again.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Deserialize, JsonSchema)]
#[serde(try_from = "String")]
#[schemars(with = "String", extend("pattern" = patterns::server_address(), "examples" = ["10.0.0.7:8080", "bifrost.internal:8080"]))]
pub struct ServerAddress {
    /// Shared by all servers of a name.
    text: Arc<str>,
}

impl ServerAddress {
    /// The address as `host:port`, the host in lower case.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The host, an IPv6 address without its brackets.
    pub fn host(&self) -> &str {
        split_port(&self.text).0.trim_start_matches('[').trim_end_matches(']')
    }

    /// The port.
    pub fn port(&self) -> u16 {
        // It has been checked that there is one.
        split_port(&self.text).1.and_then(|port| port.parse().ok()).unwrap_or_default()
    }

    /// Whether it names this machine by a name that is for nothing else (RFC 6761 section 6.3).
    pub fn is_localhost(&self) -> bool {
        let host = self.host().trim_end_matches('.');
        host == "localhost" || host.ends_with(".localhost")
    }

    /// The socket address, unless the host is a name.
    pub fn ip(&self) -> Option<SocketAddr> {
        self.text.parse().ok()
    }
}

impl fmt::Display for ServerAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl TryFrom<String> for ServerAddress {
    type Error = InvalidValue;

    fn try_from(text: String) -> Result<Self, InvalidValue> {
        if let Some(other) = other_reference(&text) {
            return Err(InvalidValue::new(other));
        }
        match check(&text) {
            Ok(()) => Ok(ServerAddress { text: text.to_ascii_lowercase().into() }),
            Err(fault) => Err(InvalidValue::new(format!(
                "{} is no server address: {fault}; write host and port, for example \"10.0.0.7:8080\"",
                shown(&text)
            ))),
        }
    }
}

fn check(text: &str) -> Result<(), String> {
    check_no_secret(text)?;
    if text.contains("://") {
        return Err("it has a scheme".into());
    }
    if text.contains('/') {
        return Err("it has a path".into());
    }
    let (host, port) = split_port(text);
    // The message shows the operator's own letters.
    check_host(&host.to_ascii_lowercase()).map_err(|fault| fault.replace(&host.to_ascii_lowercase(), host))?;
    check_port(port.ok_or("the port is missing")?)?;
    Ok(())
}

parsed_from_text!(ServerAddress);
written_as_text!(ServerAddress: text);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_or_a_name_with_a_port_is_taken() {
        for (text, is_ip) in [("127.0.0.1:8080", true), ("[::1]:8080", true), ("Bifrost.internal:8080", false)] {
            let address = ServerAddress::try_from(text.to_owned()).unwrap();
            assert_eq!(address.as_str(), text.to_ascii_lowercase());
            assert_eq!(address.ip().is_some(), is_ip);
        }
    }

    #[test]
    fn names_of_this_machine_are_known() {
        for (text, is_localhost) in [
            ("LocalHost:1", true),
            ("bifrost.localhost:1", true),
            ("notlocalhost:1", false),
            ("localhost.example:1", false),
            ("127.0.0.1:1", false),
        ] {
            assert_eq!(ServerAddress::try_from(text.to_owned()).unwrap().is_localhost(), is_localhost, "{text}");
        }
    }

    #[test]
    fn everything_else_is_refused_with_its_fault() {
        for (text, fault) in [
            ("127.0.0.1", "the port is missing"),
            ("http://127.0.0.1:8080", "a scheme"),
            ("127.0.0.1:8080/x", "a path"),
            ("host?token:8080", "a query"),
            ("127.0.0.1:0", "1 to 65535"),
            ("127.0.0.1:99999", "1 to 65535"),
            (":8080", "the host is missing"),
            ("::1:8080", "brackets"),
            ("a b:1", "no DNS name"),
            ("", "the host is missing"),
        ] {
            let error = text.parse::<ServerAddress>().unwrap_err().to_string();
            assert!(error.contains(fault), "{text:?} gave {error:?}");
        }
    }
}
