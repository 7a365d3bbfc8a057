//! Sizes in bytes: whole numbers, or strings such as `"64KiB"` and `"10MB"`.
//!
//! Owns the units: KiB, MiB, GiB by 1,024 and KB, MB, GB by 1,000, in any case. Refuses the single letters,
//! which mean the one to some and the other to others.

const UNITS: [(&str, u64); 7] = [
    ("kib", 1 << 10),
    ("mib", 1 << 20),
    ("gib", 1 << 30),
    ("kb", 1_000),
    ("mb", 1_000_000),
    ("gb", 1_000_000_000),
    ("b", 1),
];

/// Reads one size; a bare number is bytes.
///
/// # Errors
/// A sentence that says what is wrong and what to write instead, to follow the key's name.
pub fn parse(text: &str) -> Result<u64, String> {
    let trimmed = text.trim();
    let digits = trimmed
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(trimmed.len());
    let (number, unit) = trimmed.split_at(digits);
    let unit = unit.trim_start();
    if number.is_empty() {
        return Err(format!("is \"{text}\", which is not a size: write bytes as a number, or a string such as \"64KiB\" or \"10MB\""));
    }
    let lower = unit.to_ascii_lowercase();
    let factor = if unit.is_empty() {
        1
    } else if let Some(&(_, factor)) = UNITS.iter().find(|(name, _)| *name == lower) {
        factor
    } else if let "k" | "m" | "g" = lower.as_str() {
        let letter = lower.to_ascii_uppercase();
        return Err(format!("is \"{text}\", whose unit is ambiguous: write \"{number}{letter}iB\" (by 1,024) or \"{number}{letter}B\" (by 1,000)"));
    } else if unit.starts_with(['.', ',', '_']) {
        return Err(format!("is \"{text}\", but a size is a whole number: write it in the next smaller unit, such as \"1536KiB\" for 1.5 MiB"));
    } else {
        return Err(format!("is \"{text}\", whose unit is not known: write B, KiB, MiB, GiB, KB, MB or GB, such as \"64KiB\""));
    };
    number
        .parse::<u64>()
        .ok()
        .and_then(|number| number.checked_mul(factor))
        .ok_or_else(|| {
            format!("is \"{text}\", which is more than can be counted: write at most {}, or leave the key out for no limit", u64::MAX)
        })
}

/// Writes a size as a user would: in the largest binary unit that divides it.
#[must_use]
pub fn show(bytes: u64) -> String {
    for (unit, factor) in [("GiB", 1u64 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)] {
        if bytes > 0 && bytes % factor == 0 {
            return format!("{} {unit}", bytes / factor);
        }
    }
    if bytes == 1 {
        return "1 byte".to_owned();
    }
    format!("{bytes} bytes")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_units_are_read() {
        for (text, want) in [
            ("0", 0),
            ("1048576", 1_048_576),
            ("64KiB", 65_536),
            ("64 kib", 65_536),
            ("1MiB", 1 << 20),
            ("2GiB", 2 << 30),
            ("10KB", 10_000),
            ("10MB", 10_000_000),
            ("1GB", 1_000_000_000),
            ("12B", 12),
        ] {
            assert_eq!(parse(text), Ok(want), "{text}");
        }
    }

    #[test]
    fn the_rest_is_refused_with_what_to_write() {
        for (text, want) in [
            ("", "not a size"),
            ("KiB", "not a size"),
            ("-1", "not a size"),
            ("64k", "\"64KiB\" (by 1,024) or \"64KB\" (by 1,000)"),
            ("1.5MiB", "whole number"),
            ("64 kilo", "B, KiB, MiB"),
            ("64KiBs", "B, KiB, MiB"),
        ] {
            let message = parse(text).expect_err(text);
            assert!(message.contains(want), "{text}: {message}");
        }
    }

    #[test]
    fn the_largest_fits_and_one_more_is_refused() {
        assert_eq!(parse("18446744073709551615"), Ok(u64::MAX));
        assert!(parse("18446744073709551616")
            .unwrap_err()
            .contains("more than can be counted"));
        assert_eq!(parse("17179869183GiB"), Ok(17_179_869_183 << 30));
        assert!(parse("17179869184GiB")
            .unwrap_err()
            .contains("more than can be counted"));
    }

    #[test]
    fn what_is_shown_is_short() {
        assert_eq!(show(65_536), "64 KiB");
        assert_eq!(show(1 << 20), "1 MiB");
        assert_eq!(show(1_000), "1000 bytes");
        assert_eq!(show(0), "0 bytes");
        assert_eq!(show(1), "1 byte");
    }
}
