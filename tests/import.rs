//! `import` makes the MCP client table from a Bifrost's, with no secret in it.

use std::{io::Write, process::Stdio};

use bridgehead::{
    config::{AuthType, Loaded},
    import::{Table, merge},
};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::support::{
    import::{file, import, run, told},
    in_time::Printed,
    problems::GOOD,
    tls_server::Folder,
};

/// A Bifrost's `config.json` with secrets in every place that can have one.
fn planted() -> Value {
    json!({
        "providers": {"openai": {"keys": [{"value": "sk-planted"}]}},
        "mcp": {"client_configs": [
            {
                "client_id": "0b7e", "name": "github", "connection_type": "http", "auth_type": "per_user_oauth",
                "connection_string": "https://user:planted@api.example.com:8443/mcp?key=planted#planted",
                "oauth_config": {"client_id": "planted", "client_secret": "planted", "scopes": ["repo"],
                                 "token_url": "https://planted:planted@a.example/t", "authorize_url": "https://a.example/a"},
                "oauth_client_id": {"value": "planted", "env_var": "", "from_env": false},
                "oauth_client_secret": "planted", "state": "connected",
                "headers": {"Authorization": "Bearer planted", "X-Key": "env.GITHUB_KEY",
                            "X-Other: planted": "", "X-Vault": {"type": "vault", "path": "planted"},
                            "X-Object": {"value": "planted", "env_var": "env.OBJECT", "from_env": true}},
                "tls_config": {"insecure_skip_verify": false, "ca_cert_pem": "planted"},
                "token_exchange": {"audience": "api://x", "client_secret": "planted", "client_id": "env.EXCHANGE"},
                "tools_to_execute": ["*"], "tools_to_auto_execute": [], "tool_pricing": {"search": 0.5},
                "tool_sync_interval": "10m", "is_ping_available": true, "disabled": false,
                "per_user_header_keys": ["X-Token", "X-Bad: planted"], "vk_configs": [{"key": "planted"}],
            },
            {
                "name": "local", "connection_type": "stdio", "auth_type": "none",
                "stdio_config": {"command": "npx --token planted", "args": ["--key", "planted", "env.ARGUMENT"],
                                 "envs": ["HOME", "API_KEY=planted", "planted"]},
            },
            {"name": "hidden", "connection_type": "sse", "connection_string": "planted", "headers": null},
            {"name": "vault", "connection_type": "sse", "connection_string": {"value": "", "vault": "planted"}},
            {"name": "token", "connection_type": "http", "connection_string": "https://a.example/s/planted1234567890abc/mcp"},
            null,
        ]},
    })
}

#[test]
fn the_table_of_a_config_json_comes_out_without_its_secrets_and_passes_check() {
    let folder = Folder::new();
    let source = file(&folder, "config.json", planted().to_string());
    let (out, errors, code) = run(&mut import(&[&source]));
    assert_eq!(code, 0, "{errors}");
    // By its oauth_config, which the first generation did not have there.
    let expected = "\
profile: oauth2
mcp_clients:
  - name: github
    client_id: 0b7e
    auth_type: per_user_oauth
    connection_type: http
    connection_string: https://api.example.com:8443/mcp
    tls_config:
      insecure_skip_verify: false
    headers:
      X-Key: env.GITHUB_KEY
      X-Object: env.OBJECT
    per_user_header_keys:
    - X-Token
    oauth_config:
      authorize_url: https://a.example/a
      scopes:
      - repo
    token_exchange:
      audience: api://x
      client_id: env.EXCHANGE
    tools_to_execute:
    - '*'
    tools_to_auto_execute: []
    tool_pricing:
      search: 0.5
    tool_sync_interval: 10m
    is_ping_available: true
    disabled: false
  - name: local
    auth_type: none
    connection_type: stdio
    stdio_config:
      command: npx
      args:
      - env.ARGUMENT
      envs:
      - HOME
      - API_KEY
  - name: hidden
    connection_type: sse
    connection_string: (dropped by import)
  - name: vault
    connection_type: sse
    connection_string: (dropped by import)
  - name: token
    connection_type: http
    connection_string: https://a.example/s
";
    assert_eq!(out, expected);
    for line in [
        r#"MCP client "github": connection_string: a part that may be a secret was left out"#,
        r#"MCP client "github": headers.Authorization: left out, it may hold a secret"#,
        r#"MCP client "github": oauth_config.client_secret: left out, it may hold a secret"#,
        r#"MCP client "github": per_user_header_keys[1]: left out, it may hold a secret"#,
        r#"MCP client "github": vk_configs: left out, it is newer than this edge knows"#,
        r#"MCP client "local": stdio_config.args[1]: left out, it may hold a secret"#,
        "MCP clients: 5, with auth_type per_user_oauth: 1",
    ] {
        assert!(errors.lines().any(|told| told == line), "{line}\n{errors}");
    }
    let config = Loaded::from_text("f.yaml".as_ref(), &format!("{GOOD}{out}")).unwrap().config;
    assert_eq!(config.sites[0].mcp_clients[0].auth_type, AuthType::PerUserOauth);
}

