//! Durations as Go writes them: `500ms`, `1m30s`, `1.5h`.
//!
//! Owns the grammar of Go's `time.ParseDuration` without its signs: a timeout is never negative. Works on whole
//! numbers, so `0.1s` is exactly 100 ms; digits below a nanosecond are cut off, as Go does. Refuses what would
//! overflow rather than wrap.

use std::time::Duration;

/// Reads one duration. `"0"` alone needs no unit, as in Go.
///
/// # Errors
/// A sentence that says what is wrong and what to write instead, to follow the key's name.
pub fn parse(text: &str) -> Result<Duration, String> {
    if text == "0" {
        return Ok(Duration::ZERO);
    }
    if text.is_empty() {
        return Err(r#"is empty: write a duration such as "10s", "500ms" or "1m30s""#.to_owned());
    }
    if text.starts_with(['-', '+']) {
        return Err(format!(
            "is \"{text}\", but a duration has no sign: write \"{}\"",
            text.trim_start_matches(['-', '+'])
        ));
    }
    let mut total_ns: u128 = 0;
    let mut rest = text;
    while !rest.is_empty() {
        let number = rest
            .find(|c: char| !c.is_ascii_digit() && c != '.')
            .unwrap_or(rest.len());
        let (digits, after) = rest.split_at(number);
        let unit = after
            .find(|c: char| c.is_ascii_digit() || c == '.')
            .unwrap_or(after.len());
        let (unit, after) = after.split_at(unit);
        if unit.is_empty() && digits.bytes().any(|byte| byte.is_ascii_digit()) {
            return Err(format!("is \"{text}\", which has no unit: write \"{text}s\" for seconds or \"{text}ms\" for milliseconds"));
        }
        let Some(unit_ns) = unit_ns(unit) else {
            return Err(format!(
                "is \"{text}\", which is not a duration: write numbers with the units h, m, s, ms, us or ns, such as \"1m30s\""
            ));
        };
        let Some(part) = part_ns(digits, unit_ns) else {
            return Err(format!("is \"{text}\", which is not a duration: write a number before each unit, such as \"1m30s\""));
        };
        total_ns = total_ns.saturating_add(part);
        rest = after;
    }
    match u64::try_from(total_ns) {
        Ok(ns) => Ok(Duration::from_nanos(ns)),
        Err(_) => Err(format!(
            "is \"{text}\", which is longer than 584 years: write a shorter one"
        )),
    }
}

fn unit_ns(unit: &str) -> Option<u128> {
    Some(match unit {
        "ns" => 1,
        "us" | "µs" | "μs" => 1_000, // micro sign and Greek mu, as Go
        "ms" => 1_000_000,
        "s" => 1_000_000_000,
        "m" => 60 * 1_000_000_000,
        "h" => 3_600 * 1_000_000_000,
        _ => return None,
    })
}

/// `digits` (with at most one point) units of `unit_ns`; `None` if it is no number. Saturates.
fn part_ns(digits: &str, unit_ns: u128) -> Option<u128> {
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    if (whole.is_empty() && fraction.is_empty()) || fraction.contains('.') {
        return None;
    }
    let mut ns = whole.bytes().fold(0u128, |sum, digit| {
        sum.saturating_mul(10)
            .saturating_add(u128::from(digit - b'0'))
    });
    ns = ns.saturating_mul(unit_ns);
    // An hour is 3.6e12 ns: what stands beyond the thirteenth place is below a nanosecond, and 24 places times
    // an hour still fit 128 bits.
    let (mut numerator, mut denominator) = (0u128, 1u128);
    for digit in fraction.bytes().take(24) {
        numerator = numerator * 10 + u128::from(digit - b'0');
        denominator *= 10;
    }
    Some(ns.saturating_add(numerator * unit_ns / denominator))
}

/// Writes a duration as a user would write it in the file: `1m30s`, `500ms`.
#[must_use]
pub fn show(duration: Duration) -> String {
    let (mut seconds, ns) = (duration.as_secs(), duration.subsec_nanos());
    let mut text = String::new();
    for (unit, length) in [("h", 3_600), ("m", 60)] {
        if seconds >= length {
            text.push_str(&format!("{}{unit}", seconds / length));
            seconds %= length;
        }
    }
    if seconds > 0 || (ns == 0 && text.is_empty()) {
        text.push_str(&format!("{seconds}s"));
    }
    for (unit, length) in [("ms", 1_000_000), ("us", 1_000), ("ns", 1)] {
        let count = ns / length % 1_000;
        if count > 0 {
            text.push_str(&format!("{count}{unit}"));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_go_reads_is_read() {
        let ms = Duration::from_millis;
        for (text, want) in [
            ("0", ms(0)),
            ("0s", ms(0)),
            ("10s", ms(10_000)),
            ("500ms", ms(500)),
            ("1m30s", ms(90_000)),
            ("1h", ms(3_600_000)),
            ("1.5h", ms(5_400_000)),
            ("1h15m30.918s", ms(4_530_918)),
            ("0.1s", ms(100)),
            (".5s", ms(500)),
            ("5.s", ms(5_000)),
            (
                "9007199.254740993ms",
                Duration::from_nanos(9_007_199_254_740),
            ),
            ("12us", Duration::from_micros(12)),
            ("12µs", Duration::from_micros(12)),
            ("12μs", Duration::from_micros(12)),
            ("5m0.000000001s", Duration::from_nanos(300_000_000_001)),
            (
                "0.3333333333333333333h",
                Duration::from_nanos(1_199_999_999_999),
            ),
        ] {
            assert_eq!(parse(text), Ok(want), "{text}");
        }
    }

    #[test]
    fn the_rest_is_refused_with_what_to_write() {
        for (text, want) in [
            ("", "write a duration such as"),
            ("10", "write \"10s\" for seconds"),
            ("1m30", "no unit"),
            ("-1s", "write \"1s\""),
            ("10 s", "with the units"),
            ("s", "a number before each unit"),
            (".s", "a number before each unit"),
            ("1.2.3s", "a number before each unit"),
            (".", "with the units"),
            ("10S", "with the units"),
            ("1d", "with the units"),
            ("zehn", "with the units"),
        ] {
            let message = parse(text).expect_err(text);
            assert!(message.contains(want), "{text}: {message}");
        }
    }

    #[test]
    fn the_largest_fits_and_one_more_is_refused() {
        assert_eq!(
            parse("18446744073709551615ns"),
            Ok(Duration::from_nanos(u64::MAX))
        );
        assert!(parse("18446744073709551616ns")
            .unwrap_err()
            .contains("584 years"));
        let digits = "9".repeat(500);
        assert!(parse(&format!("{digits}h"))
            .unwrap_err()
            .contains("584 years"));
    }

    #[test]
    fn what_is_shown_reads_back() {
        for (text, shown) in [
            ("90s", "1m30s"),
            ("24h", "24h"),
            ("1500ms", "1s500ms"),
            ("0", "0s"),
            ("2h1us", "2h1us"),
        ] {
            let duration = parse(text).unwrap();
            assert_eq!(show(duration), shown);
            assert_eq!(parse(shown), Ok(duration));
        }
    }
}
