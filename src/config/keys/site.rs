//! The keys of one site: the public URLs that share one profile, one MCP client table and one fleet. A file without
//! `sites` has them at its top level.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    cors::Cors,
    fleet::{Balance, BreakerOptions, HealthChecks, Retries, Server},
    limits::{Limits, Size},
    shapes,
    timeouts::Timeouts,
    verify::Verify,
};
use crate::config::{
    discovery::{
        keys::{DiscoveryKeys, DiscoveryOptions, UnknownHosts},
        mcp_client::McpClients,
        profile::{McpServerAuthMode, Profile},
    },
    problem::Place,
    values::{
        network::Network,
        null::{default_when_null, empty_when_null},
        path_prefix::PathPrefix,
        patterns,
        public_url::PublicUrl,
        site_name::SiteName,
    },
};

/// The public URLs that share one profile, one MCP client table and one fleet.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(transform = shapes::profile_has_its_switch)]
pub struct Site {
    /// Where it is written.
    #[serde(skip)]
    pub(in crate::config) place: Place,
    /// What logs, metrics and the status page call it. Names differ. Only an entry of `sites` has one.
    #[serde(default)]
    pub name: Option<SiteName>,
    /// What clients type in front of `/mcp`: an origin, and the path below which the gateway is, if it has one. Every
    /// issuer is one of them. When left out, the issuer is derived from the request, as Bifrost does it.
    #[serde(default, deserialize_with = "empty_when_null")]
    #[schemars(with = "Option<Vec<PublicUrl>>", extend("uniqueItems" = true))]
    pub public_urls: Vec<PublicUrl>,
    /// What becomes of a request whose host is none of the public URLs'.
    #[serde(default)]
    pub unknown_hosts: UnknownHosts,
    /// Which generation of Bifrost's discovery contract is served. When left out, a warning says which one is assumed.
    #[serde(default)]
    #[schemars(extend("default" = Profile::default().name()))]
    pub profile: Option<Profile>,
    /// What turns discovery on under the profile `oauth2`; no other has it. The same as Bifrost's own key
    /// `client.mcp_server_auth_mode`. Default: `headers`, which is off.
    #[serde(default)]
    pub mcp_server_auth_mode: Option<McpServerAuthMode>,
    /// Whether the servers have a Claude Code gateway: its metadata is then answered by the edge, with the issuer
    /// `{public URL}/claude-code`. The same as Bifrost's own key
    /// `client.oauth2_server_config.claude_code_gateway.enabled`; no other key decides about it. Default: false, and
    /// requests for it are forwarded.
    #[serde(default)]
    pub claude_code_gateway: bool,
    /// How discovery is answered.
    #[serde(default, deserialize_with = "default_when_null")]
    #[schemars(with = "Option<DiscoveryOptions>")]
    pub discovery: DiscoveryOptions,
    /// The Bifrost servers of the fleet.
    #[serde(deserialize_with = "empty_when_null")]
    #[schemars(extend("type" = ["array", "null"]))]
    pub servers: Vec<Server>,
    /// How a server is chosen for a request.
    #[serde(default, deserialize_with = "default_when_null")]
    #[schemars(with = "Option<Balance>")]
    pub balance: Balance,
    /// The active checks of the servers.
    #[serde(default, deserialize_with = "default_when_null")]
    #[schemars(with = "Option<HealthChecks>")]
    pub health: HealthChecks,
    /// When a server is given a pause because of what became of its requests.
    #[serde(default, deserialize_with = "default_when_null")]
    #[schemars(with = "Option<BreakerOptions>")]
    pub breaker: BreakerOptions,
    /// How often a request may be tried.
    #[serde(default, deserialize_with = "default_when_null")]
    #[schemars(with = "Option<Retries>")]
    pub retries: Retries,
    /// Whether the servers agree with the edge about discovery.
    #[serde(default, deserialize_with = "default_when_null")]
    #[schemars(with = "Option<Verify>")]
    pub verify: Verify,
    /// How long the edge waits for a server.
    #[serde(default, deserialize_with = "default_when_null")]
    #[schemars(with = "Option<Timeouts>")]
    pub timeouts: Timeouts,
    /// Which client addresses may reach which paths. Default: all may reach all.
    #[serde(default, deserialize_with = "empty_when_null")]
    #[schemars(with = "Option<Vec<AccessRule>>")]
    pub access: Vec<AccessRule>,
    /// The MCP client table, in the field names of Bifrost's `mcp.client_configs`. Default: empty.
    #[serde(default)]
    pub mcp_clients: McpClients,
    /// Which web pages may read what the edge itself says in a server's stead.
    #[serde(default, deserialize_with = "default_when_null")]
    #[schemars(with = "Option<Cors>")]
    pub cors: Cors,
    /// What the edge takes from clients for this site.
    #[serde(default, deserialize_with = "default_when_null")]
    #[schemars(with = "Option<SiteLimits>")]
    pub limits: SiteLimits,
}

/// What the edge takes from clients for one site; the other limits hold for all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SiteLimits {
    /// The largest body of a request. Default 100 MiB, as in Bifrost.
    pub request_body: Size,
}

/// Which client addresses may reach a path and all below it, in whatever spelling, and the same below the path of each
/// public URL. Addresses that nothing is said of may.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(transform = shapes::access_rule_names_a_network)]
pub struct AccessRule {
    /// The path as Bifrost has it; of several rules the one with the longest counts. Discovery is open to everybody.
    #[schemars(extend("pattern" = patterns::PLAIN_PATH))]
    pub path: PathPrefix,
    /// The only networks from which it can be reached. Default: all.
    #[serde(default, deserialize_with = "empty_when_null")]
    #[schemars(with = "Option<Vec<Network>>")]
    pub allow: Vec<Network>,
    /// Networks from which it cannot be reached, even where `allow` has them. Default: none.
    #[serde(default, deserialize_with = "empty_when_null")]
    #[schemars(with = "Option<Vec<Network>>")]
    pub deny: Vec<Network>,
}

// === impl ===

impl Default for SiteLimits {
    fn default() -> Self {
        SiteLimits { request_body: Limits::default().request_body }
    }
}

impl Site {
    /// Where it is written.
    pub fn place(&self) -> &Place {
        &self.place
    }

    /// The generation of Bifrost's discovery contract that is served.
    pub fn profile(&self) -> Profile {
        DiscoveryKeys::from(self).profile()
    }

    /// The paths of the public URLs that have one, each once.
    pub fn base_paths(&self) -> Vec<&str> {
        let mut paths: Vec<_> = self.public_urls.iter().map(PublicUrl::path).filter(|path| !path.is_empty()).collect();
        paths.sort_unstable();
        paths.dedup();
        paths
    }

    /// The mode that decides about discovery, with Bifrost's default for one that is not written; `None` where the
    /// MCP client table decides.
    pub fn auth_mode(&self) -> Option<McpServerAuthMode> {
        DiscoveryKeys::from(self).auth_mode()
    }
}

impl<'a> From<&'a Site> for DiscoveryKeys<'a> {
    fn from(site: &'a Site) -> Self {
        DiscoveryKeys {
            name: site.name.as_ref(),
            public_urls: &site.public_urls,
            unknown_hosts: site.unknown_hosts,
            profile: site.profile,
            mcp_server_auth_mode: site.mcp_server_auth_mode,
            claude_code_gateway: site.claude_code_gateway,
            discovery: site.discovery,
            mcp_clients: &site.mcp_clients,
        }
    }
}
