//! A running edge verifies its servers by itself, when it is told how often.

use std::sync::Arc;

use bridgehead::verify::{Report, Verdict};

use crate::support::{
    bifrost::{Bifrost, Discovery, Mode},
    edge::{CLIENTS, Edge, servers_yaml},
    http::Connection,
    nobody,
    program::{Running, config},
    until,
};

const URLS: &str = "public_urls: [\"https://gw.example\"]\n";
const OFTEN: &str = "verify: {interval: 20ms}\n";

fn report(edge: &Edge) -> Option<Arc<Report>> {
    edge.control().verification().pop()
}

fn verdicts(edge: &Edge) -> Vec<Verdict> {
    report(edge).iter().flat_map(|report| report.servers.iter().map(|server| server.verdict)).collect()
}

#[test]
fn the_metrics_say_which_servers_agree() {
    let bifrost = Bifrost::start();
    let gone = nobody();
    let edge = Edge::start(&format!("{URLS}{OFTEN}{}{CLIENTS}", servers_yaml(&[bifrost.address(), gone])));
    until("there is a report", || report(&edge).is_some());
    let agreement = |address| format!("bridgehead_verify_agreement{{address=\"{address}\",server=\"{address}\"}}");
    let of = |verdict: &str| edge.metric(&format!("bridgehead_verify_servers{{verdict=\"{verdict}\"}}"));
    assert_eq!((of("agrees"), of("disagrees"), of("unreachable")), (1, 0, 1));
    assert_eq!((edge.metric(&agreement(bifrost.address())), edge.metric(&agreement(gone))), (1, 0));
    let status = Connection::to(edge.admin).ask("GET", "/status", &edge.admin.to_string(), "").json();
    let shown = status["sites"][0]["verification"]["servers"].as_array().unwrap();
    assert_eq!(shown.len(), 2, "{status}");
    assert!(shown.iter().any(|server| server["verdict"] == "unreachable"), "{status}");
    assert!(edge.metrics().contains("bridgehead_verify_last_run_timestamp_seconds 1"), "{}", edge.metrics());

    bifrost.set_discovery(Discovery::Oauth2(Mode::Both));
    // A run during which it changes sees two contracts, and none of them.
    until("it is of another generation", || edge.metric("bridgehead_verify_profile_misfits") == 1);
    assert_eq!((of("disagrees"), edge.metric(&agreement(bifrost.address()))), (1, 0));
    let server = bifrost.address();
    let contract =
        format!("bridgehead_verify_contract{{address=\"{server}\",contract=\"oauth2\",server=\"{server}\"}}");
    assert_eq!(edge.metric(&contract), 1);
    let status = edge.ask_admin("/status").json();
    assert!(status["sites"][0]["verification"].to_string().contains("Bifrost 1.6.3 and later"), "{status}");
    bifrost.set_discovery(Discovery::On);
    until("it agrees again", || of("agrees") == 1);
}

#[test]
fn without_an_interval_nobody_is_asked_and_a_reload_takes_over_a_changed_one() {
    let bifrost = Bifrost::start();
    let yaml = |verify: &str| format!("{URLS}{verify}{}{CLIENTS}", servers_yaml(&[bifrost.address()]));
    let edge = Edge::start(&yaml("verify: {at_start: false}\n"));
    assert_eq!(edge.get("/echo").status, 200);
    assert!(report(&edge).is_none() && !edge.metrics().contains("bridgehead_verify"));
    edge.reload(&yaml(OFTEN));
    until("it agrees", || verdicts(&edge) == [Verdict::Agrees]);
    edge.reload(&yaml("verify: {interval: 1h}\n"));
    edge.reload(&yaml("verify: {at_start: false}\n"));
    until("it is forgotten", || report(&edge).is_none());
    let asked = bifrost.discovery_requests().len();
    assert_eq!(edge.get("/echo").status, 200);
    assert_eq!(bifrost.discovery_requests().len(), asked);
}

#[test]
fn a_reload_is_verified_soon_whatever_the_interval() {
    let bifrost = Bifrost::start();
    let yaml =
        |clients: &str| format!("{URLS}verify: {{interval: 1h}}\n{}{clients}", servers_yaml(&[bifrost.address()]));
    let edge = Edge::start(&yaml(CLIENTS));
    until("it agrees", || verdicts(&edge) == [Verdict::Agrees]);
    edge.reload(&yaml(""));
    until("it does not agree any more", || verdicts(&edge) == [Verdict::Disagrees]);
}

#[test]
fn a_server_that_never_answers_holds_up_no_request() {
    let bifrost = Bifrost::start();
    bifrost.set_discovery(Discovery::Silent);
    let edge = Edge::start(&format!("{URLS}{OFTEN}{}{CLIENTS}", servers_yaml(&[bifrost.address()])));
    until("it is asked", || !bifrost.discovery_requests().is_empty());
    assert_eq!(edge.get("/echo").status, 200);
    assert!(report(&edge).is_none());
}

#[test]
fn a_change_is_logged_once_each_way_and_no_credential_ever() {
    let bifrost = Bifrost::start();
    bifrost.close_api();
    let github = serde_json::json!([{"name": "github", "auth_type": "per_user_oauth"}]);
    bifrost.set_clients(&github, &github);
    let server = bifrost.address();
    let file = config(&format!(
        "listeners: [{{address: \"127.0.0.1:0\"}}]\n{URLS}{OFTEN}{}{CLIENTS}",
        servers_yaml(&[server])
    ));
    let mut edge = Running::start_with_env(file.path(), "trace", &[("BRIDGEHEAD_API_TOKEN", Bifrost::TOKEN)]);
    let address = edge.address();
    let answers = || bifrost.recorded().iter().filter(|request| request.target.contains("offset=0")).count();
    let several_more = || {
        let before = answers();
        until("it is asked again and again", || answers() > before + 3);
    };
    until("it is asked for its clients", || answers() > 0);
    bifrost.set_discovery(Discovery::Off);
    edge.wait_for(&format!("verify: server {server} does not agree with the edge: https://gw.example/.well-known/"));
    several_more();
    bifrost.set_discovery(Discovery::On);
    edge.wait_for(&format!("verify: server {server} agrees with the edge again"));
    several_more();
    assert_eq!(Connection::to(address).ask("GET", "/echo", "gw.example", "").status, 200);
    edge.signal("TERM");
    let log = edge.rest_of_the_log();
    assert!(!log.contains("verify: server") && !log.contains("planted"), "{log}");
}
