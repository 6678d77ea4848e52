//! What `GET /api/version` and `GET /api/config` answer. Source: Bifrost's `ConfigHandler` from version 1.5.0 on.

use serde_json::Value;

/// Where the configuration is, for whoever may see it.
pub const CONFIG: &str = "/api/config";

/// The version in an answer, which is a text by itself; `None` when there is none in it.
pub fn version_in(body: &[u8]) -> Option<String> {
    /// No version is longer.
    const LONGEST: usize = 64;
    let answer: Value = serde_json::from_slice(body).ok()?;
    let version = answer.as_str().or_else(|| answer.get("version")?.as_str())?.trim();
    let is_one = (1..=LONGEST).contains(&version.len()) && version.bytes().all(|byte| byte.is_ascii_graphic());
    is_one.then(|| version.to_owned())
}

/// The members of `client` of a `config.json` in an answer; `None` when there are none.
pub fn client_config_in(body: &[u8]) -> Option<Value> {
    let mut answer: Value = serde_json::from_slice(body).ok()?;
    answer.get_mut("client_config").filter(|client| client.is_object()).map(Value::take)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_read_and_nothing_else_is() {
        for (body, version) in [
            ("\"v2.7.0\"\n", Some("v2.7.0")),
            ("{\"version\": \" 1.6.3 \"}", Some("1.6.3")),
            ("\"\"", None),
            ("<html>", None),
            ("[]", None),
            ("\"a b\"", None),
            ("\"\\u001b[2J\"", None),
        ] {
            assert_eq!(version_in(body.as_bytes()).as_deref(), version, "{body}");
        }
        assert_eq!(version_in(format!("\"{}\"", "1".repeat(65)).as_bytes()), None);
    }

    #[test]
    fn the_configuration_of_clients_is_found() {
        let found = client_config_in(br#"{"client_config": {"mcp_server_auth_mode": "both"}, "x": 1}"#).unwrap();
        assert_eq!(found["mcp_server_auth_mode"], "both");
        assert!(client_config_in(br#"{"client_config": null}"#).is_none() && client_config_in(b"[]").is_none());
    }
}
