//! One MCP client, in the field names of Bifrost's `mcp.client_configs`, so that an entry of a
//! Bifrost `config.json` can be pasted in. All fields are typed; only `auth_type` decides anything
//! here. Source: Bifrost's `MCPClientConfig` from version 1.5.0 on.
//!
//! In Go every field may be `null` and then has its zero value, hence the options.

use std::{collections::BTreeMap, fmt};

use schemars::JsonSchema;
use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor},
};

use super::shapes;
use crate::config::values::null::{text, texts};

/// One entry of the MCP client table.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(transform = shapes::mcp_client_needs)]
pub struct McpClient {
    /// Bifrost's identifier of the client.
    #[serde(default)]
    pub client_id: Option<String>,
    /// The name operators know it by; unique in the table.
    #[serde(deserialize_with = "text")]
    #[schemars(regex(pattern = r"\S"))]
    pub name: String,
    /// How Bifrost's users authenticate to it. The only field that decides about discovery.
    /// Bifrost's default: `headers`.
    #[serde(default)]
    pub auth_type: Option<AuthType>,
    /// How Bifrost connects to it.
    pub connection_type: ConnectionType,
    /// The URL for `http` and `sse`.
    #[serde(default)]
    pub connection_string: Option<Secret>,
    /// The command for `stdio`.
    #[serde(default)]
    pub stdio_config: Option<StdioConfig>,
    /// TLS towards the MCP server.
    #[serde(default, alias = "tls")]
    pub tls_config: Option<TlsConfig>,
    /// Headers that Bifrost sends to it.
    #[serde(default)]
    pub headers: Option<BTreeMap<String, Secret>>,
    /// Names of the headers that each user supplies, for `per_user_headers`.
    #[serde(default, deserialize_with = "texts")]
    pub per_user_header_keys: Option<Vec<String>>,
    /// Names of request headers that callers may pass on.
    #[serde(default, deserialize_with = "texts")]
    pub allowed_extra_headers: Option<Vec<String>>,
    /// Reference to a stored OAuth configuration.
    #[serde(default)]
    pub oauth_config_id: Option<String>,
    /// An OAuth configuration in place.
    #[serde(default)]
    pub oauth_config: Option<OauthConfig>,
    /// Delegated token exchange, for `token_exchange`.
    #[serde(default)]
    pub token_exchange: Option<TokenExchange>,
    /// Tools that may be executed: `["*"]` all, `[]` none.
    #[serde(default, deserialize_with = "texts")]
    pub tools_to_execute: Option<Vec<String>>,
    /// Tools that run without asking.
    #[serde(default, deserialize_with = "texts")]
    pub tools_to_auto_execute: Option<Vec<String>>,
    /// Cost of each tool's execution.
    #[serde(default)]
    pub tool_pricing: Option<BTreeMap<String, f64>>,
    /// A Go duration, or nanoseconds.
    #[serde(default)]
    pub tool_sync_interval: Option<GoDuration>,
    /// A Go duration, or seconds.
    #[serde(default)]
    pub tool_execution_timeout: Option<GoDuration>,
    /// Whether Bifrost pings it. Bifrost's default: true.
    #[serde(default)]
    pub is_ping_available: Option<bool>,
    /// Whether its tools are offered through code mode.
    #[serde(default)]
    pub is_code_mode_client: Option<bool>,
    /// Whether Bifrost keeps one connection for all callers.
    #[serde(default)]
    pub needs_session_stickiness: Option<bool>,
    /// Whether every virtual key may use it.
    #[serde(default)]
    pub allow_on_all_virtual_keys: Option<bool>,
    /// Whether it is switched off. A disabled `per_user_oauth` client still counts for discovery,
    /// as in Bifrost.
    #[serde(default)]
    pub disabled: Option<bool>,
    /// The path segment under `/mcp/`.
    #[serde(default)]
    pub slug: Option<String>,
    /// Read-only in Bifrost's API: the connection's state.
    #[serde(default)]
    pub state: Option<String>,
    /// Read-only in Bifrost's API, as are the five below.
    #[serde(default)]
    pub oauth_client_id: Option<Secret>,
    #[serde(default)]
    pub oauth_client_secret: Option<Secret>,
    #[serde(default)]
    pub oauth_authorize_url: Option<String>,
    #[serde(default)]
    pub oauth_token_url: Option<String>,
    #[serde(default)]
    pub oauth_registration_url: Option<String>,
    #[serde(default, deserialize_with = "texts")]
    pub oauth_scopes: Option<Vec<String>>,
    #[serde(default)]
    pub oauth_resource: Option<String>,
}

/// How Bifrost's users authenticate to an MCP client.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AuthType {
    /// Not at all.
    None,
    /// Fixed headers.
    #[default]
    Headers,
    /// OAuth, once, by an administrator.
    Oauth,
    /// OAuth, by each user: turns discovery on.
    PerUserOauth,
    /// Headers that each user supplies.
    PerUserHeaders,
    /// The caller's token, exchanged.
    TokenExchange,
}

/// How Bifrost connects to an MCP client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ConnectionType {
    Http,
    Sse,
    Stdio,
    InProcess,
}

