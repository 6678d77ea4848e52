//! What a running edge is: what it serves, what it has measured, whether it is ready, how its last reload went.

mod control;
mod reload;
mod reloads;
mod remarks;
mod replacement;

pub use self::{
    control::Control,
    reload::Reloader,
    reloads::{Outcome, ReloadReport, Reloads},
    remarks::Remarks,
    replacement::Replacement,
};
