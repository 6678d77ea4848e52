//! Requests that are over.

use super::{
    families::Families,
    sites::{SITE, label},
};
use crate::telemetry::{AnsweredBy, Class, Counters, TrafficCounters};

pub(super) fn collect(families: &mut Families, counters: &Counters) {
    let all = counters.sites().all();
    let all: Vec<_> = all.iter().map(|(site, counted)| (label(site.as_ref()), counted)).collect();
    families.counters(
        "bridgehead_requests_total",
        "Requests that are over, by what they were for, the status that the client got (499: it did not wait for one), \
         and who answered.",
        [SITE, "class", "status", "answered_by"],
        all.iter().flat_map(|(site, counted)| statuses(site, counted.traffic())),
    );
    families.latencies(
        "bridgehead_request_duration_seconds",
        "From the end of a request's head to the end of its answer.",
        [SITE, "class", "answered_by"],
        all.iter().flat_map(|(site, counted)| {
            let label = |class: Class, by: AnsweredBy| [site.clone(), class.name().to_owned(), by.name().to_owned()];
            let took = move |(class, by)| (label(class, by), counted.traffic().took(class, by));
            pairs().map(took).filter(|(_, took)| site.is_empty() || took.count() > 0)
        }),
    );
    let forwarded = || Class::ALL.into_iter().filter(|class| *class != Class::Discovery);
    families.latencies(
        "bridgehead_request_first_byte_seconds",
        "From the end of a request's head to the head of a server's answer.",
        [SITE, "class"],
        all.iter().flat_map(|(site, counted)| {
            let first_byte =
                |class: Class| ([site.clone(), class.name().to_owned()], counted.traffic().first_byte(class));
            forwarded().map(first_byte).filter(|(_, took)| site.is_empty() || took.count() > 0)
        }),
    );
    families.counters(
        "bridgehead_requests_failed_total",
        "Requests that the edge refused, or that got no whole answer from a server.",
        [SITE, "reason"],
        all.iter().flat_map(|(site, counted)| {
            let failures = counted.failures().filter(|(_, count)| site.is_empty() || *count > 0);
            failures.map(|(reason, count)| ([site.clone(), reason.name().to_owned()], count))
        }),
    );
    families.counters(
        "bridgehead_discovery_answers_total",
        "Answers to MCP OAuth discovery, by document and outcome.",
        [SITE, "document", "outcome"],
        all.iter().flat_map(|(site, counted)| {
            let answers = counted.discovery().answers().filter(|(_, count)| site.is_empty() || *count > 0);
            answers.map(|(answer, count)| {
                ([site.clone(), answer.document.name().to_owned(), answer.outcome.name().to_owned()], count)
            })
        }),
    );
}

/// How many requests of each kind there were. What there is from the start has a rate from the start; of many sites,
/// only what there was.
fn statuses(site: &str, traffic: &TrafficCounters) -> Vec<([String; 4], u64)> {
    let of_pair = |(class, by): (Class, AnsweredBy)| {
        let mut statuses: Vec<_> = traffic.statuses(class, by).collect();
        if site.is_empty() && !statuses.iter().any(|(status, _)| *status == Some(200)) {
            statuses.push((Some(200), 0));
        }
        statuses.into_iter().map(move |(status, count)| {
            let status = status.map_or_else(|| "other".to_owned(), |status| status.to_string());
            ([site.to_owned(), class.name().to_owned(), status, by.name().to_owned()], count)
        })
    };
    pairs().flat_map(of_pair).collect()
}

/// No server answers discovery.
fn pairs() -> impl Iterator<Item = (Class, AnsweredBy)> {
    let all = Class::ALL.into_iter().flat_map(|class| AnsweredBy::ALL.map(|by| (class, by)));
    all.filter(|pair| *pair != (Class::Discovery, AnsweredBy::Server))
}
