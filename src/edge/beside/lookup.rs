//! Looks up names.
//!
//! It is the system's resolver that is asked, `getaddrinfo`: it finds what every other program of the machine finds, by
//! `/etc/hosts`, search domains and whatever else `nsswitch.conf` names, multicast DNS and systemd's among them. A
//! resolver of our own (hickory) would know the first two alone, for some thirty crates more; the times to live that it
//! knows say little where names are looked up every ten seconds.
//!
//! `getaddrinfo` cannot be given up, and hangs for as long as `resolv.conf` allows. So it is called on threads of its
//! own and never on those that Tokio keeps for blocking work, on which the configuration and certificates are read.
//! There are at most [`MOST`] of them, and one for a name: who asks for a name that is being looked up waits for the
//! same answer.

use std::{
    collections::HashMap,
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs},
    sync::Arc,
    thread,
    time::Duration,
};

use once_cell::sync::Lazy;
use parking_lot::Mutex;
use tokio::{
    net::TcpStream,
    sync::{OwnedSemaphorePermit, Semaphore, watch},
    time::timeout,
};

use crate::config::ServerAddress;

/// The addresses of a name and its port, at least one; or why there is none, for a person.
pub(super) type Found = Result<Vec<SocketAddr>, String>;

/// How a host and a port are looked up; it may hang.
type Ask = fn((&str, u16)) -> io::Result<Vec<SocketAddr>>;

/// A host and a port.
type Name = (String, u16);

/// What is found once it is.
type Answer = watch::Receiver<Option<Found>>;

/// So many names are looked up at a time. Where more than that hang, those that do not wait with them.
const MOST: usize = 64;

/// Of several addresses of one server, each may take so long to take a connection.
const TRY: Duration = Duration::from_secs(1);

/// The lookups of this process.
static LOOKUPS: Lazy<Arc<Lookups>> = Lazy::new(|| Arc::new(Lookups::new(MOST, asked_of_the_system)));

/// Names that are being looked up.
struct Lookups {
    room: Arc<Semaphore>,
    under_way: Mutex<HashMap<Name, Answer>>,
    ask: Ask,
}

/// A lookup on its thread, for as long as that has it in hand.
struct UnderWay {
    lookups: Arc<Lookups>,
    name: Name,
    _room: OwnedSemaphorePermit,
}

/// Finds the addresses of a name and its port, waiting for at most so long.
///
/// # Errors
/// Why there is none, for a person.
pub(super) async fn lookup(host: &str, port: u16, patience: Duration) -> Found {
    LOOKUPS.lookup((host, port), patience).await
}

fn asked_of_the_system(name: (&str, u16)) -> io::Result<Vec<SocketAddr>> {
    name.to_socket_addrs().map(Iterator::collect)
}

impl Lookups {
    fn new(most: usize, ask: Ask) -> Self {
        Lookups { room: Arc::new(Semaphore::new(most)), under_way: Mutex::default(), ask }
    }

    async fn lookup(self: &Arc<Self>, name: (&str, u16), patience: Duration) -> Found {
        let answer = async {
            let mut answer = self.begin(name).await?;
            let answer = answer.wait_for(Option::is_some).await;
            answer.ok().and_then(|answer| answer.clone()).unwrap_or_else(|| Err("its lookup has failed".into()))
        };
        timeout(patience, answer).await.unwrap_or_else(|_| {
            let crowd = if self.room.available_permits() > 0 { "" } else { "; too many names hang" };
            Err(format!("the name does not resolve within {patience:?}{crowd}"))
        })
    }

