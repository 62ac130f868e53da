//! Times in words.

use jiff::{Timestamp, Zoned, tz::TimeZone};

use crate::node::api::UnixMillis;

const MINUTE: u64 = 60_000;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

/// A remote clock may say anything: what is out of range is shown as the nearest possible time.
fn zoned(time: UnixMillis, zone: &TimeZone) -> Zoned {
    let millis = i64::try_from(time).unwrap_or(i64::MAX);
    let time = Timestamp::from_millisecond(millis).unwrap_or(Timestamp::MAX);
    time.to_zoned(zone.clone())
}

/// `14:05`
pub fn clock(time: UnixMillis, zone: &TimeZone) -> String {
    let time = zoned(time, zone);
    format!("{:02}:{:02}", time.hour(), time.minute())
}

/// A number for the day, equal for two times of one day.
pub fn day(time: UnixMillis, zone: &TimeZone) -> i64 {
    let date = zoned(time, zone).date();
    i64::from(date.year()) * 512 + i64::from(date.day_of_year())
}

/// `Saturday 14 November 2026`, or `Today`, `Yesterday`.
pub fn day_words(time: UnixMillis, now: UnixMillis, zone: &TimeZone) -> String {
    if day(time, zone) == day(now, zone) {
        return "Today".to_owned();
    }
    if day(time, zone) == day(now.saturating_sub(DAY), zone) {
        return "Yesterday".to_owned();
    }
    zoned(time, zone).strftime("%A %-d %B %Y").to_string()
}

/// `Saturday 14 November 2026, 14:05:09`
pub fn full(time: UnixMillis, zone: &TimeZone) -> String {
    zoned(time, zone).strftime("%A %-d %B %Y, %H:%M:%S").to_string()
}

fn count(number: u64, unit: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {unit}{plural}")
}

fn span(millis: u64) -> String {
    match millis {
        0..MINUTE => "less than a minute".to_owned(),
        MINUTE..HOUR => count(millis / MINUTE, "minute"),
        HOUR..DAY => count(millis / HOUR, "hour"),
        _ => count(millis / DAY, "day"),
    }
}

/// `5 minutes ago`
pub fn ago(time: UnixMillis, now: UnixMillis) -> String {
    format!("{} ago", span(now.saturating_sub(time)))
}

/// `in 7 days`, or `expired`.
pub fn until(time: UnixMillis, now: UnixMillis) -> String {
    // Half a minute more, so that what was made a moment ago for seven days says seven.
    match time.checked_sub(now) {
        None | Some(0) => "expired".to_owned(),
        Some(left) => format!("in {}", span(left + MINUTE / 2)),
    }
}

/// `0:42`, of a voice note.
pub fn duration(millis: u32) -> String {
    let seconds = millis / 1000;
    format!("{}:{:02}", seconds / 60, seconds % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-11-14T14:05:09Z
    const NOW: UnixMillis = 1_794_665_109_000;

    #[test]
    fn words() {
        let zone = TimeZone::UTC;
        assert_eq!(clock(NOW, &zone), "14:05");
        assert_eq!(day_words(NOW, NOW, &zone), "Today");
        assert_eq!(day_words(NOW - DAY, NOW, &zone), "Yesterday");
        assert_eq!(day_words(NOW - 2 * DAY, NOW, &zone), "Thursday 12 November 2026");
        assert_eq!(full(NOW, &zone), "Saturday 14 November 2026, 14:05:09");
        assert_eq!(ago(NOW - 5 * MINUTE, NOW), "5 minutes ago");
        assert_eq!(ago(NOW + 5 * MINUTE, NOW), "less than a minute ago");
        assert_eq!(until(NOW + 7 * DAY - 10, NOW), "in 7 days");
        assert_eq!(until(NOW + HOUR, NOW), "in 1 hour");
        assert_eq!(until(NOW, NOW), "expired");
        assert_eq!(duration(999), "0:00");
        assert_eq!(duration(10 * 60_000 + 7_500), "10:07");
    }

    #[test]
    fn clocks_of_madmen_are_no_trouble() {
        for time in [0, u64::MAX, 1 << 48, i64::MAX as u64] {
            let zone = TimeZone::UTC;
            let _ = (clock(time, &zone), day(time, &zone), day_words(time, NOW, &zone));
            let _ = (full(time, &zone), ago(time, NOW), until(time, NOW));
        }
    }
}
