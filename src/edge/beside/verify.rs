//! Asks every server of the fleet what it answers for discovery, and for its MCP clients.

use std::{
    net::SocketAddr,
    sync::Arc,
    time::{Duration, SystemTime},
};

use http::{HeaderName, HeaderValue, header};
use pingora::upstreams::peer::HttpPeer;
use tokio::{sync::Semaphore, task::JoinSet, time::timeout};

use super::ask::{Api, Asker, Get, why};
use crate::{
    api::{ClientList, Credentials},
    config::{Scheme, ServerAddress},
    edge::snapshot::Site,
    verify::{Answers, ClientAnswers, DocumentAnswer, Expected, Question, Report, ServerReport, Switch, judge},
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

    /// Asks every server of a site, and every address of a name, and compares.
    pub async fn verify(self: &Arc<Self>, site: &Site, expected: &Arc<Expected>) -> Report {
        self.verify_others(site, expected, &[]).await
    }

    /// The same, but for servers that need not be asked again: they are in the report as they are here.
    pub(super) async fn verify_others(
        self: &Arc<Self>,
        site: &Site,
        expected: &Arc<Expected>,
        known: &[ServerReport],
    ) -> Report {
        let servers = &site.servers;
        let connect = servers.common_waits().connect.min(DOCUMENT);
        let (mut asking, mut reports) = (JoinSet::new(), Vec::new());
        for (configured, server) in servers.fleet().servers() {
            let (name, address) = (server.name().clone(), server.address());
            if let Some(known) = known.iter().find(|known| is_of(known, &name, address)) {
                reports.push(known.clone());
                continue;
            }
            let asked = Asked { server: name, address, peer: servers.peer_for_check(address, configured, connect) };
            let (verifier, expected) = (Arc::clone(self), Arc::clone(expected));
            asking.spawn(async move { verifier.one(&asked, &expected).await });
        }
        let unresolved = servers
            .fleet()
            .unresolved()
            .map(|name| ServerReport::unreachable(name.to_string(), None, "the name does not resolve".into()));
        reports.extend(unresolved);
        reports.extend(asking.join_all().await);
        reports.sort_by(|one, other| (&one.server, one.address).cmp(&(&other.server, other.address)));
        Report {
            site: site.name.clone(),
            at: SystemTime::now(),
            profile: expected.profile().name(),
            discovery: Switch::of(expected.site().is_on()),
            clients: expected.site().clients(),
            clients_compared: self.credentials.is_some() && !expected.is_brief() && expected.compares_clients(),
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
        if self.credentials.is_some()
            && !expected.is_brief()
            && !asked.peer.is_tls()
            && !asked.address.ip().is_loopback()
        {
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
        let Some(credentials) = self.credentials.as_ref().filter(|_| !expected.is_brief()) else { return Ok(()) };
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

fn is_of(report: &ServerReport, name: &ServerAddress, address: SocketAddr) -> bool {
    report.address == Some(address) && report.server == name.as_str()
}

const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
