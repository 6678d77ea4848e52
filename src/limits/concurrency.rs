//! How many there are at a time, in all and of each client: of connections, and of requests in flight.

use std::{
    collections::HashMap,
    hash::{BuildHasher, RandomState},
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use parking_lot::Mutex;

use super::client_key::ClientKey;

/// Those that there are: connections that are open, or requests in flight.
#[derive(Default)]
pub struct Concurrency {
    open: AtomicUsize,
    hasher: RandomState,
    /// Those of each client that has any.
    of_clients: [Mutex<HashMap<ClientKey, usize>>; SHARDS],
}

const SHARDS: usize = 16;

/// One of them, for as long as it lives.
#[must_use]
pub struct Slot {
    counted_in: Arc<Concurrency>,
    client: Option<ClientKey>,
}

/// Which limit has been reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Full {
    /// That of all.
    All,
    /// That of the client.
    Client,
}

impl Concurrency {
    /// How many there are.
    pub fn open(&self) -> usize {
        self.open.load(Ordering::Relaxed)
    }

    /// Counts one.
    ///
    /// # Errors
    /// [`Full::All`] when there are `most` already.
    pub fn enter(self: &Arc<Self>, most: usize) -> Result<Slot, Full> {
        let entered =
            self.open.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |open| (open < most).then_some(open + 1));
        entered.map(|_| Slot { counted_in: Arc::clone(self), client: None }).map_err(|_| Full::All)
    }

    fn shard(&self, client: ClientKey) -> &Mutex<HashMap<ClientKey, usize>> {
        let shard = self.hasher.hash_one(client) % SHARDS as u64;
        &self.of_clients[usize::try_from(shard).unwrap_or_default()]
    }
}

impl Slot {
    /// Counts it as one of this client, too. Without a limit nobody counts.
    ///
    /// # Errors
    /// [`Full::Client`] when the client has `most` already.
    pub fn of_client(&mut self, client: IpAddr, most: usize) -> Result<(), Full> {
        if most == usize::MAX || self.client.is_some() {
            return Ok(());
        }
        let client = ClientKey::of(client);
        let mut shard = self.counted_in.shard(client).lock();
        let open = shard.get(&client).copied().unwrap_or_default();
        if open >= most {
            return Err(Full::Client);
        }
        shard.insert(client, open + 1);
        drop(shard);
        self.client = Some(client);
        Ok(())
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.counted_in.open.fetch_sub(1, Ordering::Relaxed);
        let Some(client) = self.client else { return };
        let mut shard = self.counted_in.shard(client).lock();
        if let Some(open) = shard.get_mut(&client) {
            *open -= 1;
            if *open == 0 {
                shard.remove(&client);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn a_place_is_free_again_when_its_connection_ends() {
        let connections = Arc::new(Concurrency::default());
        let (one, two) = (connections.enter(2).ok().unwrap(), connections.enter(2).ok().unwrap());
        assert_eq!(connections.enter(2).err(), Some(Full::All));
        drop(one);
        let three = connections.enter(2).ok().unwrap();
        drop((two, three));
        assert_eq!(connections.open(), 0);
    }

    #[test]
    fn each_client_has_its_own_limit() {
        let connections = Arc::new(Concurrency::default());
        let enter = |client: &str, most| {
            let mut slot = connections.enter(usize::MAX).ok().unwrap();
            slot.of_client(address(client), most).map(|()| slot)
        };
        let one = enter("192.0.2.1", 1).ok().unwrap();
        assert_eq!(enter("192.0.2.1", 1).err(), Some(Full::Client));
        assert_eq!(enter("::ffff:192.0.2.1", 1).err(), Some(Full::Client));
        let another = enter("192.0.2.2", 1).ok().unwrap();
        let network = enter("2001:db8::1", 1).ok().unwrap();
        assert_eq!(enter("2001:db8::2", 1).err(), Some(Full::Client));
        assert_eq!(enter("192.0.2.3", 0).err(), Some(Full::Client));
        drop(one);
        let again = enter("192.0.2.1", 1).ok().unwrap();
        drop((again, another, network));
        assert_eq!(connections.open(), 0);
        assert!(connections.of_clients.iter().all(|shard| shard.lock().is_empty()));
    }

    #[test]
    fn many_threads_count_together() {
        let connections = Arc::new(Concurrency::default());
        let threads: Vec<_> = (0..8_u32)
            .map(|number| {
                let connections = Arc::clone(&connections);
                thread::spawn(move || {
                    for _ in 0..500 {
                        let mut slot = connections.enter(4).ok();
                        assert!(connections.open() <= 4);
                        if let Some(slot) = &mut slot {
                            let _counted = slot.of_client(address(&format!("192.0.2.{}", number % 3)), 2);
                        }
                    }
                })
            })
            .collect();
        for thread in threads {
            thread.join().unwrap();
        }
        assert_eq!(connections.open(), 0);
        assert!(connections.of_clients.iter().all(|shard| shard.lock().is_empty()));
    }
}