/// A value that Bifrost may keep secret: literal text, a reference such as `env.NAME`, or the object
/// that Bifrost's API shows. The edge needs no secret, so only whether it is empty is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, JsonSchema)]
#[schemars(with = "String", extend(
    "type" = ["string", "object"], "additionalProperties" = {"type": ["string", "boolean", "null"]}
))]
pub struct Secret {
    /// Whether there is neither a value nor a reference.
    pub is_empty: bool,
}

/// The command of a `stdio` client.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(transform = shapes::numbers_are_text)]
pub struct StdioConfig {
    #[serde(deserialize_with = "text")]
    pub command: String,
    #[serde(default)]
    pub args: Option<Vec<Secret>>,
    #[serde(default)]
    pub envs: Option<Vec<Secret>>,
}

/// TLS towards an MCP server.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TlsConfig {
    #[serde(default)]
    pub insecure_skip_verify: Option<bool>,
    #[serde(default)]
    pub ca_cert_pem: Option<Secret>,
}

/// An OAuth configuration in place.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(transform = shapes::numbers_are_text)]
pub struct OauthConfig {
    #[serde(default)]
    pub client_id: Option<Secret>,
    #[serde(default)]
    pub client_secret: Option<Secret>,
    #[serde(default)]
    pub authorize_url: Option<String>,
    #[serde(default)]
    pub token_url: Option<String>,
    #[serde(default)]
    pub registration_url: Option<String>,
    #[serde(default)]
    pub redirect_uri: Option<String>,
    #[serde(default)]
    pub server_url: Option<String>,
    #[serde(default, deserialize_with = "texts")]
    pub scopes: Option<Vec<String>>,
    #[serde(default)]
    pub resource: Option<String>,
}

/// Delegated token exchange.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(transform = shapes::numbers_are_text)]
pub struct TokenExchange {
    #[serde(default)]
    pub audience: Option<String>,
    #[serde(default)]
    pub client_id: Option<Secret>,
    #[serde(default)]
    pub client_secret: Option<Secret>,
    #[serde(default)]
    pub use_idp_credentials: Option<bool>,
    #[serde(default, deserialize_with = "texts")]
    pub scopes: Option<Vec<String>>,
    #[serde(default)]
    pub authorization_server_url: Option<String>,
}

/// A duration as Bifrost reads it: text such as `10m`, or a whole number. Kept as it was written.
#[derive(Debug, Clone, PartialEq, Eq, JsonSchema)]
#[schemars(untagged)]
pub enum GoDuration {
    Text(String),
    Number(i64),
}

impl McpClient {
    /// The `auth_type`, with Bifrost's default for one that is not written.
    pub fn auth_type(&self) -> AuthType {
        self.auth_type.unwrap_or_default()
    }
}

impl AuthType {
    /// The name as it is written in the file.
    pub fn name(self) -> &'static str {
        match self {
            AuthType::None => "none",
            AuthType::Headers => "headers",
            AuthType::Oauth => "oauth",
            AuthType::PerUserOauth => "per_user_oauth",
            AuthType::PerUserHeaders => "per_user_headers",
            AuthType::TokenExchange => "token_exchange",
        }
    }
}

// === impl Deserialize ===

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct SecretVisitor;

        impl<'de> Visitor<'de> for SecretVisitor {
            type Value = Secret;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("text, or a reference such as env.NAME")
            }

            fn visit_str<E>(self, text: &str) -> Result<Secret, E> {
                Ok(Secret { is_empty: text.trim().is_empty() })
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Secret, A::Error> {
                let mut is_empty = true;
                while let Some(name) = map.next_key::<String>()? {
                    // That it is plain text, for one, says nothing of it.
                    is_empty &= map.next_value::<Blank>()?.0 || name == "type";
                }
                Ok(Secret { is_empty })
            }
        }

        deserializer.deserialize_any(SecretVisitor)
    }
}

/// A member of the secret object of Bifrost's API (`value`, `env_var`, `from_env`, `ref`, …): whether it
/// says nothing.
struct Blank(bool);

impl<'de> Deserialize<'de> for Blank {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct BlankVisitor;

        impl Visitor<'_> for BlankVisitor {
            type Value = Blank;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("text or a boolean")
            }

            fn visit_str<E>(self, text: &str) -> Result<Blank, E> {
                Ok(Blank(text.trim().is_empty()))
            }

            fn visit_bool<E>(self, _: bool) -> Result<Blank, E> {
                Ok(Blank(true))
            }

            fn visit_unit<E>(self) -> Result<Blank, E> {
                Ok(Blank(true))
            }
        }

        deserializer.deserialize_any(BlankVisitor)
    }
}

impl<'de> Deserialize<'de> for GoDuration {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct DurationVisitor;

        impl Visitor<'_> for DurationVisitor {
            type Value = GoDuration;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a duration such as 10m, or a whole number")
            }

            fn visit_str<E>(self, text: &str) -> Result<GoDuration, E> {
                Ok(GoDuration::Text(text.to_owned()))
            }

            fn visit_i64<E>(self, number: i64) -> Result<GoDuration, E> {
                Ok(GoDuration::Number(number))
            }

            fn visit_u64<E: serde::de::Error>(self, number: u64) -> Result<GoDuration, E> {
                i64::try_from(number)
                    .map(GoDuration::Number)
                    .map_err(|_| E::custom("too large; write a duration such as 10m"))
            }
        }

        deserializer.deserialize_any(DurationVisitor)
    }
}
