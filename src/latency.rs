//! How long things took, counted without a lock.

use std::{
    array,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

const BOUNDS: usize = 22;

/// The upper bounds of the buckets: from discovery, which takes microseconds, to streams of many minutes.
pub const LATENCY_BOUNDS: [Duration; BOUNDS] = [
    Duration::from_micros(25),
    Duration::from_micros(50),
    Duration::from_micros(100),
    Duration::from_micros(250),
    Duration::from_micros(500),
    Duration::from_millis(1),
    Duration::from_micros(2_500),
    Duration::from_millis(5),
    Duration::from_millis(10),
    Duration::from_millis(25),
    Duration::from_millis(50),
    Duration::from_millis(100),
    Duration::from_millis(250),
    Duration::from_millis(500),
    Duration::from_secs(1),
    Duration::from_millis(2_500),
    Duration::from_secs(5),
    Duration::from_secs(10),
    Duration::from_secs(30),
    Duration::from_mins(1),
    Duration::from_mins(5),
    Duration::from_mins(15),
];

/// How many took how long; each call counts once.
#[derive(Debug)]
pub struct Latency {
    /// Up to each bound, and above the last one.
    buckets: [AtomicU64; BOUNDS + 1],
    nanoseconds: AtomicU64,
}

/// What a [`Latency`] has counted so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LatencyReading {
    /// How many took at most as long as the bound at the same place in [`LATENCY_BOUNDS`], and longer than the one
    /// before; the last are those that took longer than all.
    pub buckets: [u64; BOUNDS + 1],
    /// All of them together.
    pub sum: Duration,
}

impl Default for Latency {
    fn default() -> Self {
        Latency { buckets: array::from_fn(|_| AtomicU64::new(0)), nanoseconds: AtomicU64::new(0) }
    }
}

impl Latency {
    /// One more took so long.
    pub fn add(&self, took: Duration) {
        let place = LATENCY_BOUNDS.partition_point(|bound| *bound < took);
        self.buckets[place].fetch_add(1, Ordering::Relaxed);
        self.nanoseconds.fetch_add(u64::try_from(took.as_nanos()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// What was counted so far.
    pub fn read(&self) -> LatencyReading {
        LatencyReading {
            buckets: array::from_fn(|place| self.buckets[place].load(Ordering::Relaxed)),
            sum: Duration::from_nanos(self.nanoseconds.load(Ordering::Relaxed)),
        }
    }
}

impl LatencyReading {
    /// How many there were.
    pub fn count(&self) -> u64 {
        self.buckets.iter().sum()
    }

    /// Takes in another reading.
    pub fn merge(&mut self, other: &LatencyReading) {
        for (mine, theirs) in self.buckets.iter_mut().zip(other.buckets) {
            *mine += theirs;
        }
        self.sum += other.sum;
    }

    /// Takes out a part of it that is counted elsewhere.
    pub fn remove(&mut self, part: &LatencyReading) {
        for (mine, theirs) in self.buckets.iter_mut().zip(part.buckets) {
            *mine = mine.saturating_sub(theirs);
        }
        self.sum = self.sum.saturating_sub(part.sum);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bound_belongs_to_the_bucket_below_it() {
        let latency = Latency::default();
        for took in [Duration::ZERO, LATENCY_BOUNDS[0], LATENCY_BOUNDS[0] + Duration::from_nanos(1)] {
            latency.add(took);
        }
        latency.add(Duration::from_secs(100_000));
        let read = latency.read();
        assert_eq!((read.buckets[0], read.buckets[1], read.buckets[BOUNDS], read.count()), (2, 1, 1, 4));
        assert_eq!(read.sum, 2 * LATENCY_BOUNDS[0] + Duration::from_nanos(1) + Duration::from_secs(100_000));
    }

    #[test]
    fn the_bounds_grow() {
        assert!(LATENCY_BOUNDS.is_sorted_by(|one, next| one < next));
    }
}
