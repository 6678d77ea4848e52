//! `/status` and the status page name the hosts that clients ask for and that are no public URL's, with the line to add,
//! and what discovery was answered.

use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use crate::support::{
    browser::Page,
    edge::{CLIENTS, Edge},
    tools::lacks,
    until,
};

const DOCUMENT: &str = "/.well-known/oauth-authorization-server";

fn edge() -> Edge {
    Edge::start(&format!("public_urls: [\"http://localhost:{{port}}\"]\nunknown_hosts: refuse\nservers: []\n{CLIENTS}"))
}

fn ask(edge: &Edge, path: &str, host: &str) -> u16 {
    edge.connect().ask("GET", path, host, "").status
}

fn misdirected(edge: &Edge) -> Vec<Value> {
    edge.ask_admin("/status").json()["misdirected"].as_array().unwrap().clone()
}

#[test]
fn hosts_of_discovery_and_of_other_requests_are_kept() {
    let edge = edge();
    assert_eq!(misdirected(&edge), Vec::<Value>::new());
    for path in [DOCUMENT, "/v1/models", DOCUMENT] {
        assert_eq!(ask(&edge, path, "GW.example.com:8443"), 421);
    }
    assert_eq!(ask(&edge, "/v1/models", "other.example.com"), 421);
    assert_eq!(ask(&edge, DOCUMENT, &edge.host()), 200);
    // An answer is counted when it has been sent, which may be after it has come.
    let expected = [(json!("http://gw.example.com:8443"), json!(3)), (json!("http://other.example.com"), json!(1))];
    let mut hosts = Vec::new();
    until("all hosts are counted", || {
        hosts = misdirected(&edge);
        let shown: Vec<_> = hosts.iter().map(|host| (host["url"].clone(), host["requests"].clone())).collect();
        shown == expected
    });
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    assert!((now - 60..=now).contains(&hosts[0]["last"].as_u64().unwrap()), "{hosts:?}");
    let answers = json!([{"outcome": "ok", "count": 1}, {"outcome": "misdirected", "count": 2}]);
    until("all answers are counted", || {
        edge.ask_admin("/status").json()["sites"][0]["discovery"]["answers"] == answers
    });
}

#[test]
fn a_flood_of_hosts_makes_no_large_status() {
    let edge = edge();
    let mut client = edge.connect();
    for place in 0..200 {
        client.ask("GET", DOCUMENT, &format!("{place}.example.com"), "");
    }
    assert_eq!(misdirected(&edge).len(), 20);
}

#[test]
fn the_page_has_the_line_to_add() {
    if lacks(&["chromium"]) {
        return;
    }
    let edge = edge();
    let mut page = Page::new();
    page.resize(375, 667, 1);
    page.go_to(&format!("http://{}/", edge.admin));
    page.until("document.getElementById('updated')?.textContent.startsWith('updated ') ?? false");
    assert_eq!(page.value("document.getElementById('misdirected-section').checkVisibility()"), false);
    assert_eq!(page.text("answers"), "Not asked for since the start.");
    ask(&edge, DOCUMENT, &format!("{}.example.com", "long".repeat(15)));
    page.until("document.querySelector('#misdirected code') !== null");
    let line = page.value("document.querySelector('#misdirected code').textContent");
    assert_eq!(line, format!("- \"http://{}.example.com\"", "long".repeat(15)));
    let count = page.value("document.querySelector('#misdirected small').textContent");
    assert!(count.as_str().unwrap().starts_with("1 request, the last at "), "{count}");
    assert_eq!(page.text("answers"), "Answered since the start: 1 × 421 misdirected");
    assert_eq!(page.value("document.documentElement.scrollWidth"), 375);
    assert_eq!(page.complaints(), Vec::<String>::new());
}
