//! How the edge is replaced by a newer one.

/// How far the edge is with being replaced by another process.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Replacement {
    /// Nobody has asked for it.
    #[default]
    None,
    /// Its successor is starting.
    Starting,
    /// The last successor did not serve, and why.
    Failed(String),
}
