//! Metrics as the encoder takes them.

use prometheus::proto::{Bucket, Counter, Gauge, Histogram, LabelPair, Metric, MetricFamily, MetricType};

use super::sites::SITE;
use crate::latency::{LATENCY_BOUNDS, LatencyReading};

/// Metrics that are being collected.
#[derive(Default)]
pub(super) struct Families(Vec<MetricFamily>);

impl Families {
    /// Counts that only grow, each with the values of the labels.
    pub fn counters<const N: usize>(
        &mut self,
        name: &str,
        help: &str,
        labels: [&str; N],
        samples: impl IntoIterator<Item = ([String; N], u64)>,
    ) {
        let metrics = samples.into_iter().map(|(values, count)| {
            let mut counter = Counter::default();
            counter.set_value(precise(count));
            let mut metric = Metric::from_label(pairs(labels, values));
            metric.set_counter(counter);
            metric
        });
        self.add(name, help, MetricType::COUNTER, metrics.collect());
    }

    /// The same of one count.
    pub fn counter(&mut self, name: &str, help: &str, count: u64) {
        self.counters(name, help, [], [([], count)]);
    }

    /// Values that come and go, each with the values of the labels.
    pub fn gauges<const N: usize>(
        &mut self,
        name: &str,
        help: &str,
        labels: [&str; N],
        samples: impl IntoIterator<Item = ([String; N], f64)>,
    ) {
        let metrics = samples.into_iter().map(|(values, value)| {
            let mut gauge = Gauge::default();
            gauge.set_value(value);
            let mut metric = Metric::from_label(pairs(labels, values));
            metric.set_gauge(gauge);
            metric
        });
        self.add(name, help, MetricType::GAUGE, metrics.collect());
    }

    /// The same of one value.
    pub fn gauge(&mut self, name: &str, help: &str, value: f64) {
        self.gauges(name, help, [], [([], value)]);
    }

    /// How long things took, each with the values of the labels.
    pub fn latencies<const N: usize>(
        &mut self,
        name: &str,
        help: &str,
        labels: [&str; N],
        samples: impl IntoIterator<Item = ([String; N], LatencyReading)>,
    ) {
        let metrics = samples.into_iter().map(|(values, reading)| {
            let mut metric = Metric::from_label(pairs(labels, values));
            metric.set_histogram(histogram(&reading));
            metric
        });
        self.add(name, help, MetricType::HISTOGRAM, metrics.collect());
    }

    /// A counter that is no whole number.
    pub fn seconds(&mut self, name: &str, help: &str, seconds: f64) {
        let mut counter = Counter::default();
        counter.set_value(seconds);
        let mut metric = Metric::from_label(Vec::new());
        metric.set_counter(counter);
        self.add(name, help, MetricType::COUNTER, vec![metric]);
    }

    /// All of them, by name.
    pub fn sorted(mut self) -> Vec<MetricFamily> {
        self.0.sort_by(|one, other| one.name().cmp(other.name()));
        self.0
    }

    /// The encoder takes no family without a metric.
    fn add(&mut self, name: &str, help: &str, kind: MetricType, metrics: Vec<Metric>) {
        if metrics.is_empty() {
            return;
        }
        let mut family = MetricFamily::default();
        family.set_name(name.to_owned());
        family.set_help(help.to_owned());
        family.set_field_type(kind);
        family.set_metric(metrics);
        self.0.push(family);
    }
}

fn pairs<const N: usize>(labels: [&str; N], values: [String; N]) -> Vec<LabelPair> {
    let mut pairs: Vec<_> = labels
        .into_iter()
        .zip(values)
        .filter(|(name, value)| *name != SITE || !value.is_empty())
        .map(|(name, value)| {
            let mut pair = LabelPair::default();
            pair.set_name(name.to_owned());
            pair.set_value(value);
            pair
        })
        .collect();
    pairs.sort_by(|one, other| one.name().cmp(other.name()));
    pairs
}

fn histogram(reading: &LatencyReading) -> Histogram {
    let mut histogram = Histogram::default();
    let mut cumulative = 0;
    let buckets = LATENCY_BOUNDS.iter().zip(reading.buckets).map(|(bound, count)| {
        cumulative += count;
        let mut bucket = Bucket::default();
        bucket.set_upper_bound(bound.as_secs_f64());
        bucket.set_cumulative_count(cumulative);
        bucket
    });
    histogram.set_bucket(buckets.collect());
    histogram.set_sample_count(reading.count());
    histogram.set_sample_sum(reading.sum.as_secs_f64());
    histogram
}

/// Prometheus knows no other numbers: above 2^53 they are rounded.
#[expect(clippy::cast_precision_loss, reason = "it is what Prometheus does, too")]
pub(super) fn precise(count: u64) -> f64 {
    count as f64
}
