//! Where a Bifrost's `config.json` has its MCP clients.

use serde_yaml::Value;

/// The entries of `mcp.client_configs`, or of `mcp.mcp_clients`, as older versions of Bifrost call it.
///
/// # Errors
/// Why there are none; without anything of the text.
pub fn clients_of_config(text: &str) -> Result<Vec<Value>, String> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let config: Value = serde_json::from_str(text).map_err(|fault| {
        format!("not JSON, at line {}, column {}; name a Bifrost's config.json", fault.line(), fault.column())
    })?;
    let mcp = match config.get("mcp") {
        Some(mcp @ Value::Mapping(_)) => mcp,
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
            Some(Value::Sequence(list)) if clients.is_none() => clients = Some(list.clone()),
            Some(Value::Sequence(list)) if list.is_empty() => {}
            Some(Value::Sequence(_)) => {
                return Err("has both mcp.client_configs and mcp.mcp_clients; leave one of them out".into());
            }
            Some(_) => return Err(format!("mcp.{key} is no list")),
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
    }

    #[test]
    fn anything_else_is_told_without_its_contents() {
        for (text, part) in [
            ("planted", "line 1"),
            (r#"["planted"]"#, "no key mcp"),
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
