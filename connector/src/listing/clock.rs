//! Times of listings to times: the zone, and the year that `Nov  5 12:30` does not name.

use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use super::words::Time;

/// How exactly a time is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Precision {
    /// A date alone, read as its midnight.
    Day,
    /// Hours and minutes.
    Minute,
    /// Seconds, or finer.
    Second,
}

/// When something was last changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Modified {
    /// Milliseconds since 1970, UTC.
    pub ms: u64,
    /// What of it the server told.
    pub precision: Precision,
}

/// What a listing's times are read with.
#[derive(Debug, Clone)]
pub struct Clock {
    /// Milliseconds since 1970, UTC.
    pub now_ms: u64,
    /// The zone that LIST gives its times in. Servers do not tell it.
    pub zone: TimeZone,
}

/// A server's clock may be ahead of ours, and its zone may not be the one we were told. What is further
/// ahead than this is from the year before.
const AHEAD: SignedDuration = SignedDuration::from_hours(24);

/// How many years a date is looked for: 29 February comes after 8 years at the latest (1896, 1904).
const YEARS_BACK: i16 = 8;

/// A day as it was written; whether there is such a day shows when it is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ymd {
    /// With its century.
    pub year: u32,
    /// 1 to 12.
    pub month: u32,
    /// 1 to 31.
    pub day: u32,
}

impl Ymd {
    /// The day in the calendar, if there is one.
    pub fn date(self) -> Option<Date> {
        Date::new(
            self.year.try_into().ok()?,
            self.month.try_into().ok()?,
            self.day.try_into().ok()?,
        )
        .ok()
    }
}

/// A [`Clock`] made ready for many lines.
#[derive(Debug)]
pub struct Times {
    zone: TimeZone,
    /// The latest time, in the zone, that a time without a year may mean.
    latest: DateTime,
}

impl Times {
    /// Reads times with this clock.
    pub fn new(clock: &Clock) -> Self {
        let now = i64::try_from(clock.now_ms)
            .ok()
            .and_then(|ms| Timestamp::from_millisecond(ms).ok())
            .unwrap_or_default();
        let now = now.to_zoned(clock.zone.clone()).datetime();
        Self {
            zone: clock.zone.clone(),
            latest: now.checked_add(AHEAD).unwrap_or(now),
        }
    }

    /// A day, at midnight or at a time of day. With `offset`, in seconds east of UTC, in that zone rather
    /// than in the clock's. `None` if there is no such time, or it was before 1970.
    pub fn at(&self, day: Ymd, time: Option<Time>, offset: Option<i32>) -> Option<Modified> {
        let date = day.date()?;
        let Some(time) = time else {
            return self.modified(
                date.to_datetime(jiff::civil::Time::midnight()),
                Precision::Day,
                None,
            );
        };
        self.modified(on(date, time)?, precision(time), offset)
    }

    /// The last time that it was this time of this day.
    pub fn recent(&self, month: u32, day: u32, time: Time) -> Option<Modified> {
        let last = (0..=YEARS_BACK).find_map(|back| {
            let date = Date::new(
                self.latest.year().checked_sub(back)?,
                month.try_into().ok()?,
                day.try_into().ok()?,
            );
            let datetime = on(date.ok()?, time)?;
            (datetime <= self.latest).then_some(datetime)
        })?;
        self.modified(last, precision(time), None)
    }

    fn modified(&self, datetime: DateTime, precision: Precision, offset: Option<i32>) -> Option<Modified> {
        let timestamp = match offset {
            None => self.zone.to_timestamp(datetime).ok()?,
            Some(seconds) => jiff::tz::Offset::from_seconds(seconds)
                .ok()?
                .to_timestamp(datetime)
                .ok()?,
        };
        let ms = u64::try_from(timestamp.as_millisecond()).ok()?;
        Some(Modified { ms, precision })
    }
}

fn precision(time: Time) -> Precision {
    match time.second {
        Some(_) => Precision::Second,
        None => Precision::Minute,
    }
}

/// A time on a day. Some servers call midnight 24:00, and a leap second has the number 60.
fn on(date: Date, time: Time) -> Option<DateTime> {
    let second = time.second.unwrap_or(0);
    if (time.hour, time.minute, second) == (24, 0, 0) {
        return Some(date.tomorrow().ok()?.to_datetime(jiff::civil::Time::midnight()));
    }
    let time = jiff::civil::Time::new(
        time.hour.try_into().ok()?,
        time.minute.try_into().ok()?,
        if second == 60 { 59 } else { second.try_into().ok()? },
        0,
    );
    Some(date.to_datetime(time.ok()?))
}

/// The year of a date that has two digits for it, or three where the server counts from 1900 on.
pub fn century(year: u32, digits: usize) -> Option<u32> {
    match (digits, year) {
        (2, 70..) | (3, 100..) => Some(1900 + year),
        (2, _) => Some(2000 + year),
        (4, _) => Some(year),
        _ => None,
    }
}

