//! `import` takes the profile, and what turns discovery on, from a `config.json` of a Bifrost that has it.

use std::{fs, path::PathBuf};

use bridgehead::config::{Loaded, McpServerAuthMode, Profile};
use serde_json::{Value, json};

use crate::support::{in_time::Printed, problems::GOOD, program::bridgehead, tls_server::Folder};

const FILE: &str = "\
# Ours.
listeners: [{address: \"127.0.0.1:8000\"}] # here
profile: per_user_oauth # the old ones
public_urls: [\"https://gw.example\"]
mcp_clients: # the table
  - {name: a, connection_type: inprocess, auth_type: per_user_oauth}
servers: []   # none yet
# The end.
";

fn source(folder: &Folder, mode: &Value, clients: &Value) -> PathBuf {
    let server = json!({"issuer_url": "https://gw.example"});
    let config = json!({
        "client": {"mcp_server_auth_mode": mode, "oauth2_server_config": server, "secret": "planted"},
        "mcp": {"client_configs": clients},
    });
    folder.write("config.json", config.to_string())
}

fn client(name: &str) -> Value {
    json!({"name": name, "connection_type": "inprocess", "auth_type": "per_user_oauth"})
}

/// Standard output, standard error and exit code.
fn run(source: &PathBuf, arguments: &[&str]) -> (String, String, i32) {
    let output = bridgehead().arg("import").arg(source).args(arguments).printed().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    let (out, errors) = (text(output.stdout), text(output.stderr));
    assert!(!out.contains("planted") && !errors.contains("planted"), "{out}\n{errors}");
    (out, errors, output.status.code().unwrap())
}

#[test]
fn by_itself_it_prints_them_before_the_table() {
    let folder = Folder::new();
    for (mode, clients) in [("both", json!([client("a")])), ("headers", json!([])), ("oauth", Value::Null)] {
        let source = match &clients {
            Value::Null => folder.write("config.json", json!({"client": {"mcp_server_auth_mode": mode}}).to_string()),
            clients => source(&folder, &json!(mode), clients),
        };
        let (out, errors, code) = run(&source, &[]);
        assert_eq!(code, 0, "{errors}");
        assert!(out.starts_with(&format!("profile: oauth2\nmcp_server_auth_mode: {mode}\nmcp_clients:")), "{out}");
        assert!(errors.contains(&format!("client.mcp_server_auth_mode is {mode}: that decides")), "{errors}");
        let config =
            Loaded::from_text("f.yaml".as_ref(), &format!("{GOOD}public_urls: [\"https://gw.example\"]\n{out}"));
        assert_eq!(config.unwrap().config.sites[0].profile, Some(Profile::Oauth2));
    }
}

#[test]
fn merged_they_replace_or_join_the_keys_of_the_file_and_nothing_else_changes() {
    let folder = Folder::new();
    let source = source(&folder, &json!("both"), &json!([client("a")]));
    let target = folder.write("proxy.yaml", FILE);
    let into = ["--into", target.to_str().unwrap(), "--yes"];
    let (_, errors, code) = run(&source, &into);
    assert_eq!(code, 0, "{errors}");
    assert!(errors.contains("profile oauth2, mcp_server_auth_mode both") && !errors.contains("warning"), "{errors}");
    let expected = FILE
        .replace("profile: per_user_oauth #", "profile: oauth2 #")
        .replace("# none yet\n", "# none yet\nmcp_server_auth_mode: both\n");
    assert_eq!(fs::read_to_string(&target).unwrap(), expected);
    let (_, errors, _) = run(&source, &into);
    assert!(errors.contains("nothing to change"), "{errors}");
}

#[test]
fn a_file_in_flow_style_gets_them_too() {
    let folder = Folder::new();
    let source = source(&folder, &json!("oauth"), &json!([client("b")]));
    let yaml = "{listeners: [{address: \"127.0.0.1:8000\"}], servers: [], public_urls: [\"https://gw.example\"]}\n";
    let target = folder.write("proxy.yaml", yaml);
    let (_, errors, code) = run(&source, &["--into", target.to_str().unwrap(), "--yes"]);
    assert_eq!(code, 0, "{errors}");
    let config = Loaded::from_file(&target).unwrap().config;
    assert_eq!(
        (config.sites[0].profile(), config.sites[0].auth_mode()),
        (Profile::Oauth2, Some(McpServerAuthMode::Oauth))
    );
    assert_eq!(config.sites[0].mcp_clients.len(), 1);
}

#[test]
fn an_issuer_that_is_no_public_url_is_warned_of_and_no_public_url_at_all_is_refused() {
    let folder = Folder::new();
    let source = source(&folder, &json!("both"), &json!([client("a")]));
    let other = folder.write("proxy.yaml", FILE.replace("gw.example", "other.example"));
    let (_, errors, code) = run(&source, &["--into", other.to_str().unwrap()]);
    assert_eq!(code, 0, "{errors}");
    assert!(errors.contains("issues tokens for https://gw.example alone"), "{errors}");
    let none = folder.write("proxy.yaml", FILE.replace("public_urls: [\"https://gw.example\"]\n", ""));
    let (_, errors, code) = run(&source, &["--into", none.to_str().unwrap(), "--yes"]);
    assert!(code == 1 && errors.contains("both needs public_urls"), "{errors}");
}

#[test]
fn an_issuer_that_is_not_an_origin_as_it_is_written_is_warned_of_and_a_reference_is_told() {
    let folder = Folder::new();
    let target = folder.write("proxy.yaml", FILE);
    for (issuer, told) in [
        (json!("https://gw.example/"), "note: "),
        (json!("https://other.example/"), "issues tokens for https://other.example alone"),
        (json!({"value": "https://u:planted@gw.example", "ref": "", "type": ""}), "a user name"),
        (json!("env.URL"), "was not compared"),
    ] {
        let client = json!({"mcp_server_auth_mode": "both", "oauth2_server_config": {"issuer_url": issuer}});
        let source = folder.write("config.json", json!({"client": client}).to_string());
        let (_, errors, code) = run(&source, &["--into", target.to_str().unwrap()]);
        assert!(code == 0 && errors.contains(told), "{told}: {errors}");
    }
}

#[test]
fn a_merge_that_turns_discovery_off_is_warned_of() {
    let folder = Folder::new();
    let source = source(&folder, &json!("headers"), &json!([client("a")]));
    let target = folder.write("proxy.yaml", FILE);
    let (_, errors, code) = run(&source, &["--into", target.to_str().unwrap()]);
    assert!(code == 0 && errors.contains("discovery was on, and is then off"), "{errors}");
}

#[test]
fn a_table_that_is_missing_there_empties_none_here() {
    let folder = Folder::new();
    let source = source(&folder, &json!("both"), &json!([]));
    let target = folder.write("proxy.yaml", FILE);
    let (_, errors, code) = run(&source, &["--into", target.to_str().unwrap(), "--prune", "--yes"]);
    assert!(code == 1 && errors.contains("--prune would take all of them out"), "{errors}");
    assert_eq!(fs::read_to_string(&target).unwrap(), FILE);
    let (_, errors, code) = run(&source, &["--into", target.to_str().unwrap(), "--yes"]);
    assert_eq!(code, 0, "{errors}");
    assert!(fs::read_to_string(&target).unwrap().contains("name: a"));
}

#[test]
fn a_mode_that_bifrost_does_not_have_is_refused_without_its_text() {
    let folder = Folder::new();
    let (out, errors, code) = run(&source(&folder, &json!("planted"), &json!([client("a")])), &[]);
    assert_eq!((out.as_str(), code), ("", 1));
    assert!(errors.contains("client.mcp_server_auth_mode is none of headers, both, oauth"), "{errors}");
}

/// Since Bifrost 2.4.0 a slash at the end of its issuer is none.
#[test]
fn an_issuer_with_a_slash_is_the_public_url_and_said_to_be_so() {
    let folder = Folder::new();
    let target = folder.write("proxy.yaml", FILE);
    let server = json!({"issuer_url": "https://gw.example/"});
    let client = json!({"mcp_server_auth_mode": "both", "oauth2_server_config": server});
    let source = folder.write("config.json", json!({"client": client}).to_string());
    let (_, errors, code) = run(&source, &["--into", target.to_str().unwrap()]);
    assert_eq!(code, 0, "{errors}");
    assert!(errors.contains("ends with a slash, which Bifrost leaves out since 2.4.0") && !errors.contains("warning"));
}

#[test]
fn a_file_that_does_not_say_its_generation_gets_no_profile_and_both_readings_in_a_line() {
    let folder = Folder::new();
    let source = folder.write("config.json", json!({"mcp": {"client_configs": [client("a")]}}).to_string());
    let (out, errors, code) = run(&source, &[]);
    assert!(code == 0 && out.starts_with("mcp_clients:\n"), "{out}");
    let line = format!(
        "{}: it does not say which Bifrost it is of, so no profile is written. Read as 1.5.0 to 1.5.2 (profile \
         per_user_oauth): discovery, because of 1 with auth_type per_user_oauth. Read as 1.6.3 and later (profile oauth2): \
         none, as client.mcp_server_auth_mode is not set. GET /api/version of it tells which",
        source.display()
    );
    assert!(errors.lines().any(|told| told == line), "{errors}");
    for profile in ["per_user_oauth", "oauth2"] {
        let text = FILE.replace("per_user_oauth # the", &format!("{profile} # the"));
        let target = folder.write("proxy.yaml", &text);
        let (_, errors, code) = run(&source, &["--into", target.to_str().unwrap(), "--yes"]);
        assert_eq!(code, 0, "{errors}");
        assert_eq!(fs::read_to_string(&target).unwrap(), text);
    }
}

#[test]
fn a_file_of_a_later_generation_gets_its_profile_and_no_mode() {
    let folder = Folder::new();
    let clients =
        json!([{"name": "a", "connection_type": "openapi", "openapi_config": {}, "auth_type": "per_user_oauth"}]);
    let source = folder.write("config.json", json!({"mcp": {"client_configs": clients}}).to_string());
    let (out, errors, code) = run(&source, &[]);
    assert!(code == 0 && out.starts_with("profile: oauth2\nmcp_clients:\n"), "{out}");
    assert!(
        errors.contains("it has connection_type openapi, which came with Bifrost 2.3.1: profile oauth2"),
        "{errors}"
    );
    let target = folder.write("proxy.yaml", FILE);
    let (_, errors, code) = run(&source, &["--into", target.to_str().unwrap(), "--yes"]);
    assert_eq!(code, 0, "{errors}");
    assert!(errors.contains("discovery was on, and is then off"), "{errors}");
    assert!(fs::read_to_string(&target).unwrap().contains("profile: oauth2 # the old ones\n"));
}

/// A `config.json` with a Claude Code gateway and, or not, with a mode.
fn with_gateway(folder: &Folder, mode: Option<&str>, is_enabled: bool) -> PathBuf {
    let server = json!({
        "issuer_url": "https://gw.example",
        "claude_code_gateway": {"enabled": is_enabled, "managed_settings": {"apiKeyHelper": "planted"}},
    });
    let mut client = json!({"oauth2_server_config": server});
    if let Some(mode) = mode {
        client["mcp_server_auth_mode"] = mode.into();
    }
    folder.write("config.json", json!({"client": client}).to_string())
}

#[test]
fn a_claude_code_gateway_is_taken_with_its_mode_and_without() {
    let folder = Folder::new();
    for (mode, is_enabled, keys) in [
        (
            Some("both"),
            true,
            "profile: oauth2\nmcp_server_auth_mode: both\nclaude_code_gateway: true\nmcp_clients: []\n",
        ),
        (Some("both"), false, "profile: oauth2\nmcp_server_auth_mode: both\nmcp_clients: []\n"),
        // Only Bifrost 2 has one, and it takes headers for a mode that is not there.
        (None, true, "profile: oauth2\nmcp_server_auth_mode: headers\nclaude_code_gateway: true\nmcp_clients: []\n"),
    ] {
        let (out, errors, code) = run(&with_gateway(&folder, mode, is_enabled), &[]);
        assert_eq!((out.as_str(), code), (keys, 0), "{errors}");
        assert_eq!(errors.contains("Claude Code gateway"), is_enabled, "{errors}");
    }
}

#[test]
fn merged_a_claude_code_gateway_is_turned_on_and_off_again() {
    let folder = Folder::new();
    let target = folder.write("proxy.yaml", FILE);
    let into = ["--into", target.to_str().unwrap(), "--yes"];
    let (_, errors, code) = run(&with_gateway(&folder, Some("both"), true), &into);
    assert!(code == 0 && errors.contains("mcp_server_auth_mode both, claude_code_gateway true"), "{errors}");
    assert!(Loaded::from_file(&target).unwrap().config.sites[0].claude_code_gateway);
    let (_, errors, code) = run(&with_gateway(&folder, Some("both"), false), &into);
    assert_eq!(code, 0, "{errors}");
    assert!(!Loaded::from_file(&target).unwrap().config.sites[0].claude_code_gateway);
}

#[test]
fn a_base_path_that_no_public_url_has_is_warned_of() {
    let folder = Folder::new();
    let client = json!({
        "mcp_server_auth_mode": "both", "oauth2_server_config": {"issuer_url": "https://gw.example/bifrost"},
    });
    let config = json!({"server": {"base_path": "bifrost/"}, "client": client});
    let source = folder.write("config.json", config.to_string());
    let (_, errors, code) = run(&source, &[]);
    assert!(code == 0 && errors.contains("as in https://gateway.example.com/bifrost"), "{errors}");
    for (url, is_warned) in [("https://gw.example", true), ("https://gw.example/bifrost", false)] {
        let target = folder.write("proxy.yaml", FILE.replace("https://gw.example", url));
        let (_, errors, code) = run(&source, &["--into", target.to_str().unwrap()]);
        assert_eq!(code, 0, "{errors}");
        assert_eq!(errors.contains("none of public_urls has that path"), is_warned, "{url}: {errors}");
        assert_eq!(errors.contains("which is none of public_urls: users cannot log in"), is_warned, "{url}: {errors}");
    }
}
