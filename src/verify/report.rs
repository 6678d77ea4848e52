//! What a verification has found.

use std::{net::SocketAddr, time::SystemTime};

use serde::{Serialize, Serializer};

use crate::config::SiteName;

use super::{difference::Difference, documents::Contract};

/// Whether the servers of the fleet agree with the edge.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// The site whose servers these are; nothing where it is the only one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub site: Option<SiteName>,
    /// When the last answer was there. In JSON: seconds since 1970.
    #[serde(serialize_with = "seconds")]
    pub at: SystemTime,
    /// The generation of Bifrost that the edge serves.
    pub profile: &'static str,
    /// Whether the edge serves the documents.
    pub discovery: Switch,
    /// How many MCP clients the edge's table has.
    pub clients: usize,
    /// Whether the servers' clients were compared with it: there were credentials to ask for them, and the table is not
    /// one that decides nothing and is empty.
    pub clients_compared: bool,
    /// Each server, by name and address.
    pub servers: Vec<ServerReport>,
}

/// Whether one server agrees with the edge.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ServerReport {
    /// As the configuration names it.
    pub server: String,
    /// Where it is; `None` for a name that does not resolve.
    pub address: Option<SocketAddr>,
    /// Whether it agrees.
    pub verdict: Verdict,
    /// Why it could not be asked, or not all.
    pub unreachable: Option<String>,
    /// Whether it serves the documents.
    pub discovery: Option<Switch>,
    /// The contract it speaks, where that can be told.
    pub contract: Option<Contract>,
    /// Whether that is the one of the profile; `None` for a server of weight 0, which may be of any.
    pub fits: Option<bool>,
    /// How many MCP clients its process has.
    pub clients: Option<usize>,
    /// In what it does not agree, at most [`ServerReport::MOST`].
    pub differences: Vec<Difference>,
    /// How many more there are.
    pub more_differences: usize,
    /// What an operator should know besides.
    pub warnings: Vec<String>,
}

/// Whether a server agrees with the edge.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It answers what the edge serves, and has the clients of the table as far as they were compared.
    Agrees,
    /// It does not.
    Disagrees,
    /// It did not answer, or not all that it was asked, and agrees as far as it did.
    Unreachable,
}

/// Whether discovery is served.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Switch {
    /// It is.
    On,
    /// It is not.
    Off,
    /// One document is and another is not.
    Mixed,
}

impl Report {
    /// How many servers there are with this verdict.
    pub fn count(&self, verdict: Verdict) -> usize {
        self.servers.iter().filter(|server| server.verdict == verdict).count()
    }

    /// To how many servers clients are sent by a contract that they do not speak: none while the edge serves no
    /// documents.
    pub fn misfits(&self) -> usize {
        let misfits = self.servers.iter().filter(|server| server.fits == Some(false)).count();
        if self.discovery == Switch::On { misfits } else { 0 }
    }

    /// It with at most so many differences of each server.
    #[must_use]
    pub fn shortened(&self, most: usize) -> Self {
        let mut report = self.clone();
        for server in &mut report.servers {
            server.more_differences += server.differences.len().saturating_sub(most);
            server.differences.truncate(most);
        }
        report
    }

    /// Whether every server agrees.
    pub fn agrees(&self) -> bool {
        self.servers.iter().all(|server| server.verdict == Verdict::Agrees)
    }
}

impl ServerReport {
    /// More differences than this are counted, not kept.
    pub const MOST: usize = 100;

    /// A server that could not be asked.
    pub fn unreachable(server: String, address: Option<SocketAddr>, why: String) -> Self {
        ServerReport {
            server,
            address,
            verdict: Verdict::Unreachable,
            unreachable: Some(why),
            discovery: None,
            contract: None,
            fits: None,
            clients: None,
            differences: Vec::new(),
            more_differences: 0,
            warnings: Vec::new(),
        }
    }
}

impl Verdict {
    /// All of them.
    pub const ALL: [Verdict; 3] = [Verdict::Agrees, Verdict::Disagrees, Verdict::Unreachable];

    /// The name in reports and metrics.
    pub fn name(self) -> &'static str {
        match self {
            Verdict::Agrees => "agrees",
            Verdict::Disagrees => "disagrees",
            Verdict::Unreachable => "unreachable",
        }
    }
}

impl Switch {
    /// On or off.
    pub fn of(is_on: bool) -> Self {
        if is_on { Switch::On } else { Switch::Off }
    }

    /// The name in reports.
    pub fn name(self) -> &'static str {
        match self {
            Switch::On => "on",
            Switch::Off => "off",
            Switch::Mixed => "mixed",
        }
    }
}

fn seconds<S: Serializer>(at: &SystemTime, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u64(at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs())
}
