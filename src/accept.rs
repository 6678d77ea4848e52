//! What follows when a connection could not be accepted.

use std::{fs::File, io, time::Duration};

use log::error;
use rustix::io::Errno;
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

/// Files that are held open to be closed, so that who must always be answered can be accepted when the process has none
/// left. Opened early they have low numbers: a limit that is lowered later does not cut them off.
pub(crate) struct Spares(Vec<File>);

impl Spares {
    const MOST: usize = 8;

    pub fn open() -> Self {
        let mut spares = Spares(Vec::with_capacity(Self::MOST));
        spares.refill();
        spares
    }

    /// Opens those that were given away, as far as there are any to be had.
    pub fn refill(&mut self) {
        while self.0.len() < Self::MOST {
            let Ok(file) = File::open("/dev/null") else { return };
            self.0.push(file);
        }
    }

    /// Closes one if there are too many open files. Whether it is worth trying again.
    pub fn give_for(&mut self, error: &io::Error) -> bool {
        let is_full = error
            .raw_os_error()
            .is_some_and(|code| [Errno::MFILE, Errno::NFILE].map(Errno::raw_os_error).contains(&code));
        is_full && self.0.pop().is_some()
    }
}
