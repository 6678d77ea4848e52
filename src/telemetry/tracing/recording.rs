//! What a request that is traced notes of itself, as plain values: spans are made of it once it is over, on another
//! thread.

use std::{net::SocketAddr, sync::Arc, time::SystemTime};

use http::{Method, Version};

use super::TraceContext;
use crate::{
    config::SiteName,
    discovery::DocumentAsked,
    fleet::{Change, Server},
    reason::Reason,
    telemetry::Class,
};

/// One request and its attempts.
#[derive(Debug)]
pub struct Recording {
    /// The span of the request.
    pub context: TraceContext,
    /// The span of the caller, if there is one.
    pub parent: Option<u64>,
    /// The `tracestate` that came with it.
    pub state: String,
    /// When its head had been read.
    pub began: SystemTime,
    /// What was known of it at its end.
    pub request: Option<Box<RequestEnd>>,
    /// The attempts at servers, in their order.
    pub attempts: Vec<AttemptSpan>,
    /// What happened in between.
    pub events: Vec<Event>,
}

/// What is known of a request at its end.
#[derive(Debug)]
pub struct RequestEnd {
    /// When it was over.
    pub ended: SystemTime,
    /// Cut.
    pub method: Method,
    /// Whether it came by TLS.
    pub is_tls: bool,
    /// The host that was asked for, if it is one, and the port, if it was said.
    pub host: Option<(String, Option<u16>)>,
    /// The path, without a query, cut.
    pub path: String,
    /// The version of HTTP.
    pub version: Version,
    /// The client.
    pub client: Option<std::net::IpAddr>,
    /// The status; `None` when the client had gone before there was one.
    pub status: Option<u16>,
    /// What went wrong.
    pub reason: Option<Reason>,
    /// What it is counted as.
    pub class: Class,
    /// The document of discovery that was asked for.
    pub document: Option<DocumentAsked>,
    /// The site, where there are several.
    pub site: Option<SiteName>,
    /// The generation of the configuration.
    pub generation: u64,
}

/// One attempt at a server.
#[derive(Debug)]
pub struct AttemptSpan {
    /// Its span.
    pub span: u64,
    /// When it began.
    pub began: SystemTime,
    /// When it was over; `None` while it is not.
    pub ended: Option<SystemTime>,
    /// The server.
    pub server: Option<Arc<Server>>,
    /// Its address.
    pub address: SocketAddr,
    /// Whether HTTP/2 is spoken to it.
    pub is_http2: bool,
    /// Whether it was made on a connection that had carried another request.
    pub is_reused: bool,
    /// The status of its response.
    pub status: Option<u16>,
    /// Why it failed.
    pub reason: Option<Reason>,
    /// What happened in between.
    pub events: Vec<Event>,
}

/// Something that happened at a moment.
#[derive(Debug, Clone, Copy)]
pub struct Event {
    /// When.
    pub at: SystemTime,
    /// What.
    pub what: Happened,
}

/// What happens to a request.
#[derive(Debug, Clone, Copy)]
pub enum Happened {
    /// The head of a server's response has come.
    FirstByte,
    /// It is tried once more, because of this.
    Retry(Reason),
    /// Its server has become available, or is not any longer.
    Breaker(Change),
    /// The client has gone before it had its response.
    ClientGone,
}

impl Recording {
    /// Begins to record.
    pub fn begin(context: TraceContext, parent: Option<u64>, state: String) -> Self {
        let began = SystemTime::now();
        Recording { context, parent, state, began, request: None, attempts: Vec::new(), events: Vec::new() }
    }

    /// Takes note of what happens to the request.
    pub fn happens(&mut self, what: Happened) {
        self.events.push(Event { at: SystemTime::now(), what });
    }

    /// The attempt that is being made.
    pub fn attempt(&mut self) -> Option<&mut AttemptSpan> {
        self.attempts.last_mut().filter(|attempt| attempt.ended.is_none())
    }
}

impl AttemptSpan {
    /// Takes note of what happens to the attempt.
    pub fn happens(&mut self, what: Happened) {
        self.events.push(Event { at: SystemTime::now(), what });
    }
}
