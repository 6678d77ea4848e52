//! The credentials for Bifrost's API, from the environment.

use std::fmt;

use base64::{Engine, engine::general_purpose::STANDARD};
use http::HeaderValue;

/// The environment variable with a session token, sent as `Bearer`.
pub const TOKEN: &str = "BRIDGEHEAD_API_TOKEN";
/// The environment variable with the name of a user, sent as `Basic`.
pub const USER: &str = "BRIDGEHEAD_API_USER";
/// The environment variable with the password of that user.
pub const PASSWORD: &str = "BRIDGEHEAD_API_PASSWORD";

/// What proves to a Bifrost that it may be asked for its MCP clients. Never shown.
#[derive(Clone)]
pub struct Credentials(HeaderValue);

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
        let variable = |name| Ok::<_, String>(lookup(name)?.filter(|value| !value.is_empty()));
        match (variable(TOKEN)?, variable(USER)?, variable(PASSWORD)?) {
            (None, None, None) => Ok(None),
            (Some(token), None, None) => Self::new(&format!("Bearer {}", token.trim())).map(Some),
            (Some(_), _, _) => Err(format!("{TOKEN} is set, and {USER} or {PASSWORD}, too; unset one or the other")),
            (None, Some(user), Some(password)) => {
                if user.contains(':') {
                    return Err(format!("{USER} has a colon in it, which HTTP Basic does not allow"));
                }
                Self::new(&format!("Basic {}", STANDARD.encode(format!("{user}:{password}")))).map(Some)
            }
            (None, Some(_), None) => Err(format!("{USER} is set, and {PASSWORD} is not; set both")),
            (None, None, Some(_)) => Err(format!("{PASSWORD} is set, and {USER} is not; set both")),
        }
    }

    fn new(value: &str) -> Result<Self, String> {
        let mut value = HeaderValue::try_from(value)
            .map_err(|_| format!("{TOKEN} has a character that no header can hold; set it anew"))?;
        value.set_sensitive(true);
        Ok(Credentials(value))
    }

    /// The value of the header `Authorization`.
    pub(crate) fn header(&self) -> &HeaderValue {
        &self.0
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credentials")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(variables: &[(&str, &str)]) -> Result<Option<String>, String> {
        let lookup =
            |name: &str| Ok(variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned()));
        let credentials = Credentials::from_lookup(lookup)?;
        Ok(credentials.map(|credentials| credentials.header().to_str().unwrap().to_owned()))
    }

    #[test]
    fn a_token_is_bearer_and_a_user_is_basic() {
        assert_eq!(of(&[]), Ok(None));
        assert_eq!(of(&[(TOKEN, ""), (USER, "")]), Ok(None));
        assert_eq!(of(&[(TOKEN, "abc\n")]), Ok(Some("Bearer abc".into())));
        assert_eq!(of(&[(USER, "admin"), (PASSWORD, "p:w")]), Ok(Some("Basic YWRtaW46cDp3".into())));
    }

    #[test]
    fn half_of_them_or_too_many_are_refused_without_a_value() {
        for variables in [
            &[(USER, "planted")][..],
            &[(PASSWORD, "planted")],
            &[(TOKEN, "planted"), (USER, "planted")],
            &[(TOKEN, "plan\nted")],
            &[(USER, "planted:"), (PASSWORD, "planted")],
        ] {
            let fault = of(variables).unwrap_err();
            assert!(!fault.contains("plan"), "{fault}");
        }
    }

    #[test]
    fn they_are_never_shown() {
        let credentials = Credentials::new("Bearer planted").unwrap();
        assert!(!format!("{credentials:?} {:?}", credentials.header()).contains("planted"));
    }
}
