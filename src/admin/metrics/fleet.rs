//! The servers: each is named by `server`, as the configuration has it, and `address`.

use super::{
    families::{Families, precise},
    sites::{SITE, label},
};
use crate::{
    admin::status::Available,
    config::SiteName,
    fleet::{Report, ServerReport, SiteReport, State},
};

const SERVER: [&str; 3] = [SITE, "server", "address"];

pub(super) fn collect(families: &mut Families, report: &Report) {
    let servers = &report.servers;
    families.gauges(
        "bridgehead_server_state",
        "1 for the state that the server is in.",
        [SITE, "server", "address", "state"],
        servers.iter().flat_map(|server| {
            let [site, name, address] = labels(report, server);
            State::ALL.map(|known| {
                let is_it = server.state == known;
                ([site.clone(), name.clone(), address.clone(), known.name().to_owned()], f64::from(u8::from(is_it)))
            })
        }),
    );
    families.gauges(
        "bridgehead_server_requests_in_flight",
        "Requests that the server has now, streams and WebSockets included.",
        SERVER,
        servers.iter().map(|server| (labels(report, server), precise(server.in_flight as u64))),
    );
    families.counters(
        "bridgehead_server_picks_total",
        "Attempts given to the server.",
        SERVER,
        servers.iter().map(|server| (labels(report, server), server.picks)),
    );
    families.counters(
        "bridgehead_server_failures_total",
        "Attempts that the server failed: connect, broken (broke off or timed out), stale (an idle connection had \
         died), status_5xx.",
        [SITE, "server", "address", "reason"],
        servers.iter().flat_map(|server| failures(report, server)),
    );
    families.latencies(
        "bridgehead_server_first_byte_seconds",
        "From the moment that the server has the whole request, or began to get it, to the head of its answer.",
        SERVER,
        servers.iter().map(|server| (labels(report, server), server.first_byte)),
    );
    families.gauges(
        "bridgehead_server_breaker_open",
        "1 while the server's breaker is open or lets one request at a time probe it.",
        SERVER,
        servers.iter().map(|server| (labels(report, server), f64::from(u8::from(server.is_breaker_open)))),
    );
    families.counters(
        "bridgehead_server_breaker_openings_total",
        "How often the server's breaker has opened.",
        SERVER,
        servers.iter().map(|server| (labels(report, server), server.breaker_openings)),
    );
    families.gauges(
        "bridgehead_servers_available",
        "Servers that get requests: up, or not checked.",
        [SITE],
        report.sites.iter().enumerate().map(|(place, site)| {
            let available = Available::of(report, Some(place)).available;
            ([label(site.name.as_ref())], precise(available as u64))
        }),
    );
    retries(families, report);
}

/// A server that several sites name has all of their names, so that its counts are there once.
fn labels(report: &Report, server: &ServerReport) -> [String; 3] {
    let sites: Vec<_> = report.site_names(server).map(SiteName::as_str).collect();
    [sites.join(","), server.server.clone(), server.address.to_string()]
}

fn failures(report: &Report, server: &ServerReport) -> [([String; 4], u64); 4] {
    let reasons = [
        ("connect", server.connect_failures),
        ("broken", server.broken),
        ("stale", server.stale),
        ("status_5xx", server.server_errors),
    ];
    reasons.map(|(reason, count)| {
        let [site, name, address] = labels(report, server);
        ([site, name, address, reason.to_owned()], count)
    })
}

fn retries(families: &mut Families, report: &Report) {
    let sites = &report.sites;
    let site = |site: &SiteReport| [label(site.name.as_ref())];
    families.counters(
        "bridgehead_retries_total",
        "Attempts beyond the first one of a request.",
        [SITE],
        sites.iter().map(|of| (site(of), of.retries)),
    );
    families.counters(
        "bridgehead_retries_refused_total",
        "Retries that the budget did not pay for.",
        [SITE],
        sites.iter().map(|of| (site(of), of.retries_refused)),
    );
    families.gauges(
        "bridgehead_retry_budget_left",
        "Retries that the budget would pay for at once.",
        [SITE],
        sites.iter().map(|of| (site(of), precise(of.retries_left))),
    );
    families.counters(
        "bridgehead_last_resort_picks_total",
        "Attempts sent to a server that was not available, because none was.",
        [SITE],
        sites.iter().map(|of| (site(of), of.last_resorts)),
    );
}
