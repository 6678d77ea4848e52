//! Bytes of a corpus, or of anybody's, on their way through an edge, in either direction.

pub mod answers;
pub mod requests;
