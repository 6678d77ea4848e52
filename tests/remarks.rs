//! What an operator should know about a configuration is said by `check`, by a running edge, and on its status page; and
//! keeps nothing from being served.

use std::fs;

use crate::support::{
    http::Connection,
    in_time::Printed,
    program::{Running, bridgehead, config},
    until,
};

const GOOD: &str = "listeners: [{address: \"127.0.0.1:0\"}]\nadmin: {address: \"127.0.0.1:0\"}\n\
                    public_urls: [\"http://localhost:8000\"]\nprofile: per_user_oauth\nservers: [{address: \"127.0.0.1:9\"}]\n";
const CLIENT: &str = "mcp_clients: [{name: a, auth_type: per_user_oauth, connection_type: inprocess}]\n";
const NEWER: &str = "mcp_clients: [{name: a, auth_type: per_user_oauth, connection_type: carrier, id: b}]\n";
const WARNING: &str = ":6: mcp_clients[0].connection_type: MCP client \"a\": \"carrier\" is newer than this edge knows; \
                       treated as a connection that needs no other field";
const NOTE: &str = ":6: mcp_clients[0].id: MCP client \"a\": the old name of \"client_id\", and taken for it";

/// What `check` says, and its exit code, with these arguments.
fn check(text: &str, arguments: &[&str]) -> (String, i32) {
    let file = config(text);
    let output = bridgehead().arg("check").args(arguments).arg("--config").arg(file.path()).printed().unwrap();
    (String::from_utf8(output.stdout).unwrap(), output.status.code().unwrap())
}

#[test]
fn check_ends_well_with_warnings_and_badly_when_it_is_strict() {
    for (text, arguments, expected) in [
        (format!("{GOOD}{CLIENT}"), &[][..], 0),
        (format!("{GOOD}{CLIENT}"), &["--strict"], 0),
        (format!("{GOOD}{NEWER}"), &[], 0),
        (format!("{GOOD}{NEWER}"), &["--strict"], 1),
        // A note is none.
        (format!("{GOOD}{NEWER}").replace("carrier", "inprocess"), &["--strict"], 0),
        (format!("{GOOD}{CLIENT}").replace("localhost", "gw.example"), &["--strict"], 1),
    ] {
        let (said, code) = check(&text, arguments);
        assert_eq!(code, expected, "{text}{said}");
        assert!(said.contains(": valid\n"), "{said}");
    }
    let (said, _) = check(&format!("{GOOD}{NEWER}"), &[]);
    let has = |kind: &str, line: &str| said.lines().any(|said| said.starts_with(kind) && said.ends_with(line));
    assert!(has("warning: ", WARNING) && has("note: ", NOTE), "{said}");
}

#[test]
fn a_reload_with_warnings_is_taken_and_told() {
    let file = config(&format!("{GOOD}{CLIENT}"));
    let mut running = Running::start(file.path());
    let line = running.wait_for("metrics on http://");
    let (_, admin) = line.split_once("http://").unwrap();
    let admin: std::net::SocketAddr = admin.trim_end_matches('/').parse().unwrap();
    let status = || Connection::to(admin).ask("GET", "/status", &admin.to_string(), "").json();
    let configuration = || status()["configuration"].clone();
    assert_eq!(
        (configuration()["warnings"].to_string(), configuration()["notes"].to_string()),
        ("[]".into(), "[]".into())
    );
    fs::write(file.path(), format!("{GOOD}{NEWER}")).unwrap();
    running.wait_for("served as generation 2");
    running.wait_for(WARNING);
    running.wait_for(NOTE);
    let name = file.path().display();
    until("the page has them", || configuration()["warnings"].as_array().unwrap().len() == 1);
    assert_eq!(configuration()["warnings"][0], format!("{name}{WARNING}"));
    assert_eq!(configuration()["notes"][0], format!("{name}{NOTE}"));
    assert_eq!(configuration()["last_reload"]["result"], "used");
    // What is refused leaves those of what is served.
    fs::write(file.path(), format!("{GOOD}{NEWER}").replace("per_user_oauth,", "per_user_oath,")).unwrap();
    running.wait_for("did you mean \"per_user_oauth\"?");
    assert_eq!(configuration()["warnings"][0], format!("{name}{WARNING}"));
    fs::write(file.path(), format!("{GOOD}{CLIENT}")).unwrap();
    running.wait_for("served as generation 3");
    until("they are gone", || configuration()["warnings"].as_array().unwrap().is_empty());
}

#[test]
fn a_start_with_warnings_tells_them() {
    let file = config(&format!("{GOOD}{NEWER}"));
    let mut running = Running::start(file.path());
    running.wait_for(WARNING);
    running.wait_for(NOTE);
}
