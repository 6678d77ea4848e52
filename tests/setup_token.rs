//! `verify` and `import` on a fresh Bifrost, whose dashboard has no login yet: its API wants the setup token, and a
//! refusal says which credential is missing and where it comes from. The token goes to that API and nowhere else.

use std::process::Command;

use serde_json::json;

use crate::support::{
    bifrost::Bifrost,
    edge::{CLIENTS, servers_yaml},
    http::Connection,
    in_time::Printed,
    program::{Running, bridgehead, config, without_credentials},
    until,
};

const SETUP: (&str, &str) = ("BRIDGEHEAD_API_SETUP_TOKEN", Bifrost::SETUP_TOKEN);
const WRONG: (&str, &str) = ("BRIDGEHEAD_API_SETUP_TOKEN", "planted-wrong");
const TOKEN: (&str, &str) = ("BRIDGEHEAD_API_TOKEN", Bifrost::TOKEN);
const HEADER: &str = "x-bifrost-setup-token";

/// A server, the variables, and the cause and the remedy that are told.
type Case<'a> = (&'a Bifrost, &'a [(&'a str, &'a str)], &'a str, &'a str);

fn fresh(token: Option<&str>) -> Bifrost {
    let bifrost = Bifrost::start();
    let github = json!([{
        "name": "github", "auth_type": "per_user_oauth", "connection_type": "http", "connection_string": "env.URL",
    }]);
    bifrost.set_clients(&github, &github);
    bifrost.lock_setup(token);
    bifrost
}

fn yaml(bifrost: &Bifrost) -> String {
    let servers = servers_yaml(&[bifrost.address()]);
    format!("listeners: [{{address: \"127.0.0.1:0\"}}]\npublic_urls: [\"http://localhost:8000\"]\n{servers}{CLIENTS}")
}

/// What a command says with these variables, and its exit code. Nothing that was planted is in it.
fn run(command: &mut Command, variables: &[(&str, &str)]) -> (String, i32) {
    without_credentials(command);
    let output = command.envs(variables.iter().copied()).printed().unwrap();
    let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    assert!(!said.contains("planted"), "{said}");
    (said, output.status.code().unwrap())
}

fn import(bifrost: &Bifrost, variables: &[(&str, &str)]) -> (String, i32) {
    run(bridgehead().args(["import", &format!("http://{}", bifrost.address())]), variables)
}

fn verify(bifrost: &Bifrost, variables: &[(&str, &str)]) -> (String, i32) {
    let file = config(&yaml(bifrost));
    run(bridgehead().args(["verify", "--config"]).arg(file.path()), variables)
}

#[test]
fn with_the_setup_token_a_fresh_server_is_imported_from_and_verified() {
    let bifrost = fresh(Some(Bifrost::SETUP_TOKEN));
    let (said, code) = import(&bifrost, &[SETUP]);
    assert!(code == 0 && said.contains("- name: github\n"), "{said}");
    let (said, code) = verify(&bifrost, &[SETUP]);
    assert!(code == 0 && said.contains("1 server: 1 agree") && !said.contains("were not compared"), "{said}");
    let asked = bifrost.recorded();
    let (with, without): (Vec<_>, Vec<_>) = asked.iter().partition(|request| request.header(HEADER).is_some());
    let is_api = |target: &str| target.starts_with("/api/mcp/clients") || target == "/api/config";
    assert!(!with.is_empty() && with.iter().all(|request| is_api(&request.target)), "{with:?}");
    assert!(with.iter().all(|request| request.headers_all(HEADER) == [Bifrost::SETUP_TOKEN]), "{with:?}");
    assert!(with.iter().all(|request| request.header("authorization").is_none()), "{with:?}");
    let is_public = |target: &str| target.starts_with("/.well-known/") || target == "/api/version";
    assert!(without.iter().all(|request| is_public(&request.target)), "{without:?}");
}

/// A fleet may have servers of either kind.
#[test]
fn a_user_and_the_setup_token_open_what_either_opens() {
    let bifrost = fresh(Some(Bifrost::SETUP_TOKEN));
    for is_fresh in [true, false] {
        if !is_fresh {
            bifrost.end_setup();
            bifrost.close_api();
        }
        let (said, code) = verify(&bifrost, &[SETUP, TOKEN]);
        assert!(code == 0 && said.contains("1 server: 1 agree"), "fresh {is_fresh}: {said}");
    }
}

