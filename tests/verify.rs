//! `verify` tells an operator which servers do not answer what the edge serves, and why.

use std::{
    net::SocketAddr,
    process::{Command, Output},
};

use serde_json::{Value, json};

use crate::support::{
    bifrost::{Bifrost, Discovery, Mode},
    edge::CLIENTS,
    in_time::Printed,
    nobody,
    program::{bridgehead, config, without_credentials},
    tls_server::{BOTH, Trust},
};

const HEAD: &str = "listeners: [{address: \"127.0.0.1:1\"}]\npublic_urls: [\"https://gw.example\"]\n";

fn servers(servers: &[SocketAddr]) -> String {
    let list: Vec<_> = servers.iter().map(|server| format!("{{address: \"{server}\"}}")).collect();
    format!("servers: [{}]\n", list.join(", "))
}

/// A configuration for these servers, with one `per_user_oauth` client, `github`.
fn yaml(fleet: &[SocketAddr]) -> String {
    format!("{HEAD}{}{CLIENTS}", servers(fleet))
}

fn command(yaml: &str, credentials: &[(&str, &str)]) -> (Command, tempfile::NamedTempFile) {
    let file = config(yaml);
    let mut command = bridgehead();
    without_credentials(&mut command);
    command.envs(credentials.iter().copied()).arg("verify").arg("--config").arg(file.path());
    (command, file)
}

/// What it prints for a person, and its exit code.
fn table(yaml: &str, credentials: &[(&str, &str)]) -> (String, i32) {
    let (mut command, file) = command(yaml, credentials);
    let Output { status, stdout, stderr } = command.printed().unwrap();
    let (printed, errors) = (String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap());
    assert_eq!(errors, format!("configuration {}\n", file.path().display()), "{printed}");
    assert!(!printed.contains("planted"), "{printed}");
    (printed, status.code().unwrap())
}

/// What it prints for a program, and its exit code.
fn report(yaml: &str, credentials: &[(&str, &str)]) -> (Value, i32) {
    let (mut command, _file) = command(yaml, credentials);
    let output = command.args(["--format", "json"]).printed().unwrap();
    let report = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{output:?}"));
    (report, output.status.code().unwrap())
}

const TOKEN: &[(&str, &str)] = &[("BRIDGEHEAD_API_TOKEN", Bifrost::TOKEN)];
const USER: &[(&str, &str)] = &[("BRIDGEHEAD_API_USER", Bifrost::USER), ("BRIDGEHEAD_API_PASSWORD", Bifrost::PASSWORD)];

fn client(name: &str, auth_type: &str) -> Value {
    json!({"name": name, "auth_type": auth_type, "connection_type": "http", "headers": {"Authorization": "planted"}})
}

#[test]
fn a_fleet_that_agrees_is_exit_code_0_and_says_that_clients_were_not_compared() {
    let fleet = [Bifrost::start(), Bifrost::start()];
    let (printed, code) = table(&yaml(&fleet.each_ref().map(Bifrost::address)), &[]);
    assert_eq!(code, 0, "{printed}");
    assert!(printed.contains("2 servers: 2 agree, 0 disagree, 0 not reached"), "{printed}");
    assert!(printed.contains("MCP clients were not compared") && printed.contains("BRIDGEHEAD_API_TOKEN"));
    for bifrost in &fleet {
        let asked = bifrost.recorded();
        let targets: Vec<_> = asked.iter().map(|request| request.target.as_str()).collect();
        assert_eq!(targets, ["/.well-known/oauth-authorization-server", "/.well-known/oauth-protected-resource"]);
        for request in asked {
            assert_eq!(request.headers_all("host"), ["gw.example"]);
            assert_eq!(request.headers_all("x-forwarded-proto"), ["https"]);
            assert_eq!(request.header("authorization"), None);
        }
    }
}