    /// Begins to look up a name, unless somebody has.
    async fn begin(self: &Arc<Self>, (host, port): (&str, u16)) -> Result<Answer, String> {
        let name = (host.to_owned(), port);
        if let Some(answer) = self.under_way.lock().get(&name) {
            return Ok(answer.clone());
        }
        let room = Arc::clone(&self.room).acquire_owned().await.map_err(|error| error.to_string())?;
        // Held until the thread is known, which takes it when it is done.
        let mut under_way = self.under_way.lock();
        if let Some(answer) = under_way.get(&name) {
            return Ok(answer.clone());
        }
        let (tell, answer) = watch::channel(None);
        let mine = UnderWay { lookups: Arc::clone(self), name: name.clone(), _room: room };
        let look = move || {
            let found = match (mine.lookups.ask)((&mine.name.0, mine.name.1)) {
                Ok(addresses) if addresses.is_empty() => Err("the name has no address".into()),
                Ok(addresses) => Ok(addresses),
                Err(error) => Err(format!("the name does not resolve: {error}")),
            };
            drop(mine);
            tell.send_replace(Some(found));
        };
        let thread = thread::Builder::new().name("lookup".into()).spawn(look);
        thread.map_err(|error| format!("there is no thread to look the name up: {error}"))?;
        under_way.insert(name, answer.clone());
        Ok(answer)
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.lookups.under_way.lock().remove(&self.name);
    }
}

/// What was found of a name whose addresses are ways to one server. `localhost` and what ends in it is the loopback
/// interface of either family (RFC 6761 section 6.3), whether the system knows it or not: many know 127.0.0.1 alone.
pub(super) fn of_one(name: &ServerAddress, found: Found) -> Found {
    if !name.is_localhost() {
        return found;
    }
    let mut addresses = found.unwrap_or_default();
    for loopback in [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)] {
        let loopback = SocketAddr::new(loopback, name.port());
        if !addresses.contains(&loopback) {
            addresses.push(loopback);
        }
    }
    Ok(addresses)
}

/// Of the addresses of one server the one to use, and whether it is known to take connections. The one in use stays
/// unless it is in doubt, and is the first that is tried then.
pub(super) async fn one_of(
    addresses: &[SocketAddr],
    used: Option<SocketAddr>,
    is_in_doubt: bool,
) -> Option<(SocketAddr, bool)> {
    let used = used.filter(|used| addresses.contains(used));
    match (used, addresses) {
        (_, [only]) => return Some((*only, true)),
        (Some(used), _) if !is_in_doubt => return Some((used, true)),
        _ => {}
    }
    for address in used.iter().chain(addresses.iter().filter(|address| Some(**address) != used)) {
        if let Ok(Ok(_connection)) = timeout(TRY, TcpStream::connect(address)).await {
            return Some((*address, true));
        }
    }
    Some((used.or(addresses.first().copied())?, false))
}

#[cfg(test)]
mod tests {
    use parking_lot::Condvar;
    use tokio::net::TcpListener;

    use super::*;

    const LONG: Duration = Duration::from_secs(20);
    const SHORT: Duration = Duration::from_millis(20);

    /// Names hang until this is true.
    static IS_OPEN: Mutex<bool> = Mutex::new(false);
    static OPENED: Condvar = Condvar::new();
    static ASKED: Mutex<Vec<String>> = Mutex::new(Vec::new());

    fn hangs_or_answers((host, port): (&str, u16)) -> io::Result<Vec<SocketAddr>> {
        ASKED.lock().push(host.to_owned());
        match host {
            "empty" => Ok(Vec::new()),
            "unknown" => Err(io::Error::other("no such name")),
            "faulty" => panic!("a fault"),
            hangs if hangs.starts_with("hangs") => {
                OPENED.wait_while(&mut IS_OPEN.lock(), |is_open| !*is_open);
                Ok(vec![([10, 0, 0, 9], port).into()])
            }
            _ => Ok(vec![([10, 0, 0, 1], port).into()]),
        }
    }

    fn asked(host: &str) -> usize {
        ASKED.lock().iter().filter(|asked| *asked == host).count()
    }

