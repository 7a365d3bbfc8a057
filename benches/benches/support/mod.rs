//! Hands cases to Criterion.

use criterion::{Criterion, Throughput};
use flatend_benches::Case;

/// Measures each case under its own name.
pub(crate) fn measure(group: &str, cases: Vec<Box<dyn Case>>) {
    let mut criterion = Criterion::default().configure_from_args();
    let mut group = criterion.benchmark_group(group);
    for mut case in cases {
        match case.bytes() {
            0 => group.throughput(Throughput::Elements(1)),
            bytes => group.throughput(Throughput::Bytes(bytes)),
        };
        group.bench_function(case.name(), |bencher| {
            bencher.iter_custom(|iterations| case.time(iterations));
        });
    }
    group.finish();
    criterion.final_summary();
}
