//! What the active checks say of one server: a state machine that is told each result.

use crate::config::HealthChecks;

/// A server's health. It is unknown until the first check, which decides alone.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Health {
    #[default]
    Unknown,
    /// With so many bad checks in a row.
    Up { bad: u32 },
    /// With so many good checks in a row.
    Down { good: u32 },
}

impl Health {
    pub fn is_down(self) -> bool {
        matches!(self, Health::Down { .. })
    }

    /// The health after one more check.
    pub fn after(self, is_good: bool, options: &HealthChecks) -> Self {
        match (self, is_good) {
            (Health::Unknown | Health::Up { .. }, true) => Health::Up { bad: 0 },
            (Health::Unknown | Health::Down { .. }, false) => Health::Down { good: 0 },
            (Health::Up { bad }, false) if bad + 1 >= options.fall => Health::Down { good: 0 },
            (Health::Up { bad }, false) => Health::Up { bad: bad + 1 },
            (Health::Down { good }, true) if good + 1 >= options.rise => Health::Up { bad: 0 },
            (Health::Down { good }, true) => Health::Down { good: good + 1 },
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn options(rise: u32, fall: u32) -> HealthChecks {
        HealthChecks { rise, fall, ..HealthChecks::default() }
    }

    #[test]
    fn the_first_check_decides_alone() {
        let options = options(2, 3);
        assert_eq!(Health::Unknown.after(true, &options), Health::Up { bad: 0 });
        assert_eq!(Health::Unknown.after(false, &options), Health::Down { good: 0 });
    }

    proptest! {
        /// After any results, a server is down exactly when the last change was forced by as many bad
        /// checks in a row as `fall` says, and up by as many good ones as `rise` says.
        #[test]
        fn only_checks_in_a_row_change_it(
            results in proptest::collection::vec(any::<bool>(), 1..100), rise in 1..5_u32, fall in 1..5_u32,
        ) {
            let options = options(rise, fall);
            let mut health = Health::Unknown.after(results[0], &options);
            let mut in_a_row = 0;
            for pair in results.windows(2) {
                let (before, is_good) = (health, pair[1]);
                health = health.after(is_good, &options);
                in_a_row = if is_good == before.is_down() { in_a_row + 1 } else { 0 };
                let enough = if is_good { rise } else { fall };
                let changed = health.is_down() != before.is_down();
                prop_assert_eq!(changed, in_a_row >= enough);
                if changed {
                    in_a_row = 0;
                }
            }
        }
    }
}
