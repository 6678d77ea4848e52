//! `bridgehead verify` asks a real Bifrost, which has no discovery.

use std::{net::SocketAddr, process::Command};

use serde_json::json;

use crate::{
    server::{PASSWORD, RealBifrost, TOOLS, USER, provider},
    support::{
        edge::servers_yaml,
        in_time::Printed,
        program::{bridgehead, config},
    },
};

const TABLE: &str =
    "mcp_clients:\n- {name: shell, connection_type: stdio, stdio_config: {command: \"false\"}, auth_type: none}\n";

fn table(auth_type: &str) -> String {
    format!("{TABLE}- {{name: {TOOLS}, connection_type: http, connection_string: env.URL, auth_type: {auth_type}}}\n")
}

/// What it prints, and its exit code.
fn verify(server: SocketAddr, table: &str, change: impl FnOnce(&mut Command)) -> (String, i32) {
    let yaml = format!(
        "listeners: [{{address: \"127.0.0.1:8000\"}}]\npublic_urls: [\"https://gw.example.com\"]\n{}{table}",
        servers_yaml(&[server])
    );
    let file = config(&yaml);
    let mut command = bridgehead();
    command.arg("verify").arg("--config").arg(file.path());
    change(&mut command);
    let output = command.printed().unwrap();
    let text = [output.stdout, output.stderr].concat();
    (String::from_utf8(text).unwrap(), output.status.code().unwrap())
}

fn with_credentials(command: &mut Command) {
    command.env("BRIDGEHEAD_API_USER", USER).env("BRIDGEHEAD_API_PASSWORD", PASSWORD);
}

/// The edge would send clients to a login that this server does not have.
#[test]
fn a_server_without_discovery_is_told_with_what_to_do() {
    let provider = provider();
    let bifrost = RealBifrost::start(&provider);
    let (said, code) = verify(bifrost.address, &table("per_user_oauth"), |_| ());
    assert_eq!(code, 1, "{said}");
    for part in ["disagrees", "the edge serves it, the server does not", "1.5.3 to 1.6.2, which have no discovery"] {
        assert!(said.contains(part), "no {part:?} in {said}");
    }
    for remedy in ["logins end at a path that it does not have", "per_user_oauth out of mcp_clients"] {
        assert!(said.contains(remedy), "no {remedy:?} in {said}");
    }
}

#[test]
fn the_remedy_under_oauth2_is_its_mode_and_with_that_nothing_is_warned_of() {
    let provider = provider();
    let bifrost = RealBifrost::start(&provider);
    let table = |mode: &str| format!("profile: oauth2\nmcp_server_auth_mode: {mode}\n{}", table("headers"));
    let (said, code) = verify(bifrost.address, &table("both"), |_| ());
    assert!(code == 1 && said.contains("set mcp_server_auth_mode: headers"), "{said}");
    assert!(!said.contains("out of mcp_clients"), "{said}");
    let (said, code) = verify(bifrost.address, &table("headers"), |_| ());
    assert!(code == 0 && !said.contains("warning"), "{said}");
}

#[test]
fn a_fleet_that_needs_no_logins_agrees_with_an_edge_that_serves_none() {
    let provider = provider();
    let bifrost = RealBifrost::start(&provider);
    let (said, code) = verify(bifrost.address, &table("headers"), |command| {
        command.env("BRIDGEHEAD_API_TOKEN", "not-asked-for");
    });
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("1 server: 1 agree, 0 disagree"), "{said}");
    assert!(!said.contains("logins end"), "{said}");
}

#[test]
fn the_mcp_clients_of_a_closed_server_are_compared_with_credentials() {
    let provider = provider();
    let bifrost = RealBifrost::start_closed(&provider);
    let (said, code) = verify(bifrost.address, &table("headers"), with_credentials);
    assert_eq!(code, 0, "{said}");
    let (said, code) = verify(bifrost.address, TABLE, with_credentials);
    assert!(code == 1 && said.contains(TOOLS), "{said}");
    let (said, code) = verify(bifrost.address, &table("headers"), |command| {
        command.env("BRIDGEHEAD_API_TOKEN", "planted-wrong");
    });
    assert!(code == 1 && said.contains("401") && !said.contains("planted-wrong"), "{said}");
}

/// It lists a hundred at a time, and does not say what its process has.
#[test]
fn more_mcp_clients_than_a_page_has_are_all_compared() {
    let provider = provider();
    let names: Vec<_> = (0..130).map(|number| format!("many{number}")).collect();
    let bifrost = RealBifrost::start_with(&provider, "sk-provider", |config| {
        let clients = names.iter().map(|name| {
            json!({"name": name, "connection_type": "stdio", "stdio_config": {"command": "false"}, "auth_type": "none", "disabled": true})
        });
        config["mcp"]["client_configs"].as_array_mut().unwrap().extend(clients);
    });
    let client = |name: &String| {
        format!("- {{name: {name}, connection_type: stdio, stdio_config: {{command: \"false\"}}, auth_type: none}}\n")
    };
    let table = table("headers") + &names.iter().map(client).collect::<String>();
    let with_token = |command: &mut Command| {
        command.env("BRIDGEHEAD_API_TOKEN", "not-asked-for");
    };
    let (said, code) = verify(bifrost.address, &table, with_token);
    assert_eq!(code, 0, "{said}");
    let (said, code) = verify(bifrost.address, &table.replace("many129", "other"), with_token);
    assert!(code == 1 && said.contains("many129") && said.contains("other"), "{said}");
}
