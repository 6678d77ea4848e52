//! Where a Bifrost's `config.json` has its MCP clients, and what turns its discovery on.

use serde::Deserialize;
use serde_yaml::Value;

use crate::{
    config::{McpServerAuthMode, PublicUrl},
    import::keys::MODE,
};

/// What a Bifrost of the generation `oauth2` says of its authorization server.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AuthorizationServer {
    /// Its `client.mcp_server_auth_mode`.
    pub mode: McpServerAuthMode,
    /// Its `client.oauth2_server_config.issuer_url`.
    pub issuer: Issuer,
    /// Whether it has a Claude Code gateway, which is on with `client.oauth2_server_config.claude_code_gateway.enabled`
    /// where there is an issuer, whatever the mode.
    pub has_claude_code: bool,
}

/// An `issuer_url`, which Bifrost puts into documents and tokens.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Issuer {
    /// There is none, or an empty one.
    #[default]
    Missing,
    /// What may be a public URL.
    Url {
        /// It, without a slash at its end.
        url: PublicUrl,
        /// Whether it has one, which Bifrost leaves out since 2.4.0, and did not before.
        has_slash: bool,
    },
    /// A reference, such as `env.NAME`, whose value is not known here.
    Reference,
    /// Anything else: why no public URL can be the same. Without a password.
    Other(String),
}

/// What a `config.json` says of the authorization server; `None` when it says nothing, as one of an earlier generation.
///
/// # Errors
/// Why that cannot be told; without anything of the text.
pub(super) fn authorization_server_in(config: &Value) -> Result<Option<AuthorizationServer>, String> {
    let Some(client) = config.get("client") else { return Ok(None) };
    let issuer = client.get("oauth2_server_config").and_then(|server| server.get("issuer_url"));
    let (issuer, has_claude_code) = (issuer_of(issuer), has_claude_code(config));
    let mode = match client.get(MODE).filter(|_| is_mode_set(config)) {
        Some(mode) => McpServerAuthMode::deserialize(mode)
            .map_err(|_| format!("client.{MODE} is none of headers, both, oauth"))?,
        // Every Bifrost that has one takes this for the mode that is not there.
        None if has_claude_code => McpServerAuthMode::default(),
        None => return Ok(None),
    };
    Ok(Some(AuthorizationServer { mode, issuer, has_claude_code }))
}

fn has_claude_code(config: &Value) -> bool {
    let server = config.get("client").and_then(|client| client.get("oauth2_server_config"));
    let is_enabled = server.and_then(|server| server.get("claude_code_gateway")?.get("enabled")?.as_bool());
    is_enabled == Some(true) && issuer_of(server.and_then(|server| server.get("issuer_url"))) != Issuer::Missing
}

/// The path below which a `config.json` has its Bifrost, if any: its `server.base_path`, with a slash in front and none
/// at the end.
///
/// # Errors
/// Why that cannot be told; without anything of the text.
pub fn base_path_of_config(text: &str) -> Result<Option<String>, String> {
    let config = parse(text)?;
    let path = config.get("server").and_then(|server| server.get("base_path")?.as_str());
    let path = path.unwrap_or_default().trim().trim_matches('/');
    let is_known = !path.is_empty() && !path.starts_with("env.") && !path.starts_with("vault.");
    Ok(is_known.then(|| format!("/{path}")))
}

/// Bifrost writes it as a text, or as an object with its value and the reference that it came from.
fn issuer_of(value: Option<&Value>) -> Issuer {
    match value {
        None | Some(Value::Null) => Issuer::Missing,
        Some(Value::String(text)) if text.is_empty() => Issuer::Missing,
        Some(Value::String(text)) if text.starts_with("env.") || text.starts_with("vault.") => Issuer::Reference,
        Some(Value::String(text)) => {
            let url = text.trim_end_matches('/');
            match PublicUrl::try_from(url.to_owned()) {
                Ok(origin) => Issuer::Url { url: origin, has_slash: url != text },
                Err(why) => Issuer::Other(why.to_string()),
            }
        }
        Some(Value::Mapping(object)) => {
            let is_reference = |key: &str| object.get(key).and_then(Value::as_str).is_some_and(|text| !text.is_empty());
            if ["ref", "secret_ref", "env_var"].into_iter().any(is_reference) {
                Issuer::Reference
            } else {
                issuer_of(object.get("value").filter(|value| !value.is_mapping()))
            }
        }
        Some(_) => Issuer::Other("it is no text".into()),
    }
}