#[test]
fn one_that_disagrees_and_one_that_is_gone_are_named_with_the_reason() {
    let fleet = [Bifrost::start(), Bifrost::start()];
    fleet[1].set_discovery(Discovery::Off);
    let gone = nobody();
    let (printed, code) = table(&yaml(&[fleet[0].address(), fleet[1].address(), gone]), &[]);
    assert_eq!(code, 1, "{printed}");
    assert!(printed.contains("3 servers: 1 agree, 1 disagree, 1 not reached"), "{printed}");
    let row = |address: SocketAddr| {
        let mut lines = printed.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
        lines.find(|words| words.first() == Some(&address.to_string().as_str())).unwrap()[2..].join(" ")
    };
    assert_eq!(row(fleet[0].address()), "agrees on per_user_oauth -");
    assert_eq!(row(fleet[1].address()), "disagrees off per_user_oauth -");
    assert_eq!(row(gone), "unreachable - - -");
    let url = "https://gw.example/.well-known/oauth-authorization-server";
    assert!(printed.contains(&format!("{url}: the edge serves it, the server does not")), "{printed}");
    assert!(printed.contains("not reached: Connection refused"), "{printed}");
}

#[test]
fn every_way_in_which_a_server_can_differ_is_a_disagreement() {
    let bifrost = Bifrost::start();
    for (discovery, part) in [
        (Discovery::Off, "\"server\":false"),
        (Discovery::Page, "which have no discovery"),
        (Discovery::Gap, "which have no discovery"),
        (Discovery::Oauth2(Mode::Both), "Bifrost 1.6.3 and later"),
        (Discovery::OwnIssuer, "http://bifrost.internal:8080"),
        (Discovery::Redirect, "302, a redirect"),
        (Discovery::Huge, "more than any document"),
    ] {
        bifrost.set_discovery(discovery);
        let (report, code) = report(&yaml(&[bifrost.address()]), &[]);
        assert_eq!((code, &report["servers"][0]["verdict"]), (1, &json!("disagrees")), "{discovery:?}: {report}");
        assert!(report.to_string().contains(part), "{discovery:?}: {report}");
    }
}

#[test]
fn a_server_that_has_disagreed_disagrees_whatever_it_leaves_unanswered() {
    let bifrost = Bifrost::start();
    bifrost.set_discovery(Discovery::OffThenCut);
    let (report, code) = report(&yaml(&[bifrost.address()]), TOKEN);
    let server = &report["servers"][0];
    assert_eq!((code, &server["verdict"], &server["discovery"]), (1, &json!("disagrees"), &json!("off")), "{report}");
    assert_eq!(server["differences"].as_array().unwrap().len(), 1, "{report}");
    assert!(server["unreachable"].is_string(), "{report}");
    let (printed, _) = table(&yaml(&[bifrost.address()]), &[]);
    for part in ["the edge serves it, the server does not", "not everything answered: ", "1 disagree, 0 not reached"] {
        assert!(
            printed.contains(part),
            "{part}
{printed}"
        );
    }
}

#[test]
fn with_discovery_off_a_web_page_is_as_good_as_no_document() {
    let fleet = [Bifrost::start(), Bifrost::start(), Bifrost::start()];
    fleet[0].set_discovery(Discovery::Page);
    fleet[1].set_discovery(Discovery::Off);
    fleet[2].set_discovery(Discovery::Gap);
    let (report, code) = report(&format!("{HEAD}{}", servers(&fleet.each_ref().map(Bifrost::address))), &[]);
    assert_eq!(code, 0, "{report}");
    assert_eq!(report["discovery"], "off");
}

#[test]
fn without_public_urls_the_servers_own_address_is_the_host() {
    let bifrost = Bifrost::start();
    let yaml = format!("listeners: [{{address: \"127.0.0.1:1\"}}]\n{}{CLIENTS}", servers(&[bifrost.address()]));
    let (report, code) = report(&yaml, &[]);
    assert_eq!(code, 0, "{report}");
    assert_eq!(bifrost.recorded()[0].header("host"), Some(bifrost.address().to_string().as_str()));
}

