//! What a running edge is: what it serves, what it has measured, whether it is ready, how its last reload went.

mod control;
mod readiness;
mod reload;
mod reloads;

pub use self::{
    control::Control,
    readiness::{Phase, Readiness, Replacement},
    reload::Reloader,
    reloads::{Outcome, ReloadReport, Reloads},
};
