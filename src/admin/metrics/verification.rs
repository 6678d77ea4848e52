//! What the servers agreed about when they were verified last.

use std::time::UNIX_EPOCH;

use super::families::{Families, precise};
use crate::verify::{Contract, Report, ServerReport, Verdict};

/// Nothing when they were not verified.
pub(super) fn collect(families: &mut Families, report: Option<&Report>) {
    let Some(report) = report else { return };
    families.gauge(
        "bridgehead_verify_last_run_timestamp_seconds",
        "When the servers were last asked what they answer for discovery.",
        report.at.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64(),
    );
    families.gauges(
        "bridgehead_verify_servers",
        "Servers by what became of that: agrees, disagrees, unreachable (no answer, or not all).",
        ["verdict"],
        Verdict::ALL.map(|verdict| ([verdict.name().to_owned()], precise(report.count(verdict) as u64))),
    );
    let place = |server: &ServerReport| {
        let address = server.address.map(|address| address.to_string()).unwrap_or_default();
        (server.server.clone(), address)
    };
    families.gauges(
        "bridgehead_verify_contract",
        "1, with the generation of Bifrost's discovery contract that a server speaks: per_user_oauth, oauth2, none (a \
         version that has no discovery), unknown.",
        ["server", "address", "contract"],
        report.servers.iter().map(|server| {
            let (name, address) = place(server);
            ([name, address, server.contract.map_or("unknown", Contract::name).to_owned()], 1.0)
        }),
    );
    families.gauge(
        "bridgehead_verify_profile_misfits",
        "Servers that speak another generation of the contract than that of the profile, while discovery is on.",
        precise(report.misfits() as u64),
    );
    families.gauges(
        "bridgehead_verify_agreement",
        "1 for a server that agreed with the edge, 0 for one that did not, or that was not reached.",
        ["server", "address"],
        report.servers.iter().map(|server| {
            let (name, address) = place(server);
            ([name, address], f64::from(u8::from(server.verdict == Verdict::Agrees)))
        }),
    );
}
