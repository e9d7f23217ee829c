//! Moments as people write and read them: UTC, by the Gregorian calendar.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

const DAY: u64 = 86_400;

/// `2026-11-22 23:45:01Z`.
pub(super) fn show(time: SystemTime) -> String {
    let seconds = time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let (year, month, day) = date(seconds / DAY);
    let (hour, minute, second) = (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}Z")
}

/// What [`show`] gives, a date alone, or a time from now: `90s`, `15m`, `12h`, `30d`.
pub(super) fn read(text: &str, now: SystemTime) -> Result<SystemTime, String> {
    let bad = || format!("{text:?} is neither a date such as 2026-12-31 nor a time from now such as 30d");
    let seconds = if text.contains('-') {
        absolute(text).ok_or_else(bad)?
    } else {
        let span = duration(text).ok_or_else(bad)?;
        return now.checked_add(span).ok_or_else(bad);
    };
    UNIX_EPOCH.checked_add(Duration::from_secs(seconds)).ok_or_else(bad)
}

/// `90s`, `15m`, `12h`, `30d`.
pub(super) fn duration(text: &str) -> Option<Duration> {
    let units = [("s", 1), ("m", 60), ("h", 3600), ("d", DAY)];
    let (number, unit) = units.iter().find_map(|(letter, unit)| Some((text.strip_suffix(letter)?, *unit)))?;
    number.parse::<u64>().ok()?.checked_mul(unit).map(Duration::from_secs)
}

fn absolute(text: &str) -> Option<u64> {
    let (day, time) = text.split_once([' ', 'T']).unwrap_or((text, "00:00:00"));
    let numbers = |text: &str, by: char| -> Option<[u64; 3]> {
        let numbers: Vec<u64> =
            text.split(by).map(str::parse).collect::<Result<_, std::num::ParseIntError>>().ok()?;
        numbers.try_into().ok()
    };
    let [year, month, day] = numbers(day, '-')?;
    let [hour, minute, second] = numbers(time.trim_end_matches('Z'), ':')?;
    if !(1970..=9999).contains(&year) || !(1..=12).contains(&month) || hour > 23 || minute > 59 || second > 59
    {
        return None;
    }
    let days = days(year, month, day);
    (day >= 1 && date(days) == (year, month, day)).then_some(days * DAY + hour * 3600 + minute * 60 + second)
}

/// Days since 1970 of a date, by counting the leap days before it, with years that begin in March.
fn days(year: u64, month: u64, day: u64) -> u64 {
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let before_year = 365 * year + year / 4 - year / 100 + year / 400;
    // From March on months of 31 and 30 days take turns, five at a time.
    let before_month = (153 * month + 2) / 5;
    before_year + before_month + day - 1 - 719_468
}

/// The date of a day counted from 1970.
fn date(days_since: u64) -> (u64, u64, u64) {
    let mut year = 1970 + days_since / 366;
    while days(year + 1, 1, 1) <= days_since {
        year += 1;
    }
    let month = (1..=12).rev().find(|&month| days(year, month, 1) <= days_since).unwrap_or(1);
    (year, month, days_since - days(year, month, 1) + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(seconds)
    }

    #[test]
    fn known_moments() {
        // From `date -u -d @SECONDS`.
        for (seconds, text) in [
            (0, "1970-01-01 00:00:00Z"),
            (951_782_400, "2000-02-29 00:00:00Z"),
            (1_000_000_000, "2001-09-09 01:46:40Z"),
            (4_107_542_400, "2100-03-01 00:00:00Z"),
        ] {
            assert_eq!(show(at(seconds)), text);
            assert_eq!(read(text, at(7)), Ok(at(seconds)));
        }
    }

    #[test]
    fn each_day_for_centuries_comes_back() {
        for day in 0..200_000 {
            let (year, month, number) = date(day);
            assert_eq!(days(year, month, number), day);
        }
    }

    #[test]
    fn spans_count_from_now_and_nonsense_is_refused() {
        assert_eq!(read("2d", at(5)), Ok(at(5 + 2 * DAY)));
        assert_eq!(read("2026-12-31", at(0)), Ok(at(1_798_675_200)));
        for text in
            ["", "d", "5", "-1d", "2026-02-30", "2026-13-01", "1969-12-31", "2026-1", "99999999999999999999d"]
        {
            assert!(read(text, at(0)).is_err(), "{text}");
        }
    }
}
