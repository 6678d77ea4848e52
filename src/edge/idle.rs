//! The idle connections to servers.
//!
//! Pingora's pool watches each with a task of its own, which is begun and ended again with every request. Here they
//! rest without one: whoever takes one out looks whether it still lives, and all are looked at every second.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Weak},
    time::Duration,
};

use parking_lot::Mutex;
use tokio::{
    spawn,
    time::{Instant, MissedTickBehavior, interval},
};

use super::watch::Watched;

/// The idle connections.
pub(super) struct Idle {
    connections: Mutex<Connections>,
    most: usize,
}

/// By what they can be used for, the one that has rested least last.
#[derive(Default)]
struct Connections {
    resting: HashMap<u64, VecDeque<Resting>>,
    count: usize,
}

struct Resting {
    connection: Watched,
    since: Instant,
    /// It is closed after so long, if ever.
    rests: Option<Duration>,
}

/// Where a connection goes when it is idle.
pub(super) struct Home {
    idle: Arc<Idle>,
    key: u64,
    rests: Option<Duration>,
}

const LOOK: Duration = Duration::from_secs(1);

impl Idle {
    /// A place for so many connections.
    pub fn new(most: usize) -> Arc<Self> {
        let idle = Arc::new(Idle { connections: Mutex::default(), most });
        spawn(look_after(Arc::downgrade(&idle)));
        idle
    }

    /// The home of connections that can be used for this, and rest so long at most.
    pub fn home(self: &Arc<Self>, key: u64, rests: Option<Duration>) -> Home {
        Home { idle: Arc::clone(self), key, rests }
    }
}

impl Home {
    /// The connection that has rested least.
    pub fn take(&self) -> Option<Watched> {
        let now = Instant::now();
        // Closed without the lock, as everywhere here.
        let mut ended = Vec::new();
        loop {
            let resting = self.idle.connections.lock().pop(self.key)?;
            if resting.can_be_used(now) {
                return Some(resting.connection);
            }
            ended.push(resting);
        }
    }

    /// Lets a connection rest. Where there are too many, the one that has rested longest is closed.
    pub fn put(&self, connection: Watched) {
        let resting = Resting { connection, since: Instant::now(), rests: self.rests };
        let mut connections = self.idle.connections.lock();
        connections.resting.entry(self.key).or_default().push_back(resting);
        connections.count += 1;
        let ended = (connections.count > self.idle.most).then(|| connections.pop_oldest());
        drop(connections);
        drop(ended);
    }
}

/// Closes what has rested for too long, and what the server has closed.
async fn look_after(idle: Weak<Idle>) {
    let mut looks = interval(LOOK);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let now = looks.tick().await;
        let Some(idle) = idle.upgrade() else { return };
        let keys: Vec<u64> = idle.connections.lock().resting.keys().copied().collect();
        for key in keys {
            let ended = idle.connections.lock().take_ended(key, now);
            drop(ended);
        }
    }
}

impl Connections {
    fn pop(&mut self, key: u64) -> Option<Resting> {
        let resting = self.resting.get_mut(&key)?.pop_back()?;
        self.count -= 1;
        Some(resting)
    }

    fn pop_oldest(&mut self) -> Option<Resting> {
        let oldest = self.resting.values_mut().filter(|those| !those.is_empty());
        let resting = oldest.min_by_key(|those| those.front().map(|resting| resting.since))?.pop_front()?;
        self.count -= 1;
        Some(resting)
    }

    fn take_ended(&mut self, key: u64, now: Instant) -> Vec<Resting> {
        let mut ended = Vec::new();
        let Some(those) = self.resting.get_mut(&key) else { return ended };
        for _ in 0..those.len() {
            match those.pop_front() {
                Some(resting) if resting.can_be_used(now) => those.push_back(resting),
                other => ended.extend(other),
            }
        }
        if those.is_empty() {
            self.resting.remove(&key);
        }
        self.count -= ended.len();
        ended
    }
}

