//! The headline of `/status` and the status page says what clients get, and names each reason.

use bridgehead::fleet::State;
use serde_json::{Value, json};

use crate::support::{
    bifrost::{Bifrost, Discovery},
    browser::Page,
    edge::{CLIENTS, Edge, PUBLIC_URLS, servers_yaml, site_yaml},
    tools::lacks,
    until,
};

/// Checked so often that a test need not wait.
const HEALTH: &str = "health: {interval: 1s, timeout: 1s, fall: 1, rise: 1}\n";

fn headline(edge: &Edge) -> Value {
    edge.ask_admin("/status").json()["headline"].clone()
}

fn words(edge: &Edge) -> (String, String) {
    let headline = headline(edge);
    (headline["tone"].as_str().unwrap().to_owned(), headline["words"].as_str().unwrap().to_owned())
}

fn yaml(fleet: &[&Bifrost], clients: &str) -> String {
    let servers: Vec<_> = fleet.iter().map(|bifrost| bifrost.address()).collect();
    format!("{PUBLIC_URLS}{}{clients}{HEALTH}", servers_yaml(&servers))
}

fn says(tone: &str, words: &str) -> (String, String) {
    (tone.to_owned(), words.to_owned())
}

fn wait_for_all(edge: &Edge) {
    until("all are up", || edge.report().servers.iter().all(|server| server.state == State::Up));
}

#[test]
fn it_follows_the_servers_from_all_to_none() {
    let [one, two] = [Bifrost::start(), Bifrost::start()];
    let edge = Edge::start(&yaml(&[&one, &two], CLIENTS));
    wait_for_all(&edge);
    let expected = json!({
        "tone": "good", "words": "Serving", "reasons": [{"text": "2 of 2 servers available", "place": "fleet-title"}],
    });
    assert_eq!(headline(&edge), expected);
    one.set_red(true);
    until("it is degraded", || words(&edge) == says("warn", "Degraded: 1 of 2 servers available"));
    two.set_red(true);
    until("there is none", || words(&edge) == says("bad", "Discovery only: no server is available"));
    one.set_red(false);
    until("it is degraded again", || words(&edge) == says("warn", "Degraded: 1 of 2 servers available"));
}

#[test]
fn discovery_is_not_promised_where_it_is_off() {
    let bifrost = Bifrost::start();
    bifrost.set_red(true);
    let edge = Edge::start(&yaml(&[&bifrost], "mcp_clients: []\n"));
    let expected = says("bad", "Not serving: no server is available, and discovery is off");
    until("there is none", || words(&edge) == expected);
    let without = Edge::start(&format!("{PUBLIC_URLS}servers: []\n{CLIENTS}"));
    assert_eq!(words(&without), says("warn", "Discovery only: no server is configured"));
}

#[test]
fn a_site_without_a_server_is_named_and_is_bad() {
    let [one, two] = [Bifrost::start(), Bifrost::start()];
    let first = site_yaml("first", "https://gw.example", one.address());
    let edge = Edge::start(&format!(
        "{HEALTH}sites:\n{first}{}",
        site_yaml("second", "https://gw.example/two", two.address())
    ));
    wait_for_all(&edge);
    two.set_red(true);
    until("it is bad", || words(&edge) == says("bad", "Degraded: 1 of 2 servers available"));
    let reasons = headline(&edge)["reasons"].clone();
    assert_eq!(reasons[1], json!({"text": "site second has none", "place": "fleet-title"}));
}

#[test]
fn what_needs_somebody_is_named_and_leads_to_its_place() {
    if lacks(&["chromium"]) {
        return;
    }
    let bifrost = Bifrost::start();
    bifrost.set_discovery(Discovery::Off);
    let edge = Edge::start(&format!("{}verify: {{interval: 20ms}}\n", yaml(&[&bifrost], CLIENTS)));
    wait_for_all(&edge);
    until("it is asked", || words(&edge) == says("warn", "Serving"));
    let reasons = headline(&edge)["reasons"].clone();
    let disagrees = json!({"text": "1 server does not agree about discovery", "place": "verification"});
    assert_eq!(reasons[1], disagrees);
    let mut page = Page::new();
    page.resize(375, 667, 1);
    page.go_to(&format!("http://{}/", edge.admin));
    page.until("document.querySelectorAll('#why a').length === 2");
    assert_eq!(page.text("verdict"), "Serving");
    let leads = "[...document.querySelectorAll('#why a')].every((link) => document.getElementById(link.hash.slice(1)))";
    assert_eq!(page.value(leads), true);
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
    assert_eq!(page.text("host"), host.trim());
    let updated = page.text("updated");
    let zoned = updated.split(' ').count() >= 3;
    assert!(zoned, "a time without its zone: {updated}");
    let top = |page: &mut Page, part: &str| {
        page.value(&format!("document.querySelector('{part}').getBoundingClientRect().top")).as_f64().unwrap()
    };
    assert!(top(&mut page, ".fleet") < top(&mut page, ".traffic"), "trouble is not first on a phone");
    assert!(top(&mut page, ".configuration") < top(&mut page, ".traffic"), "trouble is not first on a phone");
    assert_eq!(page.complaints(), Vec::<String>::new());
}
