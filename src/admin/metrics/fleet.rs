//! The servers: each is named by `server`, as the configuration has it, and `address`.

use super::families::{Families, precise};
use crate::fleet::{Report, ServerReport, State};

const SERVER: [&str; 2] = ["server", "address"];

pub(super) fn collect(families: &mut Families, report: &Report) {
    let servers = &report.servers;
    families.gauges(
        "bridgehead_server_state",
        "1 for the state that the server is in.",
        ["server", "address", "state"],
        servers.iter().flat_map(|server| {
            let [name, address] = labels(server);
            State::ALL.map(|known| {
                let is_it = server.state == known;
                ([name.clone(), address.clone(), known.name().to_owned()], f64::from(u8::from(is_it)))
            })
        }),
    );
    families.gauges(
        "bridgehead_server_requests_in_flight",
        "Requests that the server has now, streams and WebSockets included.",
        SERVER,
        servers.iter().map(|server| (labels(server), precise(server.in_flight as u64))),
    );
    families.counters(
        "bridgehead_server_picks_total",
        "Attempts given to the server.",
        SERVER,
        servers.iter().map(|server| (labels(server), server.picks)),
    );
    families.counters(
        "bridgehead_server_failures_total",
        "Attempts that the server failed: connect, broken (broke off or timed out), stale (an idle connection had \
         died), status_5xx.",
        ["server", "address", "reason"],
        servers.iter().flat_map(failures),
    );
    families.latencies(
        "bridgehead_server_first_byte_seconds",
        "From the moment that the server has the whole request, or began to get it, to the head of its answer.",
        SERVER,
        servers.iter().map(|server| (labels(server), server.first_byte)),
    );
    families.gauges(
        "bridgehead_server_breaker_open",
        "1 while the server's breaker is open or lets one request at a time probe it.",
        SERVER,
        servers.iter().map(|server| (labels(server), f64::from(u8::from(server.is_breaker_open)))),
    );
    families.counters(
        "bridgehead_server_breaker_openings_total",
        "How often the server's breaker has opened.",
        SERVER,
        servers.iter().map(|server| (labels(server), server.breaker_openings)),
    );
    retries(families, report);
}

fn labels(server: &ServerReport) -> [String; 2] {
    [server.server.clone(), server.address.to_string()]
}

fn failures(server: &ServerReport) -> [([String; 3], u64); 4] {
    let reasons = [
        ("connect", server.connect_failures),
        ("broken", server.broken),
        ("stale", server.stale),
        ("status_5xx", server.server_errors),
    ];
    reasons.map(|(reason, count)| {
        let [name, address] = labels(server);
        ([name, address, reason.to_owned()], count)
    })
}

fn retries(families: &mut Families, report: &Report) {
    families.counter("bridgehead_retries_total", "Attempts beyond the first one of a request.", report.retries);
    families.counter(
        "bridgehead_retries_refused_total",
        "Retries that the budget did not pay for.",
        report.retries_refused,
    );
    families.gauge(
        "bridgehead_retry_budget_left",
        "Retries that the budget would pay for at once.",
        precise(report.retries_left),
    );
    families.counter(
        "bridgehead_last_resort_picks_total",
        "Attempts sent to a server that was not available, because none was.",
        report.last_resorts,
    );
}
