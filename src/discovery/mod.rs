//! MCP OAuth discovery, pure: from method, raw path and host to an answer. Everything is rendered when
//! a [`Discovery`] is compiled, so that a request costs a lookup. No type of Pingora's is used here;
//! [`crate::edge::DiscoveryFilter`] writes the answers to a Pingora session.
//!
//! ```
//! use bridgehead::{config::{Loaded, Scheme}, discovery::{Discovery, Request, Verdict}};
//! let loaded = Loaded::from_text(
//!     "conf/proxy.yaml".as_ref(),
//!     r#"
//!     listeners: [{address: "127.0.0.1:8000"}]
//!     public_urls: ["https://gateway.example.com"]
//!     servers: [{address: "127.0.0.1:8080"}]
//!     mcp_clients:
//!       - {name: github, auth_type: per_user_oauth, connection_type: http, connection_string: env.GITHUB}
//!     "#,
//! ).unwrap();
//! let discovery = Discovery::compile(&loaded.config);
//! let verdict = discovery.decide(&Request {
//!     method: &http::Method::GET,
//!     target: b"/.well-known/oauth-authorization-server",
//!     host: Some(b"gateway.example.com"),
//!     scheme: Scheme::Http,
//!     if_none_match: None,
//! });
//! let Verdict::Prepared(id, _) = verdict else { panic!("answered from what was rendered") };
//! let body = std::str::from_utf8(&discovery.answers()[id.0].body).unwrap();
//! assert!(body.starts_with(r#"{"issuer":"https://gateway.example.com","#));
//! ```

mod answer;
mod documents;
mod origins;
pub mod repair;
mod spelling;
mod well_known;

use http::Method;

pub use self::{
    answer::Answer,
    origins::Origins,
    well_known::{
        AUTHORIZATION_SERVER, CLAUDE_CODE_METADATA, Document, PROTECTED_RESOURCE, PROTECTED_RESOURCE_MCP, Target,
        classify, places,
    },
};

use self::{origins::Bases, well_known::Spot};
use crate::config::{AuthType, Config, DiscoveryOptions, McpClient, McpServerAuthMode, Profile, PublicUrl, Scheme};

/// What discovery needs to know of a request.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// The method as received.
    pub method: &'a Method,
    /// The raw path, with or without a query, as it was received.
    pub target: &'a [u8],
    /// The effective host: `:authority`, or the authority of an absolute target, or `Host`.
    pub host: Option<&'a [u8]>,
    /// The scheme the client used as far as the edge can know it. Only read without public URLs.
    pub scheme: Scheme,
    /// The header `If-None-Match`.
    pub if_none_match: Option<&'a [u8]>,
}

/// What becomes of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It is not for discovery: forward it.
    NotOurs,
    /// What it asks for is answered with one of [`Discovery::answers`].
    Prepared(AnswerId, Target),
    /// It is answered with a document rendered for its own host: there are no public URLs.
    Derived(Box<Answer>, Target),
}

/// The place of an answer in [`Discovery::answers`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AnswerId(pub usize);

/// Discovery, compiled from a configuration.
#[derive(Debug, Clone)]
pub struct Discovery {
    origins: Origins,
    options: DiscoveryOptions,
    profile: Profile,
    /// Under a profile where it decides.
    mode: Option<McpServerAuthMode>,
    has_claude_code: bool,
    /// The first of them.
    deciding: Vec<String>,
    deciding_count: usize,
    clients: usize,
    answers: Vec<Answer>,
    /// The answers of each public URL, in their order.
    documents: Vec<[DocumentAnswers; Document::ALL.len()]>,
}

/// A document and the 304 in its place.
#[derive(Debug, Clone, Copy)]
struct DocumentAnswers {
    full: AnswerId,
    not_modified: AnswerId,
}

// The answers that no public URL has a part in come first.
const OPTIONS: AnswerId = AnswerId(0);
const NOT_FOUND: AnswerId = AnswerId(1);
const METHOD_NOT_ALLOWED: AnswerId = AnswerId(2);
const MISDIRECTED: AnswerId = AnswerId(3);
const BAD_HOST: AnswerId = AnswerId(4);

/// A table may be large, and no request needs its names.
const MOST_NAMED: usize = 50;

