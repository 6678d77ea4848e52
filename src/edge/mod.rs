//! The life of a connection and of its requests on Pingora.
//!
//! A connection comes in by `downstream`, which takes one request after the other from it, through the hooks of
//! `proxy`. They hand on to the `phases`, which answer, or forward to a server by way of `upstream`. An
//! `exchange` is what a request carries through them, `snapshot` what is compiled from a configuration, `fields`
//! what is changed in heads, and `client` the client's side. `beside` them, servers are checked and verified.

mod beside;
mod client;
mod downstream;
mod exchange;
mod fields;
#[cfg(fuzzing)]
pub mod fuzzing;
mod phases;
mod proxy;
mod rehearsal;
mod service;
mod snapshot;
mod tcp;
mod upstream;

pub(crate) use self::beside::resolve_new;
#[doc(hidden)]
pub use self::{
    beside::{Asker, TlsListener, Verifier, keep_reading, keep_verifying, supervise},
    downstream::{Listener, Listeners, ListeningSocket, Workers, listen},
    rehearsal::{End, Forwarded, Heard, Rehearsal},
    snapshot::{Servers, Site, Snapshot, VerifyPlan, system_authorities},
};
pub use self::{proxy::Edge, service::service};
