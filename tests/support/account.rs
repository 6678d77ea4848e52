//! A load on an edge whose every request is accounted for, and the balance of that account with what
//! the servers recorded.

use std::{
    collections::BTreeMap,
    fmt,
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    sync::{
        Arc, Condvar, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use super::troubled::{Recorded, Troubled, event_text};

/// Long enough for any machine; reached only when something hangs.
const PATIENCE: Duration = Duration::from_secs(20);

/// At most so many lines of an account are shown.
const SHOWN: usize = 10;

/// Who sends what.
#[derive(Debug, Clone, Copy)]
pub struct Load {
    /// Each sends one request after the other, on one connection as long as that lasts.
    pub workers: usize,
    /// Each worker sends at most so many.
    pub requests: usize,
    /// In turn.
    pub kinds: &'static [Kind],
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Get,
    /// With a body of 1 to 100 KiB.
    Post,
    /// A GET that is answered with so many events.
    Stream(usize),
}

/// A load that is being sent.
pub struct Running {
    stop: Arc<AtomicBool>,
    ended: Arc<Ended>,
    workers: Vec<JoinHandle<Vec<Entry>>>,
}

/// How many requests have ended.
#[derive(Default)]
struct Ended {
    count: Mutex<usize>,
    changed: Condvar,
}

/// Every request of a load.
pub struct Account {
    pub entries: Vec<Entry>,
}

/// One request, as its client saw it.
#[derive(Debug, Clone)]
pub struct Entry {
    pub id: String,
    pub kind: Kind,
    /// The length of its body.
    pub length: usize,
    pub outcome: Outcome,
    pub began: Instant,
    pub ended: Instant,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// An answer came whole.
    Answered {
        status: u16,
        /// The port of the server that says it answered; the edge's own errors name none.
        server: Option<u16>,
        /// Whether it is, to the last byte, what was asked for.
        complete: bool,
    },
    /// The connection ended before a complete answer.
    Broken {
        cause: String,
        /// Whether the head of an answer had come.
        begun: bool,
    },
}

/// An account, and next to each entry what the servers recorded of it.
pub struct Balance<'a> {
    pub lines: Vec<Line<'a>>,
    /// How many requests each port recorded.
    pub by_server: BTreeMap<u16, usize>,
    /// Recorded, but not sent by this load.
    pub strangers: Vec<(u16, Recorded)>,
}

pub struct Line<'a> {
    pub entry: &'a Entry,
    /// With the port of the server.
    pub records: Vec<(u16, Recorded)>,
}

impl Load {
    /// Starts to send.
    pub fn on(self, edge: SocketAddr) -> Running {
        let (stop, ended) = (Arc::new(AtomicBool::new(false)), Arc::<Ended>::default());
        let workers = (0..self.workers).map(|worker| {
            let (stop, ended) = (Arc::clone(&stop), Arc::clone(&ended));
            thread::spawn(move || self.send(edge, worker, &stop, &ended))
        });
        Running { workers: workers.collect(), stop, ended }
    }

    fn send(self, edge: SocketAddr, worker: usize, stop: &AtomicBool, ended: &Ended) -> Vec<Entry> {
        let mut connection = None;
        let numbers = (0..self.requests).take_while(|_| !stop.load(Ordering::Relaxed));
        let entries = numbers.map(|number| {
            let kind = self.kinds[(worker + number) % self.kinds.len()];
            let length = if kind == Kind::Post { 1024 * (1 + (7 * worker + 37 * number) % 100) } else { 0 };
            let id = format!("{worker}-{number}");
            let began = Instant::now();
            let outcome = exchange(&mut connection, edge, &id, kind, length).unwrap_or_else(|(cause, begun)| {
                connection = None;
                Outcome::Broken { cause, begun }
            });
            ended.add();
            Entry { id, kind, length, outcome, began, ended: Instant::now() }
        });
        entries.collect()
    }
}

impl Ended {
    fn add(&self) {
        *self.count.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        self.changed.notify_all();
    }
}

impl Running {
    /// Waits until so many more requests have ended.
    pub fn wait_for(&self, more: usize) {
        let count = self.ended.count.lock().unwrap();
        let enough = *count + more;
        let (count, timeout) = self.ended.changed.wait_timeout_while(count, PATIENCE, |count| *count < enough).unwrap();
        assert!(!timeout.timed_out(), "only {} of {enough} requests have ended", *count);
    }

    /// Lets the requests that are under way end, and sends no more.
    pub fn stop(self) -> Account {
        self.stop.store(true, Ordering::Relaxed);
        self.finish()
    }

    /// Waits for the end of the load.
    pub fn finish(self) -> Account {
        Account { entries: self.workers.into_iter().flat_map(|worker| worker.join().unwrap()).collect() }
    }
}

