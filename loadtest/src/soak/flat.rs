//! Whether something stays level: the slope of a line through its readings, and the growth that the slope means.
//!
//! Pure. The first third of a run warms caches and allocators and does not count.

use serde::Serialize;

use crate::limits::{FLAT_DESCRIPTORS_MIN, FLAT_GROWTH_MAX, FLAT_MEMORY_MIN_KIB};
use crate::stats::median;

/// What was read at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(super) struct Point {
    /// Seconds since the beginning.
    pub(super) at_s: f64,
    pub(super) resident_kib: u64,
    pub(super) descriptors: u64,
    pub(super) threads: u64,
}

/// Readings of one thing, judged.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Trend {
    pub(super) what: &'static str,
    pub(super) unit: &'static str,
    /// Over the last two thirds.
    pub(super) readings: usize,
    pub(super) median: f64,
    pub(super) largest: f64,
    /// Of the line with the least squares.
    pub(super) slope_a_minute: f64,
    /// What the slope means for the length of the last two thirds.
    pub(super) growth: f64,
    /// The growth up to which it counts as flat.
    pub(super) growth_max: f64,
    pub(super) is_flat: bool,
}

/// Memory and descriptors over the last two thirds of a run.
pub(super) fn judge(points: &[Point]) -> Vec<Trend> {
    let memory = |point: &Point| point.resident_kib as f64 / 1024.0;
    let descriptors = |point: &Point| point.descriptors as f64;
    vec![
        trend(
            "resident memory",
            "MiB",
            points,
            memory,
            FLAT_MEMORY_MIN_KIB as f64 / 1024.0,
        ),
        trend(
            "descriptors",
            "",
            points,
            descriptors,
            FLAT_DESCRIPTORS_MIN as f64,
        ),
    ]
}

fn trend(
    what: &'static str,
    unit: &'static str,
    points: &[Point],
    value: fn(&Point) -> f64,
    growth_min: f64,
) -> Trend {
    let counted = points.get(points.len() / 3..).unwrap_or_default();
    let middle = median(counted.iter().map(value)).unwrap_or_default();
    let a_second = slope(counted, value);
    let length_s = match (counted.first(), counted.last()) {
        (Some(first), Some(last)) => last.at_s - first.at_s,
        _ => 0.0,
    };
    let growth = a_second * length_s;
    let growth_max = growth_min.max(FLAT_GROWTH_MAX * middle);
    Trend {
        what,
        unit,
        readings: counted.len(),
        median: middle,
        largest: counted.iter().map(value).fold(0.0, f64::max),
        slope_a_minute: a_second * 60.0,
        growth,
        growth_max,
        is_flat: growth <= growth_max,
    }
}

/// A second, of the line with the least squares; 0 of fewer than two moments.
fn slope(points: &[Point], value: fn(&Point) -> f64) -> f64 {
    let count = points.len().max(1) as f64;
    let mean_s = points.iter().map(|point| point.at_s).sum::<f64>() / count;
    let mean = points.iter().map(value).sum::<f64>() / count;
    let (mut both, mut squares) = (0.0, 0.0);
    for point in points {
        both += (point.at_s - mean_s) * (value(point) - mean);
        squares += (point.at_s - mean_s).powi(2);
    }
    if squares > 0.0 {
        both / squares
    } else {
        0.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn points(of: impl Fn(u64) -> (u64, u64)) -> Vec<Point> {
        let point = |second: u64| {
            let (resident_kib, descriptors) = of(second);
            Point {
                at_s: second as f64,
                resident_kib,
                descriptors,
                threads: 5,
            }
        };
        (0..=600).map(point).collect()
    }

    #[test]
    fn what_is_level_is_flat_however_it_began() {
        // Warm-up climbs, then it swings by a tenth.
        let level = points(|second| {
            (
                40_000 + 4_000 * (second % 2) - 100 * second.min(100),
                80 + second % 7,
            )
        });
        for trend in judge(&level) {
            assert!(
                trend.is_flat && trend.growth.abs() < 0.2 * trend.growth_max,
                "{trend:?}"
            );
            assert_eq!(trend.readings, 401);
        }
    }

    #[test]
    fn a_leak_is_seen_in_each() {
        // 1 KiB a second is 0.4 MiB in the last two thirds and within the bound; 20 are 7.8.
        let slow = &judge(&points(|second| (40_000 + second, 80)))[0];
        assert!(
            slow.is_flat && (slow.slope_a_minute - 60.0 / 1024.0).abs() < 1e-9,
            "{slow:?}"
        );
        let leak = judge(&points(|second| (40_000 + 20 * second, 80 + second / 20)));
        assert!(
            !leak[0].is_flat && (leak[0].growth - 7.8125).abs() < 1e-6,
            "{leak:?}"
        );
        assert!(
            !leak[1].is_flat && (19.0..21.0).contains(&leak[1].growth),
            "{leak:?}"
        );
    }

    #[test]
    fn nothing_and_one_reading_have_no_slope() {
        for count in [0, 1] {
            let few = &points(|_| (40_000, 80))[..count];
            assert!(judge(few).iter().all(|trend| trend.growth == 0.0));
        }
    }
}
