//! A load on an edge whose every request is accounted for, and the balance of that account with what
//! the servers recorded.

mod balance;
mod exchange;
mod load;

use std::time::Instant;

pub use balance::{Balance, Line};
pub use load::{Kind, Load, MIXED, STEADY};

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
