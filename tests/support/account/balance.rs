//! An account, and next to each entry what the servers recorded of it.

use std::{collections::BTreeMap, fmt};

use super::{
    super::troubled::{Recorded, Troubled},
    Account, Entry, Kind, Outcome,
};

/// At most so many lines of an account are shown.
const SHOWN: usize = 10;

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
