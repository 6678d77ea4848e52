//! What `/status` says, as JSON, and the status page shows. All of it is names, numbers and states: no secret, and no
//! header value of the MCP client table. Times are seconds since 1970; counts are since the start.

use serde::Serialize;

use crate::verify::{self, Verdict};

pub use super::history::{Plots, Point};

/// Everything.
#[derive(Debug, Serialize)]
pub struct Status {
    /// The version of this program.
    pub version: &'static str,
    /// What the machine is called; null where it does not say.
    pub host: Option<String>,
    pub pid: u32,
    /// When this was said.
    pub now: u64,
    pub uptime_seconds: u64,
    /// What clients get, and why.
    pub headline: Headline,
    /// Whether new traffic may be sent here.
    pub ready: bool,
    /// `starting`, `serving`, `leaving` or `draining`.
    pub phase: &'static str,
    /// Why it is not ready.
    pub reasons: Vec<String>,
    pub replacement: ReplacementStatus,
    pub configuration: Configuration,
    /// Those of listeners and for servers, a file each.
    pub certificates: Vec<CertificateStatus>,
    /// The servers of all sites.
    pub fleet: FleetStatus,
    /// In the order of the configuration; one where it has no `sites`.
    pub sites: Vec<SiteStatus>,
    /// How many there are besides: at most [`MOST_SHOWN`] are told of.
    pub more_sites: usize,
    /// The hosts of the last ten minutes that are no public URL's, the most frequent first. At most 20.
    pub misdirected: Vec<MisdirectedStatus>,
    pub clients: Clients,
    /// Null without an access log.
    pub access_log: Option<LogStatus>,
    pub history: Plots,
}

/// The impact on clients, in a few words, and its reasons.
#[derive(Debug, PartialEq, Serialize)]
pub struct Headline {
    pub tone: Tone,
    pub words: String,
    pub reasons: Vec<Cause>,
}

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Tone {
    /// All is as it should be.
    Good,
    /// Clients are served, and something needs somebody.
    Warn,
    /// Clients are not served as they should be.
    Bad,
}

/// One reason.
#[derive(Debug, PartialEq, Serialize)]
pub struct Cause {
    pub text: String,
    /// The section of the page that says more; null where there is none.
    pub place: Option<String>,
}

/// How far the edge is with being replaced by a successor.
#[derive(Debug, Serialize)]
pub struct ReplacementStatus {
    /// `none`, `starting` or `failed`.
    pub state: &'static str,
    /// How many successors did not serve.
    pub failed: u64,
    /// Why the last successor did not serve.
    pub why: Option<String>,
}

/// What is served, and how its reloads went.
#[derive(Debug, Serialize)]
pub struct Configuration {
    /// The file, as the operator named it; null when it came from elsewhere.
    pub file: Option<String>,
    /// The same as an absolute path; symbolic links are not followed.
    pub path: Option<String>,
    /// Counts the configurations that were served, from 1.
    pub generation: u64,
    /// Reloads that changed what is served, and those that were refused.
    pub reloads: u64,
    pub reloads_refused: u64,
    /// Certificates of listeners that were read again, to be used or not.
    pub certificates_read: u64,
    pub certificates_refused: u64,
    /// The last reload; null when there was none.
    pub last_reload: Option<Reload>,
    /// What may not be as it is meant in what is served, a line each.
    pub warnings: Vec<String>,
    /// What need not be acted on, a line each.
    pub notes: Vec<String>,
}

/// How long what is in a certificate's file is valid.
#[derive(Debug, Serialize)]
pub struct CertificateStatus {
    /// The file, as the operator named it.
    pub file: String,
    /// The name in the certificate that decides.
    pub name: String,
    pub not_before: i64,
    pub not_after: i64,
    /// What is wrong with it at this moment; null when nothing is.
    pub trouble: Option<String>,
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
    /// What decides; null under a profile where the MCP clients do.
    pub mcp_server_auth_mode: Option<&'static str>,
    /// The names of the MCP clients that turn it on, at most [`MOST_SHOWN`] of them.
    pub deciding_clients: Vec<String>,
    /// How many turn it on.
    pub deciding: usize,
    /// How many MCP clients there are.
    pub mcp_clients: usize,
    /// What requests for discovery were answered, by outcome, where there were any.
    pub answers: Vec<Answers>,
}

/// How often discovery was answered so.
#[derive(Debug, Serialize)]
pub struct Answers {
    /// As in the metrics.
    pub outcome: &'static str,
    pub count: u64,
}

/// A host that is no public URL's.
#[derive(Debug, Serialize)]
pub struct MisdirectedStatus {
    /// What to add to `public_urls` where it should be one: the scheme is what the connection shows.
    pub url: String,
    pub requests: u64,
    /// When the last of them was.
    pub last: u64,
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
}

/// One site: the public URLs that share one profile, one MCP client table and one fleet.
#[derive(Debug, Serialize)]
pub struct SiteStatus {
    /// Null where it is the only one.
    pub name: Option<String>,
    /// The generation of Bifrost's discovery contract.
    pub profile: &'static str,
    pub discovery: DiscoveryStatus,
    pub public_urls: PublicUrls,
    #[serde(flatten)]
    pub servers: Available,
    /// Attempts beyond the first one of a request.
    pub retries: u64,
    /// Retries that the budget did not pay for.
    pub retries_refused: u64,
    /// Attempts sent to a server that was not available, because none was.
    pub last_resort_picks: u64,
    /// What the servers answered for discovery when they were verified last; null when they were not.
    pub verification: Option<verify::Report>,
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
    /// The sites that it is of, where there are several.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub sites: Vec<String>,
    /// `unknown`, `up`, `down`, `open` or `draining`.
    pub state: &'static str,
    /// Since when; null while it is draining.
    pub since: Option<u64>,
    /// Why it failed last; null where it never did.
    pub last_failure: Option<LastFailure>,
    /// What it is for: one entry, or one for each of `sites`.
    pub roles: Vec<Role>,
    /// Whether it agreed about discovery when it was asked last: `agrees`, `disagrees` or `unreachable`; null where it
    /// was not asked.
    pub verification: Option<Verdict>,
    /// The requests that it has now.
    pub in_flight: usize,
    /// Attempts given to it.
    pub picks: u64,
    /// Since the start.
    pub failures: Failures,
    /// In the last ten minutes.
    pub recent_failures: Failures,
}

/// What a server is for at a site.
#[derive(Debug, Serialize)]
pub struct Role {
    /// With 0 it gets no requests.
    pub weight: u16,
    /// It gets requests only while no other is available.
    pub backup: bool,
}

/// Why a server failed.
#[derive(Debug, Serialize)]
pub struct LastFailure {
    pub at: u64,
    pub why: String,
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

/// What went on at the listeners.
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

/// What has become of the lines of the access log.
#[derive(Debug, Serialize)]
pub struct LogStatus {
    pub written: u64,
    /// Too many waited to be written, or they could not be.
    pub dropped: u64,
}

/// How often something happened.
#[derive(Debug, Serialize)]
pub struct Count {
    /// As in the metrics.
    pub reason: &'static str,
    pub count: u64,
}

/// So many differences of a server are shown.
pub(super) const MOST_DIFFERENCES: usize = 10;

/// Of a list that may be long, so many are shown.
pub const MOST_SHOWN: usize = 50;
