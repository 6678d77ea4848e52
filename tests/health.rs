//! A server in trouble gets no requests, as long as there is another.

use bridgehead::fleet::State;

use crate::support::{bifrost::Bifrost, edge::Edge, nobody_yet, until};

const QUICK: &str = "health: {interval: 20ms, timeout: 10s}\n";

fn pair() -> [Bifrost; 2] {
    [Bifrost::start(), Bifrost::start()]
}

fn in_front_of(fleet: &[Bifrost; 2], options: &str) -> Edge {
    Edge::with(&fleet.each_ref().map(Bifrost::address), options)
}

fn state_of(edge: &Edge, bifrost: &Bifrost) -> State {
    edge.report_of(&bifrost.address()).state
}

fn ask(edge: &Edge, requests: usize) {
    for _ in 0..requests {
        assert_eq!(edge.get("/echo").status, 200);
    }
}

#[test]
fn the_first_check_comes_at_once_and_decides_alone() {
    let fleet = pair();
    fleet[0].set_red(true);
    let edge = in_front_of(&fleet, "health: {interval: 1h}\n");
    until("the red one is down", || state_of(&edge, &fleet[0]) == State::Down);
    until("the other is up", || state_of(&edge, &fleet[1]) == State::Up);
    ask(&edge, 20);
    assert_eq!((fleet[0].recorded().len(), fleet[1].recorded().len()), (0, 20));
    assert_eq!(edge.report().sites[0].last_resorts, 0);
}

#[test]
fn a_server_that_turns_red_is_left_out_until_it_recovers() {
    let fleet = pair();
    let edge = in_front_of(&fleet, QUICK);
    until("both are up", || fleet.iter().all(|bifrost| state_of(&edge, bifrost) == State::Up));
    fleet[1].set_red(true);
    until("it is down", || state_of(&edge, &fleet[1]) == State::Down);
    let before = fleet[1].recorded().len();
    ask(&edge, 20);
    assert_eq!(fleet[1].recorded().len(), before);
    fleet[1].set_red(false);
    until("it is up again", || state_of(&edge, &fleet[1]) == State::Up);
    ask(&edge, 40);
    assert!(fleet[1].recorded().len() > before);
}

#[test]
fn one_bad_check_is_not_enough() {
    let fleet = pair();
    let edge = in_front_of(&fleet, "health: {interval: 20ms, fall: 1000000}\n");
    until("it is up", || state_of(&edge, &fleet[0]) == State::Up);
    fleet[0].set_red(true);
    let checks = fleet[0].health_checks();
    until("it was checked again", || fleet[0].health_checks() > checks + 5);
    assert_eq!(state_of(&edge, &fleet[0]), State::Up);
}

#[test]
fn when_all_are_red_all_are_tried_and_the_report_says_so() {
    let fleet = pair();
    for bifrost in &fleet {
        bifrost.set_red(true);
    }
    let edge = in_front_of(&fleet, QUICK);
    until("all are down", || fleet.iter().all(|bifrost| state_of(&edge, bifrost) == State::Down));
    ask(&edge, 40);
    assert!(fleet.iter().all(|bifrost| !bifrost.recorded().is_empty()));
    assert_eq!(edge.report().sites[0].last_resorts, 40);
}

#[test]
fn path_and_statuses_of_the_checks_are_the_operators() {
    let fleet = pair();
    let edge = in_front_of(&fleet, "health: {path: /status/204, statuses: [204, 401], interval: 1h}\n");
    until("it is up", || state_of(&edge, &fleet[0]) == State::Up);
    let edge = in_front_of(&fleet, "health: {path: /status/401, statuses: [204], interval: 1h}\n");
    until("it is down", || state_of(&edge, &fleet[0]) == State::Down);
}

#[test]
fn a_server_that_accepts_and_never_answers_is_down() {
    let fleet = pair();
    let edge = in_front_of(&fleet, "health: {path: /hang, timeout: 100ms, interval: 1h}\n");
    until("both are down", || fleet.iter().all(|bifrost| state_of(&edge, bifrost) == State::Down));
}

#[test]
fn without_checks_nothing_is_asked_and_everything_is_used() {
    let fleet = pair();
    fleet[0].set_red(true);
    let edge = in_front_of(&fleet, "health: {enabled: false}\n");
    ask(&edge, 40);
    assert_eq!(fleet.each_ref().map(Bifrost::health_checks), [0, 0]);
    assert!(!fleet[0].recorded().is_empty());
}

