//! The metrics say what the fleet does.

use std::collections::HashMap;

use bridgehead::fleet::State;

use crate::support::{bifrost::Bifrost, edge::Edge, nobody, until};

/// Every sample that is a whole number, by its name and labels.
fn scrape(edge: &Edge) -> HashMap<String, u64> {
    let response = edge.ask_admin("/metrics");
    assert_eq!((response.status, response.header("content-type")), (200, Some("text/plain; version=0.0.4")));
    let samples = response.text().lines().filter(|line| !line.starts_with('#'));
    samples
        .map(|line| line.rsplit_once(' ').unwrap())
        .filter_map(|(key, value)| Some((key.to_owned(), value.parse().ok()?)))
        .collect()
}

#[test]
fn each_server_and_what_it_does_is_there() {
    let bifrost = Bifrost::start();
    let gone = nobody();
    let gate = bifrost.gate();
    let options = "balance: {policy: round_robin}\nbreaker: {enabled: false}\n";
    let edge = Edge::with(&[bifrost.address(), gone], options);
    for path in ["/echo", "/echo", "/status/500", "/status/404"] {
        edge.get(path);
    }
    until("nothing is in flight", || edge.report().servers.iter().all(|server| server.in_flight == 0));
    let _stream = edge.chat();

    let metrics = scrape(&edge);
    let of = |name: &str, address, more: &str| {
        let labels = format!("address=\"{address}\"{more},server=\"{address}\"");
        let labels =
            if more.contains("state") { format!("address=\"{address}\",server=\"{address}\"{more}") } else { labels };
        metrics.get(&format!("bridgehead_server_{name}{{{labels}}}")).copied()
    };
    let address = bifrost.address();
    assert_eq!(of("requests_in_flight", address, ""), Some(1));
    assert_eq!(of("requests_in_flight", gone, ""), Some(0));
    assert_eq!(of("picks_total", address, ""), Some(5));
    assert_eq!(of("failures_total", address, ",reason=\"status_5xx\""), Some(1));
    assert_eq!(of("failures_total", address, ",reason=\"connect\""), Some(0));
    assert_eq!(of("failures_total", gone, ",reason=\"connect\""), of("picks_total", gone, ""));
    assert_eq!(of("state", address, ",state=\"unknown\""), Some(1));
    assert_eq!(of("state", address, ",state=\"down\""), Some(0));
    assert_eq!(metrics.get("bridgehead_retries_total").copied(), of("picks_total", gone, ""));
    assert_eq!(metrics["bridgehead_retries_refused_total"], 0);
    assert_eq!(metrics["bridgehead_last_resort_picks_total"], 0);
    gate.release_all();
}

#[test]
fn that_all_servers_are_red_and_tried_all_the_same_is_there() {
    let fleet = [Bifrost::start(), Bifrost::start()];
    for bifrost in &fleet {
        bifrost.set_red(true);
    }
    let edge = Edge::with(&fleet.each_ref().map(Bifrost::address), "health: {interval: 1h}\n");
    until("all are down", || edge.report().servers.iter().all(|server| server.state == State::Down));
    for _ in 0..3 {
        assert_eq!(edge.get("/echo").status, 200);
    }
    assert_eq!(scrape(&edge)["bridgehead_last_resort_picks_total"], 3);
}