    /// With one thread for blocking work, as for the reading of the configuration, which none of it may take.
    #[test]
    fn names_that_hang_are_bounded_and_keep_nothing_else_waiting() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().max_blocking_threads(1).build();
        runtime.unwrap().block_on(async {
            let lookups = Arc::new(Lookups::new(3, hangs_or_answers));
            for _ in 0..5 {
                for name in ["hangs", "hangs too"] {
                    let why = lookups.lookup((name, 1), SHORT).await.unwrap_err();
                    assert_eq!(why, "the name does not resolve within 20ms");
                }
            }
            assert_eq!((asked("hangs"), asked("hangs too")), (1, 1), "they do not pile up");
            assert_eq!(lookups.lookup(("good", 80), LONG).await.unwrap(), [([10, 0, 0, 1], 80).into()]);
            assert_eq!(tokio::task::spawn_blocking(|| 7).await.unwrap(), 7);

            let _full = lookups.lookup(("hangs as well", 1), SHORT).await.unwrap_err();
            let why = lookups.lookup(("late", 1), SHORT).await.unwrap_err();
            assert!(why.ends_with("; too many names hang"), "{why}");
            assert_eq!(asked("late"), 0);
            *IS_OPEN.lock() = true;
            OPENED.notify_all();
            assert_eq!(lookups.lookup(("hangs", 1), LONG).await.unwrap(), [([10, 0, 0, 9], 1).into()]);
            assert_eq!(lookups.lookup(("late", 1), LONG).await.unwrap(), [([10, 0, 0, 1], 1).into()]);
        });
    }

    #[tokio::test]
    async fn why_there_is_no_address_is_said_and_a_fault_leaves_its_room_to_the_next() {
        let lookups = Arc::new(Lookups::new(1, hangs_or_answers));
        for (name, fault) in [
            ("faulty", "its lookup has failed"),
            ("faulty", "its lookup has failed"),
            ("empty", "the name has no address"),
            ("unknown", "the name does not resolve: no such name"),
        ] {
            assert_eq!(lookups.lookup((name, 1), LONG).await.unwrap_err(), fault);
        }
        assert!(lookups.under_way.lock().is_empty());
        assert!(lookups.lookup(("good", 1), LONG).await.is_ok());
    }

    #[tokio::test]
    async fn the_system_knows_its_own_name() {
        let found = lookup("localhost", 7, LONG).await.unwrap();
        assert!(found.iter().all(|address| address.ip().is_loopback() && address.port() == 7), "{found:?}");
    }

    #[test]
    fn localhost_is_the_loopback_of_both_families() {
        let name = |text: &str| ServerAddress::try_from(text.to_owned()).unwrap();
        let (v4, v6) = (SocketAddr::from(([127, 0, 0, 1], 80)), SocketAddr::from((Ipv6Addr::LOCALHOST, 80)));
        let other = SocketAddr::from(([10, 0, 0, 1], 80));
        for (text, found, expected) in [
            ("localhost:80", Ok(vec![v4]), Ok(vec![v4, v6])),
            ("localhost:80", Ok(vec![v6, v4]), Ok(vec![v6, v4])),
            ("bifrost.localhost:80", Ok(vec![other]), Ok(vec![other, v4, v6])),
            ("bifrost.localhost:80", Err("unknown".to_owned()), Ok(vec![v4, v6])),
            ("bifrost.internal:80", Ok(vec![other]), Ok(vec![other])),
            ("bifrost.internal:80", Err("unknown".to_owned()), Err("unknown".to_owned())),
        ] {
            assert_eq!(of_one(&name(text), found), expected, "{text}");
        }
    }

    #[tokio::test]
    async fn one_server_is_reached_at_the_first_address_that_takes_a_connection() {
        let at = |last, port| SocketAddr::from(([127, 0, 0, last], port));
        let listener = TcpListener::bind(at(2, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (dead, alive) = (at(1, port), at(2, port));
        let both = [dead, alive];
        assert_eq!(one_of(&both, None, true).await, Some((alive, true)));
        assert_eq!(one_of(&[alive, dead], None, true).await, Some((alive, true)));
        assert_eq!(one_of(&both, Some(dead), false).await, Some((dead, true)), "it is not tried without need");
        assert_eq!(one_of(&both, Some(dead), true).await, Some((alive, true)));
        assert_eq!(one_of(&both, Some(at(3, port)), false).await, Some((alive, true)), "the name has it no more");
        let second = TcpListener::bind(dead).await.unwrap();
        assert_eq!(one_of(&both, Some(alive), true).await, Some((alive, true)), "it stays where it answers");
        drop((listener, second));
        assert_eq!(one_of(&both, None, true).await, Some((dead, false)));
        assert_eq!(one_of(&both, Some(alive), true).await, Some((alive, false)));
        assert_eq!(one_of(&[dead], None, true).await, Some((dead, true)), "there is no choice");
        assert_eq!(one_of(&[], None, true).await, None);
    }
}
