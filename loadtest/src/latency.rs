//! Latencies as reports show them.

use serde::{Deserialize, Serialize};

use crate::histogram::Histogram;

/// Latencies, microseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Latency {
    /// The shortest.
    pub min_us: f64,
    /// The mean.
    pub mean_us: f64,
    /// The median.
    pub p50_us: f64,
    /// Nine of ten are at most this.
    pub p90_us: f64,
    /// 99 of 100 are.
    pub p99_us: f64,
    /// 999 of 1,000 are.
    pub p999_us: f64,
    /// The longest.
    pub max_us: f64,
}

impl Latency {
    /// Of counted nanoseconds.
    pub fn of(histogram: &Histogram) -> Latency {
        let us = |nanos: u64| nanos as f64 / 1e3;
        let quantile = |share| us(histogram.quantile(share));
        Latency {
            min_us: us(histogram.min()),
            mean_us: histogram.mean() / 1e3,
            p50_us: quantile(0.5),
            p90_us: quantile(0.9),
            p99_us: quantile(0.99),
            p999_us: quantile(0.999),
            max_us: us(histogram.max()),
        }
    }
}
