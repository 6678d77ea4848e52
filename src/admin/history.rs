//! The last minutes, for the plots of the status page: a reading every few seconds, and what lies between two.

use std::{
    collections::VecDeque,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use parking_lot::Mutex;
use serde::Serialize;
use tokio::time::{Instant, MissedTickBehavior, interval};

use crate::{
    latency::{LATENCY_BOUNDS, LatencyReading},
    telemetry::{Counters, Traffic},
};

/// Between two readings.
const INTERVAL: Duration = Duration::from_secs(5);
/// Ten minutes of them.
const MOST: usize = 120;

/// What is kept, the oldest first. It is as large after a year as it is after ten minutes.
#[derive(Default)]
pub(super) struct History(Mutex<VecDeque<Point>>);

/// What went on between two readings.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Point {
    /// When it ended, in seconds since 1970.
    pub at: u64,
    /// Requests of clients that ended, a second.
    pub requests_per_second: f64,
    /// Of these, those that were answered with a status from 500.
    pub errors_per_second: f64,
    /// The time to the first byte of its answer that half of the requests stayed below, streams aside, in milliseconds,
    /// as near as the buckets of the histogram tell; null without requests.
    pub p50_ms: Option<f64>,
    /// The same of 99 in 100.
    pub p99_ms: Option<f64>,
    /// The time to its first byte that half of the streams stayed below, WebSockets among them.
    pub streams_p50_ms: Option<f64>,
    /// The same of 99 in 100.
    pub streams_p99_ms: Option<f64>,
}

/// The history as `/status` has it.
#[derive(Debug, Serialize)]
pub struct Plots {
    /// Seconds between two points.
    pub interval_seconds: u64,
    /// So many points at most.
    pub most_points: usize,
    /// The oldest first.
    pub points: Vec<Point>,
}

impl History {
    /// Reads the counters again and again, for as long as it is polled.
    pub async fn keep(&self, counters: &Counters) {
        let mut ticks = interval(INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        ticks.tick().await;
        let mut last = (Instant::now(), counters.sites().traffic());
        loop {
            ticks.tick().await;
            let now = (Instant::now(), counters.sites().traffic());
            let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            self.add(Point::between(&last.1, &now.1, now.0 - last.0, since_1970.as_secs()));
            last = now;
        }
    }

    fn add(&self, point: Point) {
        let mut points = self.0.lock();
        if points.len() == MOST {
            points.pop_front();
        }
        points.push_back(point);
    }

    /// All that is kept.
    pub fn plots(&self) -> Plots {
        let points = self.0.lock().iter().cloned().collect();
        Plots { interval_seconds: INTERVAL.as_secs(), most_points: MOST, points }
    }
}

impl Point {
    /// What went on between two readings.
    #[expect(clippy::cast_precision_loss, reason = "counts of a few seconds")]
    fn between(before: &Traffic, now: &Traffic, took: Duration, at: u64) -> Self {
        let seconds = took.as_secs_f64().max(f64::MIN_POSITIVE);
        let a_second = |now: u64, before: u64| rounded(now.saturating_sub(before) as f64 / seconds);
        let bounds = LATENCY_BOUNDS.map(|bound| bound.as_secs_f64() * 1000.0);
        let came = |mut now: LatencyReading, before: &LatencyReading| {
            now.remove(before);
            [0.5, 0.99].map(|share| quantile(&bounds, &now.buckets, share).map(rounded))
        };
        let ([p50_ms, p99_ms], [streams_p50_ms, streams_p99_ms]) =
            (came(now.first_byte, &before.first_byte), came(now.streams, &before.streams));
        Point {
            at,
            requests_per_second: a_second(now.requests, before.requests),
            errors_per_second: a_second(now.server_errors, before.server_errors),
            p50_ms,
            p99_ms,
            streams_p50_ms,
            streams_p99_ms,
        }
    }
}

/// The value that a share of all stays below, found as Prometheus's `histogram_quantile` does it: evenly spread
/// within a bucket. Beyond the last bound it is that bound.
#[expect(clippy::cast_precision_loss, reason = "counts of a few seconds")]
fn quantile(bounds: &[f64], buckets: &[u64], share: f64) -> Option<f64> {
    let all: u64 = buckets.iter().sum();
    let wanted = share * all as f64;
    let (mut before, mut lower) = (0_u64, 0.0);
    for (bound, count) in bounds.iter().zip(buckets) {
        let after = before + count;
        if *count > 0 && after as f64 >= wanted {
            return Some(lower + (bound - lower) * (wanted - before as f64) / *count as f64);
        }
        (before, lower) = (after, *bound);
    }
    (all > 0).then_some(lower)
}

/// Thousandths are enough to draw.
fn rounded(value: f64) -> f64 {
    (value * 1000.0).round() / 1000.0
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_quantile_lies_within_its_bucket() {
        let bounds = [0.1, 1.0, 10.0];
        assert_eq!(quantile(&bounds, &[0, 0, 0, 0], 0.5), None);
        assert_eq!(quantile(&bounds, &[10, 0, 0, 0], 0.5), Some(0.05));
        assert_eq!(quantile(&bounds, &[0, 10, 0, 0], 1.0), Some(1.0));
        assert_eq!(quantile(&bounds, &[50, 0, 0, 50], 0.99), Some(10.0), "beyond the last bound");
        assert_eq!(quantile(&bounds, &[98, 0, 2, 0], 0.99), Some(5.5));
    }

    proptest! {
        #[test]
        fn quantiles_do_not_fall(buckets in proptest::collection::vec(0..100_u64, 4), share in 0.0..1.0) {
            let bounds = [0.1, 1.0, 10.0];
            let (lower, upper) = (quantile(&bounds, &buckets, share), quantile(&bounds, &buckets, 1.0));
            prop_assert!(lower <= upper, "{:?} {:?}", lower, upper);
            prop_assert_eq!(lower.is_some(), buckets.iter().sum::<u64>() > 0);
        }
    }

    #[test]
    fn a_point_is_what_came_between_two_readings() {
        let mut before = Traffic { requests: 100, server_errors: 7, ..Traffic::default() };
        before.first_byte.buckets[3] = 50;
        let mut now = Traffic { requests: 150, server_errors: 8, ..before };
        now.first_byte.buckets[11] = 50;
        now.streams.buckets[16] = 1;
        let point = Point::between(&before, &now, Duration::from_secs(5), 1);
        assert_eq!((point.requests_per_second, point.errors_per_second), (10.0, 0.2));
        assert_eq!((point.p50_ms, point.p99_ms), (Some(75.0), Some(99.5)));
        assert_eq!(point.streams_p50_ms, Some(3750.0));
        let quiet = Point::between(&now, &now, Duration::from_secs(5), 2);
        assert_eq!((quiet.requests_per_second, quiet.p50_ms), (0.0, None));
    }

    #[test]
    fn ten_minutes_are_kept() {
        let history = History::default();
        for at in 0..1000 {
            let traffic = Traffic::default();
            history.add(Point::between(&traffic, &traffic, INTERVAL, at));
        }
        let kept: Vec<_> = history.plots().points.iter().map(|point| point.at).collect();
        assert_eq!((kept.len(), kept[0], kept[119]), (120, 880, 999));
    }
}
