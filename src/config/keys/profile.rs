//! The keys `profile` and `mcp_server_auth_mode`: which generation of Bifrost is behind the edge, and what turns its
//! discovery on.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Which generation of Bifrost's discovery contract is served.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Profile {
    /// Bifrost 1.5.0 to 1.5.2: endpoints under `/api/oauth/per-user/`. On as soon as one MCP client has
    /// `auth_type: per_user_oauth`.
    #[default]
    PerUserOauth,
    /// Bifrost 1.6.3 and later: endpoints under `/oauth2/`. On when `mcp_server_auth_mode` is `both` or `oauth`; the
    /// MCP client table decides nothing.
    Oauth2,
}

/// What Bifrost takes as a credential at `/mcp`, in the words of its key `client.mcp_server_auth_mode`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum McpServerAuthMode {
    /// Virtual keys in headers alone: discovery is off. Bifrost's default.
    #[default]
    Headers,
    /// Those, and tokens of its own: discovery is on.
    Both,
    /// Tokens of its own alone: discovery is on.
    Oauth,
}

impl Profile {
    /// The name as it is written in the file.
    pub fn name(self) -> &'static str {
        match self {
            Profile::PerUserOauth => "per_user_oauth",
            Profile::Oauth2 => "oauth2",
        }
    }

    /// The paths, or those above them, through which a login passes on the servers: clients and browsers must reach
    /// them. Not those by which a user signs in to the dashboard, which a virtual key makes needless. Source: the routes of Bifrost's OAuth handlers and consent page.
    pub(in crate::config) fn login_paths(self) -> &'static [&'static str] {
        match self {
            Profile::PerUserOauth => &[
                "/api/oauth/per-user/register",
                "/api/oauth/per-user/authorize",
                "/api/oauth/per-user/consent",
                "/api/oauth/per-user/token",
                "/api/oauth/callback",
                "/oauth/consent",
            ],
            Profile::Oauth2 => &[
                "/oauth2/register",
                "/oauth2/authorize",
                "/oauth2/token",
                "/oauth/consent",
                "/api/oauth2/consent/flows",
            ],
        }
    }
}

impl McpServerAuthMode {
    /// The name as it is written in the file.
    pub fn name(self) -> &'static str {
        match self {
            McpServerAuthMode::Headers => "headers",
            McpServerAuthMode::Both => "both",
            McpServerAuthMode::Oauth => "oauth",
        }
    }

    /// Whether it turns discovery on.
    pub fn is_on(self) -> bool {
        self != McpServerAuthMode::Headers
    }
}