#[test]
fn what_begins_like_a_key_is_left_out_of_every_field() {
    let folder = Folder::new();
    for key in
        ["sk-planted", "pk-planted", "ghp_planted", "xoxb-planted", "eyJplanted", "glpat-planted", "Bearer planted"]
    {
        let client = json!({
            "name": "a", "connection_type": "http", "connection_string": format!("https://{key}.a.example/{key}"),
            "client_id": key, "slug": key, "oauth_config_id": key, "tools_to_execute": [key], "oauth_scopes": [key],
            "tool_sync_interval": key, "tool_execution_timeout": key, "per_user_header_keys": [key],
            "tool_pricing": {key: 1.0}, "headers": {key: "env.A"}, "oauth_token_url": format!("https://a.example/{key}"),
            "stdio_config": {"command": format!("/opt/{key}/run"), "args": [key], "envs": [key]},
            "token_exchange": {"audience": key, "scopes": [key]},
        });
        let source = file(&folder, "config.json", json!({"mcp": {"client_configs": [client]}}).to_string());
        let (out, errors, code) = run(&mut import(&[&source]));
        assert_eq!(code, 0, "{key}: {errors}");
        assert!(out.contains("(dropped by import)"), "{out}");
    }
}

#[test]
fn standard_input_and_the_older_name_of_the_list_are_taken() {
    let mut child = import(&["-"]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let source = json!({"mcp": {"mcp_clients": [{"name": "a", "connection_type": "inprocess"}]}});
    child.stdin.take().unwrap().write_all(source.to_string().as_bytes()).unwrap();
    let (out, _, code) = told(&child.printed().unwrap());
    assert_eq!((out.as_str(), code), ("mcp_clients:\n  - name: a\n    connection_type: inprocess\n", 0));
}

#[test]
fn a_source_that_is_none_is_a_clear_line_and_exit_code_1() {
    let folder = Folder::new();
    for (text, part) in [
        ("planted", "not JSON"),
        ("{}", "has no key mcp"),
        (r#"{"mcp":{"client_configs":[{"x":"planted"}]}}"#, "MCP client the 1. of the list: name is missing"),
        (
            r#"{"mcp":{"client_configs":[{"name":"a","auth_type":"per_user_oath"}]}}"#,
            r#"MCP client "a": auth_type "per_user_oath" turns discovery off; did you mean "per_user_oauth"?"#,
        ),
        (
            r#"{"mcp":{"client_configs":[{"name":"a","auth_type":["planted"]}]}}"#,
            r#"MCP client "a": auth_type is not text; write it in quotes"#,
        ),
        (
            r#"{"mcp":{"client_configs":[{"name":"sk-planted"}]}}"#,
            "MCP client the 1. of the list: name may be a secret",
        ),
    ] {
        let source = file(&folder, "config.json", text);
        let (out, errors, code) = run(&mut import(&[&source]));
        assert_eq!((out.as_str(), code), ("", 1), "{text}: {errors}");
        assert!(errors.contains(part), "{text}: {errors}");
    }
    let (_, errors, code) = run(&mut import(&["no-such-file.json"]));
    assert!(code == 1 && errors.contains("there is no such file"), "{errors}");
}

#[test]
fn ten_thousand_clients_are_imported() {
    let folder = Folder::new();
    let clients: Vec<_> = (0..10_000)
        .map(|number| json!({"name": format!("é {number}"), "connection_type": "sse", "connection_string": "env.URL"}))
        .collect();
    let source = file(&folder, "config.json", json!({"mcp": {"client_configs": clients}}).to_string());
    let target = file(&folder, "proxy.yaml", format!("{GOOD}# the end\n"));
    let (_, errors, code) = run(&mut import(&[&source, "--into", &target, "--yes"]));
    assert!(code == 0 && errors.contains("10000 added"), "{errors}");
    let (out, errors, code) = run(&mut import(&[&source, "--into", &target, "--yes"]));
    assert!(code == 0 && out.is_empty() && errors.contains("nothing to change"), "{errors}");
    assert_eq!(Loaded::from_file(target.as_ref()).unwrap().config.sites[0].mcp_clients.len(), 10_000);
}

// === Whatever a Bifrost may have ===

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        "[ -~]{0,12}",
        Just("yes".to_owned()),
        Just("0o17".to_owned()),
        Just("# c".to_owned()),
        Just("a: b".to_owned()),
        Just(" lead\n\ttab\r\n".to_owned()),
        Just("\u{feff}\u{2028}\u{85}\u{7f}".to_owned()),
        Just("env.NAME".to_owned()),
    ]
}

