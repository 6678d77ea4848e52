//! Whatever people have in their `config.json`, `import` makes a table of it that passes `check`, and says in a line each
//! what is not in it; or says in one line why there is none.

use bridgehead::config::{AuthType, Loaded};
use serde_json::{Value, json};

use crate::support::{
    import::{file, import, run},
    problems::GOOD,
    schema,
    tls_server::Folder,
};

fn of(clients: &Value) -> String {
    json!({"mcp": {"client_configs": clients}}).to_string()
}

/// What is printed for a file, and what is said of it.
fn imported(text: &str) -> (String, String) {
    let folder = Folder::new();
    let (out, errors, code) = run(&mut import(&[&file(&folder, "config.json", text)]));
    assert_eq!(code, 0, "{text}: {errors}");
    let configuration = format!("{GOOD}{out}");
    schema::takes(&configuration);
    Loaded::from_text("f.yaml".as_ref(), &configuration).unwrap_or_else(|problems| panic!("{problems}\n{out}"));
    (out, errors)
}

/// One client named a, with these fields: the fields that are printed, and the first line that is said.
fn one(fields: &Value) -> (String, String) {
    let mut client = json!({"name": "a", "connection_type": "http", "connection_string": "https://a.example/mcp"});
    for (name, value) in fields.as_object().unwrap() {
        client[name] = value.clone();
    }
    let (out, errors) = imported(&of(&json!([client])));
    let (_, fields) = out.split_once("mcp_clients:\n  - name: a\n").unwrap();
    (fields.to_owned(), errors.lines().next().unwrap_or_default().to_owned())
}

const BASE: &str = "    connection_type: http\n    connection_string: https://a.example/mcp\n";
const COUNT: &str = "MCP clients: 1, with auth_type per_user_oauth: 0";

#[test]
fn fields_that_say_nothing_are_not_missed() {
    let nothing = json!({
        "client_id": null, "auth_type": null, "headers": null, "oauth_config": null, "tools_to_execute": null,
        "tool_pricing": null, "stdio_config": null, "tls": null, "token_exchange": null, "state": null, "warp": null,
        "openapi_config": {"security_credentials": {"A": null}}, "disabled": null, "tool_sync_interval": null,
    });
    assert_eq!(one(&nothing), (BASE.into(), COUNT.into()));
    let empty = json!({"auth_type": "", "client_id": "", "headers": {}, "oauth_config": {}, "warp": [], "envs": {}});
    assert_eq!(one(&empty), (BASE.into(), COUNT.into()));
}

