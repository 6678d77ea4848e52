//! TLS to a server.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::values::{
    invalid::InvalidValue,
    patterns,
    public_url::check_host,
    text::{parsed_from_text, written_as_text},
};

/// How the edge connects to a server with TLS (1.2 or 1.3). The server's certificate is always
/// verified. Files are PEM; a relative path starts at the folder of the configuration.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("dependencies" = {"certificate": ["key"], "key": ["certificate"]}))]
#[non_exhaustive]
pub struct ServerTls {
    /// The authorities that may have signed the server's certificate. Default: those of the system.
    pub ca: Option<PathBuf>,
    /// The name in the server's certificate, sent as SNI. Default: the host of its address.
    pub server_name: Option<ServerName>,
    /// The edge's own certificate, with the chain after it, for a server that asks for one.
    pub certificate: Option<PathBuf>,
    /// The key of that certificate.
    pub key: Option<PathBuf>,
    /// What the files hold.
    #[serde(skip)]
    pub files: TlsFiles,
}

/// The name that a certificate is issued for: a DNS name or an IP address.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Deserialize, JsonSchema)]
#[serde(try_from = "String")]
#[schemars(with = "String", extend("pattern" = patterns::server_name(), "examples" = ["bifrost.internal"]))]
pub struct ServerName(String);

impl ServerName {
    /// The name, in lower case; an IPv6 address without brackets.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The contents of the files of a [`ServerTls`], in DER, as they were checked when the configuration was loaded.
#[derive(Clone, Default, PartialEq, Eq, Hash)]
pub struct TlsFiles {
    /// The authorities; empty for those of the system.
    pub(crate) ca: Vec<Vec<u8>>,
    /// The chain of the edge's own certificate; empty for none.
    pub(crate) chain: Vec<Vec<u8>>,
    /// Its key.
    pub(crate) key: Vec<u8>,
}

impl TryFrom<String> for ServerName {
    type Error = InvalidValue;

    fn try_from(text: String) -> Result<Self, InvalidValue> {
        let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(&text);
        if bare.parse::<std::net::Ipv6Addr>().is_err() {
            check_host(&text)
                .map_err(|fault| InvalidValue::new(format!("{fault}; write the name in the server's certificate")))?;
        }
        Ok(ServerName(bare.to_ascii_lowercase()))
    }
}

impl std::fmt::Debug for TlsFiles {
    /// Not the key.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "TlsFiles {{ ca: {}, chain: {} }}", self.ca.len(), self.chain.len())
    }
}

parsed_from_text!(ServerName);
written_as_text!(ServerName: 0);