#[test]
fn every_address_of_a_name_is_asked_and_a_name_without_one_is_unreachable() {
    let bifrost = Bifrost::start();
    let port = bifrost.address().port();
    let yaml = format!(
        "{HEAD}servers: [{{address: \"localhost:{port}\"}}, {{address: \"no-such-name.invalid:1\"}}]\n{CLIENTS}"
    );
    let (report, code) = report(&yaml, &[]);
    assert_eq!(code, 1);
    let servers = report["servers"].as_array().unwrap();
    let named = |name: &str| servers.iter().filter(|server| server["server"] == name).collect::<Vec<_>>();
    let localhost = named(&format!("localhost:{port}"));
    let agreeing = localhost.iter().filter(|server| server["verdict"] == "agrees").count();
    assert_eq!(agreeing, 1, "{report}");
    let unresolved = named("no-such-name.invalid:1");
    assert_eq!((unresolved[0]["verdict"].as_str(), &unresolved[0]["address"]), (Some("unreachable"), &Value::Null));
}

// === MCP clients ===

#[test]
fn clients_that_are_missing_on_either_side_are_named() {
    let fleet = [Bifrost::start(), Bifrost::start()];
    for bifrost in &fleet {
        bifrost.close_api();
    }
    let github = client("github", "per_user_oauth");
    fleet[0].set_clients(&json!([github]), &json!([github]));
    fleet[1].set_clients(&json!([client("wiki", "oauth")]), &json!([github, client("wiki", "oauth")]));
    let yaml = yaml(&fleet.each_ref().map(Bifrost::address));
    for credentials in [TOKEN, USER] {
        let (printed, code) = table(&yaml, credentials);
        assert_eq!(code, 1, "{printed}");
        for line in [
            r#"  MCP client "github" (auth_type per_user_oauth): missing on the server's memory, the edge has it"#,
            r#"  MCP client "wiki" (auth_type oauth): missing on the edge, the server has it"#,
            "2 servers: 1 agree, 1 disagree, 0 not reached",
        ] {
            assert!(printed.lines().any(|printed| printed == line), "{line}\n{printed}");
        }
        assert!(!printed.contains("were not compared"), "{printed}");
    }
}

/// Asserts that a list of 250 clients, which a Bifrost has been given in this way, agrees with one in the configuration.
fn long_list_agrees(give: impl Fn(&Bifrost, &Value)) -> Bifrost {
    let bifrost = Bifrost::start();
    let clients: Vec<_> = (0..250).map(|number| client(&format!("c{number}"), "none")).collect();
    give(&bifrost, &json!(clients));
    bifrost.set_discovery(Discovery::Off);
    let entry = |number| format!("- {{name: c{number}, auth_type: none, connection_type: inprocess}}\n");
    let table: String = (0..250).map(entry).collect();
    let (report, code) = report(&format!("{HEAD}{}mcp_clients:\n{table}", servers(&[bifrost.address()])), TOKEN);
    assert_eq!((code, &report["servers"][0]["clients"]), (0, &json!(250)), "{report}");
    bifrost
}

#[test]
fn a_long_list_is_asked_for_page_by_page() {
    let bifrost = long_list_agrees(|bifrost, clients| bifrost.set_clients(clients, clients));
    let asked: Vec<_> = bifrost.recorded().into_iter().map(|request| request.target).collect();
    assert_eq!(asked[3..], [0, 100, 200].map(|offset| format!("/api/mcp/clients?limit=100&offset={offset}")));
}

/// As from 1.6 on, where what seems to be the list of the process is the first page of that.
#[test]
fn a_long_list_of_a_bifrost_that_has_but_one_is_no_difference() {
    long_list_agrees(|bifrost, clients| {
        bifrost.list_only_the_database();
        bifrost.set_clients(&json!([]), clients);
    });
}

