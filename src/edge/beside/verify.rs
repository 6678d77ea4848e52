//! Asks every server of the fleet what it answers for discovery, and for its MCP clients.

use std::{
    collections::HashSet,
    net::SocketAddr,
    sync::Arc,
    time::{Duration, SystemTime},
};

use arc_swap::ArcSwap;
use http::{HeaderName, HeaderValue, header};
use log::{info, warn};
use pingora::upstreams::peer::HttpPeer;
use tokio::{
    sync::Semaphore,
    task::JoinSet,
    time::{Instant, sleep_until, timeout},
};

use super::{
    ask::{Api, Asker, Get, why},
    supervise::jittered,
};
use crate::{
    api::{ClientList, Credentials},
    config::{Scheme, ServerAddress},
    edge::snapshot::Snapshot,
    verify::{
        Answers, ClientAnswers, DocumentAnswer, Expected, Kept, Question, Report, ServerReport, Switch, Verdict,
        changes, judge,
    },
};

/// Verifies a fleet.
pub struct Verifier {
    asker: Asker,
    credentials: Option<Credentials>,
    /// So many servers are asked at a time.
    at_a_time: Semaphore,
}

/// One server to be asked.
struct Asked {
    server: ServerAddress,
    address: SocketAddr,
    peer: HttpPeer,
}

/// One document must be there within this time.
const DOCUMENT: Duration = Duration::from_secs(10);
/// And everything of one server within this.
const ALL: Duration = Duration::from_mins(2);
/// A document is no longer.
const MOST_BYTES: usize = 64 * 1024;
const AT_A_TIME: usize = 16;

impl Verifier {
    /// Without credentials no server is asked for its MCP clients. Needs the
    /// [system's certificates](crate::edge::system_authorities).
    pub fn new(credentials: Option<Credentials>) -> Self {
        Verifier { asker: Asker::new(), credentials, at_a_time: Semaphore::new(AT_A_TIME) }
    }

    /// Asks every server of the snapshot, and every address of a name, and compares.
    pub async fn verify(self: &Arc<Self>, snapshot: &Snapshot, expected: &Arc<Expected>) -> Report {
        let servers = &snapshot.servers;
        let connect = servers.common_waits().connect.min(DOCUMENT);
        let mut asking = JoinSet::new();
        for (configured, server) in servers.fleet().servers() {
            let (name, address) = (server.name().clone(), server.address());
            let asked = Asked { server: name, address, peer: servers.peer_for_check(address, configured, connect) };
            let (verifier, expected) = (Arc::clone(self), Arc::clone(expected));
            asking.spawn(async move { verifier.one(&asked, &expected).await });
        }
        let unresolved = servers
            .fleet()
            .unresolved()
            .map(|name| ServerReport::unreachable(name.to_string(), None, "the name does not resolve".into()));
        let mut reports: Vec<_> = unresolved.collect();
        reports.extend(asking.join_all().await);
        reports.sort_by(|one, other| (&one.server, one.address).cmp(&(&other.server, other.address)));
        Report {
            at: SystemTime::now(),
            profile: expected.profile().name(),
            discovery: Switch::of(expected.discovery().is_on()),
            clients: expected.clients().len(),
            clients_compared: self.credentials.is_some() && expected.compares_clients(),
            servers: reports,
        }
    }

    async fn one(&self, asked: &Asked, expected: &Expected) -> ServerReport {
        // It is never closed.
        let _permit = self.at_a_time.acquire().await;
        let mut answers = Answers::default();
        answers.missing = match timeout(ALL, self.ask(asked, expected, &mut answers)).await {
            Ok(asked) => asked.err(),
            Err(_) => Some(format!("it has not answered everything within {ALL:?}")),
        };
        let mut report = judge(expected, &asked.server, asked.address, &answers);
        if self.credentials.is_some() && !asked.peer.is_tls() && !asked.address.ip().is_loopback() {
            let warning = "the credentials for its API go to it in clear text; give the server tls";
            report.warnings.push(warning.to_owned());
        }
        report
    }

