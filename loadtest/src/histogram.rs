//! Durations in buckets of a fixed relative width.
//!
//! Owns counts alone. Refuses nothing: every `u64` has a bucket. Invariant: a quantile is never below the true one and less than 1/128
//! above it. Our own, because the well-known crate (hdrhistogram 7.6) needs a newer compiler than this workspace promises, and all that
//! is wanted of it are these few lines.

/// Buckets an octave, as a power of two: a relative error below 1/128.
const OCTAVE_BITS: u32 = 7;
const OCTAVE_BUCKETS: usize = 1 << OCTAVE_BITS;
/// The bucket of `u64::MAX` is the last.
const BUCKETS: usize = (64 - OCTAVE_BITS as usize + 1) * OCTAVE_BUCKETS;

/// Counts of values, here nanoseconds.
#[derive(Clone, Debug)]
pub struct Histogram {
    counts: Vec<u64>,
    count: u64,
    sum: u128,
    min: u64,
    max: u64,
}

impl Default for Histogram {
    fn default() -> Self {
        Histogram {
            counts: vec![0; BUCKETS],
            count: 0,
            sum: 0,
            min: u64::MAX,
            max: 0,
        }
    }
}

/// Values below 128 have a bucket each; above, each octave has 128.
fn bucket(value: u64) -> usize {
    let octave = (u64::BITS - value.leading_zeros()).saturating_sub(OCTAVE_BITS + 1);
    octave as usize * OCTAVE_BUCKETS + (value >> octave) as usize
}

/// The largest value of a bucket.
fn upper_bound(bucket: usize) -> u64 {
    let octave = (bucket / OCTAVE_BUCKETS).saturating_sub(1);
    let within = (bucket - octave * OCTAVE_BUCKETS) as u64;
    // Of the last bucket this is exactly u64::MAX, by way of 2^64.
    ((u128::from(within + 1) << octave) - 1) as u64
}

impl Histogram {
    /// Adds one value.
    pub fn record(&mut self, value: u64) {
        if let Some(count) = self.counts.get_mut(bucket(value)) {
            *count += 1;
        }
        self.count += 1;
        self.sum += u128::from(value);
        self.min = self.min.min(value);
        self.max = self.max.max(value);
    }

    /// Adds all values of `other`.
    pub fn merge(&mut self, other: &Histogram) {
        for (count, more) in self.counts.iter_mut().zip(&other.counts) {
            *count += more;
        }
        self.count += other.count;
        self.sum += other.sum;
        self.min = self.min.min(other.min);
        self.max = self.max.max(other.max);
    }

    /// How many values there are.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The smallest value, exactly; 0 of none.
    pub fn min(&self) -> u64 {
        self.min.min(self.max)
    }

    /// The largest value, exactly; 0 of none.
    pub fn max(&self) -> u64 {
        self.max
    }

    /// The mean, exactly; 0 of none.
    pub fn mean(&self) -> f64 {
        self.sum as f64 / self.count.max(1) as f64
    }

    /// The smallest value that at least `share` (0 to 1) of all values do not exceed, rounded up to its bucket's end; 0 of none.
    pub fn quantile(&self, share: f64) -> u64 {
        let rank = ((share * self.count as f64).ceil() as u64).max(1);
        let mut seen = 0;
        for (at, count) in self.counts.iter().enumerate() {
            seen += count;
            if seen >= rank {
                return upper_bound(at).min(self.max);
            }
        }
        self.max
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_has_a_bucket_that_holds_it() {
        let edges = (0..64).flat_map(|bit| [(1u64 << bit) - 1, 1 << bit, (1 << bit) + 1]);
        let mut last = 0;
        for value in (0..2_000).chain(edges).chain([u64::MAX]) {
            let at = bucket(value);
            let upper = upper_bound(at);
            assert!(at < BUCKETS && upper >= value, "{value} in {at}");
            assert!(
                (upper - value) as u128 * 128 <= u128::from(value),
                "{value}: {upper}"
            );
            assert!(at == 0 || upper_bound(at - 1) < value, "{value} in {at}");
            last = last.max(at);
        }
        assert_eq!(last, BUCKETS - 1, "no bucket is there for nothing");
    }

    #[test]
    fn quantiles_are_the_exact_ones_but_for_the_width_of_a_bucket() {
        let mut histogram = Histogram::default();
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        let mut values: Vec<u64> = (0..20_001)
            .map(|_| {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                // From microseconds to seconds, evenly over the octaves.
                (state >> 40) << (state % 20)
            })
            .collect();
        values.iter().for_each(|value| histogram.record(*value));
        values.sort_unstable();
        for share in [0.0, 0.001, 0.25, 0.5, 0.9, 0.99, 0.999, 1.0] {
            let rank = ((share * values.len() as f64).ceil() as usize).max(1);
            let exact = values[rank - 1];
            let found = histogram.quantile(share);
            assert!(
                found >= exact && (found - exact) as u128 * 128 <= exact as u128,
                "{share}: {found}, {exact}"
            );
        }
        assert_eq!(
            (histogram.min(), histogram.max()),
            (values[0], values[20_000])
        );
        let mean = values.iter().map(|value| *value as f64).sum::<f64>() / 20_001.0;
        assert!((histogram.mean() / mean - 1.0).abs() < 1e-9);
    }

    #[test]
    fn merged_ones_are_as_one_that_saw_all() {
        let (mut all, mut parts) = (
            Histogram::default(),
            [Histogram::default(), Histogram::default()],
        );
        for value in 0..1_000_u64 {
            all.record(value * value);
            parts[(value % 2) as usize].record(value * value);
        }
        let mut merged = Histogram::default();
        parts.iter().for_each(|part| merged.merge(part));
        merged.merge(&Histogram::default());
        let facts = |of: &Histogram| {
            let ends = (of.min(), of.max(), of.count());
            (
                [0.1, 0.5, 0.99].map(|share| of.quantile(share)),
                of.mean(),
                ends,
            )
        };
        assert_eq!(facts(&merged), facts(&all));
    }

    #[test]
    fn nothing_and_one_value() {
        let mut histogram = Histogram::default();
        assert_eq!(
            (
                histogram.quantile(0.5),
                histogram.min(),
                histogram.max(),
                histogram.count()
            ),
            (0, 0, 0, 0)
        );
        histogram.record(1_000_003);
        assert_eq!(
            (histogram.quantile(0.5), histogram.min()),
            (1_000_003, 1_000_003)
        );
    }
}
