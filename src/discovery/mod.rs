//! MCP OAuth discovery, pure: from method, raw path and host to an answer. Everything is rendered when
//! a [`Discovery`] is compiled, so that a request costs a lookup. No type of Pingora's is used here;
//! [`crate::plugin::DiscoveryFilter`] writes the answers to a Pingora session.
//!
//! ```
//! use bridgehead::{
//!     discovery::{Discovery, Request, Verdict},
//!     plugin::{AuthType, McpClient, Options, Profile, Scheme},
//! };
//!
//! let options = Options::new(Profile::PerUserOauth)
//!     .public_urls(["https://gateway.example.com".parse()?])
//!     .mcp_clients([McpClient::new("github", AuthType::PerUserOauth)]);
//! let discovery = Discovery::new(&options)?;
//! let verdict = discovery.decide(&Request {
//!     method: &http::Method::GET,
//!     target: b"/.well-known/oauth-authorization-server",
//!     host: Some(b"gateway.example.com"),
//!     scheme: Scheme::Http,
//!     if_none_match: None,
//! });
//! let Verdict::Prepared(id, asked) = verdict else { panic!("answered from what was rendered") };
//! assert_eq!(asked.site, Some(0));
//! let body = std::str::from_utf8(&discovery.answer(id).unwrap().body).unwrap();
//! assert!(body.starts_with(r#"{"issuer":"https://gateway.example.com","#));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod answer;
mod documents;
mod origins;
mod outcome;
mod owner;
pub(crate) mod repair;
mod site;
mod spelling;
mod well_known;

use http::Method;

pub use self::{
    answer::Answer,
    outcome::{DiscoveryAnswer, DiscoveryCounters, DiscoveryOutcome, DocumentAsked},
    well_known::{
        AUTHORIZATION_SERVER, CLAUDE_CODE_METADATA, Document, PROTECTED_RESOURCE, PROTECTED_RESOURCE_MCP, Target,
    },
};
#[doc(hidden)]
pub use self::{
    origins::{Base, Origins},
    site::SiteDiscovery,
    well_known::{classify, places},
};

pub(crate) use self::well_known::may_be_discovery;
use self::{origins::Bases, owner::is_at_base, well_known::Spot};
use crate::config::{DiscoveryKeys, Options, Problems, PublicUrl, Scheme, UnknownHosts};

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
#[non_exhaustive]
pub enum Verdict {
    /// It is not for discovery: forward it.
    NotOurs,
    /// What it asks for is answered with [`Discovery::answer`].
    Prepared(AnswerId, Asked),
    /// It is answered with a document rendered for its own host: there are no public URLs.
    Derived(Box<Answer>, Asked),
}

/// What a request for discovery asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Asked {
    /// What its path names.
    pub target: Target,
    /// The place of the site that it is for; `None` when its host is nobody's.
    pub site: Option<usize>,
}

/// Which of the answers that are rendered already: see [`Discovery::answer`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AnswerId(pub(crate) usize);

/// Discovery, compiled from the sites of a configuration.
#[derive(Debug, Clone)]
pub struct Discovery {
    origins: Origins,
    sites: Vec<SiteDiscovery>,
    /// The site that has the requests for unknown hosts.
    unknown_hosts: Option<usize>,
    answers: Vec<Answer>,
    /// The answers of each public URL, in the order of the origins.
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

impl Discovery {
    /// Renders every answer that these options can lead to.
    ///
    /// # Errors
    /// Everything that makes the options wrong together, as for a
    /// [`DiscoveryFilter`](crate::plugin::DiscoveryFilter::new).
    pub fn new(options: &Options) -> Result<Self, Problems> {
        options.check()?;
        Ok(Self::compile([options]))
    }

    /// The same for sites of a configuration, which have been checked.
    #[doc(hidden)]
    pub fn compile<'a>(sites: impl IntoIterator<Item: Into<DiscoveryKeys<'a>>>) -> Self {
        let sites: Vec<DiscoveryKeys<'_>> = sites.into_iter().map(Into::into).collect();
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
        let urls = sites.iter().flat_map(|site| site.public_urls.iter().map(move |base| (site, base)));
        let documents = urls.map(|(site, base)| {
            Document::ALL.map(|document| {
                let body = documents::render(document, site.profile().generation(), base);
                let full = Answer::document(body, site.discovery.max_age);
                DocumentAnswers { not_modified: prepare(full.not_modified()), full: prepare(full) }
            })
        });
        let documents = documents.collect();
        let forwards = sites.iter().position(|site| site.unknown_hosts == UnknownHosts::Forward);
        Discovery {
            origins: Origins::new(&sites),
            sites: sites.iter().map(SiteDiscovery::new).collect(),
            unknown_hosts: forwards.or((sites.len() == 1).then_some(0)),
            answers,
            documents,
        }
    }

