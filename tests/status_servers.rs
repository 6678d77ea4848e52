//! `/status` and the status page say of each server since when it is in its state, why it failed last, what it is for,
//! how often it failed of late, and whether it agrees about discovery.

use std::time::{SystemTime, UNIX_EPOCH};

use bridgehead::fleet::State;
use serde_json::{Value, json};

use crate::support::{
    bifrost::{Bifrost, Discovery},
    browser::Page,
    edge::{CLIENTS, Edge, PUBLIC_URLS},
    tools::lacks,
    until,
};

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

fn server(edge: &Edge, bifrost: &Bifrost) -> Value {
    let status = edge.ask_admin("/status").json();
    let list = status["fleet"]["list"].as_array().unwrap().clone();
    list.into_iter().find(|server| server["server"] == bifrost.address().to_string()).unwrap()
}

fn edge(one: &Bifrost, two: &Bifrost, more: &str) -> Edge {
    let servers = format!(
        "servers:\n- {{address: \"{}\", weight: 3}}\n- {{address: \"{}\", backup: true}}\n",
        one.address(),
        two.address()
    );
    let edge = Edge::start(&format!(
        "{PUBLIC_URLS}{servers}{CLIENTS}health: {{interval: 1s, timeout: 1s, fall: 1, rise: 1}}\n{more}"
    ));
    until("all are up", || edge.report().servers.iter().all(|server| server.state == State::Up));
    edge
}

#[test]
fn a_server_that_goes_down_says_since_when_and_why() {
    let (one, two) = (Bifrost::start(), Bifrost::start());
    let edge = edge(&one, &two, "");
    let before = server(&edge, &one);
    assert_eq!(before["last_failure"], Value::Null);
    assert_eq!(before["roles"], json!([{"weight": 3, "backup": false}]));
    assert_eq!(server(&edge, &two)["roles"], json!([{"weight": 1, "backup": true}]));
    assert!(before["since"].as_u64().unwrap() <= now());
    let began = now();
    one.set_red(true);
    until("it is down", || server(&edge, &one)["state"] == "down");
    let after = server(&edge, &one);
    let (since, failed) = (after["since"].as_u64().unwrap(), after["last_failure"]["at"].as_u64().unwrap());
    assert!((began..=now()).contains(&since), "{after}");
    assert!((began..=now()).contains(&failed), "{after}");
    assert!(after["last_failure"]["why"].as_str().unwrap().contains("503"), "{after}");
    // It stays known when the server is well again, and its state begins anew.
    one.set_red(false);
    until("it is up", || server(&edge, &one)["state"] == "up");
    let again = server(&edge, &one);
    assert!(again["since"].as_u64() >= after["since"].as_u64(), "{again}");
    assert_eq!(again["last_failure"]["why"], after["last_failure"]["why"]);
}

#[test]
fn an_open_breaker_says_since_when_and_the_attempts_are_counted() {
    let (one, two) = (Bifrost::start(), Bifrost::start());
    let edge = edge(&one, &two, "breaker: {server_errors: 3, open: 30s}\n");
    let began = now();
    until("it is open", || {
        edge.get("/status/500");
        server(&edge, &one)["state"] == "open"
    });
    let open = server(&edge, &one);
    assert!((began..=now()).contains(&open["since"].as_u64().unwrap()), "{open}");
    assert_eq!(open["last_failure"]["why"], "answered with a status from 500");
    assert_eq!(open["recent_failures"], open["failures"], "all of them were of late");
    assert_eq!(open["recent_failures"]["status_5xx"], open["picks"]);
}

#[test]
fn the_page_shows_it_a_column_each() {
    if lacks(&["chromium"]) {
        return;
    }
    let (one, two) = (Bifrost::start(), Bifrost::start());
    two.set_discovery(Discovery::Off);
    let edge = edge(&one, &two, "verify: {interval: 20ms}\n");
    edge.get("/status/500");
    let mut page = Page::new();
    page.resize(1280, 900, 1);
    page.go_to(&format!("http://{}/", edge.admin));
    let cell = |bifrost: &Bifrost, part: &str| {
        format!("document.querySelector('[data-server=\"{}\"] {part}')?.textContent", bifrost.address())
    };
    page.until(&format!("{} === 'agrees'", cell(&one, ".verify")));
    page.until(&format!("{} === 'disagrees'", cell(&two, ".verify")));
    let text =
        |page: &mut Page, bifrost: &Bifrost, part: &str| page.value(&cell(bifrost, part)).as_str().unwrap().to_owned();
    assert_eq!(text(&mut page, &one, ".server small"), "weight 3");
    assert_eq!(text(&mut page, &two, ".server small"), "weight 1, backup");
    assert_eq!(text(&mut page, &one, ".failed"), "1");
    let failure = text(&mut page, &one, ".kinds");
    assert!(failure.ends_with("answered with a status from 500 · in 10 min: 1 5xx"), "{failure}");
    let since = text(&mut page, &one, ".state small");
    assert!(since.contains(':') && since.ends_with(" s"), "{since}");
    two.set_red(true);
    page.until(&format!("document.querySelector('[data-server=\"{}\"]').dataset.state === 'down'", two.address()));
    for (width, height) in [(1280, 900), (375, 667)] {
        page.resize(width, height, 1);
        assert_eq!(page.value("document.documentElement.scrollWidth"), width);
    }
    let first = "[...document.querySelectorAll('#servers tr')]
        .sort((one, other) => one.getBoundingClientRect().top - other.getBoundingClientRect().top)[0].dataset.server";
    assert_eq!(page.value(first), two.address().to_string(), "trouble is not first on a phone");
    assert_eq!(page.complaints(), Vec::<String>::new());
}
