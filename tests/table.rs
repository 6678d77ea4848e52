//! The MCP client table takes what Bifrost's own config.json holds.

use bridgehead::{config::Loaded, discovery::Discovery};

use crate::support::schema;

fn load(clients: &str) -> Result<Loaded, String> {
    let head = "listeners: [{address: \"127.0.0.1:8000\"}]\nservers: []\n";
    let text = format!("{head}mcp_clients: {clients}\n");
    let loaded = Loaded::from_text("t.yaml".as_ref(), &text).map_err(|error| error.to_string())?;
    // Not a table of 100,000 clients, though: the validator takes its time.
    if text.len() < 100_000 {
        schema::takes(&text);
    }
    Ok(loaded)
}

/// Every field of Bifrost's `MCPClientConfig`, as its `config.json` or its API writes it.
const EVERY_FIELD: &str = r#"[
  {
    "client_id": "0b7e", "name": "everything", "is_code_mode_client": false,
    "connection_type": "http", "connection_string": {"value": "", "env_var": "env.MCP_URL", "from_env": true},
    "stdio_config": null,
    "tls_config": {"insecure_skip_verify": false, "ca_cert_pem": "env.CA"},
    "auth_type": "per_user_oauth",
    "oauth_config_id": null,
    "oauth_config": {"client_id": "env.ID", "client_secret": "env.SECRET", "authorize_url": "https://a", "token_url": "https://t",
                     "registration_url": "https://r", "server_url": "https://s", "scopes": ["a"]},
    "oauth_client_id": {"value": "abcd****", "env_var": "", "from_env": false}, "oauth_client_secret": null,
    "oauth_authorize_url": "", "oauth_token_url": "", "oauth_registration_url": "", "oauth_scopes": null, "oauth_resource": "",
    "state": "connected",
    "headers": {"Authorization": "env.TOKEN", "X-Key": {"value": "k", "env_var": "", "from_env": false}},
    "per_user_header_keys": [], "allowed_extra_headers": ["*"],
    "token_exchange": {"audience": "api://x", "client_id": "env.A", "client_secret": null, "use_idp_credentials": false, "scopes": []},
    "tools_to_execute": ["*"], "tools_to_auto_execute": null,
    "is_ping_available": true, "needs_session_stickiness": null,
    "tool_sync_interval": "10m", "tool_execution_timeout": 30, "tool_pricing": {"a": 0.5, "b": 1},
    "disabled": true, "allow_on_all_virtual_keys": false, "endpoint_slug": "everything"
  },
  {"name": "local", "connection_type": "stdio", "auth_type": "none",
   "stdio_config": {"command": "npx", "args": ["-y", "server"], "envs": ["HOME"]}, "tool_sync_interval": 600000000000},
  {"name": "inside", "connection_type": "inprocess"}
]"#;

#[test]
fn the_json_of_bifrost_is_taken_with_every_field() {
    let loaded = load(EVERY_FIELD).unwrap();
    assert!(loaded.warnings.iter().all(|warning| !warning.path.is_below("mcp_clients")), "{:?}", loaded.warnings);
    assert_eq!((loaded.config.sites[0].mcp_clients.len(), loaded.notes.len()), (3, 0));
    assert_eq!(Discovery::compile(&loaded.config.sites).sites()[0].deciding_clients(), ["everything"]);
}

#[test]
fn json_pasted_at_the_left_margin_is_taken() {
    let pasted = "[\n{\n\"name\": \"a\",\n\"connection_type\": \"sse\",\n\"connection_string\": \"https://a\"\n}\n]";
    assert_eq!(load(pasted).unwrap().config.sites[0].mcp_clients.len(), 1);
}

#[test]
fn only_auth_type_decides() {
    for auth_type in [
        "none",
        "headers",
        "oauth",
        "per_user_headers",
        "token_exchange",
        "client_credentials",
        "aws_sigv4",
        "null",
        "\"\"",
    ] {
        let client = format!(
            "[{{name: a, connection_type: http, connection_string: x, auth_type: {auth_type}, \
             per_user_header_keys: [X-A], allow_on_all_virtual_keys: true, oauth_config_id: x}}]"
        );
        assert!(!Discovery::compile(&load(&client).unwrap().config.sites).is_on(), "{auth_type}");
    }
    let without = "[{name: a, connection_type: http, connection_string: x}]";
    assert!(!Discovery::compile(&load(without).unwrap().config.sites).is_on());
}

#[test]
fn a_hundred_thousand_clients_are_a_table_like_any_other() {
    let client =
        |number| format!("- {{name: c{number}, connection_type: http, connection_string: \"https://h{number}\"}}\n");
    let mut clients: String = std::iter::once("\n".to_owned()).chain((0..100_000).map(client)).collect();
    clients.push_str("- {name: last, connection_type: sse, connection_string: x, auth_type: per_user_oauth}");
    let discovery = Discovery::compile(&load(&clients).unwrap().config.sites);
    assert_eq!(discovery.sites()[0].deciding_clients(), ["last"]);
}
