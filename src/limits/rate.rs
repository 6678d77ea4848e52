//! How often a client may ask: a virtual schedule for each (GCRA, ITU-T I.371), in bounded memory.

use std::{
    collections::HashMap,
    hash::{BuildHasher, RandomState},
    net::IpAddr,
    time::Duration,
};

use parking_lot::Mutex;

use super::client_key::ClientKey;
use crate::config::RateLimit;

/// When each client has asked lately.
pub struct RateLimiter {
    hasher: RandomState,
    shards: [Mutex<Shard>; SHARDS],
}

/// When a client's requests would all be due, had they come in time, in nanoseconds. One that lies in the past
/// means a client at rest.
#[derive(Default)]
struct Shard(HashMap<ClientKey, u64>);

const SHARDS: usize = 16;
/// The clients that are remembered: some 4 MiB.
const MOST_CLIENTS: usize = 65_536;
const MOST_IN_SHARD: usize = MOST_CLIENTS / SHARDS;
/// In nanoseconds, a century and a half: three of them can be added.
const LONGEST: u64 = u64::MAX / 4;

impl RateLimiter {
    /// Nobody has asked yet.
    pub fn new() -> Self {
        RateLimiter { hasher: RandomState::new(), shards: std::array::from_fn(|_| Mutex::default()) }
    }

    /// Counts a request, `now` from a fixed origin on.
    ///
    /// # Errors
    /// When it is one too many, and so is not counted: how long until one is allowed again.
    pub fn check(&self, client: IpAddr, rate: RateLimit, now: Duration) -> Result<(), Duration> {
        let client = ClientKey::of(client);
        // The low bits alone: a shard has a hash of its own.
        let shard = usize::try_from(self.hasher.hash_one(client) % SHARDS as u64).unwrap_or_default();
        self.shards[shard].lock().check(client, rate, nanos(now))
    }
}

impl Shard {
    fn check(&mut self, client: ClientKey, rate: RateLimit, now: u64) -> Result<(), Duration> {
        let interval = nanos(Duration::try_from_secs_f64(1.0 / rate.per_second).unwrap_or(Duration::MAX)).max(1);
        let tolerance = interval.saturating_mul(u64::from(rate.burst.max(1) - 1)).min(LONGEST);
        let latest = now + tolerance + interval;
        let due = match self.0.get_mut(&client) {
            // Kept: a client that owes more, from the days of a lower rate, would be refused for longer than it is told.
            Some(due) => {
                *due = (*due).clamp(now, latest);
                *due
            }
            None => now,
        };
        if due - now > tolerance {
            return Err(Duration::from_nanos(due - now - tolerance));
        }
        if self.0.len() >= MOST_IN_SHARD && !self.0.contains_key(&client) {
            self.make_room(now);
        }
        self.0.insert(client, due.saturating_add(interval));
        Ok(())
    }

    /// Forgets the clients at rest; if they are few, the half that is nearest to it as well: so this is rarely done,
    /// and a flood of addresses frees none of those who ask most.
    fn make_room(&mut self, now: u64) {
        self.0.retain(|_, due| *due > now);
        if self.0.len() > MOST_IN_SHARD / 8 * 7 {
            let mut dues: Vec<u64> = self.0.values().copied().collect();
            let middle = dues.len() / 2;
            let (_, median, _) = dues.select_nth_unstable(middle);
            self.0.retain(|_, due| *due > *median);
        }
    }
}

impl Default for RateLimiter {
    fn default() -> Self {
        Self::new()
    }
}

/// At most [`LONGEST`].
fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(LONGEST).min(LONGEST)
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use proptest::prelude::*;

    use super::*;

    const RATE: RateLimit = RateLimit { per_second: 10.0, burst: 5 };

    fn client(number: u32) -> IpAddr {
        Ipv4Addr::from_bits(number).into()
    }

    #[test]
    fn a_burst_is_allowed_and_then_one_at_a_time() {
        let limiter = RateLimiter::new();
        for _ in 0..5 {
            assert_eq!(limiter.check(client(1), RATE, Duration::ZERO), Ok(()));
        }
        assert_eq!(limiter.check(client(1), RATE, Duration::ZERO), Err(Duration::from_millis(100)));
        assert_eq!(limiter.check(client(2), RATE, Duration::ZERO), Ok(()), "another client has nothing to do with it");
        assert_eq!(limiter.check(client(1), RATE, Duration::from_millis(60)), Err(Duration::from_millis(40)));
        assert_eq!(limiter.check(client(1), RATE, Duration::from_millis(100)), Ok(()));
        assert!(limiter.check(client(1), RATE, Duration::from_millis(100)).is_err());
        for _ in 0..5 {
            assert_eq!(limiter.check(client(1), RATE, Duration::from_secs(9)), Ok(()));
        }
    }

    #[test]
    fn a_changed_rate_counts_at_once() {
        let limiter = RateLimiter::new();
        let slow = RateLimit { per_second: 0.001, burst: 1 };
        assert_eq!(limiter.check(client(1), slow, Duration::ZERO), Ok(()));
        assert!(limiter.check(client(1), slow, Duration::ZERO).is_err());
        let wait = limiter.check(client(1), RATE, Duration::ZERO).unwrap_err();
        assert_eq!(wait, Duration::from_millis(100));
        assert_eq!(limiter.check(client(1), RATE, wait), Ok(()));
    }

    #[test]
    fn no_rate_is_too_odd() {
        let limiter = RateLimiter::new();
        for per_second in [0.001, 1e-300, 0.0, -1.0, f64::NAN, f64::INFINITY, 1e300] {
            for burst in [0, 1, u32::MAX] {
                for now in [Duration::ZERO, Duration::MAX, Duration::from_secs(1)] {
                    let _verdict = limiter.check(client(1), RateLimit { per_second, burst }, now);
                }
            }
        }
    }

    #[test]
    fn a_flood_of_clients_frees_none_that_ask_too_often() {
        let limiter = RateLimiter::new();
        while limiter.check(client(0), RATE, Duration::ZERO).is_ok() {}
        for number in 1..200_000 {
            assert_eq!(limiter.check(client(number), RATE, Duration::ZERO), Ok(()));
        }
        assert!(limiter.check(client(0), RATE, Duration::ZERO).is_err());
    }

    #[test]
    fn memory_is_bounded_however_many_clients_there_are() {
        let limiter = RateLimiter::new();
        for number in 0..200_000 {
            assert_eq!(limiter.check(client(number), RATE, Duration::ZERO), Ok(()));
        }
        let remembered: usize = limiter.shards.iter().map(|shard| shard.lock().0.len()).sum();
        assert!(remembered <= MOST_CLIENTS, "{remembered}");
    }

    proptest! {
        #[test]
        fn no_window_has_more_than_the_rate_allows(
            gaps in proptest::collection::vec(0..300_u64, 1..200),
            per_second in 1..100_u32,
            burst in 1..20_u32,
        ) {
            let rate = RateLimit { per_second: per_second.into(), burst };
            let limiter = RateLimiter::new();
            let (mut now, mut allowed) = (0_u64, Vec::new());
            for gap in gaps {
                now += gap;
                if limiter.check(client(1), rate, Duration::from_millis(now)).is_ok() {
                    allowed.push(now);
                }
            }
            for (place, begin) in allowed.iter().enumerate() {
                for (count, end) in (1_u64..).zip(&allowed[place..]) {
                    let most = u64::from(burst) + u64::from(per_second) * (end - begin) / 1000 + 1;
                    prop_assert!(count <= most, "{} within {} ms", count, end - begin);
                }
            }
        }
    }
}
