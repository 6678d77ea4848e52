//! How many retries all requests together may cost.

use std::sync::atomic::{AtomicI64, Ordering};

use crate::config::Retries;

/// What one retry costs; a request earns as many as the budget has percent.
const COST: i64 = 100;
const FULL: i64 = COST * Retries::BURST as i64;

/// An account that requests pay into and retries are paid from.
#[derive(Debug)]
pub(super) struct Budget(AtomicI64);

impl Budget {
    pub fn new() -> Self {
        Budget(AtomicI64::new(FULL))
    }

    /// A request has arrived.
    pub fn earn(&self, percent: u32) {
        // Many threads at once may overdraw the cap by one request each: nobody minds.
        if self.0.load(Ordering::Relaxed) < FULL {
            self.0.fetch_add(i64::from(percent), Ordering::Relaxed);
        }
    }

    /// How many retries it would pay for at once.
    pub fn left(&self) -> u64 {
        u64::try_from(self.0.load(Ordering::Relaxed) / COST).unwrap_or_default()
    }

    /// Pays for one retry, if there is enough.
    pub fn spend(&self, percent: u32) -> bool {
        let paid = |balance| (balance >= COST && percent > 0).then_some(balance - COST);
        self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, paid).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_burst_is_free_and_more_is_earned() {
        let budget = Budget::new();
        let spent = (0..1000).filter(|_| budget.spend(20)).count();
        assert_eq!(spent, Retries::BURST as usize);
        for _ in 0..50 {
            budget.earn(20);
        }
        assert_eq!((0..1000).filter(|_| budget.spend(20)).count(), 10);
    }

    #[test]
    fn no_more_than_the_burst_is_saved_up() {
        let budget = Budget::new();
        for _ in 0..10_000 {
            budget.earn(100);
        }
        assert_eq!((0..10_000).filter(|_| budget.spend(100)).count(), Retries::BURST as usize);
    }

    #[test]
    fn a_budget_of_nothing_pays_for_nothing() {
        assert!(!Budget::new().spend(0));
    }
}
