//! What `/status` says, as JSON, and the status page shows. All of it is names, numbers and states: no secret, and no
//! header value of the MCP client table. Times are seconds since 1970; counts are since the start.

use std::{
    process,
    time::{SystemTime, UNIX_EPOCH},
};

use serde::Serialize;

use super::{Admin, history::Plots};
use crate::{
    discovery::{AUTHORIZATION_SERVER, Discovery, PROTECTED_RESOURCE, PROTECTED_RESOURCE_MCP},
    edge::Snapshot,
    fleet::{Report, ServerReport, State},
    state::{Control, Outcome, ReloadReport, Replacement},
    telemetry::Counters,
};

pub use super::history::Point;

/// Everything.
#[derive(Debug, Serialize)]
pub struct Status {
    /// The version of this program.
    pub version: &'static str,
    pub pid: u32,
    /// When this was said.
    pub now: u64,
    pub uptime_seconds: u64,
    /// Whether new traffic may be sent here.
    pub ready: bool,
    /// `starting`, `serving`, `leaving` or `draining`.
    pub phase: &'static str,
    /// Why it is not ready.
    pub reasons: Vec<String>,
    pub replacement: ReplacementStatus,
    pub configuration: Configuration,
    pub discovery: DiscoveryStatus,
    pub public_urls: PublicUrls,
    pub fleet: FleetStatus,
    pub clients: Clients,
    pub history: Plots,
}

/// How far the edge is with being replaced by a successor.
#[derive(Debug, Serialize)]
pub struct ReplacementStatus {
    /// `none`, `starting` or `failed`.
    pub state: &'static str,
    /// Why the last successor did not serve.
    pub why: Option<String>,
}

/// What is served, and how its reloads went.
#[derive(Debug, Serialize)]
pub struct Configuration {
    /// The file, as the operator named it; null when it came from elsewhere.
    pub file: Option<String>,
    /// Counts the configurations that were served, from 1.
    pub generation: u64,
    /// The generation of Bifrost's discovery contract.
    pub profile: &'static str,
    /// Reloads that changed what is served, and those that were refused.
    pub reloads: u64,
    pub reloads_refused: u64,
    /// Certificates of listeners that were read again, to be used or not.
    pub certificates_read: u64,
    pub certificates_refused: u64,
    /// The last reload; null when there was none.
    pub last_reload: Option<Reload>,
}

/// How a reload went.
#[derive(Debug, Serialize)]
pub struct Reload {
    /// When it ended.
    pub at: u64,
    /// `used` or `refused`.
    pub result: &'static str,
    /// What it is served as; null when it was refused.
    pub generation: Option<u64>,
    /// Why it was refused, a line each.
    pub problems: Vec<String>,
}

/// Whether discovery is on, and why.
#[derive(Debug, Serialize)]
pub struct DiscoveryStatus {
    pub on: bool,
    /// The names of the MCP clients that turn it on, at most [`MOST_SHOWN`] of them.
    pub deciding_clients: Vec<String>,
    /// How many turn it on.
    pub deciding: usize,
    /// How many MCP clients there are.
    pub mcp_clients: usize,
}

/// The origins that clients type.
#[derive(Debug, Serialize)]
pub struct PublicUrls {
    /// There are none, so that each is derived from its request.
    pub derived: bool,
    /// How many there are.
    pub count: usize,
    /// At most [`MOST_SHOWN`] of them.
    pub urls: Vec<UrlStatus>,
}

/// One origin.
#[derive(Debug, Serialize)]
pub struct UrlStatus {
    pub url: String,
    /// The URLs of its documents.
    pub documents: Vec<String>,
}

/// The servers, and what became of the requests for them.
#[derive(Debug, Serialize)]
pub struct FleetStatus {
    #[serde(flatten)]
    pub servers: Available,
    /// By name and address.
    pub list: Vec<ServerStatus>,
    /// Attempts beyond the first one of a request.
    pub retries: u64,
    /// Retries that the budget did not pay for.
    pub retries_refused: u64,
    /// Attempts sent to a server that was not available, because none was.
    pub last_resort_picks: u64,
}

/// How many servers get requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Available {
    /// Those that are up, or not checked.
    pub available: usize,
    /// All that are configured.
    pub configured: usize,
}

/// One server.
#[derive(Debug, Serialize)]
pub struct ServerStatus {
    /// As the configuration names it.
    pub server: String,
    pub address: String,
    /// `unknown`, `up`, `down`, `open` or `draining`.
    pub state: &'static str,
    /// The requests that it has now.
    pub in_flight: usize,
    /// Attempts given to it.
    pub picks: u64,
    pub failures: Failures,
}

/// Attempts that a server failed, by kind.
#[derive(Debug, Serialize)]
pub struct Failures {
    /// It could not be connected to.
    pub connect: u64,
    /// It broke off, or did not answer in time.
    pub broken: u64,
    /// An idle connection had died.
    pub stale: u64,
    /// It answered with a status from 500.
    pub status_5xx: u64,
}

/// What went on at the door.
#[derive(Debug, Serialize)]
pub struct Clients {
    /// Connections that are open.
    pub connections: usize,
    pub connections_accepted: u64,
    pub tls_handshakes: u64,
    pub http2_streams_refused: u64,
    /// Connections closed at once or before their time, where there were any.
    pub connections_closed: Vec<Count>,
    /// Requests that were refused, or got no whole answer, where there were any.
    pub requests_failed: Vec<Count>,
}

/// How often something happened.
#[derive(Debug, Serialize)]
pub struct Count {
    /// As in the metrics.
    pub reason: &'static str,
    pub count: u64,
}

/// Of a list that may be long, so many are shown.
pub const MOST_SHOWN: usize = 50;

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
            phase: readiness.phase.name(),
            reasons: readiness.reasons(),
            replacement: ReplacementStatus::of(&control.replacement()),
            configuration: Configuration::of(&snapshot, control),
            discovery: DiscoveryStatus::of(snapshot.discovery.discovery()),
            public_urls: PublicUrls::of(snapshot.discovery.discovery()),
            fleet: FleetStatus::of(&control.report()),
            clients: Clients::of(control.counters()),
            history: self.history.plots(),
        }
    }
}

impl ReplacementStatus {
    fn of(replacement: &Replacement) -> Self {
        let (state, why) = match replacement {
            Replacement::None => ("none", None),
            Replacement::Starting => ("starting", None),
            Replacement::Failed(why) => ("failed", Some(why.clone())),
        };
        ReplacementStatus { state, why }
    }
}

impl Configuration {
    fn of(snapshot: &Snapshot, control: &Control) -> Self {
        let reloads = control.reloads();
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
            deciding_clients: deciding.iter().take(MOST_SHOWN).cloned().collect(),
            deciding: discovery.deciding_count(),
            mcp_clients: discovery.clients(),
        }
    }
}

impl PublicUrls {
    fn of(discovery: &Discovery) -> Self {
        let origins = discovery.origins();
        let paths = [AUTHORIZATION_SERVER, PROTECTED_RESOURCE, PROTECTED_RESOURCE_MCP];
        let urls = origins.urls().iter().take(MOST_SHOWN).map(|url| UrlStatus {
            url: url.to_string(),
            documents: paths.iter().map(|path| format!("{url}{path}")).collect(),
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

fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}
