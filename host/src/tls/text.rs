//! Text for messages: what a server sent is shown with care.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use std::fmt::Write as _;

/// Text that a server sent, without what could play tricks on a terminal or in a log, and not longer than `most`
/// characters.
pub(crate) fn shown(text: &str, most: usize) -> String {
    let harmless = |character: char| match character {
        // Marks and overrides of the writing direction, and characters without width.
        '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}' => {
            '\u{fffd}'
        }
        other if other.is_control() => '\u{fffd}',
        other => other,
    };
    let mut shown: String = text.chars().take(most).map(harmless).collect();
    if text.chars().nth(most).is_some() {
        shown.push('…');
    }
    shown
}

/// A SHA-256 as people compare and paste it: `sha256:` and 64 hexadecimal digits.
#[must_use]
pub fn fingerprint_text(hash: &[u8]) -> String {
    let mut text = "sha256:".to_owned();
    for byte in hash {
        let _ = write!(text, "{byte:02x}");
    }
    text
}

/// Reads a SHA-256 as people copy it: 64 hexadecimal digits, also with the colons of OpenSSL and with `sha256:` before
/// them, or curl's `sha256//` with Base64. None for anything else.
#[must_use]
pub fn parse_fingerprint(text: &str) -> Option<[u8; 32]> {
    let text = text.trim();
    if let Some(encoded) = text.strip_prefix("sha256//") {
        return STANDARD.decode(encoded).ok()?.try_into().ok();
    }
    let digits = match text.split_at_checked("sha256:".len()) {
        Some((prefix, rest)) if prefix.eq_ignore_ascii_case("sha256:") => rest,
        _ => text,
    };
    let digits: Vec<char> = digits.chars().filter(|digit| *digit != ':').collect();
    let mut hash = [0; 32];
    if digits.len() != 2 * hash.len() {
        return None;
    }
    for (byte, pair) in hash.iter_mut().zip(digits.chunks_exact(2)) {
        let value = pair[0].to_digit(16)? * 16 + pair[1].to_digit(16)?;
        *byte = u8::try_from(value).ok()?;
    }
    Some(hash)
}

/// The day, in UTC; the number itself for a time that no calendar has.
#[must_use]
pub fn date(milliseconds: i64) -> String {
    Timestamp::from_millisecond(milliseconds).map_or_else(
        |_| format!("{milliseconds} ms since 1970"),
        |time| time.to_zoned(TimeZone::UTC).date().to_string(),
    )
}

/// At most this many of a certificate's names are listed: some have hundreds.
const NAMES_SHOWN: usize = 8;

/// The names of a certificate, in a sentence.
pub(super) fn names(names: &[String]) -> String {
    if names.is_empty() {
        return "no names".to_owned();
    }
    let mut text = names
        .iter()
        .take(NAMES_SHOWN)
        .cloned()
        .collect::<Vec<_>>()
        .join(", ");
    if let Some(more) = names.len().checked_sub(NAMES_SHOWN).filter(|more| *more > 0) {
        let _ = write!(text, " and {more} more");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_server_sent_cannot_steer_a_terminal() {
        assert_eq!(
            shown("a\x1b[31mb\r\n\u{202e}c", 20),
            "a\u{fffd}[31mb\u{fffd}\u{fffd}\u{fffd}c"
        );
        assert_eq!(shown("aäb", 2), "aä…");
        assert_eq!(shown("aä", 2), "aä");
    }

    #[test]
    fn fingerprints_are_read_as_people_copy_them() {
        let hash: [u8; 32] = std::array::from_fn(|index| u8::try_from(index * 7).expect("small"));
        let plain = fingerprint_text(&hash);
        let digits = plain.strip_prefix("sha256:").expect("prefixed");
        let pairs: Vec<&str> = (0..32).map(|index| &digits[2 * index..2 * index + 2]).collect();
        let colons = pairs.join(":").to_uppercase();
        for text in [
            plain.clone(),
            digits.to_owned(),
            colons.clone(),
            format!(" SHA256:{colons}\n"),
            format!("sha256//{}", STANDARD.encode(hash)),
        ] {
            assert_eq!(parse_fingerprint(&text), Some(hash), "{text}");
        }
        for text in [
            "",
            "sha256:",
            &digits[1..],
            "sha1:00",
            "sha256//AAAA",
            &digits.replace('0', "ü"),
        ] {
            assert_eq!(parse_fingerprint(text), None, "{text}");
        }
    }

    #[test]
    fn dates_are_days() {
        assert_eq!(date(1_714_521_600_000), "2024-05-01");
        assert_eq!(date(i64::MAX), "9223372036854775807 ms since 1970");
    }

    #[test]
    fn long_lists_are_cut() {
        let many: Vec<String> = (0..10).map(|number| format!("n{number}")).collect();
        assert!(names(&many).ends_with("n7 and 2 more"));
        assert_eq!(names(&[]), "no names");
    }
}
