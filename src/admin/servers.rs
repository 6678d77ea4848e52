//! What `/status` says of the servers.

use std::{collections::HashMap, net::SocketAddr, sync::Arc};

use super::{
    gather::seconds,
    status::{Available, Failures, FleetStatus, LastFailure, Role, ServerStatus},
};
use crate::{
    fleet::{FailureCounts, Report, ServerReport},
    verify::{self, Verdict},
};

/// What each server was found to be, by name and address.
struct Verdicts<'a>(HashMap<(&'a str, Option<SocketAddr>), Verdict>);

impl<'a> Verdicts<'a> {
    /// Of a server that several sites have, the worst counts.
    fn of(verified: &'a [Arc<verify::Report>]) -> Self {
        let mut verdicts = HashMap::new();
        for server in verified.iter().flat_map(|report| &report.servers) {
            let known = verdicts.entry((server.server.as_str(), server.address)).or_insert(server.verdict);
            if badness(server.verdict) > badness(*known) {
                *known = server.verdict;
            }
        }
        Verdicts(verdicts)
    }

    fn on(&self, server: &ServerReport) -> Option<Verdict> {
        self.0.get(&(server.server.as_str(), Some(server.address))).copied()
    }
}

fn badness(verdict: Verdict) -> u8 {
    match verdict {
        Verdict::Agrees => 0,
        Verdict::Unreachable => 1,
        Verdict::Disagrees => 2,
    }
}

impl FleetStatus {
    pub(super) fn of(report: &Report, verified: &[Arc<verify::Report>]) -> Self {
        let verdicts = Verdicts::of(verified);
        FleetStatus {
            servers: Available::of(report, None),
            list: report.servers.iter().map(|server| ServerStatus::of(server, report, &verdicts)).collect(),
        }
    }
}

impl ServerStatus {
    fn of(server: &ServerReport, report: &Report, verdicts: &Verdicts) -> Self {
        let last = server.last_failure.as_ref();
        ServerStatus {
            sites: report.site_names(server).map(ToString::to_string).collect(),
            server: server.server.clone(),
            address: server.address.to_string(),
            state: server.state.name(),
            since: server.since.map(seconds),
            last_failure: last.map(|last| LastFailure { at: seconds(last.at), why: last.why.clone() }),
            roles: server.roles.iter().map(|role| Role { weight: role.weight, backup: role.backup }).collect(),
            verification: verdicts.on(server),
            in_flight: server.in_flight,
            picks: server.picks,
            failures: Failures {
                connect: server.connect_failures,
                broken: server.broken,
                stale: server.stale,
                status_5xx: server.server_errors,
            },
            recent_failures: Failures::of(server.recent_failures),
        }
    }
}

impl Failures {
    fn of(counts: FailureCounts) -> Self {
        Failures {
            connect: counts.connect,
            broken: counts.broken,
            stale: counts.stale,
            status_5xx: counts.server_errors,
        }
    }
}
