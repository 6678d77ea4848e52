//! The keys `profile` and `mcp_server_auth_mode`: which generation of Bifrost is behind the edge, and what turns its
//! discovery on.

use serde::{Deserialize, Serialize};

use crate::generation::{self, Generation};

/// Which generation of Bifrost's discovery contract is served.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize)]
#[cfg_attr(feature = "edge", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
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
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize)]
#[cfg_attr(feature = "edge", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
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
    /// What Bifrost serves under it.
    #[doc(hidden)]
    pub fn generation(self) -> &'static Generation {
        match self {
            Profile::PerUserOauth => &generation::PER_USER_OAUTH,
            Profile::Oauth2 => &generation::OAUTH2,
        }
    }

    /// The name as it is written in the file.
    pub fn name(self) -> &'static str {
        self.generation().name
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

#[cfg(all(test, feature = "edge"))]
mod tests {
    use super::*;

    #[test]
    fn what_an_operator_reads_of_a_profile_is_what_it_serves() {
        let schema = schemars::schema_for!(Profile).to_value();
        for profile in [Profile::PerUserOauth, Profile::Oauth2] {
            let Generation { name, versions, endpoints, .. } = profile.generation();
            assert_eq!(serde_json::to_value(profile).unwrap(), *name);
            let choices = schema["oneOf"].as_array().unwrap();
            let choice = choices.iter().find(|choice| choice["const"] == *name).unwrap();
            let begin = format!("Bifrost {versions}: endpoints under `{endpoints}`.");
            assert!(choice["description"].as_str().unwrap().starts_with(&begin), "{choice}");
        }
    }
}