#[test]
fn values_in_other_forms_are_kept_or_told() {
    for (fields, printed, told) in [
        (json!({"client_id": 7}), "client_id: '7'", COUNT),
        (json!({"tools_to_execute": [1, true, "a"]}), "- '1'\n    - 'true'\n    - a", COUNT),
        (json!({"headers": {"X": {"value": "", "env_var": "TOKEN", "from_env": true}}}), "X: env.TOKEN", COUNT),
        (json!({"headers": {"X": {"value": "", "secret_ref": "vault.a/b", "type": "vault"}}}), "X: vault.a/b", COUNT),
        (json!({"headers": {"X": 5}}), "", "headers.X: left out, it may hold a secret"),
        (
            json!({"headers": [{"name": "X", "value": "planted"}]}),
            "",
            "headers: left out, this edge knows only an object",
        ),
        (json!({"headers": "X: planted"}), "", "headers: left out, this edge knows only an object there"),
        (json!({"disabled": "false"}), "", "disabled: left out, this edge knows only true or false there"),
        (json!({"tools_to_execute": "*"}), "", "tools_to_execute: left out, this edge knows only a list there"),
        (json!({"tool_pricing": {"a": "0.5"}}), "", "tool_pricing.a: left out, this edge knows only a number there"),
        (json!({"tool_sync_interval": {"minutes": 5}}), "", "tool_sync_interval: left out, this edge knows only text"),
        (
            json!({"stdio_config": {"envs": {"A": "planted"}}}),
            "",
            "stdio_config.envs: left out, this edge knows only a",
        ),
        (
            json!({"stdio_config": {"command": ["node", "planted"]}}),
            "stdio_config:\n      command: (dropped by import)",
            "stdio_config.command: left out, this edge knows only text there",
        ),
        (json!({"stdio_config": {"envs": ["HOME", "PATH"]}}), "envs:\n      - HOME\n      - PATH", COUNT),
        (json!({"oauth_config": ["planted"]}), "", "oauth_config: left out, this edge knows only an object there"),
        (json!({"connectionType": "sse"}), "", "connectionType: left out, it is newer than this edge knows"),
        (json!({"authType": "per_user_oauth"}), "", "authType: left out, it is newer than this edge knows"),
        (json!({"warp": {"deep": {"er": ["planted"]}}}), "", "warp: left out, it is newer than this edge knows"),
        (
            json!({"oauth_config": {"warp": 1, "scopes": ["a"]}}),
            "scopes:\n      - a",
            "oauth_config.warp: left out, it is",
        ),
        (
            json!({"auth_type": "kerberos"}),
            "auth_type: kerberos",
            "warning: the imported table:3: mcp_clients[0].auth_type",
        ),
        (json!({"connection_type": "quic2"}), "", "warning: the imported table:3: mcp_clients[0].connection_type"),
        (
            json!({"openapi_config": {"spec": {"info": "planted"}, "base_url": "https://u:planted@a.example"}}),
            "",
            "openapi_config.spec: left out, it may hold a secret",
        ),
        (json!({"slug": "a"}), "", "slug: left out, it is newer than this edge knows"),
        (json!({"id": "b"}), "client_id: b", "id: an old name, written as client_id"),
        (json!({"http_url": "https://b.example"}), "", COUNT),
        (json!({"allow_on_all_virtual_keys": true}), "allow_by_default: true", COUNT),
    ] {
        let (out, errors) = one(&fields);
        assert!(out.contains(printed), "{fields}: {out}");
        assert!(errors.contains(told), "{fields}: {errors}");
    }
}

/// Go finds a field whatever its capital letters.
#[test]
fn a_name_in_other_capital_letters_is_the_same() {
    let client =
        json!({"Name": "a", "Connection_Type": "http", "AUTH_TYPE": "per_user_oauth", "Connection_String": "env.A"});
    let (out, errors) = imported(&of(&json!([client])));
    let expected = "mcp_clients:\n  - name: a\n    auth_type: per_user_oauth\n    connection_type: http\n    \
                    connection_string: env.A\n";
    assert_eq!(out, expected);
    assert!(errors.starts_with("MCP clients: 1, with auth_type per_user_oauth: 1\n"), "{errors}");
}

#[test]
fn whole_files_in_other_shapes_are_taken() {
    let client = "{\"name\": \"a\", \"connection_type\": \"inprocess\"}";
    for text in [
        format!("\u{feff}{{\"mcp\": {{\"client_configs\": [{client}]}}}}"),
        format!("{{\"mcp\": {{\"client_configs\": [null, {client}, null]}}}}"),
        format!("{{\"mcp\": {{\"client_configs\": null, \"mcp_clients\": [{client}]}}}}"),
        format!("{{\"mcp\": {{\"client_configs\": [], \"mcp_clients\": [{client}], \"virtual_mcps\": [1]}}}}"),
        format!("{{\"client\": null, \"mcp\": {{\"client_configs\": [{client}], \"max_protocol_version\": 5}}}}"),
        format!("{{\"client\": {{\"mcp_server_auth_mode\": null}}, \"mcp\": {{\"client_configs\": [{client}]}}}}"),
        format!("{{\"mcp\": {{}}, \"mcp\": {{\"client_configs\": [{client}]}}}}"),
        format!("\r\n\t{{\"mcp\":\r\n{{\"client_configs\":[\r\n{client}\r\n]}}}}\r\n"),
    ] {
        let (out, _) = imported(&text);
        assert!(out.ends_with("mcp_clients:\n  - name: a\n    connection_type: inprocess\n"), "{text}");
    }
    let many: Vec<_> = (0..3000).map(|number| json!({"name": format!("c{number}"), "warp": number})).collect();
    let (out, errors) = imported(&of(&json!(many)));
    assert_eq!(out.matches("- name: c").count(), 3000);
    assert!(errors.contains("mcp_clients: and 2900 more warnings of this kind"));
}