impl Account {
    /// Compares with what the servers recorded. Servers of one address, one after the other, count as
    /// one.
    pub fn balance(&self, servers: &[&Troubled]) -> Balance<'_> {
        let mut by_server = BTreeMap::new();
        let mut records = BTreeMap::<String, Vec<_>>::new();
        for server in servers {
            let port = server.address().port();
            for record in server.recorded() {
                *by_server.entry(port).or_default() += 1;
                records.entry(record.id.clone()).or_default().push((port, record));
            }
        }
        let line = |entry| Line { entry, records: records.remove(&entry.id).unwrap_or_default() };
        let lines = self.entries.iter().map(line).collect();
        Balance { lines, by_server, strangers: records.into_values().flatten().collect() }
    }
}

impl Entry {
    /// Whether a server answered, and all of the answer arrived: an error of the edge is no answer.
    pub fn is_lost(&self) -> bool {
        !matches!(self.outcome, Outcome::Answered { server: Some(_), complete: true, .. })
    }

    pub fn status(&self) -> Option<u16> {
        match self.outcome {
            Outcome::Answered { status, .. } => Some(status),
            Outcome::Broken { .. } => None,
        }
    }

    /// Whether it was under way at some moment of that time.
    pub fn was_in_flight(&self, from: Instant, to: Instant) -> bool {
        self.began <= to && self.ended >= from
    }
}

impl Line<'_> {
    /// A POST may reach the servers once, anything else may be answered once.
    pub fn is_sent_twice(&self) -> bool {
        let counts = |record: &Recorded| self.entry.kind == Kind::Post || record.answered;
        self.records.iter().filter(|(_, record)| counts(record)).count() > 1
    }

    /// Whether a server had sent a byte of an answer.
    pub fn is_begun(&self) -> bool {
        self.records.iter().any(|(_, record)| record.begun.is_some())
    }

    /// Whether it reached the server on that port.
    pub fn reached(&self, server: &Troubled) -> bool {
        self.records.iter().any(|(port, _)| *port == server.address().port())
    }
}

impl fmt::Display for Line<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Entry { id, kind, length, outcome, began, ended } = self.entry;
        let took = ended.duration_since(*began);
        write!(f, "{id} {kind:?} of {length} bytes: {outcome:?} after {took:?}; recorded by")?;
        if self.records.is_empty() {
            write!(f, " no server")?;
        }
        for (port, record) in &self.records {
            let Recorded { body_bytes, begun, answered, .. } = record;
            write!(f, " {port} (body {body_bytes}, answer begun {begun:?}, sent {answered})")?;
        }
        Ok(())
    }
}

impl<'a> Balance<'a> {
    /// The requests that got no complete answer from a server.
    pub fn lost(&self) -> Vec<&Line<'a>> {
        self.lines.iter().filter(|line| line.entry.is_lost()).collect()
    }

    /// The POSTs that reached servers more than once, and the GETs that were answered more than once.
    pub fn sent_twice(&self) -> Vec<&Line<'a>> {
        self.lines.iter().filter(|line| line.is_sent_twice()).collect()
    }

    pub fn assert_none_lost(&self) {
        self.assert_none("lost", self.lost());
    }

    pub fn assert_no_post_twice(&self) {
        let posts = self.sent_twice().into_iter().filter(|line| line.entry.kind == Kind::Post);
        self.assert_none("POSTs that were sent twice", posts.collect());
    }

    /// Nothing that a client got was cut short, mixed up, or passed off as whole.
    pub fn assert_none_wrong(&self) {
        let is_wrong = |line: &&Line| matches!(line.entry.outcome, Outcome::Answered { complete: false, .. });
        self.assert_none("answered with something else", self.lines.iter().filter(is_wrong).collect());
        assert!(self.strangers.is_empty(), "the servers recorded what nobody sent: {:?}", self.strangers);
    }

    /// Shows the lines that ought not to be.
    pub fn assert_none(&self, what: &str, lines: Vec<&Line>) {
        let (count, all, by_server) = (lines.len(), self.lines.len(), &self.by_server);
        let shown: Vec<_> = lines.into_iter().take(SHOWN).map(|line| format!("\n  {line}")).collect();
        assert!(count == 0, "{count} of {all} requests {what}; servers recorded {by_server:?}:{}", shown.concat());
    }
}

