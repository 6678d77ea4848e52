//! What goes on beside the requests: servers are checked and verified, names looked up, certificates read again.

mod ask;
mod bifrost;
mod certificates;
mod health;
mod keep_verifying;
mod lookup;
mod supervise;
mod verify;

pub(crate) use self::supervise::resolve_new;
pub use self::{
    ask::Asker,
    certificates::{TlsListener, keep_reading},
    keep_verifying::keep_verifying,
    supervise::supervise,
    verify::Verifier,
};