#[test]
fn a_file_without_a_table_that_can_be_told_is_refused_in_one_line() {
    let folder = Folder::new();
    let client = |fields: &str| format!("{{\"mcp\": {{\"client_configs\": [{fields}]}}}}");
    for (text, told) in [
        ("{}".to_owned(), "has no key mcp"),
        ("[]".into(), "has no key mcp"),
        ("{\"mcp\": null}".into(), "has no key mcp"),
        ("{\"mcp\": []}".into(), "mcp is no object"),
        ("{\"mcp\": {\"virtual_mcps\": []}}".into(), "neither mcp.client_configs nor mcp.mcp_clients"),
        ("{\"mcp\": {\"client_configs\": {\"a\": {}}}}".into(), "mcp.client_configs is no list; Bifrost reads a list"),
        ("{\"mcp\": {\"client_configs\": []}}".into(), "nothing to import"),
        ("{\"mcp\": {\"client_configs\": [null]}}".into(), "nothing to import"),
        ("// ours\n{}".into(), "not JSON, at line 1, column 1"),
        ("{\"mcp\": {\"client_configs\": [1,]}}".into(), "not JSON, at line 1"),
        ("mcp: {client_configs: []}".into(), "not JSON, at line 1"),
        (String::new(), "not JSON"),
        ("[".repeat(100_000), "not JSON"),
        (client("\"planted\""), "MCP client the 1. of the list is no object"),
        (client("{}"), "MCP client the 1. of the list: name is missing"),
        (client("{\"name\": \" \"}"), "MCP client the 1. of the list: name is missing"),
        (client("{\"name\": null}"), "MCP client the 1. of the list: name is missing"),
        (client("{\"name\": [\"a\"]}"), "MCP client the 1. of the list: name is missing"),
        (client("{\"name\": \"a\"}, {\"name\": \"a\"}"), "mcp_clients[1].name: the name \"a\" again"),
        (client("{\"name\": \"a\", \"auth_type\": 5}"), "MCP client \"a\": auth_type is not text"),
        (client("{\"name\": \"a\", \"auth_type\": {\"value\": \"oauth\"}}"), "MCP client \"a\": auth_type is not text"),
        (client("{\"name\": \"a\", \"auth_type\": \"peruseroauth\"}"), "did you mean \"per_user_oauth\"?"),
    ] {
        let source = file(&folder, "config.json", &text);
        let (out, errors, code) = run(&mut import(&[&source]));
        assert_eq!((out.as_str(), code), ("", 1), "{errors}");
        assert!(errors.lines().count() == 1 && errors.contains(told), "{errors}");
    }
}

#[test]
fn a_name_may_be_any_word() {
    for (name, printed) in
        [(json!(5), "'5'"), (json!(true), "'true'"), (json!("null"), "'null'"), (json!("- a: b"), "'- a: b'")]
    {
        let (out, _) = imported(&of(&json!([{"name": name, "auth_type": "per_user_oauth"}])));
        assert!(out.contains(&format!("- name: {printed}\n")), "{out}");
        let config = Loaded::from_text("f.yaml".as_ref(), &format!("{GOOD}{out}")).unwrap().config;
        assert_eq!(config.sites[0].mcp_clients[0].auth_type, AuthType::PerUserOauth);
    }
}
