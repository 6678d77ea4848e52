//! Programs in Java are served in clear text, with the clients that most of them use, as these are by default: each
//! offers an upgrade with its requests.

use std::process::Command;

use serde_json::{Value, json};

use crate::support::{
    bifrost::Bifrost,
    edge::{CLIENTS, Edge, bifrost_and_edge, servers_yaml},
    in_time::Printed,
    interop::{installed, printed},
    tools::lacks,
};

/// Runs one of the programs; what it printed.
fn run(program: &str, arguments: &[&str]) -> String {
    let mut command = Command::new("java");
    command.arg("-cp").arg(installed("java").join("java/*")).arg(format!("java/{program}.java")).args(arguments);
    printed(program, &mut command, None)
}

/// Asks twice with a GET and a POST, and asserts that each was a 200 in this version.
fn is_served(client: &str, edge: &Edge, target: &str, when: &str, version: &str) {
    let url = format!("http://{}{target}", edge.host());
    let printed = run("Ask", &[client, &url, when]);
    let expected = format!("GET 200 {version}\nPOST 200 {version}\n").repeat(2);
    assert_eq!(printed, expected, "{client} {when}");
}

#[test]
fn the_clients_of_the_jdk_and_of_apache_are_served_in_http_1() {
    if lacks(&["java"]) {
        return;
    }
    let (bifrost, edge) = bifrost_and_edge();
    for (client, version) in [("jdk", "HTTP_1_1"), ("apache", "HTTP/1.1")] {
        for when in ["at-once", "when-asked"] {
            is_served(client, &edge, "/echo", when, version);
        }
    }
    for request in bifrost.recorded() {
        assert!(["upgrade", "http2-settings"].iter().all(|name| request.header(name).is_none()), "{request:?}");
    }
}

#[test]
fn they_are_served_where_a_listener_has_http_2() {
    if lacks(&["java"]) {
        return;
    }
    let bifrost = Bifrost::start();
    let edge = Edge::listening("http2: true", &servers_yaml(&[bifrost.address()]));
    is_served("jdk", &edge, "/echo", "at-once", "HTTP_1_1");
    for when in ["at-once", "when-asked"] {
        is_served("okhttp", &edge, "/echo", when, "h2_prior_knowledge");
    }
}

#[test]
fn the_java_sdk_of_mcp_calls_a_tool() {
    const TOKEN: &str = "a-token-of-java";
    if lacks(&["java"]) {
        return;
    }
    let bifrost = Bifrost::start();
    bifrost.accept_token(TOKEN);
    let edge = Edge::with(&[bifrost.address()], &format!("public_urls: [\"http://localhost:{{port}}\"]\n{CLIENTS}"));
    let url = format!("http://{}/mcp", edge.host());
    let printed = run("Call", &[&url, TOKEN, "count"]);
    let seen: Value = serde_json::from_str(&printed).unwrap();
    assert_eq!((&seen["tools"], &seen["result"]), (&json!(["count"]), &json!("counted to 3")));
}

#[test]
fn curl_that_offers_http_2_is_served() {
    if lacks(&["curl"]) {
        return;
    }
    let (_bifrost, edge) = bifrost_and_edge();
    let url = format!("http://{}/.well-known/oauth-protected-resource/mcp", edge.host());
    let arguments = ["-sS", "-o", "/dev/null", "-w", "%{http_code} %{http_version}", "--http2", &url, &url];
    let output = Command::new("curl").args(arguments).printed().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(String::from_utf8_lossy(&output.stdout).starts_with("200 1.1"), "{output:?}");
}