    /// Asks until there is no answer any more; what there was till then is in `answers`.
    async fn ask(&self, asked: &Asked, expected: &Expected, answers: &mut Answers) -> Result<(), String> {
        let scheme = if asked.peer.is_tls() { Scheme::Https } else { Scheme::Http };
        for question in expected.questions(&asked.server, scheme) {
            let answer = self.document(&asked.peer, &question).await?;
            answers.documents.push((question, answer));
        }
        let Some(credentials) = &self.credentials else { return Ok(()) };
        let api =
            Api { peer: asked.peer.clone(), host: asked.server.as_str(), prefix: "", credentials: Some(credentials) };
        let memory = self.asker.clients(&api, ClientList::Memory).await;
        let not_yet = Err("its list of stored MCP clients is not there".to_owned());
        let clients = answers.clients.insert(ClientAnswers { memory, database: not_yet });
        clients.database = self.asker.clients(&api, ClientList::Database).await;
        Ok(())
    }

    async fn document(&self, peer: &HttpPeer, question: &Question) -> Result<DocumentAnswer, String> {
        let headers = [
            (header::ACCEPT, HeaderValue::from_static("application/json")),
            (FORWARDED_PROTO, HeaderValue::from_static(question.base.scheme().as_str())),
        ];
        let path = question.target();
        let get = Get { host: question.base.authority(), path: &path, headers: &headers, most: MOST_BYTES };
        match timeout(DOCUMENT, self.asker.get(peer, &get)).await {
            Ok(Ok(got)) => Ok(DocumentAnswer { status: got.status, content_type: got.content_type, body: got.body }),
            Ok(Err(error)) => Err(why(&error)),
            Err(_) => Err(format!("no answer within {DOCUMENT:?}")),
        }
    }
}

const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

// === On an interval ===

/// Verifies the fleet of the current snapshot again and again, as long as it is polled and as often as the snapshot
/// wants it, and keeps the last report.
pub async fn keep_verifying(snapshots: Arc<ArcSwap<Snapshot>>, kept: Arc<Kept>, credentials: Option<Credentials>) {
    let verifier = Arc::new(Verifier::new(credentials));
    let mut warned = HashSet::new();
    let mut next = None;
    loop {
        let snapshot = snapshots.load_full();
        let Some(plan) = &snapshot.verify else {
            kept.keep(None);
            next = None;
            kept.when_reloaded().await;
            continue;
        };
        let at = *next.get_or_insert_with(|| Instant::now() + soon(plan.interval));
        tokio::select! {
            () = sleep_until(at) => {}
            () = kept.when_reloaded() => {
                next = Some(at.min(Instant::now() + soon(plan.interval)));
                continue;
            }
        }
        let report = verifier.verify(&snapshot, &plan.expected).await;
        tell(kept.last().as_deref(), &report, &mut warned);
        kept.keep(Some(Arc::new(report)));
        next = Some(Instant::now() + jittered(plan.interval));
    }
}

/// Edges that are started or reloaded together do not ask together.
fn soon(interval: Duration) -> Duration {
    interval.min(Duration::from_secs(5)).mul_f64(rand::random())
}

/// Logs what has changed since the report before, and warnings that are new.
fn tell(before: Option<&Report>, now: &Report, warned: &mut HashSet<String>) {
    for (server, before) in changes(before, now) {
        let name = name_of(server);
        match (server.verdict, before) {
            (Verdict::Agrees, _) => info!("verify: server {name} agrees with the edge again"),
            (Verdict::Disagrees, _) => {
                let first = server.differences.first().map(ToString::to_string).unwrap_or_default();
                let more = server.differences.len().saturating_sub(1) + server.more_differences;
                let more = if more == 0 { String::new() } else { format!(" (and {more} more)") };
                warn!("verify: server {name} does not agree with the edge: {first}{more}");
            }
            (Verdict::Unreachable, _) => {
                let why = server.unreachable.as_deref().unwrap_or_default();
                warn!("verify: server {name} did not answer, or not all: {why}");
            }
        }
    }
    let mut current = HashSet::new();
    for server in &now.servers {
        for warning in &server.warnings {
            let line = format!("verify: server {}: {warning}", name_of(server));
            if !warned.contains(&line) {
                warn!("{line}");
            }
            current.insert(line);
        }
    }
    *warned = current;
}

fn name_of(server: &ServerReport) -> String {
    match server.address {
        Some(address) if address.to_string() != server.server => format!("{} ({address})", server.server),
        _ => server.server.clone(),
    }
}
