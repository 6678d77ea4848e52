//! What the manager of services is told, if there is one that listens (`sd_notify(3)`).

use log::warn;
use sd_notify::{NotifyState, notify};

/// The edge serves.
pub(super) fn serving() {
    tell(&[NotifyState::Ready]);
}

/// The edge was told to stop.
pub(super) fn stopping() {
    tell(&[NotifyState::Stopping]);
}

/// Another process is the edge now.
pub(super) fn replaced_by(process: u32) {
    tell(&[NotifyState::MainPid(process)]);
}

fn tell(state: &[NotifyState<'_>]) {
    if let Err(error) = notify(state) {
        warn!("the manager of services cannot be told how far the edge is: {error}");
    }
}