impl Resting {
    fn can_be_used(&self, now: Instant) -> bool {
        self.rests.is_none_or(|rests| now.duration_since(self.since) < rests) && self.connection.lives()
    }
}

#[cfg(test)]
mod tests {
    use pingora::protocols::l4::stream::Stream;
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex},
        net::{TcpListener, TcpStream},
        task::yield_now,
        time::sleep,
    };

    use super::*;

    const REST: Duration = Duration::from_mins(1);

    fn connection() -> (Watched, DuplexStream) {
        let (edge, server) = duplex(16);
        (Watched::new(Box::new(edge), None).unwrap(), server)
    }

    #[tokio::test(start_paused = true)]
    async fn the_one_that_rested_least_comes_first_and_only_for_what_it_can_be_used_for() {
        let idle = Idle::new(10);
        let (home, other) = (idle.home(1, Some(REST)), idle.home(2, Some(REST)));
        let (one, mut first_server) = connection();
        let (two, mut second_server) = connection();
        home.put(one);
        home.put(two);
        assert!(other.take().is_none());
        home.take().unwrap().write_all(b"b").await.unwrap();
        home.take().unwrap().write_all(b"a").await.unwrap();
        assert!(home.take().is_none());
        assert_eq!((first_server.read_u8().await.unwrap(), second_server.read_u8().await.unwrap()), (b'a', b'b'));
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_rested_for_too_long_is_closed() {
        let idle = Idle::new(10);
        let home = idle.home(1, Some(REST));
        let (connection, mut server) = connection();
        home.put(connection);
        let begin = Instant::now();
        assert_eq!(server.read(&mut [0]).await.unwrap(), 0);
        assert!((REST..=REST + LOOK).contains(&begin.elapsed()));
        assert!(home.take().is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_the_server_has_closed_or_that_says_something_is_not_used() {
        let idle = Idle::new(10);
        let home = idle.home(1, None);
        let (gone, server) = connection();
        let (talks, mut talking) = connection();
        home.put(gone);
        home.put(talks);
        drop(server);
        talking.write_all(b"x").await.unwrap();
        assert!(home.take().is_none());
        let (gone, server) = connection();
        home.put(gone);
        drop(server);
        sleep(2 * LOOK).await;
        assert_eq!(idle.connections.lock().count, 0);
    }

    #[tokio::test(start_paused = true)]
    async fn where_there_are_too_many_the_oldest_is_closed() {
        let idle = Idle::new(1);
        let home = idle.home(1, None);
        let (one, mut first_server) = connection();
        let (two, mut second_server) = connection();
        home.put(one);
        sleep(LOOK / 2).await;
        home.put(two);
        assert_eq!(first_server.read(&mut [0]).await.unwrap(), 0);
        let other = idle.home(2, None);
        let (three, mut third_server) = connection();
        sleep(LOOK / 2).await;
        other.put(three);
        assert_eq!(second_server.read(&mut [0]).await.unwrap(), 0);
        assert!(home.take().is_none());
        other.take().unwrap().write_all(b"c").await.unwrap();
        assert_eq!(third_server.read_u8().await.unwrap(), b'c');
        assert_eq!(idle.connections.lock().count, 0);
    }

    #[tokio::test]
    async fn however_many_have_died_none_of_them_is_used() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let idle = Idle::new(1000);
        let home = idle.home(1, None);
        let mut servers = Vec::new();
        for _ in 0..300 {
            let stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
            stream.set_nodelay(true).unwrap();
            servers.push(listener.accept().await.unwrap().0);
            home.put(Watched::new(Box::new(Stream::from(stream)), None).unwrap());
        }
        drop(servers);
        // One task finds all of them, without a pause.
        while idle.connections.lock().resting[&1].iter().any(|resting| resting.connection.lives()) {
            yield_now().await;
        }
        assert!(home.take().is_none());
        assert_eq!(idle.connections.lock().count, 0);
    }
}
