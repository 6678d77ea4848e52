//! How Bifrost's users authenticate to an MCP client: the one field that decides.

use std::{fmt, str::FromStr};

use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{Error, Visitor},
};

use crate::{
    config::values::{invalid::InvalidValue, nearest::is_near_miss},
    secrets::word,
};

/// How Bifrost's users authenticate to an MCP client.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
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
    /// OAuth, as a client of its own.
    ClientCredentials,
    /// Signed requests to AWS.
    AwsSigv4,
    /// Any that is newer than the edge; it turns nothing on.
    #[non_exhaustive]
    Other(Box<str>),
}

pub(super) const KNOWN: [AuthType; 8] = [
    AuthType::None,
    AuthType::Headers,
    AuthType::Oauth,
    AuthType::PerUserOauth,
    AuthType::PerUserHeaders,
    AuthType::TokenExchange,
    AuthType::ClientCredentials,
    AuthType::AwsSigv4,
];

impl AuthType {
    /// The one that turns discovery on, as it is written in the file.
    pub const DECIDING: &'static str = "per_user_oauth";

    /// The one that an MCP client has without a word.
    pub const DEFAULT: &'static str = "headers";

    /// The name as it is written in the file.
    pub fn name(&self) -> &str {
        match self {
            AuthType::None => "none",
            AuthType::Headers => Self::DEFAULT,
            AuthType::Oauth => "oauth",
            AuthType::PerUserOauth => Self::DECIDING,
            AuthType::PerUserHeaders => "per_user_headers",
            AuthType::TokenExchange => "token_exchange",
            AuthType::ClientCredentials => "client_credentials",
            AuthType::AwsSigv4 => "aws_sigv4",
            AuthType::Other(name) => name,
        }
    }

    /// The one of this name, as Bifrost reads it: an empty one is its default.
    ///
    /// # Errors
    /// When it is nearly `per_user_oauth`: taken for something else, it would turn discovery off without a word.
    pub fn of_name(name: &str) -> Result<Self, InvalidValue> {
        if name.is_empty() {
            return Ok(AuthType::default());
        }
        if let Some(known) = KNOWN.into_iter().find(|known| known.name() == name) {
            return Ok(known);
        }
        if is_near_miss(name, Self::DECIDING) {
            let name = word(name).unwrap_or("this".into());
            let message = format!("{name} turns discovery off; did you mean {:?}?", Self::DECIDING);
            return Err(InvalidValue::new(message));
        }
        Ok(AuthType::Other(name.into()))
    }
}

// === impl Serialize, Deserialize ===

impl<'de> Deserialize<'de> for AuthType {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TypeVisitor;

        impl Visitor<'_> for TypeVisitor {
            type Value = AuthType;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("text such as headers or per_user_oauth")
            }

            fn visit_str<E: Error>(self, name: &str) -> Result<AuthType, E> {
                AuthType::of_name(name).map_err(E::custom)
            }

            fn visit_unit<E>(self) -> Result<AuthType, E> {
                Ok(AuthType::default())
            }
        }

        deserializer.deserialize_any(TypeVisitor)
    }
}

impl FromStr for AuthType {
    type Err = InvalidValue;

    fn from_str(name: &str) -> Result<Self, InvalidValue> {
        Self::of_name(name)
    }
}

impl Serialize for AuthType {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_known_name_is_read_and_written_alike() {
        for known in KNOWN {
            assert_eq!(AuthType::of_name(known.name()), Ok(known));
        }
        assert_eq!(AuthType::of_name(""), Ok(AuthType::Headers));
    }

    #[test]
    fn what_is_nearly_the_deciding_one_is_refused_and_nothing_else_is() {
        for near in [
            "per_user_oath",
            "per_user_auth",
            "per_user_outh",
            "per_user_oauht",
            "pre_user_oauth",
            "per_user_oauth2",
            "per_user_oauth_v2",
            "per_users_oauth",
            "per_user_oauth ",
            "per-user-oauth",
            "per user oauth",
            "peruseroauth",
            "perUserOAuth",
            "PerUserOauth",
            "PER_USER_OAUTH",
            "per_user_0auth",
            "per_useroauht",
        ] {
            let fault = AuthType::of_name(near).unwrap_err().to_string();
            assert!(fault.ends_with("did you mean \"per_user_oauth\"?"), "{fault}");
        }
        for other in [
            "oaut",
            "header",
            "user_oauth",
            "per_user",
            "per_user_oidc",
            "per_user_saml",
            "per_user_header",
            "per_user_mtls",
            "mutual_tls",
            "kerberos",
            "OAuth",
            "x",
        ] {
            assert_eq!(AuthType::of_name(other), Ok(AuthType::Other(other.into())), "{other}");
        }
    }
}