#[test]
fn a_refusal_names_its_cause_and_the_remedy() {
    let (locked, without, closed) = (fresh(Some(Bifrost::SETUP_TOKEN)), fresh(None), fresh(None));
    closed.end_setup();
    closed.close_api();
    let other = ("BRIDGEHEAD_API_TOKEN", "planted-other");
    let cases: [Case; 8] = [
        (
            &locked,
            &[],
            "401, credentials are needed",
            "or BRIDGEHEAD_API_SETUP_TOKEN if its dashboard has no login yet",
        ),
        (&locked, &[TOKEN], "401, the credentials are not accepted", "set BRIDGEHEAD_API_SETUP_TOKEN if its dashboard"),
        (&locked, &[WRONG], "403, the setup token is not the server's", "set BRIDGEHEAD_API_SETUP_TOKEN to the same"),
        (
            &locked,
            &[WRONG, TOKEN],
            "403, the setup token is not the server's",
            "BIFROST_SETUP_TOKEN in its environment",
        ),
        (&without, &[], "403, its dashboard has no login yet, and it has no setup token", "set BIFROST_SETUP_TOKEN"),
        (
            &without,
            &[TOKEN],
            "403, these credentials may not list MCP clients",
            "set BIFROST_SETUP_TOKEN for the server",
        ),
        (
            &closed,
            &[SETUP],
            "401, the setup token is not enough: its dashboard has a login",
            "set BRIDGEHEAD_API_TOKEN",
        ),
        (&closed, &[SETUP, other], "401, neither the credentials nor the setup token", "mend BRIDGEHEAD_API_TOKEN"),
    ];
    for (bifrost, variables, cause, remedy) in cases {
        let (said, code) = import(bifrost, variables);
        assert!(code == 1 && said.contains(cause) && said.contains(remedy), "{cause}: {said}");
        if !variables.is_empty() {
            let (said, code) = verify(bifrost, variables);
            assert!(code == 1 && said.contains(cause) && said.contains(remedy), "{cause}: {said}");
        }
    }
}

#[test]
fn a_running_edge_sends_it_to_the_api_alone_and_logs_it_never() {
    let bifrost = fresh(Some(Bifrost::SETUP_TOKEN));
    let file = config(&format!("{}verify: {{interval: 50ms}}\n", yaml(&bifrost)));
    let mut command = bridgehead();
    without_credentials(&mut command);
    command.env(SETUP.0, SETUP.1).env("RUST_LOG", "trace");
    let mut edge = Running::run(command, file.path());
    let address = edge.address();
    let with = || bifrost.recorded().into_iter().filter(|request| request.header(HEADER).is_some());
    until("it is asked for its clients", || with().count() > 3);
    let mut client = Connection::to(address);
    assert_eq!(client.ask("GET", "/echo", "localhost:8000", "").status, 200);
    assert!(with().all(|request| request.target.starts_with("/api/mcp/clients")));
    edge.signal("TERM");
    let log = edge.rest_of_the_log();
    assert!(!log.contains("planted"), "{log}");
}

/// What the stand-in lets pass without the token, and that a browser's cookie is as good.
#[test]
fn the_lock_is_for_the_api_and_a_cookie_opens_it_too() {
    let bifrost = fresh(Some(Bifrost::SETUP_TOKEN));
    let ask = |path: &str, headers: &str| Connection::to(bifrost.address()).ask("GET", path, "gw", headers).status;
    for path in ["/health", "/.well-known/oauth-protected-resource", "/", "/api/version"] {
        assert_eq!(ask(path, ""), 200, "{path}");
    }
    assert_eq!(ask("/api/mcp/clients", ""), 401);
    let cookie = |token: &str| format!("Cookie: a=b; bifrost_setup_session={token}\r\n");
    assert_eq!(ask("/api/mcp/clients", &cookie("wrong")), 403);
    assert_eq!(ask("/api/mcp/clients", &cookie(Bifrost::SETUP_TOKEN)), 200);
}
