//! Nodes and peers for the tests: real ones, over TCP on loopback, on ports that the system chose. Every wait has a deadline and
//! a sentence that says what was waited for.
#![allow(dead_code, reason = "each test program uses its part")]

pub(crate) mod body;
pub(crate) mod calls;
pub(crate) mod node;
pub(crate) mod outlets;
pub(crate) mod peer;
pub(crate) mod raw;

use std::time::{Duration, Instant};

/// Long enough for a loaded machine; nothing that works takes it.
pub(crate) const DEADLINE: Duration = Duration::from_secs(20);

/// Looks at a condition until it holds.
pub(crate) fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    wait_for(what, || condition().then_some(()));
}

/// Looks until there is a value.
pub(crate) fn wait_for<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(value) = look() {
            return value;
        }
        assert!(
            begun.elapsed() < DEADLINE,
            "waited {DEADLINE:?} in vain: {what}"
        );
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// The value of a counter once it has not moved for `still`.
pub(crate) fn settled(still: Duration, mut read: impl FnMut() -> u64) -> u64 {
    let begun = Instant::now();
    let (mut last, mut since) = (read(), Instant::now());
    while since.elapsed() < still {
        assert!(begun.elapsed() < DEADLINE, "the counter never came to rest");
        std::thread::sleep(Duration::from_millis(5));
        let value = read();
        if value != last {
            (last, since) = (value, Instant::now());
        }
    }
    last
}

/// A number that whoever runs a test may set in the environment.
pub(crate) fn setting(name: &str, usual: usize) -> usize {
    let set = std::env::var(name).ok();
    set.map_or(usual, |text| text.parse().expect(name))
}
