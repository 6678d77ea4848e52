//! `import --into` changes the MCP client table of a file and nothing else.

use bridgehead::{
    config::Loaded,
    import::{Table, merge},
};
use serde_json::{Value, json};

use crate::support::problems::GOOD;

/// The file after these clients have been merged into it.
fn merged(file: &str, clients: &Value, prune: bool) -> String {
    let entries: Vec<serde_yaml::Value> = serde_json::from_value(clients.clone()).unwrap();
    let table = Table::new(&entries).unwrap();
    match merge("f.yaml".as_ref(), file, &table, prune) {
        Ok(merged) => {
            let again = merge("f.yaml".as_ref(), &merged.text, &table, prune).unwrap();
            assert_eq!(again.text, merged.text, "twice is not the same as once");
            merged.text
        }
        Err(fault) => panic!("{fault}\n{file}"),
    }
}

pub fn client(name: &str, auth_type: &str) -> Value {
    json!({"name": name, "connection_type": "inprocess", "auth_type": auth_type})
}

/// A file with comments everywhere.
pub const FILE: &str = "\
# Ours.
listeners: [{address: \"127.0.0.1:8000\"}] # here

mcp_clients: # the table
    # Why a is here.
    - name: a   # first
      connection_type: \"inprocess\"
      auth_type: none

    # Why b is here.
    - {name: b, connection_type: inprocess, auth_type: none}
    # Why c is here.
    -
      auth_type: none # why
      connection_type: inprocess
      name: c
    # The end of the table.
servers: []   # none yet
# The end.
";

#[test]
fn entries_that_say_the_same_keep_their_text_and_their_comments() {
    let clients = json!([client("c", "none"), client("a", "none"), client("b", "none")]);
    assert_eq!(merged(FILE, &clients, false), FILE);
    assert_eq!(merged(FILE, &json!([]), false), FILE);
}

#[test]
fn of_an_entry_that_says_something_else_only_that_is_replaced_and_a_new_one_comes_last() {
    let clients = json!([client("new", "oauth"), client("b", "per_user_oauth"), client("c", "none")]);
    let expected = FILE
        .replace(
            "    - {name: b, connection_type: inprocess, auth_type: none}\n",
            "    - {name: b, connection_type: inprocess, auth_type: \"per_user_oauth\"}\n",
        )
        .replace(
            "      name: c\n",
            "      name: c\n    - name: new\n      auth_type: oauth\n      connection_type: inprocess\n",
        );
    assert_eq!(merged(FILE, &clients, false), expected);
}

const COMMENTED: &str = "\
mcp_clients:
  - name: wiki # ours
    # Where it is.
    connection_type: http
    connection_string: https://wiki.example/mcp # by name
    auth_type: 'none' # for now
    headers:
      # Of the team.
      X-Team: env.TEAM # never changes
      Authorization: literal
    # What it may do.
    tools_to_execute: # all of
    - 'read' # this
    # and this
    - write
    disabled: true # for now
    tool_pricing: {read: 1}   # cents
  # The next one.
  - name: other
    connection_type: inprocess
";

#[test]
fn what_the_source_has_only_in_part_or_not_at_all_stays_as_the_file_has_it() {
    let file = format!("{GOOD}{COMMENTED}");
    let shown = |value: &str| json!({"value": value, "env_var": "", "from_env": false});
    let said = json!({
        "name": "wiki", "connection_type": "http", "auth_type": "none", "connection_string": shown("http****************/mcp"),
        "headers": {"X-Team": "env.TEAM", "Authorization": shown("lite****")}, "tools_to_execute": ["read", "write"],
        "disabled": true, "tool_pricing": {"read": 1.0},
    });
    assert_eq!(merged(&file, &json!([said]), false), file);
    for in_part in ["(dropped by import)", "https://u:p@wiki.example/mcp", "https://moved.example/mcp?key=1"] {
        let mut said = said.clone();
        said["connection_string"] = in_part.into();
        said["headers"]["X-Team"] = "a secret".into();
        assert_eq!(merged(&file, &json!([said]), false), file);
    }
    let unknown = file.replace("https://wiki.example/mcp", "(dropped by import)");
    let mut whole = said.clone();
    whole["connection_string"] = "https://wiki.example/mcp".into();
    assert_eq!(merged(&unknown, &json!([whole]), false), file);
}

#[test]
fn what_is_said_in_so_many_words_is_the_same_as_what_goes_without_saying() {
    let short = format!("{GOOD}mcp_clients:\n- name: a # ours\n  connection_type: inprocess\n");
    let long = format!(
        "{short}  auth_type: headers\n  disabled: false\n  is_ping_available: true\n  headers: {{}}\n  \
         tool_sync_interval: 0\n"
    );
    let said = json!({
        "name": "a", "connection_type": "inprocess", "auth_type": "headers", "disabled": false, "is_ping_available": true,
        "is_code_mode_client": false, "allow_on_all_virtual_keys": false, "tools_to_execute": null, "headers": {},
        "tool_sync_interval": 0, "slug": "",
    });
    assert_eq!(merged(&short, &json!([said]), false), short);
    assert_eq!(merged(&long, &json!([{"name": "a", "connection_type": "inprocess"}]), false), long);
    let timed = format!("{short}  tool_sync_interval: 10m\n  tool_execution_timeout: 30\n");
    let said = json!([{
        "name": "a", "connection_type": "inprocess", "tool_sync_interval": 600_000_000_000_u64,
        "tool_execution_timeout": "30s",
    }]);
    assert_eq!(merged(&timed, &said, false), timed);
    let off = json!([{"name": "a", "connection_type": "inprocess", "is_ping_available": false}]);
    assert_eq!(merged(&short, &off, false), format!("{short}  is_ping_available: false\n"));
}

#[test]
fn an_entry_that_changes_keeps_every_comment() {
    let said = json!([{
        "name": "wiki", "connection_type": "http", "auth_type": "per_user_oauth",
        "connection_string": "https://wiki.example/v2", "headers": {"X-Team": "env.TEAM", "X-New": "env.NEW"},
        "tools_to_execute": ["*"], "oauth_config": {"scopes": ["a"], "client_id": "env.ID"},
    }]);
    let result = merged(&format!("{GOOD}{COMMENTED}"), &said, false);
    let expected = "\
mcp_clients:
  - name: wiki # ours
    # Where it is.
    connection_type: http
    connection_string: https://wiki.example/v2 # by name
    auth_type: per_user_oauth # for now
    headers:
      # Of the team.
      X-Team: env.TEAM # never changes
      Authorization: literal
      X-New: env.NEW
    # What it may do.
    tools_to_execute:
    - '*'
    # all of
    # this
    # and this
    # for now
    # cents
    oauth_config:
      client_id: env.ID
      scopes:
      - a
  # The next one.
  - name: other
    connection_type: inprocess
";
    assert_eq!(result, format!("{GOOD}{expected}"));
    let windows = merged(&format!("{GOOD}{COMMENTED}").replace('\n', "\r\n"), &said, false);
    assert_eq!(windows, result.replace('\n', "\r\n"));
    let flow = "mcp_clients: [\n  {name: a, # ours\n   connection_type: inprocess,\n   disabled: true, # for now\n   \
                slug: x}, # first\n]\n";
    let result = merged(&format!("{GOOD}{flow}"), &json!([client("a", "oauth")]), false);
    for comment in ["# ours", "# for now", "# first"] {
        assert!(result.contains(comment), "{comment}\n{result}");
    }
}

#[test]
fn the_comment_right_above_an_entry_goes_with_it_and_no_other() {
    let file = format!(
        "{GOOD}mcp_clients:\n  # The table.\n\n  # About a,\n  # at length.\n  - name: a\n    connection_type: inprocess\n    \
         # Of a, too.\n  # About b.\n  - name: b\n    connection_type: inprocess\n  # About c.\n  - name: c\n    \
         connection_type: inprocess\n  # The end.\n"
    );
    let b = json!([{"name": "b", "connection_type": "inprocess"}]);
    let expected = format!(
        "{GOOD}mcp_clients:\n  # The table.\n\n    # Of a, too.\n  # About b.\n  - name: b\n    connection_type: \
         inprocess\n  # The end.\n"
    );
    assert_eq!(merged(&file, &b, true), expected);
}

#[test]
fn an_entry_that_only_the_file_has_stays_unless_it_is_pruned() {
    let clients = json!([client("b", "none")]);
    assert_eq!(merged(FILE, &clients, false), FILE);
    let pruned = merged(FILE, &clients, true);
    let config = Loaded::from_text("f.yaml".as_ref(), &pruned).unwrap().config;
    assert_eq!(config.sites[0].mcp_clients.iter().map(|client| client.name.as_str()).collect::<Vec<_>>(), ["b"]);
    for comment in ["# Ours.", "# here", "# the table", "# Why b is here.", "# The end of the table.", "# none yet"] {
        assert!(pruned.contains(comment), "{pruned}");
    }
    let emptied = merged(FILE, &json!([]), true);
    assert!(Loaded::from_text("f.yaml".as_ref(), &emptied).unwrap().config.sites[0].mcp_clients.is_empty());
}

#[test]
fn a_table_that_is_not_there_yet_is_put_where_it_belongs() {
    let entry = "  - name: a\n    auth_type: none\n    connection_type: inprocess\n";
    let clients = json!([client("a", "none")]);
    for (before, after) in [
        (GOOD.to_owned(), format!("{GOOD}\nmcp_clients:\n{entry}")),
        (GOOD.trim_end().to_owned(), format!("{GOOD}\nmcp_clients:\n{entry}")),
        (format!("mcp_clients:\n# none\n{GOOD}"), format!("mcp_clients:\n{entry}# none\n{GOOD}")),
        (format!("mcp_clients: null # none\n{GOOD}"), format!("mcp_clients: # none\n{entry}{GOOD}")),
        (format!("mcp_clients: []\n{GOOD}"), format!("mcp_clients:\n{entry}{GOOD}")),
        (format!("{GOOD}mcp_clients: ~"), format!("{GOOD}mcp_clients:\n{}", entry.trim_end())),
        (format!("\u{feff}{GOOD}mcp_clients:"), format!("\u{feff}{GOOD}mcp_clients:\n{}", entry.trim_end())),
    ] {
        assert_eq!(merged(&before, &clients, false), after);
    }
    let json = r#"{"listeners": [{"address": "127.0.0.1:8000"}], "servers": []}"#;
    let expected = r#"{"listeners": [{"address": "127.0.0.1:8000"}], "servers": [], "mcp_clients": [{"name": "a", "auth_type": "none", "connection_type": "inprocess"}]}"#;
    assert_eq!(merged(json, &clients, false), expected);
    for empty in ["[]", "null"] {
        let before = json.replace("\"servers\"", &format!("\"mcp_clients\": {empty}, \"servers\""));
        assert!(merged(&before, &clients, false).contains(r#""mcp_clients": [{"name": "a","#));
    }
}

#[test]
fn a_list_in_flow_style_stays_one() {
    let b = r#"{"name": "b", "auth_type": "oauth", "connection_type": "inprocess"}"#;
    let a = "{name: a, connection_type: inprocess, auth_type: none}";
    let clients = json!([client("a", "none"), client("b", "oauth")]);
    for (before, after) in [
        (format!("[{a}] # c\n"), format!("[{a}, {b}] # c\n")),
        (format!("[ {a} , ]\n"), format!("[ {a}, {b} , ]\n")),
        (format!("[\n  {a}, # why\n]\n"), format!("[\n  {a},\n  {b}, # why\n]\n")),
        (
            "[\n  # none\n]\n".to_owned(),
            format!("[{},\n{b}\n  # none\n]\n", b.replace("\"b\"", "\"a\"").replace("oauth", "none")),
        ),
        (
            format!("[{a}, {{name: b, connection_type: inprocess}}]\n"),
            format!("[{a}, {{name: b, connection_type: inprocess, \"auth_type\": \"oauth\"}}]\n"),
        ),
    ] {
        let after = if before.contains("# none") { after.replace(",\n", ", ") } else { after };
        assert_eq!(
            merged(&format!("mcp_clients: {before}{GOOD}"), &clients, false),
            format!("mcp_clients: {after}{GOOD}")
        );
    }
    let pasted =
        "mcp_clients: [\n{\n\"name\": \"a\",\n\"connection_type\": \"inprocess\",\n\"auth_type\": \"oauth\"\n}\n]\n";
    let expected = format!("mcp_clients: {},\n{b}\n]\n{GOOD}", &pasted[13..pasted.len() - 3].replace("oauth", "none"));
    assert_eq!(merged(&format!("{pasted}{GOOD}"), &clients, false), expected);
    let three = "[{name: x, connection_type: inprocess}, {name: a, connection_type: inprocess}, {name: y, connection_type: \
                 inprocess}, ]\n";
    for (clients, after) in [
        (json!([]), "[]\n".to_owned()),
        (
            json!([{"name": "a", "connection_type": "inprocess"}]),
            "[{name: a, connection_type: inprocess}, ]\n".to_owned(),
        ),
        (json!([client("b", "oauth")]), format!("[{b}, ]\n")),
    ] {
        let pruned = merged(&format!("mcp_clients: {three}{GOOD}"), &clients, true);
        assert_eq!(pruned.replace("[ ]", "[]"), format!("mcp_clients: {after}{GOOD}"));
    }
}

#[test]
fn a_file_with_the_line_breaks_of_windows_keeps_them() {
    let clients = json!([client("b", "oauth"), client("new", "none"), {"name": "long", "connection_type": "inprocess",
        "tools_to_execute": ["one\ntwo\n"]}]);
    let result = merged(&FILE.replace('\n', "\r\n"), &clients, false);
    assert_eq!(result.matches('\n').count(), result.matches("\r\n").count());
    assert_eq!(result.replace("\r\n", "\n"), merged(FILE, &clients, false));
    let tree: serde_yaml::Value = serde_yaml::from_str(&result).unwrap();
    assert_eq!(tree["mcp_clients"][4]["tools_to_execute"][0], "one\ntwo\n");
}

#[test]
fn names_in_any_writing_are_told_apart() {
    let names = ["日本語 😀", "a: b", "yes", "123", "# x", "é", "e\u{301}", "- dash", "tab\tend"];
    let clients: Vec<_> = names.iter().map(|name| client(name, "none")).collect();
    let first = merged(&format!("# 日本語 😀\n{GOOD}"), &json!(clients), false);
    let config = Loaded::from_text("f.yaml".as_ref(), &first).unwrap().config;
    assert_eq!(config.sites[0].mcp_clients.iter().map(|client| client.name.as_str()).collect::<Vec<_>>(), names);
    let second = merged(&first, &json!([client("é", "oauth")]), false);
    assert_eq!(second.matches("oauth").count(), 1);
    assert!(
        merged(
            &format!("{GOOD}mcp_clients: [{{name: 123, connection_type: inprocess, auth_type: none}}]\n"),
            &json!([client("123", "none")]),
            false
        )
        .ends_with("auth_type: none}]\n")
    );
}

#[test]
fn what_cannot_be_edited_is_refused_with_the_reason() {
    let entries = [serde_yaml::to_value(client("a", "oauth")).unwrap()];
    let table = Table::new(&entries).unwrap();
    for (file, part) in [
        ("listeners: [\n".to_owned(), "not valid YAML"),
        (String::new(), "the file is empty"),
        (format!("{GOOD}mcp_clients: {{}}\n"), "mcp_clients is no list"),
        (format!("{GOOD}unknown: 1\n"), "unknown: unknown key"),
        (format!("{GOOD}...\n"), "cannot be edited"),
        (
            format!(
                "{GOOD}mcp_clients:\n- &a {{name: a, connection_type: inprocess, auth_type: &t none}}\n- {{name: b, \
                 connection_type: inprocess, auth_type: *t}}\n"
            ),
            "cannot be edited",
        ),
    ] {
        let fault = merge("f.yaml".as_ref(), &file, &table, false).unwrap_err().to_string();
        assert!(fault.contains(part), "{fault}");
    }
}
