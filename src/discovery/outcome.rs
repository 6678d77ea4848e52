//! The answers to discovery: which documents were asked for, and what came of it.

use std::sync::atomic::{AtomicU64, Ordering};

use super::well_known::{Document, Target};
use crate::reason::Reason;

/// What was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum DocumentAsked {
    /// The authorization server metadata.
    AuthorizationServer,
    /// The protected resource metadata, at any of its paths.
    ProtectedResource,
    /// The metadata of the Claude Code gateway.
    ClaudeCode,
    /// A sibling, a suffix or another spelling, which is nothing.
    Other,
}

/// What came of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum DiscoveryOutcome {
    /// 200: the document.
    Ok,
    /// 304: the client has it already.
    NotModified,
    /// 404: discovery is off, or there is no such document.
    NotFound,
    /// 421: the host is no public URL's.
    Misdirected,
    /// 405.
    MethodNotAllowed,
    /// 204: the answer to OPTIONS.
    Preflight,
    /// 400: without public URLs, a host that no issuer can be made of.
    BadHost,
}

/// One answer to discovery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct DiscoveryAnswer {
    /// What was asked for.
    pub document: DocumentAsked,
    /// What came of it.
    pub outcome: DiscoveryOutcome,
}

/// All answers to discovery.
#[derive(Debug, Default)]
pub struct DiscoveryCounters([[AtomicU64; DiscoveryOutcome::ALL.len()]; DocumentAsked::ALL.len()]);

impl DocumentAsked {
    #[doc(hidden)]
    pub const ALL: [DocumentAsked; 4] = [
        DocumentAsked::AuthorizationServer,
        DocumentAsked::ProtectedResource,
        DocumentAsked::ClaudeCode,
        DocumentAsked::Other,
    ];

    /// What a request for discovery asks for.
    pub fn of(target: Target) -> Self {
        match target {
            Target::Document(Document::AuthorizationServer) => DocumentAsked::AuthorizationServer,
            Target::Document(Document::ProtectedResource) | Target::Oauth2Resource => DocumentAsked::ProtectedResource,
            Target::Document(Document::ClaudeCode) => DocumentAsked::ClaudeCode,
            Target::Keys | Target::Nothing => DocumentAsked::Other,
        }
    }

    /// The name in metrics.
    pub fn name(self) -> &'static str {
        match self {
            DocumentAsked::AuthorizationServer => "authorization_server",
            DocumentAsked::ProtectedResource => "protected_resource",
            DocumentAsked::ClaudeCode => "claude_code",
            DocumentAsked::Other => "other",
        }
    }
}

impl DiscoveryOutcome {
    #[doc(hidden)]
    pub const ALL: [DiscoveryOutcome; 7] = [
        DiscoveryOutcome::Ok,
        DiscoveryOutcome::NotModified,
        DiscoveryOutcome::NotFound,
        DiscoveryOutcome::Misdirected,
        DiscoveryOutcome::MethodNotAllowed,
        DiscoveryOutcome::Preflight,
        DiscoveryOutcome::BadHost,
    ];

    /// Why it is a refusal, if it is one.
    #[doc(hidden)]
    pub fn reason(self) -> Option<Reason> {
        match self {
            DiscoveryOutcome::Misdirected => Some(Reason::UnknownHost),
            DiscoveryOutcome::MethodNotAllowed => Some(Reason::MethodNotAllowed),
            DiscoveryOutcome::BadHost => Some(Reason::Malformed),
            DiscoveryOutcome::Ok
            | DiscoveryOutcome::NotModified
            | DiscoveryOutcome::NotFound
            | DiscoveryOutcome::Preflight => None,
        }
    }

    /// What an answer of discovery's with this status is.
    pub fn of(status: http::StatusCode) -> Self {
        match status.as_u16() {
            200 => DiscoveryOutcome::Ok,
            204 => DiscoveryOutcome::Preflight,
            304 => DiscoveryOutcome::NotModified,
            405 => DiscoveryOutcome::MethodNotAllowed,
            421 => DiscoveryOutcome::Misdirected,
            400 => DiscoveryOutcome::BadHost,
            _ => DiscoveryOutcome::NotFound,
        }
    }

    /// The name in metrics.
    pub fn name(self) -> &'static str {
        match self {
            DiscoveryOutcome::Ok => "ok",
            DiscoveryOutcome::NotModified => "not_modified",
            DiscoveryOutcome::NotFound => "not_found",
            DiscoveryOutcome::Misdirected => "misdirected",
            DiscoveryOutcome::MethodNotAllowed => "method_not_allowed",
            DiscoveryOutcome::Preflight => "preflight",
            DiscoveryOutcome::BadHost => "bad_host",
        }
    }
}

impl DiscoveryCounters {
    /// One more.
    pub fn add(&self, answer: DiscoveryAnswer) {
        self.0[answer.document as usize][answer.outcome as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// How many there were of each.
    pub fn answers(&self) -> impl Iterator<Item = (DiscoveryAnswer, u64)> + '_ {
        DocumentAsked::ALL.into_iter().flat_map(move |document| {
            DiscoveryOutcome::ALL.into_iter().map(move |outcome| {
                let count = self.0[document as usize][outcome as usize].load(Ordering::Relaxed);
                (DiscoveryAnswer { document, outcome }, count)
            })
        })
    }
}
