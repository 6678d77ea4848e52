//! Requests that are over.

use super::families::Families;
use crate::telemetry::{AnsweredBy, Class, Counters};

pub(super) fn collect(families: &mut Families, counters: &Counters) {
    let traffic = counters.traffic_counters();
    let statuses = pairs().flat_map(|(class, by)| {
        let mut statuses: Vec<_> = traffic.statuses(class, by).collect();
        // What is there from the start has a rate from the start.
        if !statuses.iter().any(|(status, _)| *status == Some(200)) {
            statuses.push((Some(200), 0));
        }
        statuses.into_iter().map(move |(status, count)| {
            let status = status.map_or_else(|| "other".to_owned(), |status| status.to_string());
            ([class.name().to_owned(), status, by.name().to_owned()], count)
        })
    });
    families.counters(
        "bridgehead_requests_total",
        "Requests that are over, by what they were for, the status that the client got (499: it did not wait for one), \
         and who answered.",
        ["class", "status", "answered_by"],
        statuses,
    );
    families.latencies(
        "bridgehead_request_duration_seconds",
        "From the end of a request's head to the end of its answer.",
        ["class", "answered_by"],
        pairs().map(|(class, by)| ([class.name().to_owned(), by.name().to_owned()], traffic.took(class, by))),
    );
    let forwarded = Class::ALL.into_iter().filter(|class| *class != Class::Discovery);
    families.latencies(
        "bridgehead_request_first_byte_seconds",
        "From the end of a request's head to the head of a server's answer.",
        ["class"],
        forwarded.map(|class| ([class.name().to_owned()], traffic.first_byte(class))),
    );
    families.counters(
        "bridgehead_requests_failed_total",
        "Requests that the edge refused, or that got no whole answer from a server.",
        ["reason"],
        counters.failures().map(|(reason, count)| ([reason.name().to_owned()], count)),
    );
    families.counters(
        "bridgehead_discovery_answers_total",
        "Answers to MCP OAuth discovery, by document and outcome.",
        ["document", "outcome"],
        counters
            .discovery()
            .answers()
            .map(|(answer, count)| ([answer.document.name().to_owned(), answer.outcome.name().to_owned()], count)),
    );
}

/// No server answers discovery.
fn pairs() -> impl Iterator<Item = (Class, AnsweredBy)> {
    let all = Class::ALL.into_iter().flat_map(|class| AnsweredBy::ALL.map(|by| (class, by)));
    all.filter(|pair| *pair != (Class::Discovery, AnsweredBy::Server))
}
