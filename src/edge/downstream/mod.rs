//! Clients come in: connections are accepted, found out about, shaken hands with, and their requests taken one by one.
//!
//! What belongs to a connection is decided here: PROXY, handshakes, the time and size of a head, how many connections
//! there may be. What belongs to a request is decided in the hooks.

mod accept;
mod enter;
mod hooks;
mod http1;
mod http2;
mod listeners;
mod plain_http;
mod refused;
mod workers;

#[cfg(fuzzing)]
pub(super) use self::enter::serve;
pub use self::{
    accept::{ListeningSocket, listen},
    listeners::{Listener, Listeners},
    workers::Workers,
};
