use std::net::SocketAddr;

use super::*;
use crate::config::Loaded;

fn fleet(yaml: &str) -> Fleet {
    fleet_of(yaml, &Arc::default())
}

fn fleet_of(yaml: &str, runtime: &Arc<Runtime>) -> Fleet {
    let yaml = format!("listeners: [{{address: \"127.0.0.1:8000\"}}]\n{yaml}");
    let loaded = Loaded::from_text("test.yaml".as_ref(), &yaml).unwrap_or_else(|problems| panic!("{problems}"));
    Fleet::new(&loaded.config.sites[0], None, Arc::clone(runtime))
}

const THREE: &str = "servers: [{address: \"10.0.0.1:1\"}, {address: \"10.0.0.2:1\"}, {address: \"10.0.0.3:1\"}]\n\
                     balance: {policy: round_robin}\n";

fn picked(fleet: &Fleet, attempts: &mut Attempts) -> Option<String> {
    fleet.pick(attempts, None)?;
    attempts.server().map(|server| server.address().ip().to_string())
}

fn first(fleet: &Fleet) -> String {
    picked(fleet, &mut Attempts::default()).unwrap()
}

fn down(fleet: &Fleet, places: &[usize]) {
    for place in places {
        fleet.servers()[*place].1.checked(false, &config::HealthChecks::default());
    }
}

#[test]
fn one_request_tries_each_server_once() {
    let fleet = fleet(THREE);
    assert_eq!(first(&fleet), "10.0.0.1");
    let mut attempts = Attempts::default();
    for address in ["10.0.0.2", "10.0.0.3", "10.0.0.1"] {
        assert_eq!(picked(&fleet, &mut attempts).unwrap(), address);
    }
    assert!(!fleet.may_retry(&attempts));
    assert_eq!(picked(&fleet, &mut attempts), None);
}

#[test]
fn a_server_that_never_had_the_request_may_be_tried_again() {
    let fleet = fleet("servers: [{address: \"10.0.0.1:1\"}]\n");
    let mut attempts = Attempts::default();
    assert_eq!(picked(&fleet, &mut attempts).unwrap(), "10.0.0.1");
    attempts.forgive();
    assert!(fleet.may_retry(&attempts));
    assert_eq!(picked(&fleet, &mut attempts).unwrap(), "10.0.0.1");
}

#[test]
fn a_lease_counts_until_it_is_dropped() {
    let fleet = fleet(THREE);
    let in_flight = || fleet.servers().iter().map(|(_, server)| server.in_flight()).collect::<Vec<_>>();
    let mut attempts = Attempts::default();
    picked(&fleet, &mut attempts);
    assert_eq!(in_flight(), [1, 0, 0]);
    picked(&fleet, &mut attempts);
    assert_eq!(in_flight(), [0, 1, 0]);
    drop(attempts);
    assert_eq!(in_flight(), [0, 0, 0]);
}

#[test]
fn a_server_that_is_down_gets_nothing_unless_all_are() {
    let fleet = fleet(THREE);
    down(&fleet, &[0, 1]);
    for _ in 0..10 {
        assert_eq!(first(&fleet), "10.0.0.3");
    }
    assert_eq!(super::report(&fleet.runtime, &[&fleet]).sites[0].last_resorts, 0);
    down(&fleet, &[2]);
    let mut all: Vec<_> = (0..3).map(|_| first(&fleet)).collect();
    all.sort();
    assert_eq!(all, ["10.0.0.1", "10.0.0.2", "10.0.0.3"]);
    assert_eq!(super::report(&fleet.runtime, &[&fleet]).sites[0].last_resorts, 3);
    assert_eq!(super::report(&fleet.runtime, &[&fleet]).servers[0].state, State::Down);
}

#[test]
fn a_request_goes_on_to_a_server_that_is_down_when_nothing_else_is_left() {
    let fleet = fleet(THREE);
    down(&fleet, &[0, 1]);
    let mut attempts = Attempts::default();
    assert_eq!(picked(&fleet, &mut attempts).unwrap(), "10.0.0.3");
    assert!(fleet.may_retry(&attempts));
    assert_ne!(picked(&fleet, &mut attempts).unwrap(), "10.0.0.3");
}

#[test]
fn a_backup_gets_requests_only_while_no_other_is_available() {
    let yaml = "servers: [{address: \"10.0.0.1:1\"}, {address: \"10.0.0.2:1\", backup: true}]\n";
    let fleet = fleet(yaml);
    assert_eq!(first(&fleet), "10.0.0.1");
    down(&fleet, &[0]);
    assert_eq!(first(&fleet), "10.0.0.2");
    down(&fleet, &[1]);
    assert_eq!(first(&fleet), "10.0.0.1");
}

#[test]
fn a_weight_of_0_gets_nothing_at_all() {
    let fleet = fleet("servers: [{address: \"10.0.0.1:1\"}, {address: \"10.0.0.2:1\", weight: 0}]\n");
    down(&fleet, &[0]);
    let mut attempts = Attempts::default();
    assert_eq!(picked(&fleet, &mut attempts).unwrap(), "10.0.0.1");
    assert!(!fleet.may_retry(&attempts));
}

