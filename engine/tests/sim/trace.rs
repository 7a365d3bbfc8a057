//! What happened, as a number: two runs of one seed must give the same. With `SIM_TRACE=1` also as lines.

use std::fmt::Debug;

/// The trace of a run.
pub(crate) struct Trace {
    hash: u64,
    events: u64,
    print: bool,
    paused: bool,
}

impl Trace {
    pub(crate) fn new() -> Trace {
        Trace {
            hash: 0xcbf2_9ce4_8422_2325,
            events: 0,
            print: std::env::var_os("SIM_TRACE").is_some(),
            paused: false,
        }
    }

    /// Notes nothing from now on: a large run has no time for it.
    pub(crate) fn pause(&mut self) {
        self.paused = true;
    }

    pub(crate) fn note(&mut self, time: u64, event: &impl Debug) {
        if self.paused {
            return;
        }
        self.events += 1;
        let mut writer = Fnv(self.hash ^ time);
        // Hashing cannot fail.
        std::fmt::Write::write_fmt(&mut writer, format_args!("{event:?}")).ok();
        self.hash = writer.0;
        if self.print {
            println!("{time:>9} {event:?}");
        }
    }

    /// Equal for equal runs.
    pub(crate) fn value(&self) -> (u64, u64) {
        (self.hash, self.events)
    }
}

struct Fnv(u64);

impl std::fmt::Write for Fnv {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        for byte in text.bytes() {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
        Ok(())
    }
}
