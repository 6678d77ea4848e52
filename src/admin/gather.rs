//! Where what `/status` says comes from.

use std::{
    process,
    time::{SystemTime, UNIX_EPOCH},
};

use super::{
    Admin,
    status::{
        Available, Clients, Configuration, Count, DiscoveryStatus, Failures, FleetStatus, LogStatus, MOST_DIFFERENCES,
        MOST_SHOWN, PublicUrls, Reload, ReplacementStatus, ServerStatus, Status, UrlStatus,
    },
};
use crate::{
    config::McpServerAuthMode,
    discovery::{CLAUDE_CODE_METADATA, Discovery, places},
    edge::Snapshot,
    fleet::{Report, ServerReport, State},
    state::{Control, Outcome, ReloadReport, Replacement},
    telemetry::Counters,
};

impl Admin {
    /// Everything, now.
    pub(super) fn status(&self) -> Status {
        let control = &self.control;
        let readiness = control.readiness();
        let snapshot = control.snapshot();
        Status {
            version: env!("CARGO_PKG_VERSION"),
            pid: process::id(),
            now: seconds(SystemTime::now()),
            uptime_seconds: control.uptime().as_secs(),
            ready: readiness.is_ready(),
            phase: readiness.stage.name(),
            reasons: readiness.reasons(),
            replacement: ReplacementStatus::of(control),
            configuration: Configuration::of(&snapshot, control),
            discovery: DiscoveryStatus::of(snapshot.discovery.discovery()),
            public_urls: PublicUrls::of(snapshot.discovery.discovery()),
            fleet: FleetStatus::of(&control.report()),
            clients: Clients::of(control.counters()),
            verification: control.verification().map(|report| report.shortened(MOST_DIFFERENCES)),
            access_log: LogStatus::of(control.counters()),
            history: self.history.plots(),
        }
    }
}

impl ReplacementStatus {
    fn of(control: &Control) -> Self {
        // The count first: it must not be ahead of the state.
        let failed = control.failed_replacements();
        let (state, why) = match &*control.replacement() {
            Replacement::None => ("none", None),
            Replacement::Starting => ("starting", None),
            Replacement::Failed(why) => ("failed", Some(why.clone())),
        };
        ReplacementStatus { state, failed, why }
    }
}

impl Configuration {
    fn of(snapshot: &Snapshot, control: &Control) -> Self {
        let reloads = control.reloads();
        let remarks = control.remarks();
        let (certificates_read, certificates_refused) = control.counters().reloads();
        Configuration {
            file: control.file().map(|file| file.display().to_string()),
            certificates_read,
            certificates_refused,
            generation: snapshot.generation,
            profile: snapshot.profile.name(),
            reloads: reloads.used(),
            reloads_refused: reloads.refused(),
            last_reload: reloads.last().map(|last| Reload::of(&last)),
            warnings: remarks.warnings.clone(),
            notes: remarks.notes.clone(),
        }
    }
}

impl Reload {
    fn of(report: &ReloadReport) -> Self {
        let (result, generation, problems) = match &report.outcome {
            Outcome::Used(generation) => ("used", Some(*generation), Vec::new()),
            Outcome::Refused(problems) => ("refused", None, problems.clone()),
        };
        Reload { at: seconds(report.at), result, generation, problems }
    }
}

impl DiscoveryStatus {
    fn of(discovery: &Discovery) -> Self {
        let deciding = discovery.deciding_clients();
        DiscoveryStatus {
            on: discovery.is_on(),
            mcp_server_auth_mode: discovery.mode().map(McpServerAuthMode::name),
            deciding_clients: deciding.iter().take(MOST_SHOWN).cloned().collect(),
            deciding: discovery.deciding_count(),
            mcp_clients: discovery.clients(),
        }
    }
}

impl PublicUrls {
    fn of(discovery: &Discovery) -> Self {
        let origins = discovery.origins();
        let is_there = |path: &String| discovery.has_claude_code() || !path.ends_with(CLAUDE_CODE_METADATA);
        let urls = origins.urls().iter().take(MOST_SHOWN).map(|url| UrlStatus {
            url: url.to_string(),
            documents: places(url.path())
                .into_iter()
                .filter(is_there)
                .map(|path| format!("{}{path}", url.origin()))
                .collect(),
        });
        PublicUrls { derived: origins.are_derived(), count: origins.urls().len(), urls: urls.collect() }
    }
}

impl FleetStatus {
    fn of(report: &Report) -> Self {
        FleetStatus {
            servers: Available::of(report),
            list: report.servers.iter().map(ServerStatus::of).collect(),
            retries: report.retries,
            retries_refused: report.retries_refused,
            last_resort_picks: report.last_resorts,
        }
    }
}

impl Available {
    /// Counts the servers of a fleet; one that only finishes what it has is none any more.
    pub(super) fn of(report: &Report) -> Self {
        let count = |states: &[State]| report.servers.iter().filter(|server| states.contains(&server.state)).count();
        Available {
            available: count(&[State::Up, State::Unknown]),
            configured: count(&[State::Up, State::Unknown, State::Down, State::Open]),
        }
    }
}

impl ServerStatus {
    fn of(server: &ServerReport) -> Self {
        ServerStatus {
            server: server.server.clone(),
            address: server.address.to_string(),
            state: server.state.name(),
            in_flight: server.in_flight,
            picks: server.picks,
            failures: Failures {
                connect: server.connect_failures,
                broken: server.broken,
                stale: server.stale,
                status_5xx: server.server_errors,
            },
        }
    }
}

impl Clients {
    fn of(counters: &Counters) -> Self {
        let closed = counters.closures().map(|(reason, count)| Count { reason: reason.name(), count });
        let failed = counters.failures().map(|(reason, count)| Count { reason: reason.name(), count });
        Clients {
            connections: counters.connections().open(),
            connections_accepted: counters.connections_accepted(),
            tls_handshakes: counters.handshakes(),
            http2_streams_refused: counters.streams_refused(),
            connections_closed: closed.filter(|count| count.count > 0).collect(),
            requests_failed: failed.filter(|count| count.count > 0).collect(),
        }
    }
}

impl LogStatus {
    fn of(counters: &Counters) -> Option<Self> {
        counters.access_log()?;
        let lines = counters.log_lines().read();
        Some(LogStatus { written: lines.written, dropped: lines.overflowed + lines.failed })
    }
}

fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}
