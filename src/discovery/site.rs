//! What decides about the documents of one site.

use std::time::Duration;

use http::Method;

use super::{
    AnswerId, METHOD_NOT_ALLOWED, NOT_FOUND,
    origins::Bases,
    well_known::{Document, Target},
};
use crate::{
    config::{AuthType, DiscoveryKeys, McpClient, McpServerAuthMode, Profile, SiteName},
    generation::{claude_code_login_paths, is_at_or_below},
};

/// What is served of one site, and why.
#[derive(Debug, Clone)]
pub struct SiteDiscovery {
    name: Option<SiteName>,
    max_age: Duration,
    profile: Profile,
    /// Under a profile where it decides.
    mode: Option<McpServerAuthMode>,
    has_claude_code: bool,
    /// The first of them.
    deciding: Vec<String>,
    deciding_count: usize,
    clients: usize,
}

/// A table may be large, and no request needs its names.
const MOST_NAMED: usize = 50;

impl SiteDiscovery {
    pub(super) fn new(site: &DiscoveryKeys<'_>) -> Self {
        let mode = site.auth_mode();
        let decides = |client: &&McpClient| mode.is_none() && client.auth_type == AuthType::PerUserOauth;
        let deciding = || site.mcp_clients.iter().filter(decides);
        SiteDiscovery {
            name: site.name.cloned(),
            max_age: site.discovery.max_age,
            profile: site.profile(),
            mode,
            has_claude_code: site.claude_code_gateway,
            deciding: deciding().take(MOST_NAMED).map(|client| client.name.clone()).collect(),
            deciding_count: deciding().count(),
            clients: site.mcp_clients.len(),
        }
    }

    /// Its name, if it has one.
    pub fn name(&self) -> Option<&SiteName> {
        self.name.as_ref()
    }

    /// Whether the documents are served, as in Bifrost: under the profile `per_user_oauth` if at least one MCP client
    /// has `auth_type: per_user_oauth`, disabled or not; under `oauth2` if the mode says so.
    pub fn is_on(&self) -> bool {
        self.mode.map_or(!self.deciding.is_empty(), McpServerAuthMode::is_on)
    }

    /// The generation of Bifrost's contract that is served.
    pub fn profile(&self) -> Profile {
        self.profile
    }

    /// What decides whether discovery is on; `None` under a profile where the MCP clients do.
    pub fn mode(&self) -> Option<McpServerAuthMode> {
        self.mode
    }

    /// The names of the MCP clients that turn discovery on, in the order of the table; the first 50 of them. None where
    /// a [mode](Self::mode) decides.
    pub fn deciding_clients(&self) -> &[String] {
        &self.deciding
    }

    /// How many MCP clients there are, deciding or not.
    pub fn clients(&self) -> usize {
        self.clients
    }

    /// How many MCP clients turn discovery on.
    pub fn deciding_count(&self) -> usize {
        self.deciding_count
    }

    /// Whether the metadata of the Claude Code gateway is served. Nothing else turns it on or off.
    pub fn has_claude_code(&self) -> bool {
        self.has_claude_code
    }

    /// How long a document may be kept.
    pub(super) fn max_age(&self) -> Duration {
        self.max_age
    }

    /// Whether who has no credential yet must reach this path of a server's: the endpoints of a login, and the keys.
    pub(crate) fn is_open(&self, path: &[u8]) -> bool {
        let generation = self.profile.generation();
        let of_mcp = generation.login_paths().chain(generation.keys).filter(|_| self.is_on());
        let of_claude_code = claude_code_login_paths().filter(|_| self.has_claude_code);
        of_mcp.chain(of_claude_code).any(|root| is_at_or_below(path, root))
    }

    /// Whether a request is a server's to answer: for the keys (who answers a GET answers its preflight), and for the
    /// metadata of the Claude Code gateway while nobody says that there is one.
    pub(super) fn is_servers(&self, target: Target, method: &Method, bases: Option<&Bases>) -> bool {
        match target {
            Target::Document(Document::ClaudeCode) => !self.has_claude_code,
            Target::Keys => {
                self.profile == Profile::Oauth2
                    && self.is_on()
                    && matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS)
                    && bases.is_some()
            }
            _ => false,
        }
    }

    /// The document that a request gets, or the answer in its place.
    pub(super) fn document(&self, target: Target, method: &Method) -> Result<Document, AnswerId> {
        let document = match (target, self.profile) {
            (Target::Document(document), _) => Some(document),
            (Target::Oauth2Resource, Profile::Oauth2) => Some(Document::ProtectedResource),
            // With discovery on, whoever gets here has a method that it does not have.
            (Target::Keys, Profile::Oauth2) => None,
            (Target::Keys | Target::Oauth2Resource, Profile::PerUserOauth) | (Target::Nothing, _) => {
                return Err(NOT_FOUND);
            }
        };
        if !matches!(*method, Method::GET | Method::HEAD) {
            return Err(METHOD_NOT_ALLOWED);
        }
        document.filter(|document| self.is_on() || *document == Document::ClaudeCode).ok_or(NOT_FOUND)
    }
}
