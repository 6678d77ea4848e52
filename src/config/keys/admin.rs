//! The admin listener, and the path at which traffic listeners say whether they are ready.

use std::{fmt, net::SocketAddr};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::values::{
    environment::other_reference,
    invalid::InvalidValue,
    null::empty_when_null,
    patterns,
    public_url::{check_host, check_no_secret, shown, split_port},
    text::written_as_text,
};

/// The admin listener.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Admin {
    /// IP address and port, for example `127.0.0.1:8001`.
    pub address: AdminAddress,
    /// Other names than its address by which it is asked, without a port: a request with any other `Host` is
    /// answered 421, so that no web page that a browser shows can reach it under a name of its own (DNS rebinding).
    /// Default: none.
    #[serde(default, deserialize_with = "empty_when_null")]
    #[schemars(with = "Option<Vec<AdminHost>>")]
    pub hosts: Vec<AdminHost>,
}

/// An IP address and port for the admin listener.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(try_from = "String")]
#[schemars(with = "String", extend("pattern" = patterns::admin_address(), "examples" = ["127.0.0.1:8001"]))]
pub struct AdminAddress(pub SocketAddr);

/// A host without a port: a DNS name in lower case, or an IP address, one of IPv6 in brackets.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Deserialize, JsonSchema)]
#[serde(try_from = "Option<String>")]
#[schemars(with = "String", extend("pattern" = patterns::admin_host(), "examples" = ["edge.monitoring.svc"]))]
pub struct AdminHost(String);

/// A path at which traffic listeners answer whether the edge is ready, whatever the `Host`. Matched byte for byte,
/// and spelled so that every server would read it in the same way.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(try_from = "String")]
#[schemars(with = "String", extend("pattern" = patterns::READINESS_PATH, "examples" = ["/edge-readyz"]))]
pub struct ReadinessPath(String);

impl AdminHost {
    /// The host as a client writes it in `Host`, in lower case and without a port.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl ReadinessPath {
    /// The path.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for AdminHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for AdminAddress {
    type Error = InvalidValue;

    fn try_from(text: String) -> Result<Self, InvalidValue> {
        let address = text.parse().map(AdminAddress);
        address.map_err(|_| {
            let not_one = || format!("{text:?} is not an IP address with a port; write for example \"127.0.0.1:8001\"");
            InvalidValue::new(other_reference(&text).unwrap_or_else(not_one))
        })
    }
}

impl TryFrom<Option<String>> for AdminHost {
    type Error = InvalidValue;

    /// Nothing is an empty host, not one called `null`.
    fn try_from(text: Option<String>) -> Result<Self, InvalidValue> {
        text.unwrap_or_default().try_into()
    }
}

impl TryFrom<String> for AdminHost {
    type Error = InvalidValue;

    fn try_from(text: String) -> Result<Self, InvalidValue> {
        let lower = text.to_ascii_lowercase();
        let checked = check_no_secret(&lower).map_err(str::to_owned).and_then(|()| match split_port(&lower) {
            _ if lower.contains('/') => Err("it has a scheme or a path".into()),
            (_, Some(_)) if !lower.starts_with('[') && lower.matches(':').count() > 1 => {
                Err("an IPv6 address belongs in brackets".into())
            }
            (_, Some(_)) => Err("it has a port".into()),
            (host, None) => check_host(host),
        });
        let host = checked.map(|()| AdminHost(lower));
        host.map_err(|fault| {
            let text = shown(&text);
            let how = "write the name alone, for example \"edge.monitoring.svc\"";
            InvalidValue::new(format!("{text} is no host: {fault}; {how}"))
        })
    }
}

impl TryFrom<String> for ReadinessPath {
    type Error = InvalidValue;

    fn try_from(text: String) -> Result<Self, InvalidValue> {
        check_path(&text).map_err(|fault| {
            let text = shown(&text);
            let how = "write for example \"/edge-readyz\"";
            InvalidValue::new(format!("{text} is no path for readiness: {fault}; {how}"))
        })?;
        Ok(ReadinessPath(text))
    }
}

fn check_path(path: &str) -> Result<(), &'static str> {
    const WELL_KNOWN: &str = "/.well-known";
    if !path.starts_with('/') {
        return Err("it does not begin with a slash");
    }
    match path {
        "/" => return Err("it is the start page"),
        "/mcp" | "/mcp/" | "/v1/mcp" | "/v1/mcp/" => return Err("MCP clients listen there"),
        _ => {}
    }
    let has_dots = path.split('/').any(|segment| matches!(segment, "." | ".."));
    let is_plain = path.bytes().all(|byte| byte.is_ascii_graphic()) && !path.contains(['%', ';', '\\', '?', '#', '*']);
    if !is_plain || has_dots || path.contains("//") {
        return Err("it may be read in several ways, or has a query");
    }
    let below = path.get(..WELL_KNOWN.len()).filter(|start| start.eq_ignore_ascii_case(WELL_KNOWN));
    if below.is_some() && matches!(path.as_bytes().get(WELL_KNOWN.len()), None | Some(b'/')) {
        return Err("discovery is below /.well-known");
    }
    Ok(())
}

written_as_text!(AdminAddress: 0, AdminHost: 0, ReadinessPath: 0);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_names_and_addresses_without_a_port() {
        for (text, host) in [
            ("edge.monitoring.svc", "edge.monitoring.svc"),
            ("Edge", "edge"),
            ("10.0.0.7", "10.0.0.7"),
            ("[fd00::7]", "[fd00::7]"),
        ] {
            assert_eq!(AdminHost::try_from(text.to_owned()).unwrap().as_str(), host);
        }
        for (text, fault) in [
            ("edge:8001", "it has a port"),
            ("[fd00::7]:8001", "it has a port"),
            ("fd00::7", "brackets"),
            ("http://edge", "scheme"),
            ("edge/x", "path"),
            ("*.svc", "no DNS name"),
            ("edge.", "the dot"),
            ("", "missing"),
            ("user@edge", "user name"),
        ] {
            let error = AdminHost::try_from(text.to_owned()).unwrap_err().to_string();
            assert!(error.contains(fault), "{text:?} gave {error:?}");
        }
    }

    #[test]
    fn a_path_for_readiness_is_plain_and_no_other_answer_is_there() {
        for text in ["/edge-readyz", "/health", "/a/b", "/ready/", "/.well-known-x"] {
            assert_eq!(ReadinessPath::try_from(text.to_owned()).unwrap().as_str(), text);
        }
        for (text, fault) in [
            ("ready", "slash"),
            ("", "slash"),
            ("/", "start page"),
            ("/mcp", "MCP clients"),
            ("/ready?x", "query"),
            ("/a b", "several ways"),
            ("/a%20", "several ways"),
            ("/a;b", "several ways"),
            ("//a", "several ways"),
            ("/a/../b", "several ways"),
            ("/a/*", "several ways"),
            ("/é", "several ways"),
            ("/.well-known", "discovery"),
            ("/.WELL-known/oauth-protected-resource", "discovery"),
        ] {
            let error = ReadinessPath::try_from(text.to_owned()).unwrap_err().to_string();
            assert!(error.contains(fault), "{text:?} gave {error:?}");
        }
    }
}
