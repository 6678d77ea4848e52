//! What the edge reports of its servers agrees with what its clients and the servers themselves know.

use std::{thread, time::Instant};

use bridgehead::fleet::Report;

use crate::support::{
    PATIENCE,
    account::{Account, Load, MIXED, Outcome, STEADY},
    edge::Edge,
    troubled::{Mood, Recorded, Stage, Troubled, fleet, impatient_fleet},
};

/// What the edge reports once nothing is under way: a client has its answer a moment before the edge
/// has done with it.
fn settled(edge: &Edge) -> Report {
    let until = Instant::now() + PATIENCE;
    loop {
        let report = edge.report();
        if report.servers.iter().all(|server| server.in_flight == 0) {
            return report;
        }
        assert!(Instant::now() < until, "still in flight: {report:?}");
        thread::yield_now();
    }
}

fn count(records: &[Recorded], is_counted: impl Fn(&Recorded) -> bool) -> u64 {
    records.iter().filter(|record| is_counted(record)).count() as u64
}

/// Compares what the edge reports with what its clients and its servers know. Whether every attempt
/// that connected was recorded depends on the fault.
fn agree(edge: &Edge, fleet: &[Troubled], account: &Account, all_recorded: bool) -> Report {
    let report = settled(edge);
    for server in fleet {
        let port = server.address().port();
        let shown = report.servers.iter().find(|shown| shown.address == server.address()).unwrap();
        let records = server.recorded();
        let answered = count(&records, |record| record.answered);
        let unanswered = count(&records, |record| !record.answered);
        assert_eq!(shown.picks, shown.connect_failures + shown.broken + shown.stale + answered, "{shown:?}");
        assert!(shown.broken + shown.stale >= unanswered, "{shown:?}, {unanswered} unanswered");
        if all_recorded {
            assert_eq!(shown.broken + shown.stale, unanswered, "{shown:?}");
            assert_eq!(shown.picks - shown.connect_failures, count(&records, |_| true), "{shown:?}");
        }
        let is_error = |status: Option<u16>| status.is_some_and(|status| status >= 500);
        assert_eq!(shown.server_errors, count(&records, |record| record.answered && is_error(record.begun)));
        let received = account
            .entries
            .iter()
            .filter(|entry| matches!(entry.outcome, Outcome::Answered { server: Some(server), .. } if server == port));
        assert_eq!(received.count() as u64, answered, "answers that arrived, {shown:?}");
    }
    let picks: u64 = report.servers.iter().map(|server| server.picks).sum();
    assert_eq!(picks, account.entries.len() as u64 + report.sites[0].retries, "{report:?}");
    report
}

const MODERATE: Load = Load { workers: 3, requests: 20, kinds: MIXED };

#[test]
fn agree_when_all_is_well() {
    let (fleet, edge) = fleet();
    let account = MODERATE.on(edge.address).finish();
    let report = agree(&edge, &fleet, &account, true);
    assert_eq!((report.sites[0].retries, report.sites[0].retries_refused, report.sites[0].last_resorts), (0, 0, 0));
    for server in &report.servers {
        assert_eq!((server.connect_failures, server.broken, server.server_errors), (0, 0, 0), "{server:?}");
    }
}

#[test]
fn agree_when_a_server_is_down() {
    let (mut fleet, edge) = fleet();
    fleet[0].stop();
    let account = MODERATE.on(edge.address).finish();
    let report = agree(&edge, &fleet, &account, true);
    let shown = report.servers.iter().find(|shown| shown.address == fleet[0].address()).unwrap();
    assert!(shown.connect_failures > 0 && shown.connect_failures == shown.picks, "{shown:?}");
    // Nothing else made a second attempt necessary, and none was refused.
    assert_eq!(report.sites[0].retries, shown.connect_failures);
}

#[test]
fn agree_whatever_the_fault() {
    let recorded = Stage::ALL.into_iter().filter(|stage| stage.is_recorded()).map(Mood::Resets);
    for mood in recorded.chain([Mood::Errors, Mood::HealthRed, Mood::Drips]) {
        let (fleet, edge) = fleet();
        fleet[0].set(mood);
        let account = MODERATE.on(edge.address).finish();
        agree(&edge, &fleet, &account, true);
    }
    for stage in [Stage::OnAccept, Stage::MidRequestHead] {
        let (fleet, edge) = fleet();
        fleet[0].set(Mood::Resets(stage));
        let account = MODERATE.on(edge.address).finish();
        agree(&edge, &fleet, &account, false);
    }
}

#[test]
fn agree_when_two_servers_fail_in_two_ways() {
    let (fleet, edge) = fleet();
    fleet[0].set(Mood::Errors);
    fleet[1].set(Mood::Resets(Stage::AfterRequest));
    let account = MODERATE.on(edge.address).finish();
    agree(&edge, &fleet, &account, true);
}

#[test]
fn agree_when_a_server_is_frozen() {
    let (fleet, edge) = impatient_fleet();
    fleet[0].set(Mood::Frozen);
    let account = Load { workers: 4, requests: 9, kinds: MIXED }.on(edge.address).finish();
    let report = agree(&edge, &fleet, &account, true);
    let frozen = account.entries.iter().filter(|entry| entry.status() == Some(504)).count();
    assert_eq!(report.servers.iter().map(|server| server.broken).sum::<u64>(), frozen as u64);
}

#[test]
fn agree_when_a_server_is_killed_under_load() {
    let (mut fleet, edge) = fleet();
    let load = STEADY.on(edge.address);
    load.wait_for(60);
    fleet[0].stop();
    load.wait_for(60);
    let account = load.stop();
    agree(&edge, &fleet, &account, false);
}
