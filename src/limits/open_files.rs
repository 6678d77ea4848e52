//! What the files that the process may have open are for.

use rustix::process::{Resource, getrlimit};

/// For all that is neither a connection of a client nor one to a server: what listens, the admin listener, logs, health
/// checks, lookups.
const RESERVED: usize = 64;

/// The files that this process may have open (`ulimit -n`, `LimitNOFILE`), shared out. A request in flight holds one
/// for its connection to a server, which clients of HTTP/2 can have a hundred of for each of theirs: without a share
/// for each, a few of them would leave none for anybody else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OpenFiles {
    most: usize,
}

impl OpenFiles {
    /// Asks the system.
    pub fn of_process() -> Self {
        let current = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
        OpenFiles { most: usize::try_from(current).unwrap_or(usize::MAX) }
    }

    /// All of them.
    pub fn most(self) -> usize {
        self.most
    }

    /// The first number of a file that a new client's connection must not have: numbers are given from 0 on, so that all
    /// below it are in use. What is left is for the admin listener, health checks and reloads.
    pub fn first_kept_from_clients(self) -> usize {
        self.most - (RESERVED / 2).min(self.most / 4)
    }

    /// The share of clients' connections: a half.
    pub fn connections(self) -> usize {
        self.eighths(4)
    }

    /// The share of requests in flight: three eighths.
    pub fn requests(self) -> usize {
        self.eighths(3)
    }

    /// The share of idle connections to servers: an eighth.
    pub fn idle(self) -> usize {
        self.eighths(1)
    }

    fn eighths(self, share: usize) -> usize {
        (self.most.saturating_sub(RESERVED) / 8).saturating_mul(share).max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shares_are_no_more_than_there_is() {
        for most in [0, 1, 64, 72, 256, 1024, 4096, 1_048_576, usize::MAX] {
            let files = OpenFiles { most };
            let shared = files.connections() as u128 + files.requests() as u128 + files.idle() as u128;
            assert!(shared <= (most as u128).max(3), "{most}: {shared}");
        }
        assert_eq!(OpenFiles { most: 1024 }.requests(), 360);
        let kept = [0, 64, 1024].map(|most| OpenFiles { most }.first_kept_from_clients());
        assert_eq!(kept, [0, 48, 992]);
    }
}
