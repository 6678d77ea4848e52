//! Where a body ends, and how far it has come.

use super::chunks::Chunks;

/// Where the body of a message ends (RFC 9112 section 6.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Body {
    /// After so many bytes; 0 for no body.
    Length(u64),
    /// After the last chunk.
    Chunked,
}

/// What is left of a body.
#[derive(Debug, Clone, Copy)]
pub enum Rest {
    /// So many bytes.
    Length(u64),
    /// Chunks, to the last one.
    Chunks(Chunks),
    /// All that comes, until the connection ends.
    Close,
}

impl Rest {
    /// Nothing.
    pub const NOTHING: Self = Rest::Length(0);

    /// All of it.
    pub fn new(body: Body) -> Self {
        match body {
            Body::Length(length) => Rest::Length(length),
            Body::Chunked => Rest::Chunks(Chunks::new()),
        }
    }

    /// The same of a request's, whose chunks are read strictly.
    pub fn of_request(body: Body) -> Self {
        match body {
            Body::Length(length) => Rest::Length(length),
            Body::Chunked => Rest::Chunks(Chunks::of_request()),
        }
    }

    /// Whether there is nothing left.
    pub fn is_over(&self) -> bool {
        match self {
            Rest::Length(left) => *left == 0,
            Rest::Chunks(chunks) => chunks.is_done(),
            Rest::Close => false,
        }
    }

    /// Whether all data have come, and trailers may.
    pub fn is_in_trailers(&self) -> bool {
        matches!(self, Rest::Chunks(chunks) if chunks.is_in_trailers())
    }

    /// No more bytes than these can belong to it.
    pub fn most(&self) -> usize {
        match self {
            Rest::Length(left) => usize::try_from(*left).unwrap_or(usize::MAX),
            Rest::Chunks(_) | Rest::Close => usize::MAX,
        }
    }

    /// Follows the next bytes up to the end of the data that comes first, or to the trailers: how many bytes these are, and how many at
    /// their end are data. No bytes at all once it is over.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn next(&mut self, bytes: &[u8]) -> Result<(usize, usize), &'static str> {
        let ours = self.most().min(bytes.len());
        match self {
            Rest::Length(left) => *left -= ours as u64,
            Rest::Chunks(chunks) => return chunks.next(bytes),
            Rest::Close => {}
        }
        Ok((ours, ours))
    }

    /// Follows the next bytes to the end of the body: how many belong to it, and how many of these are data.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn follow(&mut self, bytes: &[u8]) -> Result<(usize, usize), &'static str> {
        let (mut used, mut data) = (0, 0);
        while used < bytes.len() && !self.is_over() {
            let (more, of_data) = self.next(&bytes[used..])?;
            (used, data) = (used + more, data + of_data);
        }
        Ok((used, data))
    }
}
