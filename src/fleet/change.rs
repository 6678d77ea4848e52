//! What the operator is told of a server.

use log::warn;

use super::server::{Change, Server};

/// Logs that a server has become available, or is not any longer, and why.
pub(crate) fn log_change(server: &Server, change: Change, why: Option<&String>) {
    let (name, address) = (server.name(), server.address());
    let place = if name.ip().is_some() { String::new() } else { format!(" at {address}") };
    let why = why.map(|why| format!(" ({why})")).unwrap_or_default();
    let now = match change {
        Change::Opened => "its requests fail one after the other; it gets a pause, then a probe",
        Change::Closed => "its requests are answered again",
        Change::Up => "its health checks are good again",
        Change::Down => "its health checks are bad; it gets no requests while another is available",
    };
    warn!("server {name}{place}: {now}{why}");
}
