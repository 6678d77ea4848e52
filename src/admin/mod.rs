//! The admin listener: what the edge says of itself to those who run it, and to the programs that watch it.
//!
//! `listen` accepts connections and reads heads, `crowd` knows which connection makes room for the next, `request`
//! is what comes on one, `host` knows whom it may be for, `route` what is there: `status` as JSON, which `gather`
//! makes with its `headline` and `servers`, and as a `page`, the `metrics`, and whether the edge lives and is ready. `history` keeps the last minutes for
//! the page, `answer` is how all of it is written.
//!
//! It depends on nothing that the traffic depends on: not on Pingora, not on the limits of clients, not on the phase
//! that the edge is in. Whoever runs it drops it last.

mod answer;
mod crowd;
mod gather;
mod headline;
mod history;
mod host;
mod listen;
mod metrics;
mod page;
mod request;
mod route;
mod servers;
pub mod status;

use std::{fs, net::SocketAddr};

use self::history::History;
pub use self::listen::serve;
use crate::state::Control;

/// What the admin listener knows.
pub struct Admin {
    control: Control,
    /// Where it listens.
    bound: SocketAddr,
    /// What this machine is called; nothing where it does not say.
    machine: Option<String>,
    history: History,
}

impl Admin {
    /// What there is to say of a running edge, on a listener that is bound to this address.
    pub fn new(control: Control, bound: SocketAddr) -> Self {
        Admin { control, bound, machine: machine(), history: History::default() }
    }
}

/// What this machine, or this container, is called.
fn machine() -> Option<String> {
    let name = fs::read_to_string("/proc/sys/kernel/hostname").ok()?;
    Some(name.trim().to_owned()).filter(|name| !name.is_empty())
}
