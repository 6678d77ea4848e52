//! A load on a fleet of real servers, and the account of each of its requests: what its client got, which server had
//! it from the provider's and the servers' own records, and how often.

use std::{
    collections::BTreeMap,
    fmt,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread::{self, JoinHandle},
};

use crate::{
    chat::chat,
    server::RealBifrost,
    support::{bifrost::Bifrost, http::Connection, until},
};

/// A request of a load.
pub struct Entry {
    pub id: String,
    pub is_post: bool,
    /// The status, or why there was none.
    pub outcome: Result<u16, String>,
    /// The servers that had it, one for each time that they had it.
    pub servers: Vec<usize>,
}

/// A load that is being sent.
pub struct Running {
    workers: Vec<JoinHandle<Vec<Entry>>>,
    stop: Arc<AtomicBool>,
    ended: Arc<AtomicUsize>,
}

/// Every request of a load.
pub struct Account(pub Vec<Entry>);

/// Sends chats, which no proxy may send twice, and lists of MCP clients, which it may, in turn.
pub fn load(edge: SocketAddr) -> Running {
    let (stop, ended) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let workers = (0..4).map(|worker| {
        let (stop, ended) = (Arc::clone(&stop), Arc::clone(&ended));
        thread::spawn(move || {
            let mut entries = Vec::new();
            while !stop.load(Ordering::Relaxed) {
                let number = entries.len();
                let (id, is_post) = (format!("load-{worker}-{number}"), (worker + number) % 2 == 0);
                let outcome = exchange(edge, &id, is_post);
                entries.push(Entry { id, is_post, outcome, servers: Vec::new() });
                ended.fetch_add(1, Ordering::SeqCst);
            }
            entries
        })
    });
    Running { workers: workers.collect(), stop, ended }
}

fn exchange(edge: SocketAddr, id: &str, is_post: bool) -> Result<u16, String> {
    let mut connection = Connection::try_to(edge).map_err(|fault| fault.to_string())?;
    let (line, body) = if is_post {
        (format!("POST /v1/chat/completions?{id}"), chat(id, false))
    } else {
        (format!("GET /api/mcp/clients?{id}"), String::new())
    };
    let length = body.len();
    connection.send(format!("{line} HTTP/1.1\r\nHost: {edge}\r\nContent-Length: {length}\r\n\r\n{body}"));
    let head = connection.try_read_head()?;
    let length = head.header("content-length").ok_or("no length")?;
    connection.try_read_exactly(length.parse().map_err(|_| "no length")?)?;
    Ok(head.status)
}

impl Running {
    /// Waits until so many more requests have ended.
    pub fn wait_for(&self, more: usize) {
        let enough = self.ended.load(Ordering::SeqCst) + more;
        until("enough requests ended", || self.ended.load(Ordering::SeqCst) >= enough);
    }

    /// Ends the load, and asks the provider and the servers who had which request.
    pub fn stop(self, provider: &Bifrost, servers: &[RealBifrost]) -> Account {
        self.stop.store(true, Ordering::Relaxed);
        let entries: Vec<_> = self.workers.into_iter().flat_map(|worker| worker.join().unwrap()).collect();
        let chats = chats(provider, servers);
        let answered: Vec<_> = servers.iter().map(RealBifrost::answered).collect();
        let with_servers = |entry: Entry| {
            let had = if entry.is_post {
                chats.get(&entry.id).cloned().unwrap_or_default()
            } else {
                let target = format!("/api/mcp/clients?{}", entry.id);
                let times = |log: &Vec<(String, String)>| log.iter().filter(|(_, asked)| *asked == target).count();
                answered.iter().enumerate().flat_map(|(server, log)| vec![server; times(log)]).collect()
            };
            Entry { servers: had, ..entry }
        };
        Account(entries.into_iter().map(with_servers).collect())
    }
}

/// The servers that asked the provider for each chat, by what the chat says.
pub fn chats(provider: &Bifrost, servers: &[RealBifrost]) -> BTreeMap<String, Vec<usize>> {
    let mut chats = BTreeMap::<String, Vec<usize>>::new();
    for asked in provider.recorded().iter().filter(|asked| asked.target == "/v1/chat/completions") {
        let key = asked.header("authorization").unwrap_or_default();
        let Some(server) = servers.iter().position(|server| key == format!("Bearer {}", server.key)) else { continue };
        // A request is recorded before its body has arrived, and is held only then.
        if !asked.body_complete {
            continue;
        }
        let body: serde_json::Value = serde_json::from_slice(&asked.body).unwrap_or_default();
        if let Some(text) = body.pointer("/messages/0/content").and_then(serde_json::Value::as_str) {
            chats.entry(text.to_owned()).or_default().push(server);
        }
    }
    chats
}

impl Entry {
    /// Whether no server's whole answer came.
    pub fn is_lost(&self) -> bool {
        self.outcome != Ok(200)
    }
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let method = if self.is_post { "POST" } else { "GET" };
        write!(f, "{method} {}: {:?}, had by {:?}", self.id, self.outcome, self.servers)
    }
}

/// How many requests came to what.
impl fmt::Display for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut counts = BTreeMap::<_, usize>::new();
        for Entry { is_post, outcome, servers, .. } in &self.0 {
            *counts.entry((*is_post, outcome, servers)).or_default() += 1;
        }
        for ((is_post, outcome, servers), count) in counts {
            let method = if is_post { "POST" } else { "GET" };
            writeln!(f, "{count:5} {method:4} answered {outcome:?}, had by server {servers:?}")?;
        }
        Ok(())
    }
}
