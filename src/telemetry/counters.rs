//! What is counted at the listeners.

use std::{
    array,
    collections::BTreeMap,
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::SystemTime,
};

use log::info;
use once_cell::sync::OnceCell;
use parking_lot::Mutex;

use super::{
    BackgroundCounters, MisdirectedHosts, SitesCounters,
    access_log::{AccessLog, AccessLogError, RunningAccessLog},
    lines::LineCounts,
    log_limit::LogLimit,
    tracing::{RunningTracer, SpanCounts, Tracer, TracingError},
};
use crate::{
    config::{self, CertificateLife},
    limits::Concurrency,
};

/// What the edge has done with clients so far.
pub struct Counters {
    started: SystemTime,
    connections: Arc<Concurrency>,
    sites: SitesCounters,
    background: BackgroundCounters,
    misdirected: MisdirectedHosts,
    access_log: OnceCell<AccessLog>,
    tracer: OnceCell<Tracer>,
    spans: Arc<SpanCounts>,
    log_lines: Arc<LineCounts>,
    accepted: AtomicU64,
    handshakes: AtomicU64,
    refused_streams: AtomicU64,
    missed: AtomicU64,
    reloads: AtomicU64,
    failed_reloads: AtomicU64,
    /// How long the certificates hold that listeners use, by the listeners' names.
    certificates: Mutex<BTreeMap<String, Vec<CertificateLife>>>,
    /// By the place in [`Closed::ALL`].
    closed: [AtomicU64; Closed::ALL.len()],
    logged: LogLimit,
}

/// Why the edge closed a connection that carried no request it could answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Closed {
    /// There were too many connections.
    Limit,
    /// There were too many of this client's.
    ClientLimit,
    /// The process has hardly any open files left.
    OpenFiles,
    /// The header of the PROXY protocol was missing, malformed, late, or of a peer that is not trusted.
    ProxyProtocol,
    /// The TLS handshake failed or took too long.
    TlsHandshake,
    /// Plain HTTP came to a listener with TLS.
    PlainHttp,
    /// HTTP/2 did not begin as it must.
    Http2Handshake,
    /// Too many streams were reset.
    Http2Resets,
    /// Too many requests were malformed.
    Http2Malformed,
}

impl Closed {
    /// All of them.
    pub const ALL: [Closed; 9] = [
        Closed::Limit,
        Closed::ClientLimit,
        Closed::OpenFiles,
        Closed::ProxyProtocol,
        Closed::TlsHandshake,
        Closed::PlainHttp,
        Closed::Http2Handshake,
        Closed::Http2Resets,
        Closed::Http2Malformed,
    ];

    /// The name in metrics.
    pub fn name(self) -> &'static str {
        match self {
            Closed::Limit => "connections",
            Closed::ClientLimit => "connections_per_client",
            Closed::OpenFiles => "open_files",
            Closed::ProxyProtocol => "proxy_protocol",
            Closed::TlsHandshake => "tls_handshake",
            Closed::PlainHttp => "plain_http",
            Closed::Http2Handshake => "http2_handshake",
            Closed::Http2Resets => "http2_resets",
            Closed::Http2Malformed => "http2_malformed",
        }
    }
}

impl fmt::Display for Closed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Closed::Limit => "too many connections",
            Closed::ClientLimit => "too many connections of this client",
            Closed::OpenFiles => "too many open files",
            Closed::ProxyProtocol => "no header of the PROXY protocol that can be believed",
            Closed::TlsHandshake => "no TLS",
            Closed::PlainHttp => "plain HTTP where TLS is spoken",
            Closed::Http2Handshake => "no HTTP/2",
            Closed::Http2Resets => "too many streams reset",
            Closed::Http2Malformed => "too many malformed requests",
        })
    }
}

impl Default for Counters {
    fn default() -> Self {
        Counters {
            started: SystemTime::now(),
            connections: Arc::default(),
            sites: SitesCounters::default(),
            background: BackgroundCounters::default(),
            misdirected: MisdirectedHosts::default(),
            access_log: OnceCell::new(),
            tracer: OnceCell::new(),
            spans: Arc::default(),
            log_lines: Arc::default(),
            accepted: AtomicU64::new(0),
            handshakes: AtomicU64::new(0),
            refused_streams: AtomicU64::new(0),
            missed: AtomicU64::new(0),
            reloads: AtomicU64::new(0),
            failed_reloads: AtomicU64::new(0),
            certificates: Mutex::default(),
            closed: array::from_fn(|_| AtomicU64::new(0)),
            logged: LogLimit::default(),
        }
    }
}

impl Counters {
    /// When counting began, as the process was started.
    pub fn started(&self) -> SystemTime {
        self.started
    }

    /// The connections that are open.
    pub fn connections(&self) -> &Arc<Concurrency> {
        &self.connections
    }

