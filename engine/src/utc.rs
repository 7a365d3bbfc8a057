//! A time of the wall clock as people read it, of seconds since 1970: `2026-11-30 17:04:05 UTC`. Pure.

const DAY_S: u64 = 24 * 60 * 60;

/// The last second of the year 9999. Later ones read as it, for no calendar of ours goes further.
const LAST_S: u64 = 253_402_300_799;

/// `2026-11-30 17:04:05 UTC`, of seconds since 1970.
#[must_use]
pub fn utc_string(seconds: u64) -> String {
    let seconds = seconds.min(LAST_S);
    let (year, month, day) = date_of(seconds / DAY_S);
    let (hour, minute, second) = (seconds % DAY_S / 3_600, seconds % 3_600 / 60, seconds % 60);
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02} UTC")
}

/// The Gregorian date of a day since 1970, counted from the first of March of the year 0, so that a leap day ends its year.
fn date_of(day: u64) -> (u64, u64, u64) {
    const ERA_DAYS: u64 = 146_097; // of 400 years
    let day = day + 719_468;
    let (era, of_era) = (day / ERA_DAYS, day % ERA_DAYS);
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    // Months from March on have 31, 30, 31, 30, 31 days, over and over: 153 in five.
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let (month, next) = if month < 10 {
        (month + 3, 0)
    } else {
        (month - 9, 1)
    };
    (400 * era + year + next, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_times() {
        for (seconds, want) in [
            (0, "1970-01-01 00:00:00 UTC"),
            (951_782_399, "2000-02-28 23:59:59 UTC"),
            (951_782_400, "2000-02-29 00:00:00 UTC"),
            (951_868_800, "2000-03-01 00:00:00 UTC"),
            (1_234_567_890, "2009-02-13 23:31:30 UTC"),
            (1_796_058_245, "2026-11-30 17:04:05 UTC"),
            (4_107_542_400, "2100-03-01 00:00:00 UTC"),
            (LAST_S, "9999-12-31 23:59:59 UTC"),
            (u64::MAX, "9999-12-31 23:59:59 UTC"),
        ] {
            assert_eq!(utc_string(seconds), want, "{seconds}");
        }
    }
}
