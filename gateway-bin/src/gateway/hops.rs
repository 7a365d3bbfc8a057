//! Max-Forwards of OPTIONS (RFC 9110 7.6.2): at 0 the gateway answers by itself, else it passes one less on. TRACE never
//! gets so far, and for other methods the field means nothing.

use flatend_http::h1::{Method, RequestHead};

/// Most hops that a request is sent on with: more than any chain of intermediaries has.
const HOPS_MAX: u64 = 255;

/// How far a request may still go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hops {
    /// Nobody counts.
    Any,
    /// Not beyond this gateway.
    None,
    /// To a service, which is told this count.
    Left(u64),
    /// The field is no decimal number, or stands twice.
    Malformed,
}

/// What Max-Forwards asks for.
pub(super) fn of(head: &RequestHead<'_>) -> Hops {
    if head.method != Method::Options {
        return Hops::Any;
    }
    let mut values = head.fields.values("max-forwards");
    match (values.next(), values.next()) {
        (None, _) => Hops::Any,
        (Some(value), None) => counted(value),
        (Some(_), Some(_)) => Hops::Malformed,
    }
}

fn counted(value: &[u8]) -> Hops {
    if value.is_empty() || !value.iter().all(u8::is_ascii_digit) {
        return Hops::Malformed;
    }
    let hops = value.iter().fold(0u64, |sum, digit| {
        sum.saturating_mul(10)
            .saturating_add(u64::from(digit - b'0'))
    });
    match hops.checked_sub(1) {
        None => Hops::None,
        Some(left) => Hops::Left(left.min(HOPS_MAX)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn max_forwards_counts_down_to_us() {
        for (value, hops) in [
            (&b"0"[..], Hops::None),
            (b"000", Hops::None),
            (b"1", Hops::Left(0)),
            (b"10", Hops::Left(9)),
            (b"256", Hops::Left(255)),
            (b"257", Hops::Left(255)),
            (b"99999999999999999999999", Hops::Left(255)),
            (b"", Hops::Malformed),
            (b"-1", Hops::Malformed),
            (b"1, 2", Hops::Malformed),
            (b"x", Hops::Malformed),
        ] {
            assert_eq!(counted(value), hops, "{:?}", String::from_utf8_lossy(value));
        }
    }
}
