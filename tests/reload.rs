//! Another configuration takes over without a request noticing.

use bridgehead::fleet::State;

use crate::support::{
    bifrost::Bifrost,
    edge::{Edge, servers_yaml},
    until,
};

fn ask(edge: &Edge, requests: usize) {
    for _ in 0..requests {
        assert_eq!(edge.get("/echo").status, 200);
    }
}

#[test]
fn a_server_that_is_added_gets_requests_and_one_that_is_removed_finishes_its_own() {
    let fleet = [Bifrost::start(), Bifrost::start()];
    let gate = fleet[0].gate();
    let edge = Edge::with(&[fleet[0].address()], "");
    let mut stream = edge.chat();

    edge.reload(&servers_yaml(&[fleet[1].address()]));
    ask(&edge, 10);
    assert_eq!((fleet[0].recorded().len(), fleet[1].recorded().len()), (1, 10));
    let states = || edge.report().servers.iter().map(|server| (server.address, server.state)).collect::<Vec<_>>();
    assert!(states().contains(&(fleet[0].address(), State::Draining)), "{:?}", states());

    gate.release_all();
    assert!(stream.read_chunks().ends_with(b"data: [DONE]\n\n"));
    until("it is gone", || states().len() == 1);
}

#[test]
fn the_others_keep_their_state_and_their_weights_change() {
    let fleet = [Bifrost::start(), Bifrost::start(), Bifrost::start()];
    fleet[1].set_red(true);
    let [a, b, c] = fleet.each_ref().map(Bifrost::address);
    let options = "balance: {policy: round_robin}\nhealth: {interval: 1h}\n";
    let edge = Edge::with(&[a, b], options);
    let state =
        |address| edge.report().servers.iter().find(|server| server.address == address).map(|server| server.state);
    until("the red one is down", || state(b) == Some(State::Down));
    until("the other is up", || state(a) == Some(State::Up));
    ask(&edge, 4);
    fleet[1].set_red(false);
    let checks = fleet[1].health_checks();

    let weighted = format!("servers: [{{address: \"{a}\", weight: 3}}, {{address: \"{b}\"}}, {{address: \"{c}\"}}]\n");
    edge.reload(&format!("{weighted}{options}"));
    until("the new one is up", || state(c) == Some(State::Up));
    assert_eq!((state(a), state(b)), (Some(State::Up), Some(State::Down)));
    assert_eq!(fleet[1].health_checks(), checks, "the others are not checked anew");
    ask(&edge, 8);
    assert_eq!(fleet.each_ref().map(|bifrost| bifrost.recorded().len()), [4 + 6, 0, 2]);
    let picks: Vec<_> = edge.report().servers.iter().map(|server| server.picks).collect();
    assert_eq!(picks.iter().sum::<u64>(), 12);
}

#[test]
fn health_checks_that_are_switched_off_keep_nobody_down() {
    let fleet = [Bifrost::start(), Bifrost::start()];
    fleet[0].set_red(true);
    let servers = servers_yaml(&fleet.each_ref().map(Bifrost::address));
    let edge = Edge::start(&format!("{servers}health: {{interval: 1h}}\n"));
    let states = || edge.report().servers.iter().map(|server| server.state).collect::<Vec<_>>();
    until("the red one is down", || states().contains(&State::Down));
    edge.reload(&format!("{servers}health: {{enabled: false}}\n"));
    until("it is unknown", || states() == [State::Unknown; 2]);
    ask(&edge, 40);
    assert!(!fleet[0].recorded().is_empty());
}

#[test]
fn an_idle_connection_is_held_to_the_limits_of_its_next_request() {
    let bifrost = Bifrost::start();
    let servers = servers_yaml(&[bifrost.address()]);
    let edge = Edge::start(&format!("{servers}limits: {{head: 1KiB}}\n"));
    let mut idle = edge.connect();
    let large = format!("X-Large: {}\r\n", "x".repeat(10_000));
    assert_eq!(idle.ask("GET", "/echo", "x", "").status, 200);
    assert_eq!(edge.connect().ask("GET", "/echo", "x", &large).status, 431);
    edge.reload(&servers);
    assert_eq!(idle.ask("GET", "/echo", "x", &large).status, 200);
    edge.reload(&format!("{servers}limits: {{head: 1KiB}}\n"));
    assert_eq!(idle.ask("GET", "/echo", "x", &large).status, 431);
}
