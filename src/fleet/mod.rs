//! The Bifrost servers, and which of them gets a request. Decides only; [`crate::edge`] connects.

use std::{
    collections::VecDeque,
    net::SocketAddr,
    sync::atomic::{AtomicUsize, Ordering},
};

use crate::config::{Config, ServerAddress};

/// The servers of one configuration.
#[derive(Debug)]
pub struct Fleet {
    servers: Vec<ServerAddress>,
    next: AtomicUsize,
}

/// The attempts to deliver one request.
#[derive(Debug, Default)]
pub struct Attempts {
    first: Option<usize>,
    made: usize,
    last: Option<usize>,
    /// The addresses of the last server that have not been tried: a name may have several.
    pub(crate) untried: VecDeque<SocketAddr>,
}

impl Fleet {
    /// Compiles the servers of the configuration.
    pub fn new(config: &Config) -> Self {
        Fleet {
            servers: config.servers.iter().map(|server| server.address.clone()).collect(),
            next: AtomicUsize::new(0),
        }
    }

    /// The servers in the order of the file.
    pub fn servers(&self) -> &[ServerAddress] {
        &self.servers
    }

    /// The place of the server for the next attempt: in turn for a first attempt, then each of the
    /// others once. `None` when there is none left to try.
    pub fn pick(&self, attempts: &mut Attempts) -> Option<usize> {
        let count = self.servers.len();
        if attempts.made >= count {
            return None;
        }
        let turn = || self.next.fetch_add(1, Ordering::Relaxed) % count;
        let first = *attempts.first.get_or_insert_with(turn);
        let place = (first + attempts.made) % count;
        attempts.made += 1;
        attempts.last = Some(place);
        Some(place)
    }

    /// The server of the last attempt.
    pub fn last(&self, attempts: &Attempts) -> Option<&ServerAddress> {
        self.servers.get(attempts.last?)
    }

    /// Makes the last server the next one once more: its connection was an idle one that had died, which
    /// says nothing about the server.
    pub fn repeat(&self, attempts: &mut Attempts) {
        attempts.made = attempts.made.saturating_sub(1);
    }

    /// Whether another server, or another address of the last one, is left for this request.
    pub fn has_another(&self, attempts: &Attempts) -> bool {
        !attempts.untried.is_empty() || attempts.made < self.servers.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fleet(count: usize) -> Fleet {
        let address = |port| ServerAddress::try_from(format!("127.0.0.1:{}", 8080 + port)).unwrap();
        Fleet { servers: (0..count).map(address).collect(), next: AtomicUsize::new(0) }
    }

    #[test]
    fn first_attempts_go_round() {
        let fleet = fleet(3);
        let firsts: Vec<_> = (0..6).map(|_| fleet.pick(&mut Attempts::default())).collect();
        assert_eq!(firsts, [0, 1, 2, 0, 1, 2].map(Some));
    }

    #[test]
    fn one_request_tries_each_server_once() {
        let fleet = fleet(3);
        fleet.pick(&mut Attempts::default());
        let mut attempts = Attempts::default();
        let tried: Vec<_> = (0..4).map(|_| fleet.pick(&mut attempts)).collect();
        assert_eq!(tried, [Some(1), Some(2), Some(0), None]);
    }

    #[test]
    fn a_repeated_attempt_goes_to_the_same_server() {
        let (fleet, mut attempts) = (fleet(2), Attempts::default());
        assert_eq!(fleet.pick(&mut attempts), Some(0));
        fleet.repeat(&mut attempts);
        assert_eq!(fleet.pick(&mut attempts), Some(0));
        assert_eq!(fleet.pick(&mut attempts), Some(1));
    }

    #[test]
    fn an_empty_fleet_has_no_server() {
        assert_eq!(fleet(0).pick(&mut Attempts::default()), None);
    }
}
