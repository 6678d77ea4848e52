//! The name of a site.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{invalid::InvalidValue, text::parsed_from_text};

/// The name of a site, short and plain enough to be a label of metrics and a word in a line of a log.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Deserialize, Serialize)]
#[cfg_attr(feature = "edge", derive(schemars::JsonSchema))]
#[serde(try_from = "String", into = "String")]
#[cfg_attr(feature = "edge", schemars(with = "String", extend("pattern" = super::patterns::SITE_NAME, "examples" = ["production", "team-a"])))]
pub struct SiteName(String);

impl SiteName {
    /// The name as it is written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for SiteName {
    type Error = InvalidValue;

    fn try_from(text: String) -> Result<Self, InvalidValue> {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        if (1..=64).contains(&text.len()) && text.bytes().all(is_plain) {
            Ok(SiteName(text))
        } else {
            let message = "no name of a site; write 1 to 64 letters, digits, -, _ or ., for example production";
            Err(InvalidValue::new(message))
        }
    }
}

parsed_from_text!(SiteName);

impl From<SiteName> for String {
    fn from(name: SiteName) -> Self {
        name.0
    }
}

impl fmt::Display for SiteName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