#[test]
fn a_server_that_cannot_be_reached_gets_a_pause_and_then_a_probe() {
    let bifrost = Bifrost::start();
    let gone = nobody_yet();
    let servers = [bifrost.address(), gone];
    let turns = "balance: {policy: round_robin}\n";
    let edge = Edge::with(&servers, &format!("{turns}breaker: {{failures: 3, open: 1h, longest_open: 1h}}\n"));
    ask(&edge, 40);
    assert_eq!(edge.report().servers.iter().map(|server| server.connect_failures).sum::<u64>(), 3);
    assert_eq!(edge.report().sites[0].retries, 3);

    let edge = Edge::with(&servers, &format!("{turns}breaker: {{failures: 3, open: 50ms, longest_open: 50ms}}\n"));
    ask(&edge, 8);
    assert!(edge.report().servers.iter().any(|server| server.state == State::Open));
    let returned = Bifrost::start_on(gone).unwrap();
    until("it is closed", || {
        ask(&edge, 1);
        state_of(&edge, &returned) == State::Unknown
    });
    assert!(!returned.recorded().is_empty());
}

#[test]
fn answers_that_break_off_in_a_row_open_the_breaker() {
    let bifrost = Bifrost::start();
    let breaker = "breaker: {failures: 3, open: 1h, longest_open: 1h}\n";
    let edge = Edge::with(&[bifrost.address()], breaker);
    for cut in [2, 3] {
        for _ in 0..cut {
            assert_eq!(state_of(&edge, &bifrost), State::Unknown);
            let mut client = edge.connect();
            client.send("GET /truncate HTTP/1.1\r\nHost: x\r\n\r\n");
            assert_eq!(client.read_head().status, 200);
            client.read_to_end();
        }
        if cut == 2 {
            ask(&edge, 1);
        }
    }
    until("it is open", || state_of(&edge, &bifrost) == State::Open);
}

#[test]
fn server_errors_in_a_row_open_the_breaker_too() {
    let fleet = pair();
    let options = "balance: {policy: round_robin}\nbreaker: {server_errors: 4, open: 1h, longest_open: 1h}\n";
    let edge = in_front_of(&fleet, options);
    // Three times as many, from servers of which nothing but good is known.
    for (status, times) in [(404, 1), (503, 11)] {
        for _ in 0..times {
            // One for each of the two.
            for _ in 0..2 {
                assert_eq!(edge.get(&format!("/status/{status}")).status, status);
            }
        }
    }
    assert_eq!(fleet.each_ref().map(|bifrost| state_of(&edge, bifrost)), [State::Unknown; 2]);
    edge.get("/status/500");
    assert_eq!(fleet.each_ref().map(|bifrost| state_of(&edge, bifrost)), [State::Open, State::Unknown]);
}

#[test]
fn errors_of_a_provider_open_no_breaker_while_the_server_has_good_answers_for_others() {
    let bifrost = Bifrost::start();
    let edge = Edge::with(&[bifrost.address()], "");
    for errors in [25, 40, 3, 45, 1] {
        for _ in 0..errors {
            assert_eq!(edge.get("/status/529").status, 529);
        }
        ask(&edge, 1);
    }
    let report = edge.report_of(&bifrost.address());
    assert_eq!((report.state, report.breaker_openings, report.server_errors), (State::Unknown, 0, 114));
}

#[test]
fn a_good_answer_for_want_of_a_better_server_closes_the_breaker() {
    let bifrost = Bifrost::start();
    let options = "breaker: {server_errors: 2, open: 1h, longest_open: 1h}\n";
    let edge = Edge::with(&[bifrost.address()], options);
    until("it is open", || edge.get("/status/500").status == 500 && state_of(&edge, &bifrost) == State::Open);
    let before = edge.report().sites[0].last_resorts;
    assert_eq!(edge.get("/status/500").status, 500);
    assert_eq!(state_of(&edge, &bifrost), State::Open);
    ask(&edge, 1);
    assert_eq!(state_of(&edge, &bifrost), State::Unknown);
    assert_eq!(edge.report().sites[0].last_resorts, before + 2);
}