#[test]
fn failures_in_a_row_open_the_breaker_and_one_probe_at_a_time_closes_it() {
    let options = "breaker: {failures: 2, open: 1ns, longest_open: 1h}\n";
    let fleet = fleet(&format!("servers: [{{address: \"10.0.0.1:1\"}}]\n{options}"));
    let mut attempts = Attempts::default();
    for expected in [None, Some(Change::Opened)] {
        fleet.pick(&mut attempts, None);
        assert_eq!(attempts.record(Outcome::ConnectFailed), expected);
        attempts = Attempts::default();
    }
    assert_eq!(super::report(&fleet.runtime, &[&fleet]).servers[0].state, State::Open);
    // The pause is over: the first is the probe, the second is sent for want of a better server.
    fleet.pick(&mut attempts, None);
    assert_eq!(super::report(&fleet.runtime, &[&fleet]).sites[0].last_resorts, 0);
    let mut second = Attempts::default();
    fleet.pick(&mut second, None);
    assert_eq!(super::report(&fleet.runtime, &[&fleet]).sites[0].last_resorts, 1);
    assert_eq!(second.record(Outcome::Broken), None);
    assert_eq!(attempts.record(Outcome::Answered), Some(Change::Closed));
    assert_eq!(super::report(&fleet.runtime, &[&fleet]).servers[0].state, State::Unknown);
}

#[test]
fn a_probe_that_is_dropped_makes_room_for_the_next() {
    let options = "breaker: {failures: 1, open: 1ns, longest_open: 1ns}\n";
    let fleet = fleet(&format!("servers: [{{address: \"10.0.0.1:1\"}}]\n{options}"));
    let mut attempts = Attempts::default();
    fleet.pick(&mut attempts, None);
    attempts.record(Outcome::Broken);
    for _ in 0..3 {
        fleet.pick(&mut Attempts::default(), None);
    }
    assert_eq!(super::report(&fleet.runtime, &[&fleet]).sites[0].last_resorts, 0);
}

#[test]
fn attempts_and_retries_are_bounded() {
    let fleet = fleet(&format!("{THREE}retries: {{attempts: 2, budget: 1}}\n"));
    let mut retried = 0;
    for _ in 0..300 {
        let mut attempts = Attempts::default();
        fleet.pick(&mut attempts, None);
        if fleet.may_retry(&attempts) {
            fleet.pick(&mut attempts, None);
            retried += 1;
        }
        assert!(attempts.made < 2 || !fleet.may_retry(&attempts));
    }
    let report = super::report(&fleet.runtime, &[&fleet]);
    assert_eq!((report.sites[0].retries, report.sites[0].retries_refused), (retried, 300 - retried));
    assert!((100..=103).contains(&retried), "{retried}");
}

#[test]
fn the_same_key_goes_to_the_same_server() {
    let yaml = THREE.replace("round_robin", "hash, hash_key: client_address");
    let fleet = fleet(&yaml);
    let pick = |key: &str| {
        let mut attempts = Attempts::default();
        fleet.pick(&mut attempts, Some(key.as_bytes()));
        attempts.server().unwrap().address()
    };
    let mut seen = std::collections::HashSet::new();
    for key in ["a", "b", "c", "d", "e", "f", "g", "h"] {
        seen.insert(pick(key));
        assert!((0..10).all(|_| pick(key) == pick(key)));
    }
    assert!(seen.len() > 1);
}

#[test]
fn every_address_of_a_name_is_a_server_and_the_last_good_answer_is_kept() {
    let runtime = Arc::default();
    let fleet = fleet_of("servers: [{address: \"bifrost.internal:8080\", weight: 3}]\n", &runtime);
    assert!(fleet.pick(&mut Attempts::default(), None).is_none());
    let name = fleet.names().next().unwrap();
    let addresses: Vec<SocketAddr> = ["10.0.0.2:8080", "10.0.0.1:8080"].map(|text| text.parse().unwrap()).to_vec();
    assert!(fleet.runtime.all_resolved(&[&fleet], [(name.clone(), addresses.clone())]));
    assert!(!fleet.runtime.all_resolved(&[&fleet], [(name.clone(), addresses.into_iter().rev().collect())]));
    let seen: Vec<_> = fleet.servers().iter().map(|(_, server)| server.address().to_string()).collect();
    assert_eq!(seen, ["10.0.0.1:8080", "10.0.0.2:8080"]);
    // A reload starts with what is known.
    let reloaded = fleet_of("servers: [{address: \"bifrost.internal:8080\"}]\n", &runtime);
    assert_eq!(reloaded.servers().len(), 2);
}

#[test]
fn a_reload_keeps_the_state_of_those_that_stay_and_drains_those_that_go() {
    let runtime = Arc::default();
    let before = fleet_of(THREE, &runtime);
    down(&before, &[1]);
    let mut staying = Attempts::default();
    let mut going = Attempts::default();
    assert_eq!(picked(&before, &mut staying).unwrap(), "10.0.0.1");
    assert_eq!(picked(&before, &mut going).unwrap(), "10.0.0.3");

    let after = fleet_of(
        "servers: [{address: \"10.0.0.2:1\"}, {address: \"10.0.0.1:1\", weight: 7}, {address: \"10.0.0.4:1\"}]\n",
        &runtime,
    );
    drop(before);
    let report = super::report(&after.runtime, &[&after]);
    let seen: Vec<_> = report.servers.iter().map(|server| (server.state, server.in_flight, server.picks)).collect();
    let unused = (State::Unknown, 0, 0);
    assert_eq!(seen, [(State::Unknown, 1, 1), (State::Down, 0, 0), (State::Draining, 1, 1), unused]);
    drop((staying, going));
    assert_eq!(super::report(&after.runtime, &[&after]).servers.len(), 3);
    assert!(super::report(&after.runtime, &[&after]).servers.iter().all(|server| server.in_flight == 0));
}
