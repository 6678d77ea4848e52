//! An MCP client that decides nothing refuses nothing: what the edge does not know of an entry is a warning, what would
//! turn discovery off without a word is refused, and the JSON Schema says the same.

use bridgehead::{
    config::{Loaded, Problem},
    discovery::Discovery,
};

use crate::support::{
    problems::{GOOD, problem, problems},
    schema,
};

const URL: &str = "public_urls: [\"https://gw.example.com\"]\n";
const PROFILES: [&str; 2] = ["profile: per_user_oauth\n", "profile: oauth2\nmcp_server_auth_mode: both\n"];

fn lines(problems: &[Problem]) -> Vec<String> {
    problems.iter().map(|problem| format!("{}: {}", problem.path, problem.message)).collect()
}

/// What is said of a table under each profile, which is the same: the warnings, and the notes.
fn remarks(clients: &str) -> (Vec<String>, Vec<String>) {
    let said = PROFILES.map(|profile| {
        let text = format!("{GOOD}{URL}{profile}mcp_clients: {clients}\n");
        let loaded =
            Loaded::from_text("f.yaml".as_ref(), &text).unwrap_or_else(|problems| panic!("{problems}\n{text}"));
        schema::takes(&text);
        for problem in loaded.warnings.iter().chain(&loaded.notes) {
            assert_eq!(problem.line, Some(6 - usize::from(profile.contains("per_user"))), "{problem:?}");
            assert!(!problem.message.contains("planted"), "{problem:?}");
        }
        (lines(&loaded.warnings), lines(&loaded.notes))
    });
    assert_eq!(said[0], said[1]);
    said[0].clone()
}

/// The one warning about an MCP client named a.
fn warning(fields: &str) -> String {
    let (warnings, notes) = remarks(&format!("[{{name: a, {fields}}}]"));
    assert_eq!((warnings.len(), notes.len()), (1, 0), "{warnings:?} {notes:?}");
    warnings[0].clone()
}

const HTTP: &str = "connection_type: http, connection_string: x";

const NEWER: &str = "is newer than this edge knows; treated as";

#[test]
fn a_field_of_a_bifrost_to_come_is_one_warning() {
    for (fields, path, value) in [
        ("warp_drive: true", "warp_drive", "true"),
        ("warp_drive: 9", "warp_drive", "9"),
        ("warp_drive: 123456789", "warp_drive", "a number"),
        ("warp_drive: turbo", "warp_drive", "\"turbo\""),
        ("warp_drive: {a: {b: [planted]}}", "warp_drive", "a mapping"),
        ("warp_drive: [planted]", "warp_drive", "a list"),
        ("warp_drive: ~", "warp_drive", "nothing"),
        ("warp_key: planted", "warp_key", "text"),
        ("warp_drive: sk-planted", "warp_drive", "text"),
        ("slug: x", "slug", "\"x\""),
        ("oauth_config: {scopes: [a], warp: 1}", "oauth_config.warp", "1"),
        ("client_credentials: {warp: 1}", "client_credentials.warp", "1"),
        ("openapi_config: {security_credentials: {A: {warp: 1}}}", "openapi_config.security_credentials.A.warp", "1"),
    ] {
        let told = format!("a field that {NEWER} if it were not there (its value: {value})");
        assert_eq!(warning(&format!("{HTTP}, {fields}")), format!("mcp_clients[0].{path}: MCP client \"a\": {told}"));
    }
    for (fields, meant) in [("toolsToExecute: [x]", "tools_to_execute"), ("auth_tpye: oauth", "auth_type")] {
        let found = warning(&format!("{HTTP}, {fields}"));
        assert!(found.ends_with(&format!("; did you mean {meant:?}?")) && !found.contains("known here"), "{found}");
    }
}

#[test]
fn a_value_of_a_bifrost_to_come_is_one_warning() {
    for (auth_type, told) in [
        ("kerberos", "\"kerberos\""),
        ("oaut", "\"oaut\""),
        ("per_user_oidc", "\"per_user_oidc\""),
        ("sk-planted", "this text"),
    ] {
        let found = warning(&format!("{HTTP}, auth_type: {auth_type}"));
        let told = format!("{told} {NEWER} one that does not turn discovery on");
        assert_eq!(found, format!("mcp_clients[0].auth_type: MCP client \"a\": {told}"));
    }
    for (connection_type, told) in [
        ("carrier", "\"carrier\""),
        ("streamable_http", "\"streamable_http\""),
        ("aws_sigv4a", "\"aws_sigv4a\""),
        ("sk-planted", "this text"),
    ] {
        let found = warning(&format!("connection_type: {connection_type}"));
        let told = format!("{told} {NEWER} a connection that needs no other field");
        assert_eq!(found, format!("mcp_clients[0].connection_type: MCP client \"a\": {told}"));
    }
    assert!(warning("connection_type: htpp").ends_with("did you mean \"http\"?"));
}