    /// What is served of each site, in the order of the configuration.
    #[doc(hidden)]
    pub fn sites(&self) -> &[SiteDiscovery] {
        &self.sites
    }

    /// Whether any site serves its documents.
    pub fn is_on(&self) -> bool {
        self.sites.iter().any(SiteDiscovery::is_on)
    }

    /// The public URLs of all sites.
    #[doc(hidden)]
    pub fn origins(&self) -> &Origins {
        &self.origins
    }

    /// Every answer that is rendered already; [`AnswerId`] is a place in it.
    pub(crate) fn answers(&self) -> &[Answer] {
        &self.answers
    }

    /// The answer that is meant by [`Verdict::Prepared`]. `None` for one of another `Discovery`, perhaps.
    pub fn answer(&self, id: AnswerId) -> Option<&Answer> {
        self.answers.get(id.0)
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
        let asked = Asked { target, site: self.site(bases, url, request.target) };
        // On a known host any of its sites knows what is not there.
        let any = || bases.map_or(self.unknown_hosts, |bases| self.origins.site(bases.find(request.target)));
        let Some(site) = asked.site.or_else(any).and_then(|place| self.sites.get(place)) else {
            let refusal = if request.method == Method::OPTIONS { OPTIONS } else { MISDIRECTED };
            return Verdict::Prepared(refusal, asked);
        };
        if site.is_servers(target, request.method, bases) {
            return Verdict::NotOurs;
        }
        // A preflight is answered before anything that could refuse it.
        if request.method == Method::OPTIONS {
            return Verdict::Prepared(OPTIONS, asked);
        }
        if self.origins.are_derived() {
            let base = request.host.and_then(|host| PublicUrl::of_request(host, request.scheme));
            return match base {
                Some(base) => derived(site, asked, &base, request),
                None => Verdict::Prepared(BAD_HOST, asked),
            };
        }
        if bases.is_none() {
            return Verdict::Prepared(MISDIRECTED, asked);
        }
        let answer = match site.document(target, request.method) {
            Err(refusal) => refusal,
            Ok(document) => self.prepared(document, url, request.if_none_match),
        };
        Verdict::Prepared(answer, asked)
    }

    /// Whether a request is for discovery at one of the public URLs, or, without any, at whatever host it names: for a
    /// document of theirs, or for what clients look for in its place, such as `/.well-known/openid-configuration` or a
    /// path of `/mcp`, in any spelling that a Bifrost might read as one of these. What is for another host, or at another
    /// path of theirs, is for whoever is there.
    pub fn owns(&self, request: &Request<'_>) -> bool {
        if self.origins.are_derived() {
            return is_at_base(request.target, <[u8]>::is_empty);
        }
        let bases = request.host.and_then(|host| self.origins.bases(host));
        bases.is_some_and(|bases| is_at_base(request.target, |path| bases.at(path).is_some()))
    }

    /// The place of the site that a request is for; `None` when its host, or what it names there, is nobody's.
    fn site(&self, bases: Option<&Bases>, url: Option<usize>, target: &[u8]) -> Option<usize> {
        match bases {
            Some(bases) => self.origins.site_of(bases, url, target),
            None => self.origins.are_derived().then_some(0),
        }
    }

    fn prepared(&self, document: Document, url: Option<usize>, if_none_match: Option<&[u8]>) -> AnswerId {
        let Some(documents) = url.and_then(|url| self.documents.get(url)) else { return NOT_FOUND };
        let answers = documents[document as usize];
        let is_known = self.answers[answers.full.0].is_known(if_none_match);
        if is_known { answers.not_modified } else { answers.full }
    }
}

/// The answer for a site without public URLs, made for this request alone.
fn derived(site: &SiteDiscovery, asked: Asked, base: &PublicUrl, request: &Request<'_>) -> Verdict {
    match site.document(asked.target, request.method) {
        Err(refusal) => Verdict::Prepared(refusal, asked),
        Ok(document) => {
            let body = documents::render(document, site.profile().generation(), base);
            let full = Answer::document(body, site.max_age());
            let known = full.is_known(request.if_none_match);
            Verdict::Derived(Box::new(if known { full.not_modified() } else { full }), asked)
        }
    }
}
