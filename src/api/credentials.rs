//! The credentials for Bifrost's API, from the environment.

use std::fmt;

use base64::{Engine, engine::general_purpose::STANDARD};
use http::{HeaderName, HeaderValue, header};

/// The environment variable with a session token, sent as `Bearer`.
pub const TOKEN: &str = "BRIDGEHEAD_API_TOKEN";
/// The environment variable with the name of a user, sent as `Basic`.
pub const USER: &str = "BRIDGEHEAD_API_USER";
/// The environment variable with the password of that user.
pub const PASSWORD: &str = "BRIDGEHEAD_API_PASSWORD";
/// The environment variable with the setup token of a Bifrost whose dashboard has no login yet.
pub const SETUP_TOKEN: &str = "BRIDGEHEAD_API_SETUP_TOKEN";

/// The header of the setup token. Source: Bifrost 2.2.6, #8010.
const SETUP_HEADER: HeaderName = HeaderName::from_static("x-bifrost-setup-token");

/// What proves to a Bifrost that it may be asked for its MCP clients: of a user, or while there is none the setup token,
/// or both, for a fleet whose servers are not all set up. Never shown.
#[derive(Clone)]
pub struct Credentials {
    user: Option<HeaderValue>,
    setup: Option<HeaderValue>,
}

impl Credentials {
    /// The credentials of this process's environment; `None` when there are none. A variable that is empty is
    /// as good as not set.
    ///
    /// # Errors
    /// What is wrong with them, without their values.
    pub fn from_environment() -> Result<Option<Self>, String> {
        Self::from_lookup(|name| match std::env::var(name) {
            Ok(value) => Ok(Some(value)),
            Err(std::env::VarError::NotPresent) => Ok(None),
            Err(std::env::VarError::NotUnicode(_)) => Err(format!("{name} is not UTF-8; set it anew")),
        })
    }

    fn from_lookup(lookup: impl Fn(&str) -> Result<Option<String>, String>) -> Result<Option<Self>, String> {
        let variable = |name| Ok::<_, String>(lookup(name)?.filter(|value| !value.trim().is_empty()));
        let user = match (variable(TOKEN)?, variable(USER)?, variable(PASSWORD)?) {
            (None, None, None) => None,
            (Some(token), None, None) => Some(secret(TOKEN, &format!("Bearer {}", token.trim()))?),
            (Some(_), _, _) => {
                return Err(format!("{TOKEN} is set, and {USER} or {PASSWORD}, too; unset one or the other"));
            }
            (None, Some(user), Some(password)) => {
                if user.contains(':') {
                    return Err(format!("{USER} has a colon in it, which HTTP Basic does not allow"));
                }
                let pair = STANDARD.encode(format!("{user}:{password}"));
                Some(secret(USER, &format!("Basic {pair}"))?)
            }
            (None, Some(_), None) => return Err(format!("{USER} is set, and {PASSWORD} is not; set both")),
            (None, None, Some(_)) => return Err(format!("{PASSWORD} is set, and {USER} is not; set both")),
        };
        let setup = variable(SETUP_TOKEN)?.map(|token| secret(SETUP_TOKEN, token.trim())).transpose()?;
        Ok((user.is_some() || setup.is_some()).then_some(Credentials { user, setup }))
    }

    /// The headers that carry them.
    pub(crate) fn headers(&self) -> impl Iterator<Item = (HeaderName, HeaderValue)> {
        let user = self.user.clone().map(|value| (header::AUTHORIZATION, value));
        user.into_iter().chain(self.setup.clone().map(|value| (SETUP_HEADER, value)))
    }

    /// Whether those of a user are among them.
    pub(super) fn has_user(&self) -> bool {
        self.user.is_some()
    }

    /// Whether the setup token is among them.
    pub(super) fn has_setup(&self) -> bool {
        self.setup.is_some()
    }
}

/// The value of a header that no log shows.
fn secret(name: &str, value: &str) -> Result<HeaderValue, String> {
    let mut value = HeaderValue::try_from(value)
        .map_err(|_| format!("{name} has a character that no header can hold; set it anew"))?;
    value.set_sensitive(true);
    Ok(value)
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credentials")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(variables: &[(&str, &str)]) -> Result<Vec<(String, String)>, String> {
        let lookup =
            |name: &str| Ok(variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned()));
        let credentials = Credentials::from_lookup(lookup)?;
        let headers = credentials.iter().flat_map(Credentials::headers);
        Ok(headers.map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned())).collect())
    }

    fn header(name: &str, value: &str) -> (String, String) {
        (name.to_owned(), value.to_owned())
    }

    #[test]
    fn a_token_is_bearer_and_a_user_is_basic() {
        assert_eq!(of(&[]), Ok(vec![]));
        assert_eq!(of(&[(TOKEN, ""), (USER, ""), (SETUP_TOKEN, " \n")]), Ok(vec![]));
        assert_eq!(of(&[(TOKEN, "abc\n")]), Ok(vec![header("authorization", "Bearer abc")]));
        let basic = header("authorization", "Basic YWRtaW46cDp3");
        assert_eq!(of(&[(USER, "admin"), (PASSWORD, "p:w")]), Ok(vec![basic.clone()]));
        let setup = header("x-bifrost-setup-token", "abc");
        assert_eq!(of(&[(SETUP_TOKEN, "abc\n")]), Ok(vec![setup.clone()]));
        assert_eq!(of(&[(USER, "admin"), (PASSWORD, "p:w"), (SETUP_TOKEN, "abc")]), Ok(vec![basic, setup]));
    }

    #[test]
    fn half_of_them_or_too_many_are_refused_without_a_value() {
        for variables in [
            &[(USER, "planted")][..],
            &[(PASSWORD, "planted")],
            &[(TOKEN, "planted"), (USER, "planted")],
            &[(TOKEN, "plan\nted")],
            &[(SETUP_TOKEN, "plan\nted")],
            &[(SETUP_TOKEN, "planted"), (USER, "planted")],
            &[(USER, "planted:"), (PASSWORD, "planted")],
        ] {
            let fault = of(variables).unwrap_err();
            assert!(!fault.contains("plan"), "{fault}");
        }
        assert!(of(&[(SETUP_TOKEN, "a\nb")]).unwrap_err().starts_with(SETUP_TOKEN));
    }

    #[test]
    fn they_are_never_shown() {
        let planted = Some(secret(TOKEN, "planted").unwrap());
        let credentials = Credentials { user: planted.clone(), setup: planted };
        let headers: Vec<_> = credentials.headers().collect();
        assert_eq!(headers.len(), 2);
        assert!(!format!("{credentials:?} {headers:?}").contains("planted"));
    }
}
