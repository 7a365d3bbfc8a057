//! The Date field, formatted once a second.
//!
//! Owns the text of the current second; refuses to read a clock: the second is an argument.

use std::fmt::Write;
use std::time::{Duration, UNIX_EPOCH};

/// Length of an IMF-fixdate, `Sun, 06 Nov 1994 08:49:37 GMT` (RFC 9110 5.6.7).
pub const DATE_BYTES: usize = 29;

/// 9999-12-31T23:59:59Z, the last second that the format can hold.
const LAST_SECOND: u64 = 253_402_300_799;

/// The value of the Date field for the current second. One a shard.
#[derive(Clone, Debug)]
pub struct DateCache {
    second: u64,
    text: [u8; DATE_BYTES],
}

impl DateCache {
    /// A cache that holds `unix_seconds` (seconds since 1970-01-01 UTC).
    pub fn new(unix_seconds: u64) -> Self {
        let mut cache = DateCache {
            second: 0,
            text: *b"Thu, 01 Jan 1970 00:00:00 GMT",
        };
        cache.at(unix_seconds);
        cache
    }

    /// The text for `unix_seconds`; formats only if the second changed.
    pub fn at(&mut self, unix_seconds: u64) -> &[u8; DATE_BYTES] {
        let second = unix_seconds.min(LAST_SECOND);
        if second != self.second {
            self.second = second;
            let date = httpdate::HttpDate::from(UNIX_EPOCH + Duration::from_secs(second));
            let mut slot = Slot {
                text: &mut self.text,
                at: 0,
            };
            // The format has a fixed length; should it ever differ, the rest is dropped.
            let _ = write!(slot, "{date}");
        }
        &self.text
    }

    /// The text of the second that was last asked for.
    pub fn text(&self) -> &[u8; DATE_BYTES] {
        &self.text
    }
}

struct Slot<'a> {
    text: &'a mut [u8; DATE_BYTES],
    at: usize,
}

impl Write for Slot<'_> {
    fn write_str(&mut self, piece: &str) -> std::fmt::Result {
        for &byte in piece.as_bytes() {
            *self.text.get_mut(self.at).ok_or(std::fmt::Error)? = byte;
            self.at += 1;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_as_rfc_9110_does_and_again_when_the_second_changes() {
        let mut cache = DateCache::new(784_111_777);
        assert_eq!(cache.text(), b"Sun, 06 Nov 1994 08:49:37 GMT");
        assert_eq!(cache.at(784_111_777), b"Sun, 06 Nov 1994 08:49:37 GMT");
        assert_eq!(cache.at(784_111_778), b"Sun, 06 Nov 1994 08:49:38 GMT");
        assert_eq!(cache.at(0), b"Thu, 01 Jan 1970 00:00:00 GMT");
    }

    #[test]
    fn a_clock_far_in_the_future_does_not_panic() {
        let mut cache = DateCache::new(u64::MAX);
        assert_eq!(cache.text(), b"Fri, 31 Dec 9999 23:59:59 GMT");
        assert_eq!(cache.at(LAST_SECOND + 1), b"Fri, 31 Dec 9999 23:59:59 GMT");
    }
}
