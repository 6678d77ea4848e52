//! Messages of HTTP/1 of every kind, in order and out of it: the same ones in each run, each made from its number
//! alone.

mod answers;
mod dice;
mod fields;
mod mutate;
mod requests;
mod tests;

pub use self::{
    answers::{AnswerEntry, Asker},
    requests::RequestEntry,
};

/// How many of each kind there are.
pub const SIZE: u64 = 5_000;

/// The seed of it all: another one is another corpus.
const SEED: u64 = 0x6272_6964_6765_6864;
