//! Dates in the columns of a listing, in all the forms that UNIX servers and those like them write.

use super::clock::{Modified, Times, Ymd, century};
use super::months::month;
use super::words::{Time, Words, digits, time};

/// A date that was found, and what follows it.
#[derive(Debug)]
pub struct Dated<'a> {
    /// The time, if there is such a time: 30 February has the form of a date only.
    pub modified: Option<Modified>,
    /// What follows: one blank, and the name, which may begin with blanks of its own.
    pub rest: &'a str,
}

/// Reads a date at the front of `words`.
pub fn read<'a>(words: &Words<'a>, times: &Times) -> Option<Dated<'a>> {
    let mut rest = words.clone();
    let mut first = rest.next()?;
    if is_weekday(first) {
        first = rest.next()?;
    }
    if let Some(month) = month(first) {
        let day = counted(rest.next()?)?;
        return finish(month, day, rest, times);
    }
    if !first.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    if let Some(day) = joined(first) {
        return Some(after_day(day, &rest, times));
    }
    if let Some((month, day)) = first.split_once('-') {
        let month = digits(month, 1, 2)?;
        return finish(month, counted(day)?, rest, times);
    }
    let first = counted(first)?;
    let second = rest.next()?;
    if let Some(month) = month(second) {
        return finish(month, first, rest, times);
    }
    let second = counted(second)?;
    if let Some(found) = year_first(first, second, rest.clone(), times) {
        return Some(found);
    }
    // Numbers alone are a date only with a unit, `8月 17日 2018年`, or before a time of day, `3 29 03:26`.
    if !first.unit && rest.clone().next().and_then(time).is_none() {
        return None;
    }
    (first.number <= 12).then(|| finish(first.number, second, rest, times))?
}

/// Passes over something that has the form of a date but names a month in a language that we do not know.
pub fn pass<'a>(words: &Words<'a>) -> Option<Dated<'a>> {
    let mut rest = words.clone();
    let (first, second) = (rest.next()?, rest.next()?);
    let is_day = |word| counted(word).is_some_and(|day| (1..=31).contains(&day.number));
    let is_name = |word: &str| {
        word.chars()
            .all(|c| !c.is_ascii_digit() && (!c.is_ascii_punctuation() || c == '.'))
    };
    if !(is_day(first) && is_name(second) || is_name(first) && is_day(second)) {
        return None;
    }
    let third = rest.next()?;
    (time(third).is_some() || year(third).is_some()).then(|| Dated {
        modified: None,
        rest: rest.rest(),
    })
}

/// A number that may have something after it: `26.`, `08,`, `17日`.
#[derive(Debug, Clone, Copy)]
struct Counted {
    number: u32,
    /// With a word after it, which only scripts without blanks between words have.
    unit: bool,
    /// With a comma after it.
    comma: bool,
}

fn counted(word: &str) -> Option<Counted> {
    let end = word
        .bytes()
        .position(|byte| !byte.is_ascii_digit())
        .unwrap_or(word.len());
    let (number, tail) = word.split_at(end);
    let mark = tail.trim_end_matches(['.', ',']);
    Some(Counted {
        number: digits(number, 1, 4)?,
        unit: match mark.chars().next() {
            None => false,
            Some(c) if c.is_ascii() => return None,
            Some(_) => true,
        },
        comma: tail.contains(','),
    })
}

/// A year with all its digits.
fn year(word: &str) -> Option<Counted> {
    let year = counted(word)?;
    (1900..2200).contains(&year.number).then_some(year)
}

fn is_weekday(word: &str) -> bool {
    matches!(word, "Mon" | "Tue" | "Wed" | "Thu" | "Fri" | "Sat" | "Sun")
}