#[test]
fn credentials_that_are_refused_are_exit_code_1_and_a_list_without_a_store_is_only_noted() {
    let bifrost = Bifrost::start();
    bifrost.close_api();
    let (report, code) = report(&yaml(&[bifrost.address()]), &[("BRIDGEHEAD_API_TOKEN", "another")]);
    assert_eq!((code, &report["servers"][0]["verdict"]), (1, &json!("unreachable")), "{report}");
    assert!(report.to_string().contains("401, the credentials are not accepted"), "{report}");
    let (printed, code) = table(&yaml(&[bifrost.address()]), TOKEN);
    assert_eq!(code, 0, "{printed}");
    assert!(printed.contains("warning: lists no MCP client: a Bifrost without a config store"), "{printed}");
}

#[test]
fn an_answer_that_is_no_list_is_no_agreement() {
    let bifrost = Bifrost::start();
    bifrost.answer_no_list();
    let (report, code) = report(&yaml(&[bifrost.address()]), TOKEN);
    assert_eq!((code, &report["servers"][0]["verdict"]), (1, &json!("unreachable")), "{report}");
    assert!(report.to_string().contains("answers no list of MCP clients"), "{report}");
}

#[test]
fn half_of_the_credentials_is_exit_code_2_before_anyone_is_asked() {
    let bifrost = Bifrost::start();
    let (mut command, _file) = command(&yaml(&[bifrost.address()]), &[("BRIDGEHEAD_API_USER", "planted")]);
    let output = command.printed().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let fault = String::from_utf8(output.stderr).unwrap();
    assert!(fault.contains("BRIDGEHEAD_API_PASSWORD is not; set both") && !fault.contains("planted"), "{fault}");
    assert!(bifrost.recorded().is_empty());
}

// === How a server is reached ===

#[test]
fn a_server_behind_tls_is_asked_as_its_settings_say_and_else_is_unreachable() {
    let (trust, other) = (Trust::new(), Trust::new());
    let bifrost = Bifrost::start();
    let github = json!([client("github", "per_user_oauth")]);
    bifrost.set_clients(&github, &github);
    // What ends TLS in front of a Bifrost: here an edge, which answers discovery itself.
    let door = trust.edge_with_tls(&format!("{}{CLIENTS}", servers(&[bifrost.address()])));
    let port = door.address.port();
    for (ca, http2, verdict) in
        [(&trust.ca, false, "agrees"), (&trust.ca, true, "agrees"), (&other.ca, false, "unreachable")]
    {
        let yaml = format!(
            "listeners: [{{address: \"127.0.0.1:1\"}}]\npublic_urls: [\"https://localhost:{port}\"]\n\
             servers: [{{address: \"localhost:{port}\", http2: {http2}, tls: {{{ca}}}}}]\n{CLIENTS}"
        );
        let (report, code) = report(&yaml, TOKEN);
        let servers = report["servers"].as_array().unwrap();
        let reached = servers.iter().find(|server| server["address"] == format!("127.0.0.1:{port}")).unwrap();
        assert_eq!(reached["verdict"], verdict, "{report}");
        // localhost may have an IPv6 address, too, where nobody listens.
        assert_eq!(code, i32::from(servers.iter().any(|server| server["verdict"] != "agrees")), "{report}");
    }
    assert!(bifrost.recorded().iter().all(|request| request.header("authorization").is_some()));
}

#[test]
fn a_server_of_http2_alone_is_asked_in_http2() {
    let trust = Trust::new();
    let server = trust.server(BOTH);
    let yaml = format!("{HEAD}servers: [{}]\n{CLIENTS}", trust.over_http2(&server));
    let (report, code) = report(&yaml, &[]);
    assert_eq!((code, &report["servers"][0]["verdict"]), (1, &json!("disagrees")), "{report}");
    let saw = server.saw_at("/.well-known/oauth-authorization-server").remove(0);
    assert_eq!((saw.version.as_str(), saw.authority.as_deref()), ("HTTP/2.0", Some("gw.example")));
    assert!(saw.headers.contains(&("x-forwarded-proto".to_owned(), "https".to_owned())), "{saw:?}");
}

