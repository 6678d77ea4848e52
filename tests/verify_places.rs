//! `verify` asks for each document at its place: below the path of a public URL, and that of the Claude Code gateway.

use crate::support::{
    bifrost::{Bifrost, Mode},
    in_time::Printed,
    program::{bridgehead, config},
};

/// A server, and what `verify` prints for a fleet of it at this public URL, with its exit code.
fn verified(bifrost: &Bifrost, url: &str, more: &str) -> (String, i32) {
    let file = config(&format!(
        "listeners: [{{address: \"127.0.0.1:1\"}}]\npublic_urls: [\"{url}\"]\nservers: [{{address: \"{}\"}}]\n\
         profile: oauth2\nmcp_server_auth_mode: both\n{more}",
        bifrost.address()
    ));
    let output = bridgehead().arg("verify").arg("--config").arg(file.path()).printed().unwrap();
    (String::from_utf8(output.stdout).unwrap(), output.status.code().unwrap())
}

#[test]
fn below_a_path_a_server_is_asked_there_and_must_know_it() {
    let bifrost = Bifrost::of_oauth2(Mode::Both);
    let (printed, code) = verified(&bifrost, "https://gw.example/bifrost", "");
    assert_eq!(code, 1, "{printed}");
    assert!(printed.contains("has no documents below /bifrost: its server.base_path must be that"), "{printed}");
    // What it does not know as a path of its own, it has not recorded.
    bifrost.set_base_path("/bifrost");
    let (printed, code) = verified(&bifrost, "https://gw.example/bifrost", "");
    assert_eq!(code, 0, "{printed}");
    let asked: Vec<_> = bifrost.recorded().into_iter().map(|request| request.target).collect();
    let documents = ["oauth-authorization-server", "oauth-protected-resource"];
    assert_eq!(asked, documents.map(|document| format!("/bifrost/.well-known/{document}")));
}

#[test]
fn a_claude_code_gateway_that_the_server_does_not_have_is_a_disagreement() {
    let bifrost = Bifrost::of_oauth2(Mode::Both);
    let (printed, code) = verified(&bifrost, "https://gw.example", "claude_code_gateway: true\n");
    assert_eq!(code, 1, "{printed}");
    let url = "https://gw.example/claude-code/.well-known/oauth-authorization-server";
    assert!(printed.contains(&format!("{url}: the edge serves it, the server does not")), "{printed}");
    assert!(printed.contains("has no Claude Code gateway") && !printed.contains("more than one contract"), "{printed}");
}
