//! A running edge learns, unasked, which generation of Bifrost its servers are of, and says when that is not the one that
//! it serves.

use bridgehead::verify::{Contract, Verdict};

use crate::support::{
    bifrost::{Bifrost, Discovery, Mode},
    edge::{CLIENTS, Edge, servers_yaml},
    http::Connection,
    program::{Running, config},
    until,
};

const URLS: &str = "public_urls: [\"https://gw.example\", \"https://other.example\"]\n";
/// As when nothing is said of it.
const DEFAULT: &str = "verify: {}\n";
const OFF: &str = "verify: {at_start: false}\n";

fn yaml(bifrost: &Bifrost, verify: &str) -> String {
    format!("{URLS}{verify}{}{CLIENTS}", servers_yaml(&[bifrost.address()]))
}

fn misfits(edge: &Edge) -> Option<u64> {
    let has = edge.metrics().contains("bridgehead_verify_profile_misfits ");
    has.then(|| edge.metric("bridgehead_verify_profile_misfits"))
}

#[test]
fn a_server_of_another_generation_is_found_with_few_requests_and_forgiven_when_it_is_mended() {
    let bifrost = Bifrost::of_oauth2(Mode::Both);
    let edge = Edge::start(&yaml(&bifrost, DEFAULT));
    until("it is found", || misfits(&edge) == Some(1));
    // The two documents of one public URL.
    assert_eq!(bifrost.discovery_requests().len(), 2);
    let status = edge.ask_admin("/status").json();
    let server = &status["sites"][0]["verification"]["servers"][0];
    assert_eq!((server["contract"].as_str(), server["fits"].as_bool()), (Some("oauth2"), Some(false)));
    let warning = server["warnings"][0].as_str().unwrap();
    let told =
        "speaks the contract of Bifrost 1.6.3 and later; the profile is per_user_oauth, for Bifrost 1.5.0 to 1.5.2";
    assert_eq!(warning, told);
    bifrost.set_discovery(Discovery::On);
    until("it is asked again, and fits", || misfits(&edge) == Some(0));
}

#[test]
fn one_that_fits_is_asked_once_and_again_after_a_reload() {
    let bifrost = Bifrost::start();
    let edge = Edge::start(&yaml(&bifrost, DEFAULT));
    until("it is known to fit", || misfits(&edge) == Some(0));
    assert_eq!(bifrost.discovery_requests().len(), 2);
    let report = edge.control().verification().pop().unwrap();
    let server = &report.servers[0];
    assert_eq!((server.verdict, server.contract, report.clients), (Verdict::Agrees, Some(Contract::PerUserOauth), 1));
    assert!(!report.clients_compared);
    edge.reload(&yaml(&bifrost, DEFAULT).replace("https://other.example", "https://third.example"));
    until("it is asked again", || bifrost.discovery_requests().len() == 4);
    edge.reload(&yaml(&bifrost, OFF));
    until("what was found is forgotten", || misfits(&edge).is_none());
    assert_eq!(bifrost.discovery_requests().len(), 4);
}

#[test]
fn one_that_is_not_there_yet_is_asked_when_it_is_and_the_others_are_left_alone() {
    let bifrost = Bifrost::start();
    // Of one that is stopped.
    let late = Bifrost::start().address();
    let servers = servers_yaml(&[bifrost.address(), late]);
    let edge = Edge::start(&format!("{URLS}{DEFAULT}{servers}{CLIENTS}"));
    let verdicts = || {
        let report = edge.control().verification().pop();
        report.map(|report| (report.count(Verdict::Agrees), report.count(Verdict::Unreachable)))
    };
    until("one of them is known", || verdicts() == Some((1, 1)));
    let second = Bifrost::start_on(late).unwrap();
    until("both of them are", || verdicts() == Some((2, 0)));
    assert_eq!((bifrost.discovery_requests().len(), second.discovery_requests().len()), (2, 2));
}

#[test]
fn it_is_off_by_a_key_and_what_an_interval_finds_takes_its_place() {
    let bifrost = Bifrost::start();
    let edge = Edge::start(&yaml(&bifrost, OFF));
    assert_eq!(edge.get("/echo").status, 200);
    assert!(misfits(&edge).is_none() && bifrost.discovery_requests().is_empty());
    edge.reload(&yaml(&bifrost, "verify: {interval: 20ms}\n"));
    // Both public URLs, again and again.
    until("it is asked", || bifrost.discovery_requests().len() > 4);
}

#[test]
fn the_log_says_it_unasked_and_without_asking_for_mcp_clients() {
    let bifrost = Bifrost::of_oauth2(Mode::Both);
    let server = bifrost.address();
    let listeners = "listeners: [{address: \"127.0.0.1:0\"}]\n";
    let file = config(&format!("{listeners}{}", yaml(&bifrost, DEFAULT)));
    let mut edge = Running::start_with_env(file.path(), "info", &[("BRIDGEHEAD_API_TOKEN", Bifrost::TOKEN)]);
    let address = edge.address();
    edge.wait_for("profile: not set, so per_user_oauth is assumed, for Bifrost 1.5.0 to 1.5.2; ");
    edge.wait_for(&format!("verify: server {server}: speaks the contract of Bifrost 1.6.3 and later; the profile is"));
    assert!(bifrost.recorded().iter().all(|asked| !asked.target.starts_with("/api/")));
    assert_eq!(Connection::to(address).ask("GET", "/echo", "gw.example", "").status, 200);
}