    /// What is counted of each site.
    pub fn sites(&self) -> &SitesCounters {
        &self.sites
    }

    /// The loops beside the requests.
    pub fn background(&self) -> &BackgroundCounters {
        &self.background
    }

    /// The hosts of late that are no public URL's.
    pub fn misdirected(&self) -> &MisdirectedHosts {
        &self.misdirected
    }

    /// Where each request becomes a line, if it does.
    pub fn access_log(&self) -> Option<&AccessLog> {
        self.access_log.get()
    }

    /// Starts the access log: from now on each request becomes a line. The first one counts.
    ///
    /// # Errors
    /// When the file cannot be opened, or there is no thread to be had.
    pub fn start_access_log(&self, config: &config::AccessLog) -> Result<RunningAccessLog, AccessLogError> {
        let (log, running) = AccessLog::start(config, Arc::clone(&self.log_lines))?;
        let _begun_already = self.access_log.set(log);
        Ok(running)
    }

    /// Where the spans of requests go, if they go anywhere.
    pub fn tracer(&self) -> Option<&Tracer> {
        self.tracer.get()
    }

    /// Starts tracing: from now on requests may be recorded. The first one counts.
    ///
    /// # Errors
    /// When what the environment says of the collector cannot be used, or there is no thread to be had.
    pub fn start_tracing(&self, config: &config::Tracing) -> Result<Option<RunningTracer>, TracingError> {
        let Some((tracer, running)) = Tracer::start(config, Arc::clone(&self.spans))? else { return Ok(None) };
        let _begun_already = self.tracer.set(tracer);
        Ok(Some(running))
    }

    /// What has become of spans.
    pub fn spans(&self) -> &SpanCounts {
        &self.spans
    }

    /// What has become of the lines of the access log.
    pub fn log_lines(&self) -> &Arc<LineCounts> {
        &self.log_lines
    }

    /// A connection was accepted.
    pub fn accepted(&self) {
        self.accepted.fetch_add(1, Ordering::Relaxed);
    }

    /// A TLS handshake was completed.
    pub fn shook_hands(&self) {
        self.handshakes.fetch_add(1, Ordering::Relaxed);
    }

    /// A stream of HTTP/2 was reset for what its client did wrong.
    pub fn refused_stream(&self) {
        self.refused_streams.fetch_add(1, Ordering::Relaxed);
    }

    /// A request came while its idle connection was being closed.
    pub fn missed(&self) {
        self.missed.fetch_add(1, Ordering::Relaxed);
    }

    /// The certificates of a listener were read again, to be used or not.
    pub fn reloaded(&self, is_used: bool) {
        let counter = if is_used { &self.reloads } else { &self.failed_reloads };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    /// A connection was closed.
    pub fn closed(&self, closed: Closed) {
        if let Some(place) = Closed::ALL.iter().position(|known| *known == closed) {
            self.closed[place].fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Whether a line of this kind may be logged: at most ten a second, so that no client can flood the log.
    /// Says of those that were left out before.
    pub fn may_log(&self, kind: &'static str) -> bool {
        let (may, left_out) = self.logged.pass(kind);
        if left_out > 0 {
            info!("{left_out} more of {kind} were not logged");
        }
        may
    }

    /// How many connections were accepted.
    pub fn connections_accepted(&self) -> u64 {
        self.accepted.load(Ordering::Relaxed)
    }

    /// How many TLS handshakes were completed.
    pub fn handshakes(&self) -> u64 {
        self.handshakes.load(Ordering::Relaxed)
    }

    /// How many streams of HTTP/2 were reset for what their clients did wrong.
    pub fn streams_refused(&self) -> u64 {
        self.refused_streams.load(Ordering::Relaxed)
    }

    /// How many requests came while their idle connections were being closed.
    pub fn requests_missed(&self) -> u64 {
        self.missed.load(Ordering::Relaxed)
    }

    /// How often certificates were read again and used, and how often something was wrong with them.
    pub fn reloads(&self) -> (u64, u64) {
        (self.reloads.load(Ordering::Relaxed), self.failed_reloads.load(Ordering::Relaxed))
    }

    /// A listener of this name uses certificates that hold so long.
    pub fn certificates_are(&self, listener: &str, lives: Vec<CertificateLife>) {
        self.certificates.lock().insert(listener.to_owned(), lives);
    }

    /// How long the certificates hold that listeners use.
    pub fn certificates(&self) -> Vec<CertificateLife> {
        self.certificates.lock().values().flatten().cloned().collect()
    }

    /// How many connections were closed for each reason.
    pub fn closures(&self) -> impl Iterator<Item = (Closed, u64)> + '_ {
        Closed::ALL.into_iter().zip(self.closed.iter().map(|count| count.load(Ordering::Relaxed)))
    }
}