#[test]
fn a_configuration_with_problems_is_exit_code_1_and_nobody_is_asked() {
    let (mut command, _file) = command("listeners: []\n", &[]);
    let output = command.printed().unwrap();
    assert_eq!((output.status.code(), output.stdout.len()), (Some(1), 0));
}

// === The generations ===

/// A configuration for these servers under the profile `oauth2`.
fn oauth2(fleet: &[SocketAddr], mode: &str) -> String {
    format!("{HEAD}{}profile: oauth2\nmcp_server_auth_mode: {mode}\n", servers(fleet))
}

#[test]
fn each_server_shows_its_generation_and_is_warned_of_when_the_profile_is_another_one() {
    let fleet = [Bifrost::start(), Bifrost::start(), Bifrost::start(), Bifrost::start()];
    fleet[1].set_discovery(Discovery::Oauth2(Mode::Oauth));
    fleet[2].set_discovery(Discovery::Page);
    fleet[3].set_discovery(Discovery::Off);
    let addresses = fleet.each_ref().map(Bifrost::address);
    for (yaml, fitting) in [(oauth2(&addresses, "both"), [1].as_slice()), (yaml(&addresses), &[0, 3])] {
        let (report, code) = report(&yaml, &[]);
        assert_eq!(code, 1, "{report}");
        for (place, contract) in ["per_user_oauth", "oauth2", "none", "per_user_oauth"].iter().enumerate() {
            let mut servers = report["servers"].as_array().unwrap().iter();
            let server = servers.find(|server| server["server"] == addresses[place].to_string()).unwrap();
            let fits = fitting.contains(&place);
            assert_eq!((&server["contract"], &server["fits"]), (&json!(contract), &json!(fits)), "{server}");
            let is_warned = server["warnings"].to_string().contains("speaks the contract of");
            assert_eq!(is_warned, !fits, "{server}");
        }
    }
}

#[test]
fn a_server_of_the_profile_oauth2_agrees_whatever_the_order_of_its_members() {
    let bifrost = Bifrost::of_oauth2(Mode::Both);
    bifrost.set_issuer_url("https://gw.example");
    let clients = json!([client("github", "per_user_oauth")]);
    bifrost.set_clients(&clients, &clients);
    let (printed, code) = table(&oauth2(&[bifrost.address()], "oauth"), TOKEN);
    assert_eq!(code, 0, "{printed}");
    assert!(printed.contains("agrees  on         oauth2") && !printed.contains("warning"), "{printed}");
    assert!(printed.contains("mcp_clients is empty, and decides nothing here"), "{printed}");
}

#[test]
fn a_server_whose_mode_or_issuer_is_another_one_is_told_by_the_name_of_the_setting() {
    let bifrost = Bifrost::start();
    let told = |part: &str| {
        let (printed, code) = table(&oauth2(&[bifrost.address()], "both"), &[]);
        assert!(code == 1 && printed.contains(part), "{printed}");
    };
    bifrost.set_discovery(Discovery::Oauth2(Mode::Headers));
    told("so its client.mcp_server_auth_mode is headers");
    bifrost.set_discovery(Discovery::Oauth2(Mode::Both));
    bifrost.set_issuer_url("https://other.example");
    told(
        "issues tokens for \"https://other.example\" alone, its oauth2_server_config.issuer_url: clients of https://gw.",
    );
}

#[test]
fn under_oauth2_a_table_that_is_there_is_compared() {
    let bifrost = Bifrost::of_oauth2(Mode::Both);
    let other = json!([client("other", "none")]);
    bifrost.set_clients(&other, &other);
    let (printed, code) = table(&format!("{}{CLIENTS}", oauth2(&[bifrost.address()], "both")), TOKEN);
    assert!(code == 1 && printed.contains("MCP client \"github\""), "{printed}");
}
