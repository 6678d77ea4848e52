//! Whatever happens to one server, no request is lost that another server could still have answered,
//! and no POST is sent twice.

use std::time::Instant;

use bridgehead::fleet::State;

use crate::support::{
    account::{Account, Balance, Kind, Line, Load, MIXED, Outcome, STEADY},
    edge::Edge,
    http::Connection,
    troubled::{Mood, Stage, Troubled, event_text, fleet, fleet_with, impatient_fleet},
    until,
};

/// Opens streams through the edge until each server holds one, in the order of the servers.
fn held_streams(edge: &Edge, fleet: &[Troubled; 3], events: usize) -> [Connection; 3] {
    let mut held = [None, None, None];
    for _ in 0..100 {
        let mut connection = edge.connect();
        connection.send(edge.head("GET", &format!("/stream/{events}?held"), ""));
        let answer = connection.read_head();
        let port = answer.header("x-server").unwrap();
        let place = fleet.iter().position(|server| server.address().port().to_string() == port).unwrap();
        held[place].get_or_insert(connection);
        if held.iter().all(Option::is_some) {
            return held.map(Option::unwrap);
        }
    }
    panic!("a hundred streams, and one server got none");
}

/// The held streams are no part of the load.
fn without_held(mut balance: Balance<'_>) -> Balance<'_> {
    balance.strangers.retain(|(_, record)| !record.target.ends_with("?held"));
    balance
}

#[test]
fn a_killed_server_costs_no_more_than_its_posts_and_begun_answers() {
    let (mut fleet, edge) = fleet();
    let held = held_streams(&edge, &fleet, 2);
    let load = STEADY.on(edge.address);
    load.wait_for(60);
    let from = Instant::now();
    fleet[0].stop();
    let to = Instant::now();
    load.wait_for(90);
    let again = Troubled::start_on(fleet[0].address()).unwrap();
    again.wait_for(1);
    let account = load.stop();

    let [mut cut, untouched @ ..] = held;
    for (mut stream, server) in untouched.into_iter().zip(&fleet[1..]) {
        server.release(100);
        let events: Vec<_> = std::iter::from_fn(|| stream.read_chunk()).flatten().collect();
        assert_eq!(events, [event_text(0), event_text(1)].concat().into_bytes(), "on a surviving server");
    }
    assert!(!cut.read_to_end().ends_with(b"0\r\n\r\n"), "an answer cut short was passed off as whole");

    let [killed, first, second] = &fleet;
    let balance = without_held(account.balance(&[killed, first, second, &again]));
    balance.assert_no_post_twice();
    balance.assert_none_wrong();
    let may_be_lost = |line: &Line| {
        let is_post_or_begun = line.entry.kind == Kind::Post || line.is_begun();
        let on_killed = line.records.iter().all(|(port, _)| *port == killed.address().port());
        line.entry.was_in_flight(from, to) && is_post_or_begun && on_killed
    };
    balance.assert_none("lost that were not doomed", lost_but(&balance, may_be_lost));
}

/// Every request under way on the server when it dies is a GET without a byte of an answer.
#[test]
fn a_get_that_a_killed_server_had_not_answered_is_answered_by_another() {
    let (mut fleet, edge) = fleet();
    fleet[0].set(Mood::Frozen);
    let load = Load { workers: 4, requests: 10, kinds: &[Kind::Get, Kind::Stream(3)] }.on(edge.address);
    fleet[0].wait_for(1);
    fleet[0].stop();
    let account = load.finish();
    let [killed, first, second] = &fleet;
    let balance = account.balance(&[killed, first, second]);
    balance.assert_none_wrong();
    balance.assert_none_lost();
    assert!(balance.sent_twice().is_empty());
}

/// A load on three servers of which the first is in this mood for a while, and well again until it is asked again.
fn while_the_first_is(mood: Mood) -> ([Troubled; 3], Account) {
    let (fleet, edge) = fleet();
    let load = STEADY.on(edge.address);
    load.wait_for(60);
    fleet[0].set(mood);
    load.wait_for(90);
    let before = fleet[0].recorded().len();
    fleet[0].set(Mood::Well);
    fleet[0].wait_for(before + 1);
    (fleet, load.stop())
}

#[test]
fn a_server_that_refuses_new_connections_costs_nothing() {
    let (fleet, account) = while_the_first_is(Mood::RefusesNew);
    let balance = account.balance(&fleet.each_ref());
    balance.assert_no_post_twice();
    balance.assert_none_wrong();
    balance.assert_none_lost();
}

/// A POST that meets the closing of its connection was not seen by the server. The edge cannot know that,
/// so that it alone may be lost.
#[test]
fn a_server_that_shuts_down_as_bifrost_does_costs_at_most_a_post_it_never_saw() {
    let (fleet, account) = while_the_first_is(Mood::ShutsDown);
    let balance = account.balance(&fleet.each_ref());
    balance.assert_no_post_twice();
    balance.assert_none_wrong();
    let is_unseen = |line: &Line| line.entry.kind == Kind::Post && line.records.is_empty();
    balance.assert_none("lost", lost_but(&balance, is_unseen));
    assert!(balance.lost().len() <= STEADY.workers, "more than met the closing: {}", balance.lost().len());
}

/// What was lost and need not have been.
fn lost_but<'a>(balance: &'a Balance<'a>, is_doomed: impl Fn(&Line<'a>) -> bool) -> Vec<&'a Line<'a>> {
    balance.lost().into_iter().filter(|line| !is_doomed(line)).collect()
}

