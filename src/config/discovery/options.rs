//! What the plugin is told: the keys of a site that decide about its discovery, from a file or from code.

use std::time::Duration;

use serde::Deserialize;

use super::{
    keys::{DiscoveryKeys, DiscoveryOptions, UnknownHosts},
    mcp_client::{McpClient, McpClients},
    profile::{McpServerAuthMode, Profile},
};
use crate::config::values::{
    network::Network,
    null::{default_when_null, empty_when_null},
    public_url::PublicUrl,
};

/// What discovery is answered with, for a [`DiscoveryFilter`](crate::plugin::DiscoveryFilter): the keys of
/// `conf/proxy.yaml` that decide about it, and no others.
///
/// From code:
///
/// ```
/// use bridgehead::plugin::{AuthType, McpClient, Options, Profile};
///
/// let options = Options::new(Profile::PerUserOauth)
///     .public_urls(["https://gateway.example.com".parse()?])
///     .mcp_clients([McpClient::new("github", AuthType::PerUserOauth)]);
/// # Ok::<(), bridgehead::plugin::InvalidValue>(())
/// ```
///
/// From YAML, as a file of its own ([`Options::from_file`]), in which a problem has its line, key and remedy:
///
/// ```
/// let options = bridgehead::plugin::Options::from_text("discovery.yaml".as_ref(), r#"
/// public_urls: ["https://gateway.example.com"]
/// profile: per_user_oauth
/// mcp_clients:
///   - {name: github, auth_type: per_user_oauth}
/// "#)?;
/// # Ok::<(), bridgehead::plugin::Problems>(())
/// ```
///
/// Or, since it implements serde's `Deserialize`, as a part of a configuration of yours. There `${NAME}` is not looked up,
/// problems are serde's own, and [`Options::check`] or the filter finds what no single value can show.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Options {
    #[serde(default, deserialize_with = "empty_when_null")]
    pub(in crate::config) public_urls: Vec<PublicUrl>,
    #[serde(default)]
    pub(in crate::config) any_host: bool,
    #[serde(default)]
    profile: Option<Profile>,
    #[serde(default)]
    mcp_server_auth_mode: Option<McpServerAuthMode>,
    #[serde(default)]
    claude_code_gateway: bool,
    #[serde(default, deserialize_with = "default_when_null")]
    discovery: DiscoveryOptions,
    #[serde(default, deserialize_with = "empty_when_null")]
    trusted_proxies: Vec<Network>,
    #[serde(default)]
    pub(in crate::config) mcp_clients: McpClients,
}

impl Options {
    /// Begins with a generation of Bifrost's discovery contract, and nothing else.
    pub fn new(profile: Profile) -> Self {
        Options { profile: Some(profile), ..Options::default() }
    }

    /// Sets the public URLs: what clients type in front of `/mcp`. Every issuer is one of them, and no request for any
    /// other host is answered. Without any, [`any_host`](Self::any_host) is needed.
    #[must_use]
    pub fn public_urls(self, urls: impl IntoIterator<Item = PublicUrl>) -> Self {
        Options { public_urls: urls.into_iter().collect(), ..self }
    }

    /// Has every host answered, with an issuer made of the request's own, as Bifrost does it: only where none but your own
    /// hosts get here, since whoever can send a `Host` can name the issuer. In place of public URLs. Default: false.
    #[must_use]
    pub fn any_host(self, is_answered: bool) -> Self {
        Options { any_host: is_answered, ..self }
    }

    /// Sets what turns discovery on under [`Profile::Oauth2`]; no other has it. Default: `headers`, which is off.
    #[must_use]
    pub fn mcp_server_auth_mode(self, mode: McpServerAuthMode) -> Self {
        Options { mcp_server_auth_mode: Some(mode), ..self }
    }

    /// Says whether the servers have a Claude Code gateway, whose metadata is then answered, too. Default: false.
    #[must_use]
    pub fn claude_code_gateway(self, is_there: bool) -> Self {
        Options { claude_code_gateway: is_there, ..self }
    }

    /// Sets how long a client or a shared cache may keep a document, in whole seconds. Default 0:
    /// `Cache-Control: no-store`.
    #[must_use]
    pub fn max_age(self, max_age: Duration) -> Self {
        Options { discovery: DiscoveryOptions { max_age }, ..self }
    }

    /// Sets the peers whose `X-Forwarded-Proto` is believed. It matters with [`any_host`](Self::any_host) alone. Default: none.
    #[must_use]
    pub fn trusted_proxies(self, networks: impl IntoIterator<Item = Network>) -> Self {
        Options { trusted_proxies: networks.into_iter().collect(), ..self }
    }

    /// Sets the MCP client table. Default: empty.
    #[must_use]
    pub fn mcp_clients(self, clients: impl IntoIterator<Item = McpClient>) -> Self {
        Options { mcp_clients: clients.into_iter().collect(), ..self }
    }

    /// The networks of the trusted proxies.
    pub(crate) fn trusted(&self) -> &[Network] {
        &self.trusted_proxies
    }
}

impl<'a> From<&'a Options> for DiscoveryKeys<'a> {
    fn from(options: &'a Options) -> Self {
        DiscoveryKeys {
            name: None,
            public_urls: &options.public_urls,
            unknown_hosts: UnknownHosts::default(),
            profile: options.profile,
            mcp_server_auth_mode: options.mcp_server_auth_mode,
            claude_code_gateway: options.claude_code_gateway,
            discovery: options.discovery,
            mcp_clients: &options.mcp_clients,
        }
    }
}
