//! Times of the access log: RFC 3339 in UTC with milliseconds. Owns the text of the second that was written last; refuses to
//! read a clock.

use std::io::Write;

use jiff::Timestamp;

/// `2026-11-30T03:54:50`
const SECOND_BYTES: usize = 19;

/// Formats times; the text of a second is made once.
pub(super) struct Stamp {
    second: u64,
    text: [u8; SECOND_BYTES],
}

impl Stamp {
    pub(super) fn new() -> Stamp {
        Stamp {
            second: 0,
            text: *b"1970-01-01T00:00:00",
        }
    }

    /// Appends `unix_ms` (milliseconds since 1970).
    pub(super) fn push(&mut self, out: &mut Vec<u8>, unix_ms: u64) {
        let (second, ms) = (unix_ms / 1000, unix_ms % 1000);
        if second != self.second {
            self.second = second;
            let at = i64::try_from(second)
                .ok()
                .and_then(|second| Timestamp::from_second(second).ok())
                .unwrap_or(Timestamp::MAX);
            let mut slot = &mut self.text[..];
            // Writes as many bytes as there is room for: all but the `Z`.
            let _ = write!(slot, "{at}");
        }
        out.extend_from_slice(&self.text);
        out.push(b'.');
        for digit in [ms / 100, ms / 10 % 10, ms % 10] {
            out.push(b'0' + digit as u8);
        }
        out.push(b'Z');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(stamp: &mut Stamp, unix_ms: u64) -> String {
        let mut out = Vec::new();
        stamp.push(&mut out, unix_ms);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn times_have_milliseconds_and_change_with_the_second() {
        let mut stamp = Stamp::new();
        assert_eq!(text(&mut stamp, 7), "1970-01-01T00:00:00.007Z");
        assert_eq!(
            text(&mut stamp, 784_111_777_123),
            "1994-11-06T08:49:37.123Z"
        );
        assert_eq!(
            text(&mut stamp, 784_111_777_999),
            "1994-11-06T08:49:37.999Z"
        );
        assert_eq!(
            text(&mut stamp, 784_111_778_000),
            "1994-11-06T08:49:38.000Z"
        );
        assert!(text(&mut stamp, u64::MAX).starts_with("9999-12-"));
    }
}
