//! The words of a line, and the numbers and times that they may be.

/// The separators of a listing's columns.
const BLANK: [char; 2] = [' ', '\t'];

/// Goes through a line word by word. What is left keeps its blanks, for a name may begin with them.
#[derive(Debug, Clone)]
pub struct Words<'a>(&'a str);

impl<'a> Words<'a> {
    /// The words of a text.
    pub fn new(text: &'a str) -> Self {
        Self(text)
    }

    /// What has not been read, with the blanks before it.
    pub fn rest(&self) -> &'a str {
        self.0
    }

    /// What has not been read, without the blanks before it.
    pub fn trimmed(&self) -> &'a str {
        self.0.trim_start_matches(BLANK)
    }
}

impl<'a> Iterator for Words<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        let text = self.trimmed();
        // A blank is one byte of its own in UTF-8, so bytes may be counted.
        let end = text.bytes().position(|byte| byte == b' ' || byte == b'\t');
        let (word, rest) = text.split_at(end.unwrap_or(text.len()));
        self.0 = rest;
        (!word.is_empty()).then_some(word)
    }
}

/// A number of ASCII digits alone, `least` to `most` of them.
pub fn digits(word: &str, least: usize, most: usize) -> Option<u32> {
    let fits = (least..=most).contains(&word.len()) && word.bytes().all(|byte| byte.is_ascii_digit());
    fits.then(|| word.parse().ok()).flatten()
}

/// What a column of sizes says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Size {
    /// Bytes.
    Exact(u64),
    /// A size that does not give the bytes: rounded, `33.5k`, or too large for a number.
    Inexact,
}

impl Size {
    /// The bytes, where they are known.
    pub fn bytes(self) -> Option<u64> {
        match self {
            Self::Exact(bytes) => Some(bytes),
            Self::Inexact => None,
        }
    }
}

/// A size: digits, in groups of three (`9,730`) or not, or a rounded one with a unit (`33.5k`).
pub fn size(word: &str) -> Option<Size> {
    if !word.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    if word.bytes().all(|byte| byte.is_ascii_digit()) {
        return Some(word.parse().map_or(Size::Inexact, Size::Exact));
    }
    for separator in [',', '.'] {
        let mut groups = word.split(separator);
        let head = groups.next().unwrap_or_default();
        if digits(head, 1, 3).is_some() && groups.all(|group| digits(group, 3, 3).is_some()) {
            let plain: String = word.chars().filter(char::is_ascii_digit).collect();
            return Some(plain.parse().map_or(Size::Inexact, Size::Exact));
        }
    }
    let number = word.strip_suffix(['k', 'K', 'M', 'G', 'T', 'P', 'B'])?;
    let number = number
        .strip_suffix(['k', 'K', 'M', 'G', 'T', 'P'])
        .unwrap_or(number);
    let rounded = number.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    rounded.then_some(Size::Inexact)
}

/// A time of day as it was written; whether there is such a time shows when it is put on a date.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Time {
    /// 0 to 23; 24 with no minutes is the end of the day.
    pub hour: u32,
    /// 0 to 59.
    pub minute: u32,
    /// Where it was written: 0 to 60.
    pub second: Option<u32>,
}

/// `H:MM`, `HH:MM`, `HH:MM:SS` or `HH:MM:SS.fraction`. The fraction is left out.
pub fn time(word: &str) -> Option<Time> {
    let (hour, rest) = word.split_once(':')?;
    let (minute, second) = match rest.split_once(':') {
        None => (rest, None),
        Some((minute, second)) => {
            let whole = second.split_once('.').map_or(second, |(whole, _)| whole);
            (minute, Some(digits(whole, 2, 2)?))
        }
    };
    Some(Time {
        hour: digits(hour, 1, 2)?,
        minute: digits(minute, 2, 2)?,
        second,
    })
}