/// One request and its answer; the cause when there is no whole answer, and whether one had begun.
fn exchange(
    connection: &mut Option<Wire>,
    edge: SocketAddr,
    id: &str,
    kind: Kind,
    length: usize,
) -> Result<Outcome, (String, bool)> {
    let wire = match connection {
        Some(wire) => wire,
        None => connection.insert(Wire::to(edge).map_err(|cause| (cause, false))?),
    };
    let line = match kind {
        Kind::Get => "GET /v1/models".to_owned(),
        Kind::Post => "POST /v1/chat/completions".to_owned(),
        Kind::Stream(events) => format!("GET /stream/{events}"),
    };
    let framing = if kind == Kind::Post { format!("Content-Length: {length}\r\n") } else { String::new() };
    let head = format!("{line} HTTP/1.1\r\nHost: {edge}\r\nX-Test-Id: {id}\r\n{framing}\r\n");
    // An answer may come before the request is sent whole, and the rest of it be refused.
    let _refused = wire.stream.write_all(&[head.as_bytes(), &vec![b'x'; length]].concat());
    let head = wire.read_head().map_err(|cause| (cause, false))?;
    let body = wire.read_body(&head).map_err(|cause| (cause, true))?;
    if head.closes {
        *connection = None;
    }
    let said = serde_json::from_slice::<serde_json::Value>(&body).unwrap_or_default();
    let said_by = said["server"].as_u64().and_then(|port| u16::try_from(port).ok());
    let (server, complete) = match kind {
        Kind::Stream(events) if head.status == 200 => {
            let expected: String = (0..events).map(event_text).collect();
            (head.server, body == expected.as_bytes())
        }
        _ if said_by.is_some() => (said_by, said["test_id"] == id && said["body_bytes"] == length),
        _ => (None, head.status != 200),
    };
    Ok(Outcome::Answered { status: head.status, server, complete })
}

/// A connection to the edge that may break.
struct Wire {
    stream: TcpStream,
    unread: Vec<u8>,
}

struct Head {
    status: u16,
    server: Option<u16>,
    length: Option<usize>,
    is_chunked: bool,
    closes: bool,
}

impl Wire {
    fn to(edge: SocketAddr) -> Result<Self, String> {
        let connected = TcpStream::connect(edge).and_then(|stream| {
            stream.set_read_timeout(Some(PATIENCE))?;
            stream.set_write_timeout(Some(PATIENCE))?;
            stream.set_nodelay(true)?;
            Ok(stream)
        });
        let stream = connected.map_err(|error| format!("no connection to the edge: {error}"))?;
        Ok(Wire { stream, unread: Vec::new() })
    }

    fn read_head(&mut self) -> Result<Head, String> {
        loop {
            let mut headers = [httparse::EMPTY_HEADER; 64];
            let mut response = httparse::Response::new(&mut headers);
            let parsed = response.parse(&self.unread).map_err(|error| format!("a malformed head: {error}"))?;
            if let httparse::Status::Complete(length) = parsed {
                let header = |name: &str| {
                    let found = response.headers.iter().find(|header| header.name.eq_ignore_ascii_case(name));
                    found.and_then(|header| std::str::from_utf8(header.value).ok())
                };
                let head = Head {
                    status: response.code.unwrap_or_default(),
                    server: header("x-server").and_then(|port| port.parse().ok()),
                    length: header("content-length").and_then(|length| length.parse().ok()),
                    is_chunked: header("transfer-encoding").is_some(),
                    closes: header("connection").is_some_and(|value| value.eq_ignore_ascii_case("close")),
                };
                self.unread.drain(..length);
                return Ok(head);
            }
            self.fill()?;
        }
    }

    fn read_body(&mut self, head: &Head) -> Result<Vec<u8>, String> {
        if let Some(length) = head.length {
            return self.take(length);
        }
        if !head.is_chunked {
            return Err("an answer without a length".to_owned());
        }
        let mut body = Vec::new();
        loop {
            let end = loop {
                if let Some(end) = self.unread.windows(2).position(|two| two == b"\r\n") {
                    break end;
                }
                self.fill()?;
            };
            let line = String::from_utf8_lossy(&self.unread[..end]).into_owned();
            let size = usize::from_str_radix(&line, 16).map_err(|_| format!("no size of a chunk: {line:?}"))?;
            self.unread.drain(..end + 2);
            let chunk = self.take(size + 2)?;
            if size == 0 {
                return Ok(body);
            }
            body.extend_from_slice(&chunk[..size]);
        }
    }

    fn take(&mut self, length: usize) -> Result<Vec<u8>, String> {
        while self.unread.len() < length {
            self.fill()?;
        }
        Ok(self.unread.drain(..length).collect())
    }

    fn fill(&mut self) -> Result<(), String> {
        let mut buffer = [0; 16 * 1024];
        match self.stream.read(&mut buffer) {
            Ok(0) => Err(format!("closed after {:?}", String::from_utf8_lossy(&self.unread))),
            Ok(read) => {
                self.unread.extend_from_slice(&buffer[..read]);
                Ok(())
            }
            Err(error) => Err(error.to_string()),
        }
    }
}
