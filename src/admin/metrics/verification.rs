//! What the servers agreed about when they were verified last.

use std::{sync::Arc, time::UNIX_EPOCH};

use super::{
    families::{Families, precise},
    sites::{SITE, label},
};
use crate::verify::{Contract, Report, ServerReport, Verdict};

/// Nothing of a site whose servers were not verified.
pub(super) fn collect(families: &mut Families, reports: &[Arc<Report>]) {
    let site = |report: &Report| label(report.site.as_ref());
    let servers = || reports.iter().flat_map(|report| report.servers.iter().map(move |server| (report, server)));
    let place = |report: &Report, server: &ServerReport| {
        let address = server.address.map(|address| address.to_string()).unwrap_or_default();
        [site(report), server.server.clone(), address]
    };
    families.gauges(
        "bridgehead_verify_last_run_timestamp_seconds",
        "When the servers were last asked what they answer for discovery.",
        [SITE],
        reports.iter().map(|report| {
            let at = report.at.duration_since(UNIX_EPOCH).unwrap_or_default();
            ([site(report)], at.as_secs_f64())
        }),
    );
    families.gauges(
        "bridgehead_verify_servers",
        "Servers by what became of that: agrees, disagrees, unreachable (no answer, or not all).",
        [SITE, "verdict"],
        reports.iter().flat_map(|report| {
            let count = |verdict| precise(report.count(verdict) as u64);
            Verdict::ALL.map(|verdict| ([site(report), verdict.name().to_owned()], count(verdict)))
        }),
    );
    families.gauges(
        "bridgehead_verify_contract",
        "1, with the generation of Bifrost's discovery contract that a server speaks: per_user_oauth, oauth2, none (a \
         version that has no discovery), unknown.",
        [SITE, "server", "address", "contract"],
        servers().map(|(report, server)| {
            let [site, name, address] = place(report, server);
            ([site, name, address, server.contract.map_or("unknown", Contract::name).to_owned()], 1.0)
        }),
    );
    families.gauges(
        "bridgehead_verify_profile_misfits",
        "Servers that speak another generation of the contract than that of the profile, while discovery is on.",
        [SITE],
        reports.iter().map(|report| ([site(report)], precise(report.misfits() as u64))),
    );
    families.gauges(
        "bridgehead_verify_agreement",
        "1 for a server that agreed with the edge, 0 for one that did not, or that was not reached.",
        [SITE, "server", "address"],
        servers()
            .map(|(report, server)| (place(report, server), f64::from(u8::from(server.verdict == Verdict::Agrees)))),
    );
}
