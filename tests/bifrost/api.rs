//! `bridgehead import` from what a real Bifrost runs with and from its API: one table, and no secret in it.

use std::{ffi::OsStr, fs, process::Command};

use serde_json::json;

use crate::{
    server::{PASSWORD, RealBifrost, USER, provider},
    support::{
        in_time::Printed,
        program::{bridgehead, config},
    },
};

/// What it prints for the configuration, what it says, and its exit code.
fn import(source: impl AsRef<OsStr>, change: impl FnOnce(&mut Command)) -> (String, String, i32) {
    let mut command = bridgehead();
    command.arg("import").arg(source);
    change(&mut command);
    let output = command.printed().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    let (printed, said) = (text(output.stdout), text(output.stderr));
    for secret in ["planted", "sk-", PASSWORD] {
        assert!(!printed.contains(secret) && !said.contains(secret), "{secret} is in {printed}{said}");
    }
    (printed, said, output.status.code().unwrap())
}

fn with_credentials(command: &mut Command) {
    command.env("BRIDGEHEAD_API_USER", USER).env("BRIDGEHEAD_API_PASSWORD", PASSWORD);
}

const CLIENTS: [&str; 2] = [
    "  - name: tools\n    client_id: client-1\n    auth_type: headers\n    connection_type: http\n",
    "  - name: shell\n    client_id: client-2\n    auth_type: none\n    connection_type: stdio\n    \
     stdio_config:\n      command: 'false'\n      envs:\n      - HOME\n",
];

#[test]
fn the_file_and_the_api_of_one_server_come_to_one_table() {
    let provider = provider();
    let bifrost = RealBifrost::start(&provider);
    let (of_file, said, code) = import(bifrost.config_file(), |_| ());
    assert_eq!(code, 0, "{said}");
    let (of_api, said, code) = import(format!("http://{}", bifrost.address), |_| ());
    assert_eq!(code, 0, "{said}");
    for table in [&of_file, &of_api] {
        for client in CLIENTS {
            assert!(table.contains(client), "{client}\nis not in\n{table}");
        }
        assert!(table.contains("Authorization: env.BIFROST_TEST_TOOLS_TOKEN\n"), "{table}");
    }
    assert!(of_file.contains(&format!("connection_string: http://{}/mcp\n", provider.address())), "{of_file}");
    // The API shows no more of it than its ends.
    assert!(of_api.contains("connection_string: (dropped by import)\n"), "{of_api}");
}

/// What the API shows only in part, or puts in other words, is no change. No `tool_pricing`: the server loses that of
/// its file before it stores it.
#[test]
fn the_api_changes_nothing_in_a_table_that_is_from_the_file_of_that_server() {
    let provider = provider();
    let bifrost = RealBifrost::start_with(&provider, "sk-provider", |config| {
        let clients = config["mcp"]["client_configs"].as_array_mut().unwrap();
        clients.push(json!({
            "client_id": "client-3", "name": "personal", "connection_type": "http",
            "connection_string": "env.BIFROST_TEST_MCP", "auth_type": "per_user_headers",
            "per_user_header_keys": ["X-Key"], "allowed_extra_headers": ["X-Trace"], "tools_to_execute": ["count"],
            "tools_to_auto_execute": ["count"], "tool_sync_interval": "10m",
            "is_ping_available": false, "tls_config": {"insecure_skip_verify": true},
        }));
    });
    let (table, said, code) = import(bifrost.config_file(), |_| ());
    assert_eq!(code, 0, "{said}");
    assert!(table.contains("connection_string: env.BIFROST_TEST_MCP\n"), "{table}");
    // What its version does is known of a running one alone.
    let yaml = format!(
        "listeners: [{{address: \"127.0.0.1:8000\"}}]\nservers: [{{address: {}}}]\nprofile: oauth2\n\
         mcp_server_auth_mode: headers\n{table}",
        bifrost.address
    );
    let file = config(&yaml);
    let before = fs::read_to_string(file.path()).unwrap();
    let (diff, said, code) = import(format!("http://{}", bifrost.address), |command| {
        command.arg("--into").arg(file.path()).arg("--yes");
    });
    assert!(code == 0 && said.contains("nothing to change"), "{diff}{said}");
    assert_eq!(fs::read_to_string(file.path()).unwrap(), before);
}

#[test]
fn a_closed_server_is_asked_with_credentials() {
    let provider = provider();
    let bifrost = RealBifrost::start_closed(&provider);
    let url = format!("http://{}", bifrost.address);
    let (printed, said, code) = import(&url, |_| ());
    assert!(code == 1 && printed.is_empty() && said.contains("401, credentials are needed"), "{said}");
    let (printed, said, code) = import(&url, with_credentials);
    assert_eq!(code, 0, "{said}");
    assert!(CLIENTS.iter().all(|client| printed.contains(client)), "{printed}");
    let (_, said, code) = import(bifrost.config_file(), |_| ());
    assert_eq!(code, 0, "{said}");
}
