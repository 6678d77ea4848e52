//! The rates that requests are held to.

use std::{
    net::IpAddr,
    time::{Duration, Instant},
};

use super::rate::RateLimiter;
use crate::config::{ClientRate, Limits};

/// How often each client has asked lately.
pub struct Rates {
    requests: RateLimiter,
    logins: RateLimiter,
    /// Where time begins.
    origin: Instant,
}

impl Rates {
    /// Nobody has asked yet.
    pub fn new() -> Self {
        Rates { requests: RateLimiter::new(), logins: RateLimiter::new(), origin: Instant::now() }
    }

    /// Counts a request of a client.
    ///
    /// # Errors
    /// When it is one too many: when the client may come again, and the limit in words.
    pub fn check(&self, client: IpAddr, is_login: bool, limits: &Limits) -> Result<(), (Duration, &'static str)> {
        let now = self.origin.elapsed();
        if is_login {
            check(&self.logins, client, limits.logins, now).map_err(|wait| (wait, "limits.logins"))?;
        }
        check(&self.requests, client, limits.requests, now).map_err(|wait| (wait, "limits.requests"))
    }
}

impl Default for Rates {
    fn default() -> Self {
        Self::new()
    }
}

fn check(limiter: &RateLimiter, client: IpAddr, rate: ClientRate, now: Duration) -> Result<(), Duration> {
    rate.0.map_or(Ok(()), |rate| limiter.check(client, rate, now))
}