pub(super) fn parse(text: &str) -> Result<Value, String> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let ordered = serde_json::from_str::<Value>(text);
    // Of a key that is there twice Go takes the last.
    let last = || serde_yaml::to_value(serde_json::from_str::<serde_json::Value>(text).ok()?).ok();
    ordered.or_else(|fault| last().ok_or(fault)).map_err(|fault| {
        format!("not JSON, at line {}, column {}; name a Bifrost's config.json", fault.line(), fault.column())
    })
}

/// In Go an empty text is one that is not there.
fn is_mode_set(config: &Value) -> bool {
    let mode = config.get("client").and_then(|client| client.get(MODE));
    mode.is_some_and(|mode| !mode.is_null() && mode.as_str() != Some(""))
}

/// The entries of `mcp.client_configs`, or of `mcp.mcp_clients`, as older versions of Bifrost call it.
///
/// # Errors
/// Why there are none; without anything of the text.
pub fn clients_of_config(text: &str) -> Result<Vec<Value>, String> {
    entries_in(&parse(text)?)
}

pub(super) fn entries_in(config: &Value) -> Result<Vec<Value>, String> {
    let mcp = match config.get("mcp") {
        Some(mcp @ Value::Mapping(_)) => mcp,
        // There the table decides nothing, and may be missing.
        Some(Value::Null) | None if is_mode_set(config) || has_claude_code(config) => return Ok(Vec::new()),
        Some(Value::Null) | None => {
            return Err("has no key mcp; name a Bifrost's config.json, or the URL of a Bifrost that keeps its MCP \
                        clients in a database"
                .into());
        }
        Some(_) => return Err("mcp is no object; name a Bifrost's config.json".into()),
    };
    let lists = ["client_configs", "mcp_clients"].map(|key| (key, mcp.get(key)));
    let mut clients = None;
    for (key, list) in lists {
        match list {
            None | Some(Value::Null) => {}
            Some(Value::Sequence(list)) if clients.as_ref().is_none_or(Vec::is_empty) => clients = Some(list.clone()),
            Some(Value::Sequence(list)) if list.is_empty() => {}
            Some(Value::Sequence(_)) => {
                return Err("has both mcp.client_configs and mcp.mcp_clients; leave one of them out".into());
            }
            Some(_) => return Err(format!("mcp.{key} is no list; Bifrost reads a list of objects there")),
        }
    }
    clients.ok_or_else(|| "has neither mcp.client_configs nor mcp.mcp_clients".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_names_of_the_list_are_known() {
        for key in ["client_configs", "mcp_clients"] {
            let clients =
                clients_of_config(&format!("\u{feff}{{\"mcp\":{{\"{key}\":[{{\"name\":\"a\"}}]}}}}")).unwrap();
            assert_eq!(clients[0]["name"], "a");
        }
        assert!(clients_of_config(r#"{"mcp":{"client_configs":[]}}"#).unwrap().is_empty());
        let twice = r#"{"mcp":{"client_configs":[{"name":"a","x":1,"x":2}],"client_configs":[{"name":"b"}]}}"#;
        assert_eq!(clients_of_config(twice).unwrap()[0]["name"], "b");
    }

    #[test]
    fn what_turns_discovery_on_is_read_and_a_table_is_not_missed_then() {
        let read = |text: &str| authorization_server_in(&parse(text).unwrap()).unwrap();
        let both =
            r#"{"client":{"mcp_server_auth_mode":"both","oauth2_server_config":{"issuer_url":"https://a.example"}}}"#;
        let server = read(both).unwrap();
        assert_eq!(server.mode, McpServerAuthMode::Both);
        let url = PublicUrl::try_from("https://a.example".to_owned()).unwrap();
        assert_eq!(server.issuer, Issuer::Url { url, has_slash: false });
        assert!(clients_of_config(both).unwrap().is_empty());
        for silent in ["{}", r#"{"client":{}}"#, r#"{"client":{"mcp_server_auth_mode":""}}"#] {
            assert_eq!(read(silent), None, "{silent}");
        }
        let planted = parse(r#"{"client":{"mcp_server_auth_mode":"planted"}}"#).unwrap();
        let fault = authorization_server_in(&planted).unwrap_err();
        assert!(fault.contains("none of headers, both, oauth") && !fault.contains("planted"), "{fault}");
    }

    #[test]
    fn a_claude_code_gateway_is_one_where_it_has_an_issuer_whatever_the_mode() {
        let read = |more: &str| {
            let server = format!("{{\"claude_code_gateway\":{{\"enabled\":true}}{more}}}");
            let text = format!("{{\"client\":{{\"oauth2_server_config\":{server}}}}}");
            authorization_server_in(&parse(&text).unwrap()).unwrap()
        };
        let server = read(",\"issuer_url\":\"https://a.example/bifrost\"").unwrap();
        assert_eq!((server.mode, server.has_claude_code), (McpServerAuthMode::Headers, true));
        assert!(read(",\"issuer_url\":\"env.ISSUER\"").unwrap().has_claude_code);
        assert_eq!(read(""), None);
        let off = r#"{"client":{"mcp_server_auth_mode":"both","oauth2_server_config":{"issuer_url":"https://a",
                     "claude_code_gateway":{"enabled":false}}}}"#;
        assert!(!authorization_server_in(&parse(off).unwrap()).unwrap().unwrap().has_claude_code);
    }

    #[test]
    fn a_base_path_is_read_in_each_of_its_spellings() {
        let read = |path: &str| base_path_of_config(&format!("{{\"server\":{{\"base_path\":{path}}}}}")).unwrap();
        for path in ["\"/bifrost\"", "\"bifrost\"", "\"/bifrost/\"", "\" /bifrost \""] {
            assert_eq!(read(path).as_deref(), Some("/bifrost"), "{path}");
        }
        for path in ["\"\"", "\"/\"", "null", "7", "\"env.BASE\""] {
            assert_eq!(read(path), None, "{path}");
        }
        assert_eq!(base_path_of_config("{}").unwrap(), None);
    }

    #[test]
    fn an_issuer_that_no_public_url_can_be_is_told_without_its_user() {
        let issuer = |json: &str| issuer_of(Some(&serde_json::from_str(json).unwrap()));
        for (json, part) in [
            ("\"https://a.example:443\"", "default"),
            ("\"https://A.example\"", "upper case"),
            ("\"https://user:planted@a.example\"", "user name"),
            ("{\"value\":\"https://A.example/\",\"ref\":\"\",\"type\":\"\"}", "upper case"),
        ] {
            let Issuer::Other(why) = issuer(json) else { panic!("{json}") };
            assert!(why.contains(part) && !why.contains("planted"), "{why}");
        }
        for json in ["\"env.URL\"", "{\"value\":\"\",\"ref\":\"env.URL\",\"type\":\"env\"}"] {
            assert_eq!(issuer(json), Issuer::Reference, "{json}");
        }
        assert_eq!(issuer("{\"value\":\"\"}"), Issuer::Missing);
        assert!(matches!(issuer("{\"value\":\"https://a.example\"}"), Issuer::Url { has_slash: false, .. }));
        assert!(matches!(issuer("\"https://a.example/\""), Issuer::Url { has_slash: true, .. }));
        assert_eq!(issuer("{\"value\":\"\",\"secret_ref\":\"vault.a\"}"), Issuer::Reference);
    }

    #[test]
    fn anything_else_is_told_without_its_contents() {
        for (text, part) in [
            ("planted", "line 1"),
            (r#"["planted"]"#, "no key mcp"),
            (r#"{"client": {"mcp_server_auth_mode": ""}}"#, "no key mcp"),
            (r#"{"mcp": "planted"}"#, "no object"),
            (r#"{"mcp": {"x": "planted"}}"#, "neither"),
            (r#"{"mcp": {"client_configs": "planted"}}"#, "no list"),
            (r#"{"mcp": {"client_configs": [1], "mcp_clients": ["planted"]}}"#, "both"),
        ] {
            let fault = clients_of_config(text).unwrap_err();
            assert!(fault.contains(part) && !fault.contains("planted"), "{fault}");
        }
    }
}
