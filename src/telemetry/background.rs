//! What goes on beside the requests, by name, and how often it has failed.

use std::{
    fmt,
    sync::atomic::{AtomicU64, Ordering},
};

/// A loop that ends with the edge alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Background {
    /// The configuration is looked at.
    Reload,
    /// The certificates of listeners are looked at.
    Certificates,
    /// Names are looked up, servers are checked.
    Supervision,
    /// Servers are verified.
    Verification,
    /// The admin listener answers.
    Admin,
}

/// How often each of them has failed.
#[derive(Debug, Default)]
pub struct BackgroundCounters([AtomicU64; Background::ALL.len()]);

impl Background {
    /// All of them.
    pub const ALL: [Background; 5] = [
        Background::Reload,
        Background::Certificates,
        Background::Supervision,
        Background::Verification,
        Background::Admin,
    ];

    /// The name in metrics.
    pub fn name(self) -> &'static str {
        match self {
            Background::Reload => "reload",
            Background::Certificates => "certificates",
            Background::Supervision => "supervision",
            Background::Verification => "verification",
            Background::Admin => "admin",
        }
    }
}

impl fmt::Display for Background {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Background::Reload => "the look at the configuration",
            Background::Certificates => "the look at the certificates",
            Background::Supervision => "the lookup of names and the checks of servers",
            Background::Verification => "the verification of servers",
            Background::Admin => "the admin listener",
        })
    }
}

impl BackgroundCounters {
    /// One has failed.
    pub fn failed(&self, what: Background) {
        self.0[what as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// How often each has.
    pub fn failures(&self) -> impl Iterator<Item = (Background, u64)> + '_ {
        Background::ALL.into_iter().zip(self.0.iter().map(|count| count.load(Ordering::Relaxed)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_counted_by_itself() {
        for what in Background::ALL {
            let counters = BackgroundCounters::default();
            counters.failed(what);
            let failed: Vec<_> = counters.failures().filter(|(_, count)| *count > 0).collect();
            assert_eq!(failed, [(what, 1)]);
        }
    }
}