#[test]
fn a_form_of_a_bifrost_to_come_is_one_warning() {
    for (fields, path, told) in [
        ("client_id: [x]", "client_id", "a list in place of text"),
        ("headers: x", "headers", "text in place of a mapping"),
        ("headers: {X: [planted]}", "headers.X", "a list in place of text, or a reference such as env.NAME"),
        ("headers: {X: {value: {a: b}}}", "headers.X", "a mapping in place of text, or a reference such as env.NAME"),
        ("headers: [{name: X, value: planted}]", "headers", "a list in place of a mapping"),
        ("tools_to_execute: all", "tools_to_execute", "\"all\" in place of a list"),
        ("tools_to_execute: [b, null]", "tools_to_execute[1]", "nothing in place of text"),
        ("tools_to_execute: [{name: b}, {name: c}]", "tools_to_execute[0]", "a mapping in place of text"),
        ("disabled: \"no\"", "disabled", "\"no\" in place of true or false"),
        ("disabled: sk-planted", "disabled", "text in place of true or false"),
        ("tool_pricing: {a: free}", "tool_pricing.a", "\"free\" in place of a number"),
        ("tool_pricing: 5", "tool_pricing", "5 in place of a mapping"),
        ("tool_sync_interval: 1.5", "tool_sync_interval", "1.5 in place of a duration such as 10m, or a whole number"),
        ("stdio_config: {command: [node, planted]}", "stdio_config.command", "a list in place of text"),
        ("stdio_config: npx", "stdio_config", "\"npx\" in place of a mapping"),
        ("stdio_config: {envs: {A: b}}", "stdio_config.envs", "a mapping in place of a list"),
        ("tls: true", "tls", "true in place of a mapping"),
        ("oauth_config: [x]", "oauth_config", "a list in place of a mapping"),
        ("aws_sigv4: eu-west-1", "aws_sigv4", "\"eu-west-1\" in place of a mapping"),
        (
            "openapi_config: {max_response_bytes: 1MB}",
            "openapi_config.max_response_bytes",
            "\"1MB\" in place of a number",
        ),
        (
            "openapi_config: {security_credentials: {A: planted}}",
            "openapi_config.security_credentials.A",
            "text in place of a mapping",
        ),
    ] {
        let told = format!("{told} {NEWER} if it were not there");
        assert_eq!(warning(&format!("{HTTP}, {fields}")), format!("mcp_clients[0].{path}: MCP client \"a\": {told}"));
    }
    let found = warning("connection_type: [http]");
    assert!(found.contains("connection_type: MCP client \"a\": a list in place of text is newer"), "{found}");
}

#[test]
fn values_that_bifrost_writes_are_no_news() {
    for fields in [
        "client_id: 7, endpoint_slug: true, tools_to_execute: [1, a], oauth_config: {scopes: [1]}",
        "headers: {X: 5, Y: true, Z: null, V: vault.secret/data/mcp#team}",
        "headers: {X: {value: \"\", secret_ref: vault.a, type: vault}}",
        "client_id: ~, auth_type: ~, headers: ~, tools_to_execute: ~, tool_pricing: ~, oauth_config: ~, disabled: ~",
        "stdio_config: {command: ~, args: ~, envs: [HOME]}, tls: ~, tool_sync_interval: -1, state: 5",
        "openapi_config: {spec: {openapi: 3.1.0}, security_credentials: {A: ~}}",
        "allow_by_default: true, endpoint_slug: a, per_user_discovery: false, max_protocol_version: auto",
        "auth_type: client_credentials, client_credentials: {client_id: env.A, scopes: []}",
        "auth_type: \"\"",
    ] {
        assert_eq!(remarks(&format!("[{{name: a, {HTTP}, {fields}}}]")), (vec![], vec![]), "{fields}");
    }
    for kind in ["inprocess", "websocket"] {
        assert_eq!(remarks(&format!("[{{name: a, connection_type: {kind}}}]")), (vec![], vec![]), "{kind}");
    }
    let needs = "connection_type: openapi, openapi_config: {spec_url: \"https://a.example/openapi.json\"}";
    assert_eq!(remarks(&format!("[{{name: a, {needs}}}]")), (vec![], vec![]));
}

