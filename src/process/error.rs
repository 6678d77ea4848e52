//! Why an edge does not serve.

use std::io;

use tokio::task::JoinError;

use crate::{
    config::{KeyPath, ListenAddress},
    telemetry::{access_log::AccessLogError, tracing::TracingError},
};

/// Why the listeners are not there.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// An address that cannot be listened on.
    #[error("cannot listen on {address}: {source}; {}, or change {key}", remedy(source))]
    Address {
        /// Where it stands in the configuration.
        key: KeyPath,
        /// What it is.
        address: ListenAddress,
        /// Why not.
        source: io::Error,
    },
    /// A certificate, a key or an authority of a listener that cannot be used, with the key that names its file; what is
    /// wrong with it, and how to mend it. It could when the configuration was checked.
    #[error("{}", .0.iter().map(|(key, fault)| format!("{key}: {fault}")).collect::<Vec<_>>().join("; "))]
    Certificates(Vec<(KeyPath, String)>),
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
    /// Spans cannot be sent.
    #[error(transparent)]
    Tracing(#[from] TracingError),
    /// There cannot be so many worker threads.
    #[error("cannot start the worker threads: {0}; lower threads, or raise ulimit -u and ulimit -n")]
    Workers(io::Error),
    /// A socket cannot be used.
    #[error("a listener cannot be used: {0}")]
    Listener(io::Error),
    /// The listeners ended.
    #[error("the listeners ended unexpectedly{}", .0.as_ref().map(|cause| format!(": {cause}")).unwrap_or_default())]
    Ended(Option<JoinError>),
}

/// What mends it, besides another address.
fn remedy(fault: &io::Error) -> &'static str {
    match fault.kind() {
        io::ErrorKind::AddrNotAvailable => {
            "this machine does not have that address (ip address lists those it has); use 0.0.0.0 for all of IPv4, [::] for \
             all"
        }
        io::ErrorKind::PermissionDenied => "a port below 1024 needs CAP_NET_BIND_SERVICE, a Unix socket its folder",
        _ => "stop what uses it",
    }
}
