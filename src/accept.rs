//! What follows when a connection could not be accepted.

use std::{io, time::Duration};

use log::error;
use tokio::time::sleep;

/// Those of a client that went away before it was accepted.
const OF_CLIENT: [io::ErrorKind; 3] =
    [io::ErrorKind::ConnectionAborted, io::ErrorKind::ConnectionReset, io::ErrorKind::InvalidInput];
/// Causes that last are tried again after this.
const PAUSE: Duration = Duration::from_millis(200);

/// Waits when the cause is one that lasts, and says who could not accept.
pub(crate) async fn recover(listener: &str, error: &io::Error) {
    if OF_CLIENT.contains(&error.kind()) {
        return;
    }
    error!("{listener} cannot accept a connection: {error}; if there are too many open files, raise ulimit -n");
    sleep(PAUSE).await;
}
