//! How far a body has come, whichever way its end is told.

use super::{Body, Chunks};

/// What is left of a body.
#[derive(Debug, Clone, Copy)]
pub enum Rest {
    /// So many bytes.
    Length(u64),
    /// Chunks, to the last one.
    Chunks(Chunks),
}

impl Rest {
    /// All of it.
    pub fn new(body: Body) -> Self {
        match body {
            Body::Length(length) => Rest::Length(length),
            Body::Chunked => Rest::Chunks(Chunks::new()),
        }
    }

    /// Whether there is nothing left.
    pub fn is_over(&self) -> bool {
        match self {
            Rest::Length(left) => *left == 0,
            Rest::Chunks(chunks) => chunks.is_done(),
        }
    }

    /// No more bytes than these can belong to it.
    pub fn most(&self) -> usize {
        match self {
            Rest::Length(left) => usize::try_from(*left).unwrap_or(usize::MAX),
            Rest::Chunks(_) => usize::MAX,
        }
    }

    /// Follows the next bytes: how many belong to it, and how many of these are data.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn follow(&mut self, bytes: &[u8]) -> Result<(usize, u64), &'static str> {
        let most = self.most();
        match self {
            Rest::Length(left) => {
                let ours = most.min(bytes.len());
                *left -= ours as u64;
                Ok((ours, ours as u64))
            }
            Rest::Chunks(chunks) => {
                let before = chunks.data();
                let ours = chunks.follow(bytes)?;
                Ok((ours, chunks.data() - before))
            }
        }
    }
}