/// What comes after month and day: a time of day, or a year.
fn finish<'a>(month: u32, day: Counted, mut rest: Words<'a>, times: &Times) -> Option<Dated<'a>> {
    let date = |year: u32| Ymd {
        year,
        month,
        day: day.number,
    };
    let padding = rest.rest().len() - rest.trimmed().len();
    let third = rest.next()?;
    let mut ahead = rest.clone();
    let next = ahead.next().unwrap_or_default();
    if let Some(time) = time(third) {
        // `12:30:45 2018`, where the seconds tell that the year belongs to it and not to the name.
        if let (Some(_), Some(year)) = (time.second, year(next)) {
            return Some(Dated {
                modified: times.at(date(year.number), Some(time), None),
                rest: ahead.rest(),
            });
        }
        return Some(Dated {
            modified: times.recent(month, day.number, time),
            rest: rest.rest(),
        });
    }
    let year = year(third)?;
    // `Oct 08, 2002 09:47`, where the comma tells the same of the time.
    if let (true, Some(time)) = (day.comma || year.comma, time(next)) {
        return Some(Dated {
            modified: times.at(date(year.number), Some(time), None),
            rest: ahead.rest(),
        });
    }
    // A year takes the place of a time, which is one longer. Most servers write ` 2018`, some `2018 `.
    let rest = match rest.rest() {
        padded if padding == 1 && padded.starts_with("  ") => &padded[1..],
        rest => rest,
    };
    Some(Dated {
        modified: times.at(date(year.number), None, None),
        rest,
    })
}

/// `2003   3月 20` and `2005年 1月 6日`. Before a time or a year, the first number is a size.
fn year_first<'a>(first: Counted, second: Counted, mut rest: Words<'a>, times: &Times) -> Option<Dated<'a>> {
    if !(first.unit || second.unit) || !(1900..2200).contains(&first.number) {
        return None;
    }
    let day = counted(rest.next()?)?;
    let next = rest.clone().next().unwrap_or_default();
    if day.number > 31 || !first.unit && (time(next).is_some() || year(next).is_some()) {
        return None;
    }
    let day = Ymd {
        year: first.number,
        month: second.number,
        day: day.number,
    };
    Some(after_day(day, &rest, times))
}

/// What comes after a whole date: perhaps a time of day, and perhaps an offset from UTC.
fn after_day<'a>(day: Ymd, rest: &Words<'a>, times: &Times) -> Dated<'a> {
    let mut ahead = rest.clone();
    let Some(time) = ahead.next().and_then(time) else {
        // Such dates are padded to the width of those with a time; nothing tells how wide that is.
        let name = rest.trimmed();
        let cut = rest.rest().len() - name.len();
        return Dated {
            modified: times.at(day, None, None),
            rest: &rest.rest()[cut.saturating_sub(1)..],
        };
    };
    let mut zoned = ahead.clone();
    let offset = match time {
        Time { second: Some(_), .. } => zoned.next().and_then(offset),
        _ => None,
    };
    Dated {
        modified: times.at(day, Some(time), offset),
        rest: if offset.is_some() {
            zoned.rest()
        } else {
            ahead.rest()
        },
    }
}

/// `+0100`, to seconds east of UTC.
fn offset(word: &str) -> Option<i32> {
    let (sign, number) = match word.as_bytes().first()? {
        b'+' => (1, &word[1..]),
        b'-' => (-1, &word[1..]),
        _ => return None,
    };
    let number = i32::try_from(digits(number, 4, 4)?).ok()?;
    Some(sign * (number / 100 * 3600 + number % 100 * 60))
}

/// A date in one word: `2005-06-07`, `24-04-2003`, `04-27-00`, `04-23-103`, `1999/10/12`, `15.07.2004`,
/// `01-jun-99`. With a year of two digits at the end, the month comes first, unless it cannot be one or the
/// separators are full stops.
pub fn joined(word: &str) -> Option<Ymd> {
    let separator = word.chars().find(|c| matches!(c, '-' | '/' | '.'))?;
    let mut parts = word.split(separator);
    let (a, b, c) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() {
        return None;
    }
    let last = |part: &str| century(digits(part, 2, 4)?, part.len());
    if let Some(month) = month(b) {
        return Some(Ymd {
            year: last(c)?,
            month,
            day: digits(a, 1, 2)?,
        });
    }
    let middle = digits(b, 1, 2)?;
    if let Some(year) = digits(a, 4, 4) {
        return Some(Ymd {
            year,
            month: middle,
            day: digits(c, 1, 2)?,
        });
    }
    let (first, year) = (digits(a, 1, 2)?, last(c)?);
    let day_first = separator == '.' || first > 12;
    let (month, day) = if day_first {
        (middle, first)
    } else {
        (first, middle)
    };
    Some(Ymd { year, month, day })
}
