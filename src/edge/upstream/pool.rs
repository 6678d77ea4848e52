//! The pool of idle connections to servers of HTTP/1.1.
//!
//! No task watches a connection that rests: whoever takes one out looks whether it still lives, and all are looked at
//! every second. The pool is in shards, and each thread has one that it puts into, and takes from first, so that
//! workers do not wait for each other and a connection stays with the worker that the system tells of it.

use std::{
    collections::{HashMap, VecDeque},
    net::SocketAddr,
    sync::{
        Arc, Weak,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use ahash::RandomState;
use parking_lot::Mutex;
use tokio::{
    spawn,
    time::{Instant, MissedTickBehavior, interval},
};

use super::connection::Connection;

/// The idle connections.
pub(in crate::edge) struct Pool {
    shards: Vec<Mutex<Shard>>,
    /// In all shards.
    count: AtomicUsize,
    most: usize,
    /// Whether the task has been begun that looks at them.
    is_looked_after: AtomicBool,
}

/// What a connection can be used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(in crate::edge) struct Key {
    pub address: SocketAddr,
    /// Servers of one address with other settings have another one.
    pub group: u64,
}

/// By what they can be used for, the one that has rested least last.
#[derive(Default)]
struct Shard(HashMap<Key, VecDeque<Resting>, RandomState>);

struct Resting {
    connection: Box<Connection>,
    since: Instant,
    /// It is closed after so long.
    rests: Duration,
}

const LOOK: Duration = Duration::from_secs(1);
/// So many are looked at without a pause for those who wait for the shard.
const MOST_LOOKED_AT: usize = 64;

impl Pool {
    /// Makes room for so many connections, of so many threads.
    pub fn new(most: usize, threads: usize) -> Arc<Self> {
        let shards = (0..threads.max(1)).map(|_| Mutex::default()).collect();
        Arc::new(Pool { shards, count: AtomicUsize::new(0), most, is_looked_after: AtomicBool::new(false) })
    }

    /// Takes out the connection that has rested least, of this thread's first.
    pub fn take(&self, key: &Key, now: Instant) -> Option<Box<Connection>> {
        let own = self.own_shard();
        // Closed without the lock, as everywhere here.
        let mut ended = Vec::new();
        for (distance, shard) in self.shards[own..].iter().chain(&self.shards[..own]).enumerate() {
            loop {
                let Some(mut resting) = shard.lock().pop(key) else { break };
                self.count.fetch_sub(1, Ordering::Relaxed);
                if !resting.can_be_used(now) {
                    ended.push(resting);
                } else if distance == 0 {
                    return Some(resting.connection);
                } else if let Ok(connection) = resting.connection.watched_here() {
                    return Some(Box::new(connection));
                }
            }
        }
        None
    }

    /// Lets a connection rest, for so long at most, and no longer than its server keeps it. Where there are too many,
    /// the one of this thread that has rested longest is closed.
    pub fn put(self: &Arc<Self>, key: Key, mut connection: Box<Connection>, now: Instant, rests: Duration) {
        if !self.is_looked_after.swap(true, Ordering::Relaxed) {
            spawn(look_after(Arc::downgrade(self)));
        }
        let rests = connection.kept_for.map_or(rests, |kept| kept.min(rests));
        if rests.is_zero() || connection.era.is_over() {
            return;
        }
        connection.rest();
        let resting = Resting { connection, since: now, rests };
        let mut shard = self.shards[self.own_shard()].lock();
        shard.0.entry(key).or_default().push_back(resting);
        let is_full = self.count.fetch_add(1, Ordering::Relaxed) >= self.most;
        let ended = if is_full { shard.pop_oldest() } else { None };
        drop(shard);
        if ended.is_some() {
            self.count.fetch_sub(1, Ordering::Relaxed);
        }
    }

    fn own_shard(&self) -> usize {
        /// Threads are numbered as they come here for the first time.
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        thread_local! {
            static NUMBER: usize = NEXT.fetch_add(1, Ordering::Relaxed);
        }
        NUMBER.with(|number| number % self.shards.len())
    }
}

/// Closes what has rested for too long, and what the server has closed.
async fn look_after(pool: Weak<Pool>) {
    let mut looks = interval(LOOK);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let _until_then = LookedAfter(Weak::clone(&pool));
    loop {
        let now = looks.tick().await;
        let Some(pool) = pool.upgrade() else { return };
        for shard in &pool.shards {
            let keys: Vec<Key> = shard.lock().0.keys().copied().collect();
            for key in keys {
                let mut looked_at = 0;
                while let Some(ended) = { shard.lock().take_ended(&key, &mut looked_at, now) } {
                    pool.count.fetch_sub(ended.len(), Ordering::Relaxed);
                }
            }
        }
    }
}

/// The task that looks at the connections. Should it fail, the next connection that rests begins another one.
struct LookedAfter(Weak<Pool>);

impl Drop for LookedAfter {
    fn drop(&mut self) {
        if let Some(pool) = self.0.upgrade() {
            pool.is_looked_after.store(false, Ordering::Relaxed);
        }
    }
}

impl Shard {
    fn pop(&mut self, key: &Key) -> Option<Resting> {
        self.0.get_mut(key)?.pop_back()
    }

    fn pop_oldest(&mut self) -> Option<Resting> {
        let oldest = self.0.values_mut().filter(|those| !those.is_empty());
        oldest.min_by_key(|those| those.front().map(|resting| resting.since))?.pop_front()
    }

    /// Takes out those of the next few that can no longer be used. None once all have been looked at.
    fn take_ended(&mut self, key: &Key, looked_at: &mut usize, now: Instant) -> Option<Vec<Resting>> {
        let those = self.0.get_mut(key)?;
        if those.is_empty() {
            self.0.remove(key);
            return None;
        }
        let mut ended = Vec::new();
        for _ in 0..MOST_LOOKED_AT {
            let Some(resting) = those.get_mut(*looked_at) else { break };
            if resting.can_be_used(now) {
                *looked_at += 1;
            } else {
                ended.extend(those.remove(*looked_at));
            }
        }
        (!ended.is_empty() || *looked_at < those.len()).then_some(ended)
    }
}

impl Resting {
    fn can_be_used(&mut self, now: Instant) -> bool {
        let has_time = now.saturating_duration_since(self.since) < self.rests;
        has_time && !self.connection.era.is_over() && self.connection.lives()
    }
}

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::{TcpListener, TcpStream},
        sync::oneshot,
        task::yield_now,
        time::sleep,
    };

    use super::*;
    use crate::edge::upstream::connection::ServerStream;

    const REST: Duration = Duration::from_mins(1);
    const EVER: Duration = Duration::MAX;

    fn key(group: u64) -> Key {
        Key { address: ([127, 0, 0, 1], 1).into(), group }
    }

    async fn connection() -> (Box<Connection>, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        (Box::new(Connection::new(ServerStream::Plain(stream))), listener.accept().await.unwrap().0)
    }

    fn pool(most: usize) -> Arc<Pool> {
        Pool::new(most, 2)
    }

    impl Pool {
        fn takes(&self, key: Key) -> Option<Box<Connection>> {
            self.take(&key, Instant::now())
        }

        /// Waits until none of them can be used.
        async fn is_emptied(self: &Arc<Self>, key: Key) {
            while let Some(alive) = self.takes(key) {
                self.puts(key, alive, EVER);
                yield_now().await;
            }
        }

        fn puts(self: &Arc<Self>, key: Key, connection: Box<Connection>, rests: Duration) {
            self.put(key, connection, Instant::now(), rests);
        }
    }

    #[tokio::test]
    async fn the_one_that_rested_least_comes_first_and_only_for_what_it_can_be_used_for() {
        let pool = pool(10);
        let (one, mut first_server) = connection().await;
        let (two, mut second_server) = connection().await;
        pool.puts(key(1), one, REST);
        pool.puts(key(1), two, REST);
        assert!(pool.takes(key(2)).is_none());
        pool.takes(key(1)).unwrap().stream.write_all(b"b").await.unwrap();
        pool.takes(key(1)).unwrap().stream.write_all(b"a").await.unwrap();
        assert!(pool.takes(key(1)).is_none());
        assert_eq!((first_server.read_u8().await.unwrap(), second_server.read_u8().await.unwrap()), (b'a', b'b'));
    }

    #[tokio::test]
    async fn one_that_rested_for_too_long_is_closed() {
        let pool = pool(10);
        let (one, mut server) = connection().await;
        pool.puts(key(1), one, Duration::from_millis(1));
        assert_eq!(server.read(&mut [0]).await.unwrap(), 0);
        assert!(pool.takes(key(1)).is_none());
        assert_eq!(pool.count.load(Ordering::Relaxed), 0);
    }

    #[tokio::test]
    async fn one_that_the_server_has_closed_or_that_says_something_is_not_used() {
        let pool = pool(10);
        let (gone, server) = connection().await;
        let (talks, mut talking) = connection().await;
        pool.puts(key(1), gone, EVER);
        pool.puts(key(1), talks, EVER);
        drop(server);
        talking.write_all(b"x").await.unwrap();
        pool.is_emptied(key(1)).await;
        let (gone, server) = connection().await;
        pool.puts(key(1), gone, EVER);
        drop(server);
        while pool.count.load(Ordering::Relaxed) > 0 {
            sleep(LOOK / 10).await;
        }
    }

    #[tokio::test]
    async fn an_end_that_the_runtime_has_not_heard_of_is_seen() {
        let (one, server) = connection().await;
        assert!(!one.has_ended());
        drop(server);
        assert!(one.has_ended());
        let (one, mut server) = connection().await;
        server.write_all(b"x").await.unwrap();
        assert!(one.has_ended(), "nobody has asked for it");
    }

    #[tokio::test]
    async fn where_there_are_too_many_the_oldest_is_closed() {
        let pool = pool(1);
        let (one, mut first_server) = connection().await;
        let (two, mut second_server) = connection().await;
        pool.puts(key(1), one, EVER);
        pool.puts(key(1), two, EVER);
        assert_eq!(first_server.read(&mut [0]).await.unwrap(), 0);
        let (three, mut third_server) = connection().await;
        pool.puts(key(2), three, EVER);
        assert_eq!(second_server.read(&mut [0]).await.unwrap(), 0);
        assert!(pool.takes(key(1)).is_none());
        pool.takes(key(2)).unwrap().stream.write_all(b"c").await.unwrap();
        assert_eq!(third_server.read_u8().await.unwrap(), b'c');
        assert_eq!(pool.count.load(Ordering::Relaxed), 0);
    }

    #[tokio::test]
    async fn however_many_have_died_none_of_them_is_used() {
        let pool = pool(1000);
        let mut servers = Vec::new();
        for _ in 0..300 {
            let (one, server) = connection().await;
            pool.puts(key(1), one, EVER);
            servers.push(server);
        }
        drop(servers);
        pool.is_emptied(key(1)).await;
        assert_eq!(pool.count.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn a_connection_of_another_worker_is_found_and_does_without_that_worker() {
        let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        // So many that no two threads share a shard.
        let pool = Pool::new(10, 1000);
        let of_another = Arc::clone(&pool);
        let (found, is_found) = oneshot::channel();
        let (put, is_put) = oneshot::channel();
        let another = std::thread::spawn(move || {
            runtime().block_on(async {
                let (one, server) = connection().await;
                of_another.puts(key(1), one, EVER);
                put.send(server.into_std().unwrap()).unwrap();
                is_found.await.unwrap();
            });
        });
        runtime().block_on(async {
            let mut server = TcpStream::from_std(is_put.await.unwrap()).unwrap();
            let mut one = pool.takes(key(1)).unwrap();
            found.send(()).unwrap();
            another.join().unwrap();
            server.write_all(b"x").await.unwrap();
            assert_eq!(one.stream.read_u8().await.unwrap(), b'x');
        });
    }
}
