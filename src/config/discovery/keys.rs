//! The keys of a site that decide about its discovery.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{
    mcp_client::{AuthType, McpClients},
    profile::{McpServerAuthMode, Profile},
};
use crate::config::values::{public_url::PublicUrl, site_name::SiteName};

/// What becomes of a request whose host is none of the public URLs'. Without public URLs there are no
/// unknown hosts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize)]
#[cfg_attr(feature = "edge", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum UnknownHosts {
    /// It is answered 421 (RFC 9110 section 15.5.20).
    #[default]
    Refuse,
    /// It is forwarded. Discovery is answered 421 all the same.
    Forward,
}

/// How discovery is answered.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize)]
#[cfg_attr(feature = "edge", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct DiscoveryOptions {
    /// How long a client or a shared cache may keep a document, in whole seconds. Default 0:
    /// `Cache-Control: no-store`.
    #[serde(with = "crate::config::values::wait")]
    #[cfg_attr(feature = "edge", schemars(with = "crate::config::values::patterns::WaitOrNone"))]
    pub max_age: Duration,
}

/// What of a site decides about its discovery.
#[derive(Debug, Clone, Copy)]
pub struct DiscoveryKeys<'a> {
    pub(crate) name: Option<&'a SiteName>,
    pub(crate) public_urls: &'a [PublicUrl],
    pub(crate) unknown_hosts: UnknownHosts,
    pub(crate) profile: Option<Profile>,
    pub(crate) mcp_server_auth_mode: Option<McpServerAuthMode>,
    pub(crate) claude_code_gateway: bool,
    pub(crate) discovery: DiscoveryOptions,
    pub(crate) mcp_clients: &'a McpClients,
}

impl DiscoveryKeys<'_> {
    /// The generation of Bifrost's discovery contract that is served.
    pub(crate) fn profile(&self) -> Profile {
        self.profile.unwrap_or_default()
    }

    /// The mode that decides, with Bifrost's default for one that is not written; `None` where the MCP client table
    /// decides.
    pub(crate) fn auth_mode(&self) -> Option<McpServerAuthMode> {
        match self.profile() {
            Profile::PerUserOauth => None,
            Profile::Oauth2 => Some(self.mcp_server_auth_mode.unwrap_or_default()),
        }
    }

    /// Whether an MCP client would turn discovery on, where the table decides.
    pub(crate) fn has_per_user_oauth(&self) -> bool {
        self.mcp_clients.iter().any(|client| client.auth_type == AuthType::PerUserOauth)
    }
}
