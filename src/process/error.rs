//! Why an edge does not serve.

use std::io;

use tokio::task::JoinError;

use crate::{
    config::{KeyPath, ListenAddress},
    telemetry::access_log::AccessLogError,
};

/// A listener that could not be bound.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address}: {source}; stop what uses it, or change {key}")]
pub struct BindError {
    /// Where the address stands in the configuration.
    pub(super) key: KeyPath,
    pub(super) address: ListenAddress,
    pub(super) source: io::Error,
}

/// Why an edge stopped serving although nobody had told it to.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The authorities that the system trusts, which TLS to servers needs, cannot be read.
    #[error("{0}")]
    Certificates(String),
    /// The access log cannot be written.
    #[error(transparent)]
    AccessLog(#[from] AccessLogError),
    /// A socket cannot be used.
    #[error("a listener cannot be used: {0}")]
    Listener(io::Error),
    /// The listeners ended.
    #[error("the listeners ended unexpectedly{}", .0.as_ref().map(|cause| format!(": {cause}")).unwrap_or_default())]
    Ended(Option<JoinError>),
}