#[test]
fn old_names_are_taken_and_noted() {
    let old = "{name: a, id: b, connection_type: http, http_url: \"https://a\", is_enabled: true, tools_to_skip: [x]}";
    let (warnings, notes) = remarks(&format!("[{old}]"));
    assert_eq!(warnings, Vec::<String>::new());
    assert_eq!(
        notes,
        [
            "mcp_clients[0].id: MCP client \"a\": the old name of \"client_id\", and taken for it",
            "mcp_clients[0].http_url: MCP client \"a\": the old name of \"connection_string\", and taken for it",
            "mcp_clients[0].is_enabled: MCP client \"a\": an old field, which newer versions of Bifrost do not read; they \
             have \"disabled\"",
            "mcp_clients[0].tools_to_skip: MCP client \"a\": an old field, which newer versions of Bifrost do not read; \
             they have \"tools_to_execute\"",
        ]
    );
    let both = warning(&format!("{HTTP}, tls: {{}}, tls_config: {{}}"));
    assert!(both.starts_with("mcp_clients[0].tls: MCP client \"a\": there twice, once as \"tls_config\""), "{both}");
}

#[test]
fn what_bifrost_needs_and_discovery_does_not_is_a_warning() {
    for (fields, path, told) in [
        (
            "connection_type: http",
            "connection_string",
            "connection_type http without one; write its URL, or a reference",
        ),
        ("connection_type: sse, connection_string: \" \"", "connection_string", "connection_type sse without one"),
        (
            "connection_type: http, connection_string: {value: \"\", env_var: \"\", from_env: false}",
            "connection_string",
            "connection_type http without one",
        ),
        ("connection_type: stdio", "stdio_config", "write at least {command: …}"),
        ("connection_type: openapi, openapi_config: {}", "openapi_config", "write at least {spec_file: …}"),
        ("client_id: b", "connection_type", "without one; write for example http"),
        ("connection_type: ~", "connection_type", "without one; write for example http"),
        (
            "connection_type: inprocess, auth_type: per_user_headers, per_user_header_keys: []",
            "per_user_header_keys",
            "needs at least one; name the headers that users supply",
        ),
    ] {
        let found = warning(fields);
        assert!(found.starts_with(&format!("mcp_clients[0].{path}: MCP client \"a\": ")), "{found}");
        assert!(found.contains(told), "{found}");
    }
}

#[test]
fn an_empty_entry_is_none_and_does_not_move_the_others() {
    let (warnings, _) = remarks("[null, {name: b, connection_type: carrier}, ~]");
    assert_eq!(warnings.len(), 3);
    assert!(warnings[0].starts_with("mcp_clients[0]: an entry with nothing in it"), "{warnings:?}");
    assert!(warnings[1].starts_with("mcp_clients[1].connection_type: MCP client \"b\""), "{warnings:?}");
    let twice = problem("mcp_clients: [null, {name: b}, {name: b}]\n");
    assert!(twice.contains("mcp_clients[2].name: the name \"b\" again"), "{twice}");
    assert!(twice.contains("(first: mcp_clients[1].name)"), "{twice}");
}

