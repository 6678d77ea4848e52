//! Whether every server of the fleet answers for discovery what the edge serves, and has the MCP clients of its
//! table. Decides only: what to ask is in [`Expected`], [`judge()`] compares the answers, [`crate::edge::Verifier`]
//! asks.

mod difference;
mod documents;
mod expected;
mod judge;
mod kept;
mod lists;
mod report;
mod table;

pub use self::{
    difference::{Difference, Lists},
    documents::{Contract, DocumentAnswer},
    expected::{Expected, Question},
    judge::{Answers, ClientAnswers, judge},
    kept::{Kept, changes},
    lists::{ListAnswer, ListedClient},
    report::{Report, ServerReport, Switch, Verdict},
    table::table,
};
