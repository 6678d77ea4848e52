//! What the servers agreed about when they were verified last.

use std::time::UNIX_EPOCH;

use super::families::{Families, precise};
use crate::verify::{Report, Verdict};

/// Nothing when they were not verified.
pub(super) fn collect(families: &mut Families, report: Option<&Report>) {
    let Some(report) = report else { return };
    families.gauge(
        "bifrost_edge_verify_last_run_timestamp_seconds",
        "When the servers were last asked what they answer for discovery.",
        report.at.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64(),
    );
    families.gauges(
        "bifrost_edge_verify_servers",
        "Servers by what became of that: agrees, disagrees, unreachable (no answer, or not all).",
        ["verdict"],
        Verdict::ALL.map(|verdict| ([verdict.name().to_owned()], precise(report.count(verdict) as u64))),
    );
    families.gauges(
        "bifrost_edge_verify_agreement",
        "1 for a server that agreed with the edge, 0 for one that did not, or that was not reached.",
        ["server", "address"],
        report.servers.iter().map(|server| {
            let address = server.address.map(|address| address.to_string()).unwrap_or_default();
            ([server.server.clone(), address], f64::from(u8::from(server.verdict == Verdict::Agrees)))
        }),
    );
}
