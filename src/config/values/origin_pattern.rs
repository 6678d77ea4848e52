//! Origins of web pages, as Bifrost's `client.allowed_origins` has them, and the headers they may send.

use http::HeaderName;
use schemars::JsonSchema;
use serde::Deserialize;

use super::{invalid::InvalidValue, patterns, public_url::shown, text::written_as_text};

/// Longer ones are no origins.
const LONGEST: usize = 300;

/// The origin of web pages, or a pattern of some: `*` stands for one or more characters other than `.` and `/`, and
/// alone for everything.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(try_from = "String")]
#[schemars(with = "String", extend("pattern" = patterns::ORIGIN, "examples" = ["https://app.example.com", "https://*.example.com"]))]
pub struct OriginPattern {
    text: String,
}

/// The name of a header that a web page may send, or `*`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(try_from = "String")]
#[schemars(with = "String", extend("pattern" = patterns::HEADER_NAME, "examples" = ["x-my-header"]))]
pub struct AllowedHeader {
    text: String,
}

impl OriginPattern {
    /// The pattern of all origins.
    pub(in crate::config) fn any() -> Self {
        OriginPattern { text: "*".into() }
    }

    /// Whether it stands for all origins.
    pub fn is_any(&self) -> bool {
        self.text == "*"
    }

    /// Whether this is such an origin, as a browser sends it.
    pub fn matches(&self, origin: &[u8]) -> bool {
        if self.is_any() {
            return true;
        }
        if origin.len() > LONGEST {
            return false;
        }
        // After how many bytes of the origin the pattern so far may have ended.
        let mut ends = vec![false; origin.len() + 1];
        ends[0] = true;
        for wanted in self.text.bytes() {
            let mut next = vec![false; origin.len() + 1];
            for (at, byte) in origin.iter().enumerate() {
                next[at + 1] = match wanted {
                    b'*' => (ends[at] || next[at]) && !matches!(byte, b'.' | b'/'),
                    _ => ends[at] && *byte == wanted,
                };
            }
            ends = next;
        }
        ends[origin.len()]
    }
}

impl AllowedHeader {
    /// The name, or `*` for all.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl TryFrom<String> for OriginPattern {
    type Error = InvalidValue;

    fn try_from(text: String) -> Result<Self, InvalidValue> {
        let is_scheme = |text: &str| text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte));
        let is_host = |text: &str| text.bytes().all(|byte| byte.is_ascii_graphic() && !b"/?#@".contains(&byte));
        let is_origin = text
            .split_once("://")
            .is_some_and(|(scheme, host)| !scheme.is_empty() && is_scheme(scheme) && !host.is_empty() && is_host(host));
        if text != "*" && !is_origin {
            let text = shown(&text);
            return Err(InvalidValue::new(format!(
                "{text} is no origin of web pages; write scheme and host, and nothing behind them, for example \
                 \"https://app.example.com\", or \"*\""
            )));
        }
        Ok(OriginPattern { text: text.to_ascii_lowercase() })
    }
}

impl TryFrom<String> for AllowedHeader {
    type Error = InvalidValue;

    fn try_from(text: String) -> Result<Self, InvalidValue> {
        if text != "*" && HeaderName::try_from(&text).is_err() {
            return Err(InvalidValue::new(format!(
                "{} is no name of a header; write one such as \"x-my-header\", or \"*\"",
                shown(&text)
            )));
        }
        Ok(AllowedHeader { text })
    }
}

written_as_text!(OriginPattern: text, AllowedHeader: text);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_fits_as_in_bifrost() {
        for (pattern, origin, fits) in [
            ("*", "https://a.example", true),
            ("https://A.example", "https://a.example", true),
            ("https://a.example", "https://a.example:8443", false),
            ("https://a.example", "http://a.example", false),
            ("https://*.example", "https://a.example", true),
            ("https://*.example", "https://a-b.example", true),
            ("https://*.example", "https://a.b.example", false),
            ("https://*.example", "https://.example", false),
            ("https://*.example", "https://evil/.example", false),
            ("https://*-x.*.example", "https://a-x-x.b.example", true),
            ("http://localhost:*", "http://localhost:3000", true),
            ("http://localhost:*", "http://localhost:", false),
            ("chrome-extension://*", "chrome-extension://abc", true),
        ] {
            let pattern = OriginPattern::try_from(pattern.to_owned()).unwrap();
            assert_eq!(pattern.matches(origin.as_bytes()), fits, "{pattern:?} {origin}");
        }
        let pattern = OriginPattern::try_from("https://*".to_owned()).unwrap();
        assert!(!pattern.matches(&[b"https://".as_slice(), &vec![b'a'; 70_000]].concat()));
    }

    #[test]
    fn what_is_no_origin_is_refused() {
        for text in ["", "a.example", "https://", "https://a.example/", "https://a.example/x", "https://a b", "**"] {
            let why = OriginPattern::try_from(text.to_owned()).unwrap_err().to_string();
            assert!(why.contains("no origin of web pages"), "{text}: {why}");
        }
        assert!(AllowedHeader::try_from("x y".to_owned()).unwrap_err().to_string().contains("no name of a header"));
    }
}