fn client() -> impl Strategy<Value = Value> {
    let tools = prop::collection::vec(text(), 0..3);
    let headers = prop::collection::btree_map("[A-Za-z-]{1,8}", text(), 0..3);
    let prices = prop::collection::btree_map(text(), 0.0..1e9_f64, 0..3);
    (text(), text(), tools, headers, prices, any::<Option<bool>>(), any::<i64>()).prop_map(
        |(name, id, tools, headers, prices, flag, number)| {
            json!({
                "name": format!("n{name}"), "client_id": id, "connection_type": "http", "connection_string": "env.URL",
                "tools_to_execute": tools, "headers": headers, "tool_pricing": prices, "disabled": flag,
                "tool_sync_interval": number,
            })
        },
    )
}

/// Clients whose names differ.
fn clients() -> impl Strategy<Value = Vec<Value>> {
    prop::collection::vec(client(), 0..5).prop_map(|mut clients| {
        for (number, client) in clients.iter_mut().enumerate() {
            client["name"] = format!("{number}{}", client["name"].as_str().unwrap()).into();
        }
        clients
    })
}

fn table(clients: &[Value]) -> Table {
    let entries: Vec<_> = clients.iter().map(|client| serde_yaml::to_value(client).unwrap()).collect();
    Table::new(&entries).unwrap()
}

const FILES: [&str; 8] = [
    "",
    "mcp_clients:\n",
    "mcp_clients: []   # none\n",
    "mcp_clients: [\n  # none\n]",
    "mcp_clients: [\n{\"name\": \"old\",\n\"connection_type\": \"inprocess\"}\n]\n",
    "mcp_clients:\n# before\n- name: old\n  connection_type: inprocess # tail\n# after\n",
    "mcp_clients: [{name: old, connection_type: inprocess}, ]\n",
    "mcp_clients:\r\n    -   connection_type: inprocess\r\n        name: old",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn what_is_imported_says_the_same_wherever_it_is_put_and_twice_is_once(
        clients in clients(), file in prop::sample::select(&FILES[..]), prune: bool,
    ) {
        let table = table(&clients);
        let file = format!("{GOOD}{file}");
        let merged = merge("f.yaml".as_ref(), &file, &table, prune).unwrap();
        let tree: serde_yaml::Value = serde_yaml::from_str(&merged.text).unwrap();
        let list = tree.get("mcp_clients").and_then(|list| list.as_sequence()).cloned().unwrap_or_default();
        let again = Table::new(&list).unwrap();
        prop_assert_eq!(again.dropped.len(), 0);
        prop_assert_eq!(again.len(), table.len() + usize::from(file.contains("old") && !prune));
        let section = table.section().unwrap().text;
        let tree: serde_yaml::Value = serde_yaml::from_str(&section).unwrap();
        let read = Table::new(tree["mcp_clients"].as_sequence().unwrap()).unwrap();
        prop_assert_eq!(read.section().unwrap().text, section);
        let twice = merge("f.yaml".as_ref(), &merged.text, &table, prune).unwrap();
        prop_assert_eq!(&twice.text, &merged.text);
        prop_assert_eq!(twice.added + twice.replaced + twice.removed, 0);
    }
}