/// Loads on three servers of which the first resets every connection at that stage.
fn resets(stage: Stage) {
    for kinds in [&[Kind::Post][..], &[Kind::Get, Kind::Stream(5)]] {
        let (fleet, edge) = fleet();
        fleet[0].set(Mood::Resets(stage));
        let account = Load { workers: 3, requests: 12, kinds }.on(edge.address).finish();
        assert!(fleet[0].connections() > 0, "nothing met the fault");
        let balance = account.balance(&fleet.each_ref());
        assert_eq!(balance.by_server.contains_key(&fleet[0].address().port()), stage.is_recorded());
        balance.assert_no_post_twice();
        balance.assert_none_wrong();
        balance.assert_none("GETs answered twice", balance.sent_twice());
        if stage.is_answering() {
            balance.assert_none("lost without a byte of an answer", lost_but(&balance, Line::is_begun));
        } else {
            // The client of a POST is told.
            let is_told = |line: &Line| line.entry.kind == Kind::Post && line.entry.status() == Some(502);
            balance.assert_none("lost that were no POST, or without a word", lost_but(&balance, is_told));
        }
        if stage.is_recorded() {
            balance.assert_none("lost that met no fault", lost_but(&balance, |line| line.reached(&fleet[0])));
        }
    }
}

#[test]
fn reset_on_accept() {
    resets(Stage::OnAccept);
}

#[test]
fn reset_mid_request_head() {
    resets(Stage::MidRequestHead);
}

#[test]
fn reset_after_request_head() {
    resets(Stage::AfterRequestHead);
}

#[test]
fn reset_mid_request_body() {
    resets(Stage::MidRequestBody);
}

#[test]
fn reset_after_request() {
    resets(Stage::AfterRequest);
}

#[test]
fn reset_mid_response_head() {
    resets(Stage::MidResponseHead);
}

#[test]
fn reset_after_response_head() {
    resets(Stage::AfterResponseHead);
}

#[test]
fn reset_mid_response_body() {
    resets(Stage::MidResponseBody);
}

/// Connections that have served well, and are reused, are reset under a steady load.
#[test]
fn resets_of_reused_connections_cost_no_get_and_send_no_post_twice() {
    for stage in [Stage::MidRequestHead, Stage::AfterRequestHead, Stage::MidRequestBody, Stage::AfterRequest] {
        let (fleet, edge) = fleet();
        let load = STEADY.on(edge.address);
        load.wait_for(30);
        fleet[0].set(Mood::Resets(stage));
        load.wait_for(60);
        let account = load.stop();
        let balance = account.balance(&fleet.each_ref());
        balance.assert_no_post_twice();
        balance.assert_none_wrong();
        let is_post = |line: &Line| line.entry.kind == Kind::Post;
        balance.assert_none(&format!("GETs lost, reset {stage:?}"), lost_but(&balance, is_post));
    }
}

#[test]
fn a_frozen_server_is_504_and_the_others_keep_going() {
    let (fleet, edge) = impatient_fleet();
    fleet[0].set(Mood::Frozen);
    let account = Load { workers: 4, requests: 9, kinds: MIXED }.on(edge.address).finish();
    let balance = account.balance(&fleet.each_ref());
    balance.assert_no_post_twice();
    balance.assert_none_wrong();
    let (frozen, others): (Vec<_>, Vec<_>) = balance.lines.iter().partition(|line| line.reached(&fleet[0]));
    assert!(!frozen.is_empty());
    let is_504 = |line: &&Line| line.entry.status() == Some(504);
    balance.assert_none("frozen and not 504", frozen.iter().copied().filter(|line| !is_504(line)).collect());
    balance.assert_none("lost on the others", others.into_iter().filter(|line| line.entry.is_lost()).collect());
    // While one waits, the others are served.
    let overtaken = |slow: &&Line| {
        balance.lines.iter().any(|line| line.entry.began >= slow.entry.began && line.entry.ended < slow.entry.ended)
    };
    assert!(frozen.iter().any(overtaken), "nothing was answered while a request waited");
}

#[test]
fn a_slow_answer_is_no_fault() {
    let (fleet, edge) = fleet();
    fleet[0].set(Mood::Drips);
    let account = Load { workers: 3, requests: 9, kinds: MIXED }.on(edge.address).finish();
    let balance = account.balance(&fleet.each_ref());
    assert!(balance.by_server[&fleet[0].address().port()] > 0);
    balance.assert_no_post_twice();
    balance.assert_none_lost();
}

#[test]
fn failing_health_checks_lose_nothing_even_when_all_fail() {
    let (fleet, edge) = fleet_with("health: {interval: 20ms}\n");
    let load = STEADY.on(edge.address);
    for red in 1..=fleet.len() {
        for server in &fleet[..red] {
            server.set(Mood::HealthRed);
        }
        let down = || edge.report().servers.iter().filter(|server| server.state == State::Down).count();
        until("they are down", || down() == red);
        load.wait_for(60);
    }
    assert!(edge.report().sites[0].last_resorts > 0);
    for server in &fleet {
        server.set(Mood::Well);
    }
    load.wait_for(60);
    let account = load.stop();
    let balance = account.balance(&fleet.each_ref());
    balance.assert_no_post_twice();
    balance.assert_none_lost();
}

#[test]
fn an_error_of_a_server_is_its_answer() {
    let (fleet, edge) = fleet();
    fleet[0].set(Mood::Errors);
    let account = Load { workers: 3, requests: 20, kinds: MIXED }.on(edge.address).finish();
    let balance = account.balance(&fleet.each_ref());
    balance.assert_no_post_twice();
    balance.assert_none_wrong();
    balance.assert_none_lost();
    let failing = fleet[0].address().port();
    for line in &balance.lines {
        let Outcome::Answered { status, server, .. } = line.entry.outcome else { panic!("{line}") };
        assert_eq!(status == 500, server == Some(failing), "{line}");
    }
}