#[test]
fn only_what_would_make_discovery_wrong_is_refused() {
    let near =
        |key: &str| format!("\"{key}\" is no field, and without one discovery is off; did you mean \"auth_type\"?");
    for (clients, line) in [
        ("[{connection_type: inprocess}]", "mcp_clients[0]: the key \"name\" is missing; add it".to_owned()),
        (
            "[{nmae: a, connection_type: inprocess}]",
            "mcp_clients[0]: \"nmae\" is no field, and the key \"name\" is missing; did you mean \"name\"?".to_owned(),
        ),
        ("[{name: ~}]", "mcp_clients[0].name: found nothing; write text; the word null only in quotes".into()),
        ("[{name: }]", "mcp_clients[0].name: found nothing; write text; the word null only in quotes".into()),
        ("[{name: \" \"}]", "mcp_clients[0].name: empty; give the MCP client a name".into()),
        ("[{name: [a]}]", "mcp_clients[0].name: found a list; write text in quotes".into()),
        (
            "[{name: a}, {name: b}, {name: a}]",
            "mcp_clients[2].name: the name \"a\" again; rename one (first: mcp_clients[0].name)".into(),
        ),
        (
            "[{name: a, auth_type: per_user_oath}]",
            "mcp_clients[0].auth_type: \"per_user_oath\" turns discovery off; did you mean \"per_user_oauth\"?".into(),
        ),
        (
            "[{name: a, auth_type: Per-User-OAuth}]",
            "mcp_clients[0].auth_type: \"Per-User-OAuth\" turns discovery off; did you mean \"per_user_oauth\"?".into(),
        ),
        (
            "[{name: a, auth_type: [per_user_oauth]}]",
            "mcp_clients[0].auth_type: found a list; write text such as headers or per_user_oauth".into(),
        ),
        (
            "[{name: a, auth_type: {value: per_user_oauth}}]",
            "mcp_clients[0].auth_type: found a mapping; write text such as headers or per_user_oauth".into(),
        ),
        (
            "[{name: a, auth_type: 7}]",
            "mcp_clients[0].auth_type: found a whole number; write text such as headers or per_user_oauth".into(),
        ),
        (
            "[{name: a, auth_type: true}]",
            "mcp_clients[0].auth_type: found true or false; write text such as headers or per_user_oauth".into(),
        ),
        ("[{name: a, authType: per_user_oauth}]", format!("mcp_clients[0]: {}", near("authType"))),
        ("[{name: a, Auth_Type: per_user_oauth}]", format!("mcp_clients[0]: {}", near("Auth_Type"))),
        ("[{name: a, auth_typ: per_user_oath}]", format!("mcp_clients[0]: {}", near("auth_typ"))),
        (
            "[{name: a, <<: {auth_type: per_user_oauth}}]",
            "mcp_clients[0]: the merge key << is not followed here, and might say auth_type; write the fields out"
                .into(),
        ),
        ("[a]", "mcp_clients[0]: found text; write a mapping of keys to values".into()),
        ("{a: {}}", "mcp_clients: found a mapping; write a list".into()),
    ] {
        assert_eq!(problem(&format!("mcp_clients: {clients}\n")), format!("f.yaml:3: {line}"));
    }
    let twice = problems(&format!("{GOOD}mcp_clients:\n- name: a\n  warp: 1\n  warp: 2\n"));
    assert_eq!(
        twice,
        ["f.yaml:6: mcp_clients[0].warp: not valid YAML: the key is here for the second time; remove one"]
    );
}

#[test]
fn a_name_in_quotes_may_be_any_word() {
    let text = format!("{GOOD}mcp_clients: [{{name: \"null\", connection_type: inprocess}}]\n");
    assert_eq!(Loaded::from_text("f.yaml".as_ref(), &text).unwrap().config.sites[0].mcp_clients[0].name, "null");
}

#[test]
fn no_secret_of_the_table_is_kept_or_shown() {
    let secret = "sk-bf-planted-secret";
    for fields in [
        format!("connection_string: {secret}, headers: {{X-Key: {secret}}}"),
        format!("connection_string: [{secret}]"),
        format!("headers: {secret}"),
        format!("disabled: {secret}"),
        format!("tool_pricing: {{a: {secret}}}"),
        format!("tool_pricing: {{{secret}: free}}"),
        format!("{secret}: 1"),
        format!("warp: {secret}"),
        format!("warp: {{a: {secret}}}"),
        format!("headers: {{{secret}: [1]}}"),
        "api_token: hunter2-planted-secret".to_owned(),
        "warp: QWxhZGRpbjpvcGVuIHNlc2FtZQ-planted-secret".to_owned(),
    ] {
        let text = format!("{GOOD}{URL}profile: oauth2\nmcp_clients: [{{name: a, connection_type: http, {fields}}}]\n");
        let loaded = Loaded::from_text("f.yaml".as_ref(), &text).unwrap();
        let shown = format!("{loaded:?}");
        assert!(!shown.contains("planted-secret"), "{fields}: {shown}");
    }
}

#[test]
fn a_large_table_of_news_is_told_in_so_many_lines_and_the_rest_counted() {
    let many: Vec<_> = (0..2000).map(|number| format!("- {{name: c{number}, warp: 1, speed: 2}}\n")).collect();
    let text = format!(
        "{GOOD}{URL}profile: per_user_oauth\nmcp_clients:\n{}- {{name: last, auth_type: per_user_oauth}}\n",
        many.concat()
    );
    let loaded = Loaded::from_text("f.yaml".as_ref(), &text).unwrap();
    assert_eq!(loaded.warnings.len(), 101);
    let last = loaded.warnings.last().unwrap();
    // Three of each: the two fields, and that none says how to connect to it.
    assert_eq!(last.message, format!("and {} more warnings of this kind", 2000 * 3 + 1 - 100));
    assert_eq!(Discovery::compile(&loaded.config.sites).sites()[0].deciding_clients(), ["last"]);
}
