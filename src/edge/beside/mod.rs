//! What goes on beside the requests: servers are checked and verified, names looked up, certificates read again.

mod ask;
mod certificates;
mod health;
mod lookup;
mod supervise;
mod verify;

pub(crate) use self::supervise::resolve_new;
pub use self::{
    ask::Asker,
    certificates::{TlsListener, keep_reading},
    supervise::supervise,
    verify::{Verifier, keep_verifying},
};
