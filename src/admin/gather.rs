//! Where what `/status` says comes from.

use std::{
    path, process,
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use super::{
    Admin,
    headline::Facts,
    status::{
        Answers, Available, CertificateStatus, Clients, Configuration, Count, DiscoveryStatus, FleetStatus, Headline,
        LogStatus, MOST_DIFFERENCES, MOST_SHOWN, MisdirectedStatus, PublicUrls, Reload, ReplacementStatus, SiteStatus,
        Status, UrlStatus,
    },
};
use crate::{
    config::{CertificateLife, McpServerAuthMode},
    discovery::{CLAUDE_CODE_METADATA, Discovery, DiscoveryOutcome, SiteDiscovery, places},
    edge::{Site, Snapshot},
    fleet::{Report, ServerReport, SiteReport, State},
    state::{Control, Outcome, ReloadReport, Replacement},
    telemetry::{Counters, MisdirectedHost, SiteCounters},
    verify,
};

impl Admin {
    /// Everything, now.
    pub(super) fn status(&self) -> Status {
        let control = &self.control;
        let readiness = control.readiness();
        let snapshot = control.snapshot();
        let report = snapshot.report();
        let certificates = CertificateStatus::all(&snapshot, control);
        let replacement = ReplacementStatus::of(control);
        let configuration = Configuration::of(&snapshot, control, &certificates);
        let verification = control.verification();
        let mut sites = sites(&snapshot, &report, &verification);
        let fleet = FleetStatus::of(&report, &verification);
        let now = seconds(SystemTime::now());
        let headline = Headline::of(&Facts {
            readiness: &readiness,
            servers: fleet.servers,
            sites: &sites,
            configuration: &configuration,
            certificates: &certificates,
            replacement: &replacement,
            now: now.cast_signed(),
        });
        sites.truncate(MOST_SHOWN);
        Status {
            version: env!("CARGO_PKG_VERSION"),
            host: self.machine.clone(),
            pid: process::id(),
            now,
            uptime_seconds: control.uptime().as_secs(),
            headline,
            ready: readiness.is_ready(),
            phase: readiness.stage.name(),
            reasons: readiness.reasons(),
            replacement,
            configuration,
            certificates,
            fleet,
            sites,
            more_sites: snapshot.sites.len().saturating_sub(MOST_SHOWN),
            misdirected: MisdirectedStatus::all(control.counters()),
            clients: Clients::of(control.counters()),
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
    fn of(snapshot: &Snapshot, control: &Control, certificates: &[CertificateStatus]) -> Self {
        let reloads = control.reloads();
        let remarks = control.remarks();
        let (certificates_read, certificates_refused) = control.counters().reloads();
        Configuration {
            file: control.file().map(|file| file.display().to_string()),
            path: control.file().and_then(|file| path::absolute(file).ok()).map(|path| path.display().to_string()),
            certificates_read,
            certificates_refused,
            generation: snapshot.generation,
            reloads: reloads.used(),
            reloads_refused: reloads.refused(),
            last_reload: reloads.last().map(|last| Reload::of(&last)),
            warnings: {
                let of_certificates = certificates.iter().filter_map(|certificate| certificate.trouble.clone());
                remarks.warnings.iter().cloned().chain(of_certificates).collect()
            },
            notes: remarks.notes.clone(),
        }
    }
}

impl CertificateStatus {
    fn all(snapshot: &Snapshot, control: &Control) -> Vec<Self> {
        let now = SystemTime::now();
        let status = |life: CertificateLife| CertificateStatus {
            trouble: life.trouble(now, snapshot.expires_soon),
            file: life.file.display().to_string(),
            name: life.name,
            not_before: life.begins,
            not_after: life.ends,
        };
        control.certificates().into_iter().map(status).collect()
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

/// All sites, in the order of the configuration.
fn sites(snapshot: &Snapshot, report: &Report, verified: &[Arc<verify::Report>]) -> Vec<SiteStatus> {
    let discovery = snapshot.discovery.discovery();
    let served = snapshot.sites.iter().zip(discovery.sites()).zip(&report.sites).enumerate();
    let status = |(place, ((site, served), counted)): (usize, ((&Site, &SiteDiscovery), &SiteReport))| SiteStatus {
        name: site.name.as_ref().map(ToString::to_string),
        profile: site.profile.name(),
        discovery: DiscoveryStatus::of(served, &site.counters),
        public_urls: PublicUrls::of(discovery, place),
        servers: Available::of(report, Some(place)),
        retries: counted.retries,
        retries_refused: counted.retries_refused,
        last_resort_picks: counted.last_resorts,
        verification: {
            let own = verified.iter().find(|report| report.site == site.name);
            own.map(|report| report.shortened(MOST_DIFFERENCES))
        },
    };
    served.map(status).collect()
}

impl DiscoveryStatus {
    fn of(discovery: &SiteDiscovery, counters: &SiteCounters) -> Self {
        let deciding = discovery.deciding_clients();
        DiscoveryStatus {
            on: discovery.is_on(),
            mcp_server_auth_mode: discovery.mode().map(McpServerAuthMode::name),
            deciding_clients: deciding.iter().take(MOST_SHOWN).cloned().collect(),
            deciding: discovery.deciding_count(),
            mcp_clients: discovery.clients(),
            answers: Answers::of(counters),
        }
    }
}

impl Answers {
    /// Those of all documents together.
    fn of(counters: &SiteCounters) -> Vec<Self> {
        let mut counts = [0; DiscoveryOutcome::ALL.len()];
        for (answer, count) in counters.discovery().answers() {
            counts[answer.outcome as usize] += count;
        }
        let named = DiscoveryOutcome::ALL.into_iter().zip(counts).filter(|(_, count)| *count > 0);
        named.map(|(outcome, count)| Answers { outcome: outcome.name(), count }).collect()
    }
}

impl MisdirectedStatus {
    fn all(counters: &Counters) -> Vec<Self> {
        let status = |host: MisdirectedHost| MisdirectedStatus {
            url: host.url,
            requests: host.requests,
            last: seconds(host.last),
        };
        counters.misdirected().recent().into_iter().map(status).collect()
    }
}

impl PublicUrls {
    fn of(discovery: &Discovery, site: usize) -> Self {
        let origins = discovery.origins();
        let has_claude_code = discovery.sites().get(site).is_some_and(SiteDiscovery::has_claude_code);
        let is_there = |path: &String| has_claude_code || !path.ends_with(CLAUDE_CODE_METADATA);
        let urls = origins.urls_of(site).take(MOST_SHOWN).map(|url| UrlStatus {
            url: url.to_string(),
            documents: places(url.path())
                .into_iter()
                .filter(is_there)
                .map(|path| format!("{}{path}", url.origin()))
                .collect(),
        });
        PublicUrls { derived: origins.are_derived(), count: origins.urls_of(site).count(), urls: urls.collect() }
    }
}

impl Available {
    /// Counts the servers of a site, or all; one that only finishes what it has is none any more.
    pub(super) fn of(report: &Report, site: Option<usize>) -> Self {
        let is_of = |server: &&ServerReport| site.is_none_or(|site| server.sites.contains(&site));
        let count = |states: &[State]| {
            report.servers.iter().filter(is_of).filter(|server| states.contains(&server.state)).count()
        };
        Available {
            available: count(&[State::Up, State::Unknown]),
            configured: count(&[State::Up, State::Unknown, State::Down, State::Open]),
        }
    }
}

impl Clients {
    fn of(counters: &Counters) -> Self {
        let closed = counters.closures().map(|(reason, count)| Count { reason: reason.name(), count });
        let failed =
            counters.sites().failures().into_iter().map(|(reason, count)| Count { reason: reason.name(), count });
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

pub(super) fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}
