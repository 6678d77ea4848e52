//! A path and everything below it.

use std::collections::HashSet;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize, Serializer};

use super::{invalid::InvalidValue, patterns, public_url::shown, text::parsed_from_text};

/// A path prefix, matched by whole segments: `/v1` is `/v1` and `/v1/models`, not `/v10`. `/` is every
/// path.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Deserialize, JsonSchema)]
#[serde(try_from = "String")]
#[schemars(with = "String", extend("pattern" = patterns::PATH_PREFIX, "examples" = ["/v1"]))]
pub struct PathPrefix {
    /// Without a slash at its end.
    text: String,
}

impl PathPrefix {
    /// Whether the path of a request, as it was sent, is below this one.
    pub fn covers(&self, path: &[u8]) -> bool {
        let rest = path.strip_prefix(self.text.as_bytes());
        rest.is_some_and(|rest| matches!(rest.first(), None | Some(b'/' | b'?')))
    }

    /// Whether it is this path, or below it.
    pub fn is_at_or_below(&self, base: &str) -> bool {
        self.text.strip_prefix(base).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }

    /// The same prefix in lower case.
    #[must_use]
    pub fn to_lower_case(&self) -> Self {
        PathPrefix { text: self.text.to_ascii_lowercase() }
    }

    /// The prefix, without a slash at its end.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

/// What is said of these prefixes is said of them below each of these base paths, too, because that is how a Bifrost
/// reads them; unless something is said of that very path. The longest comes first.
pub fn below_bases<T: Clone>(prefixes: impl Iterator<Item = (PathPrefix, T)>, bases: &[&str]) -> Vec<(PathPrefix, T)> {
    let mut all: Vec<_> = prefixes.collect();
    let written: HashSet<String> = all.iter().map(|(prefix, _)| prefix.text.to_ascii_lowercase()).collect();
    let below = |(prefix, said): &(PathPrefix, T)| {
        let (PathPrefix { text }, said) = (prefix.clone(), said.clone());
        // `/` is above all of them.
        let bases = bases.iter().filter(|_| !prefix.text.is_empty());
        let texts = bases.map(move |base| format!("{base}{text}"));
        texts.map(move |text| (PathPrefix { text }, said.clone())).collect::<Vec<_>>()
    };
    let more: Vec<_> = all.iter().flat_map(below).collect();
    all.extend(more.into_iter().filter(|(prefix, _)| !written.contains(&prefix.text.to_ascii_lowercase())));
    all.sort_by_key(|(prefix, _)| std::cmp::Reverse(prefix.text.len()));
    all
}

impl TryFrom<String> for PathPrefix {
    type Error = InvalidValue;

    fn try_from(text: String) -> Result<Self, InvalidValue> {
        let is_path = text.starts_with('/') && text.bytes().all(|byte| byte.is_ascii_graphic());
        if !is_path || text.contains(['?', '#', '*']) {
            let text = shown(&text);
            let message = format!("{text} is no path prefix; write one such as \"/v1\", without a query or wildcard");
            return Err(InvalidValue::new(message));
        }
        Ok(PathPrefix { text: text.trim_end_matches('/').to_owned() })
    }
}

parsed_from_text!(PathPrefix);

impl Serialize for PathPrefix {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(if self.text.is_empty() { "/" } else { &self.text })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prefix(text: &str) -> Result<PathPrefix, InvalidValue> {
        text.parse()
    }

    #[test]
    fn a_prefix_ends_where_a_segment_ends() {
        for (text, path, is_covered) in [
            ("/v1", "/v1", true),
            ("/v1", "/v1/models", true),
            ("/v1", "/v1?x", true),
            ("/v1/", "/v1", true),
            ("/v1", "/v10", false),
            ("/v1", "/", false),
            ("/", "/anything", true),
            ("/", "/", true),
            ("/", "*", false),
        ] {
            assert_eq!(prefix(text).unwrap().covers(path.as_bytes()), is_covered, "{text} {path}");
        }
    }

    #[test]
    fn below_a_base_path_a_prefix_holds_as_well() {
        let prefixes = ["/", "/api", "/one/api", "/one"].map(|text| (prefix(text).unwrap(), text));
        let all = below_bases(prefixes.into_iter(), &["/one", "/Two"]);
        let all: Vec<_> = all.iter().map(|(prefix, said)| (prefix.as_str(), *said)).collect();
        assert_eq!(
            all,
            [
                ("/one/one/api", "/one/api"),
                ("/Two/one/api", "/one/api"),
                ("/one/api", "/one/api"),
                ("/Two/api", "/api"),
                ("/one/one", "/one"),
                ("/Two/one", "/one"),
                ("/api", "/api"),
                ("/one", "/one"),
                ("", "/"),
            ]
        );
    }

    #[test]
    fn what_is_no_path_is_refused() {
        for text in ["", "v1", "/v1?x", "/v1/*", "/a b", "/v1#x"] {
            assert!(prefix(text).unwrap_err().to_string().contains("no path prefix"), "{text}");
        }
    }
}