impl Discovery {
    /// Renders every answer that the configuration can lead to.
    pub fn compile(config: &Config) -> Self {
        let mut answers = vec![
            Answer::options(),
            Answer::not_found(),
            Answer::method_not_allowed(),
            Answer::misdirected(),
            Answer::bad_host(),
        ];
        let mut prepare = |answer| {
            answers.push(answer);
            AnswerId(answers.len() - 1)
        };
        let documents = config.public_urls.iter().map(|base| {
            Document::ALL.map(|document| {
                let body = documents::render(document, config.profile().generation(), base);
                let full = Answer::document(body, config.discovery.max_age);
                DocumentAnswers { not_modified: prepare(full.not_modified()), full: prepare(full) }
            })
        });
        let documents = documents.collect();
        let mode = config.auth_mode();
        let decides = |client: &&McpClient| mode.is_none() && client.auth_type == AuthType::PerUserOauth;
        let deciding = || config.mcp_clients.iter().filter(decides);
        Discovery {
            origins: Origins::new(&config.public_urls),
            options: config.discovery,
            profile: config.profile(),
            mode,
            has_claude_code: config.claude_code_gateway,
            deciding: deciding().take(MOST_NAMED).map(|client| client.name.clone()).collect(),
            deciding_count: deciding().count(),
            clients: config.mcp_clients.len(),
            answers,
            documents,
        }
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

    /// The public URLs.
    pub fn origins(&self) -> &Origins {
        &self.origins
    }

    /// Every answer that is rendered already; [`AnswerId`] is a place in it.
    pub fn answers(&self) -> &[Answer] {
        &self.answers
    }

    /// Whether the metadata of the Claude Code gateway is served. Nothing else turns it on or off.
    pub fn has_claude_code(&self) -> bool {
        self.has_claude_code
    }

    /// What becomes of a request.
    pub fn decide(&self, request: &Request<'_>) -> Verdict {
        let Some(spot) = Spot::of(request.target) else {
            return Verdict::NotOurs;
        };
        let bases = request.host.and_then(|host| self.origins.bases(host));
        let (target, url) = spot.target(|path| match bases {
            Some(bases) => bases.at(path),
            // Without public URLs, or for a host that is none of theirs.
            None => path.is_empty().then_some(0),
        });
        if self.is_servers(target, request.method, bases) {
            return Verdict::NotOurs;
        }
        // A preflight is answered before anything that could refuse it.
        if request.method == Method::OPTIONS {
            return Verdict::Prepared(OPTIONS, target);
        }
        if self.origins.are_derived() {
            let base = request.host.and_then(|host| PublicUrl::of_request(host, request.scheme));
            return match base {
                Some(base) => self.derived(target, &base, request),
                None => Verdict::Prepared(BAD_HOST, target),
            };
        }
        if bases.is_none() {
            return Verdict::Prepared(MISDIRECTED, target);
        }
        let answer = match self.document(target, request.method) {
            Err(refusal) => refusal,
            Ok(document) => self.prepared(document, url, request.if_none_match),
        };
        Verdict::Prepared(answer, target)
    }

    /// Whether a request is a server's to answer: for the keys (who answers a GET answers its preflight), and for the
    /// metadata of the Claude Code gateway while nobody says that there is one.
    fn is_servers(&self, target: Target, method: &Method, bases: Option<&Bases>) -> bool {
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

    fn prepared(&self, document: Document, url: Option<usize>, if_none_match: Option<&[u8]>) -> AnswerId {
        let Some(documents) = url.and_then(|url| self.documents.get(url)) else { return NOT_FOUND };
        let answers = documents[document as usize];
        let is_known = self.answers[answers.full.0].is_known(if_none_match);
        if is_known { answers.not_modified } else { answers.full }
    }

    /// The document that a request gets, or the answer in its place.
    fn document(&self, target: Target, method: &Method) -> Result<Document, AnswerId> {
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

    fn derived(&self, target: Target, base: &PublicUrl, request: &Request<'_>) -> Verdict {
        match self.document(target, request.method) {
            Err(refusal) => Verdict::Prepared(refusal, target),
            Ok(document) => {
                let body = documents::render(document, self.profile.generation(), base);
                let full = Answer::document(body, self.options.max_age);
                let known = full.is_known(request.if_none_match);
                Verdict::Derived(Box::new(if known { full.not_modified() } else { full }), target)
            }
        }
    }
}