/// `YYYYMMDDHHMMSS[.fraction]`, UTC, as in MLSD facts and MDTM replies (RFC 3659 section 2.3), to
/// milliseconds since 1970. Servers that put `19` before a count of years from 1900 give `19124…` for 2024.
pub fn timestamp(text: &str) -> Option<u64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    if !whole.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let number = |part: &str| part.parse::<u32>().ok();
    let (year, rest) = match whole.len() {
        14 => (number(&whole[..4])?, &whole[4..]),
        15 if whole.starts_with("191") => (1900 + number(&whole[2..5])?, &whole[5..]),
        _ => return None,
    };
    let day = Ymd {
        year,
        month: number(&rest[..2])?,
        day: number(&rest[2..4])?,
    };
    let time = Time {
        hour: number(&rest[4..6])?,
        minute: number(&rest[6..8])?,
        second: Some(number(&rest[8..])?),
    };
    let at = TimeZone::UTC.to_timestamp(on(day.date()?, time)?).ok()?;
    let digits: String = fraction.chars().chain("000".chars()).take(3).collect();
    let millis: u64 = digits
        .bytes()
        .all(|byte| byte.is_ascii_digit())
        .then(|| digits.parse().ok())??;
    u64::try_from(at.as_second())
        .ok()?
        .checked_mul(1000)?
        .checked_add(millis)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(text: &str) -> u64 {
        let at: Timestamp = text.parse().unwrap();
        u64::try_from(at.as_millisecond()).unwrap()
    }

    fn recent(now: &str, zone: &str, month: u32, day: u32, hour: u32, minute: u32) -> Option<u64> {
        let clock = Clock {
            now_ms: ms(now),
            zone: TimeZone::get(zone).unwrap(),
        };
        let time = Time {
            hour,
            minute,
            second: None,
        };
        Times::new(&clock)
            .recent(month, day, time)
            .map(|modified| modified.ms)
    }

    #[test]
    fn a_time_without_a_year_is_the_last_one() {
        for (now, zone, (month, day, hour, minute), expected) in [
            (
                "2024-11-20T12:00:00Z",
                "UTC",
                (11, 5, 12, 30),
                "2024-11-05T12:30:00Z",
            ),
            (
                "2024-11-20T12:00:00Z",
                "UTC",
                (11, 21, 11, 59),
                "2024-11-21T11:59:00Z",
            ),
            (
                "2024-11-20T12:00:00Z",
                "UTC",
                (11, 21, 12, 0),
                "2024-11-21T12:00:00Z",
            ),
            (
                "2024-11-20T12:00:00Z",
                "UTC",
                (11, 21, 12, 1),
                "2023-11-21T12:01:00Z",
            ),
            // Around new year: from the year before, and from a server whose clock is ahead.
            (
                "2025-01-01T00:10:00Z",
                "UTC",
                (12, 31, 23, 50),
                "2024-12-31T23:50:00Z",
            ),
            (
                "2025-01-01T00:10:00Z",
                "UTC",
                (1, 1, 0, 5),
                "2025-01-01T00:05:00Z",
            ),
            (
                "2024-12-31T23:50:00Z",
                "UTC",
                (1, 1, 8, 30),
                "2025-01-01T08:30:00Z",
            ),
            // The year is that of the zone.
            (
                "2024-12-31T20:00:00Z",
                "Asia/Tokyo",
                (1, 1, 4, 30),
                "2024-12-31T19:30:00Z",
            ),
            (
                "2025-01-01T03:00:00Z",
                "America/New_York",
                (12, 31, 21, 30),
                "2025-01-01T02:30:00Z",
            ),
            // 29 February in the year after, and long after.
            (
                "2024-03-01T12:00:00Z",
                "UTC",
                (2, 29, 9, 0),
                "2024-02-29T09:00:00Z",
            ),
            (
                "2025-02-10T12:00:00Z",
                "UTC",
                (2, 29, 9, 0),
                "2024-02-29T09:00:00Z",
            ),
            (
                "2027-06-01T12:00:00Z",
                "UTC",
                (2, 29, 9, 0),
                "2024-02-29T09:00:00Z",
            ),
        ] {
            let read = recent(now, zone, month, day, hour, minute);
            assert_eq!(
                read,
                Some(ms(expected)),
                "{month}-{day} {hour}:{minute} seen at {now} in {zone}"
            );
        }
        assert_eq!(recent("2024-11-20T12:00:00Z", "UTC", 2, 30, 9, 0), None);
        assert_eq!(recent("2024-11-20T12:00:00Z", "UTC", 2, 3, 30, 1), None);
    }

    #[test]
    fn hours_that_a_zone_leaves_out_or_repeats() {
        let zone = "Europe/Berlin";
        let now = "2024-11-20T12:00:00Z";
        assert_eq!(recent(now, zone, 7, 1, 14, 0), Some(ms("2024-07-01T12:00:00Z")));
        assert_eq!(recent(now, zone, 3, 31, 2, 30), Some(ms("2024-03-31T01:30:00Z")));
        assert_eq!(recent(now, zone, 10, 27, 2, 30), Some(ms("2024-10-27T00:30:00Z")));
    }

    #[test]
    fn timestamps() {
        assert_eq!(timestamp("19700101000000"), Some(0));
        assert_eq!(timestamp("20240229123456"), Some(1_709_210_096_000));
        assert_eq!(timestamp("20240229123456.5"), Some(1_709_210_096_500));
        assert_eq!(timestamp("20240229123456.789123"), Some(1_709_210_096_789));
        assert_eq!(timestamp("191240229123456"), Some(1_709_210_096_000));
        assert_eq!(timestamp("191000101000000"), Some(946_684_800_000));
        assert_eq!(timestamp("20161231235960"), timestamp("20161231235959"));
        for wrong in [
            "",
            ".",
            "2024",
            "20240230123456",
            "20240229246060",
            "2024-02-29 12:34",
            "20240229123456.x",
            "20240229123456.+1",
            "19681105165215",
            "200240229123456",
            "\u{666}0240229123456",
        ] {
            assert_eq!(timestamp(wrong), None, "{wrong:?}");
        }
    }
}
