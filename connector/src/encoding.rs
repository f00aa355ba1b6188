//! File names between the server's bytes and our text, without loss.
//!
//! A server's names are bytes, and nobody promises that they fit the encoding that was agreed on. Bytes that
//! do not fit are carried in the text as private-use characters, U+EF80 for 0x80 to U+EFFF for 0xFF, and
//! become the same bytes again on their way back, so that every file that is listed can be fetched.

use std::borrow::Cow;

use encoding_rs::UTF_8;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};

/// The character that stands for the byte 0x00, were it ever carried; only bytes from 0x80 on are.
const CARRIER: u32 = 0xEF00;

/// A character that the encoding has not got. Travels inside an `io::Error`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("`{character}` is not in {encoding}")]
pub struct Unencodable {
    /// The character.
    pub character: char,
    /// The name of the encoding.
    pub encoding: &'static str,
}

/// How names are encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Encoding(&'static encoding_rs::Encoding);

impl Default for Encoding {
    fn default() -> Self {
        Self(UTF_8)
    }
}

impl<'de> Deserialize<'de> for Encoding {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let label = String::deserialize(deserializer)?;
        if label.trim().is_empty() {
            return Ok(Self::default());
        }
        // Commands are ASCII, so an encoding in which ASCII looks different cannot be spoken.
        encoding_rs::Encoding::for_label(label.as_bytes())
            .filter(|encoding| encoding.is_ascii_compatible())
            .map(Self)
            .ok_or_else(|| {
                D::Error::custom(
                    "must be an encoding that extends ASCII, such as `utf-8`, `windows-1252`, `iso-8859-15`, \
                     `shift_jis`, `euc-kr`, `gbk` or `big5`",
                )
            })
    }
}

impl Encoding {
    /// Whether it is UTF-8, which servers can be asked for.
    pub fn is_utf8(self) -> bool {
        self.0 == UTF_8
    }

    /// The name of the encoding.
    pub fn name(self) -> &'static str {
        self.0.name()
    }

    /// The text of these bytes. Those that do not fit are carried.
    pub fn decode(self, bytes: &[u8]) -> String {
        if bytes.is_ascii() {
            return bytes.iter().map(|byte| char::from(*byte)).collect();
        }
        if self.is_utf8() {
            return utf8(bytes);
        }
        let text = self.0.decode_without_bom_handling_and_without_replacement(bytes);
        match text {
            // Some encodings read several bytes as one character and write it in another way.
            Some(text) if self.encode(&text).as_deref() == Ok(bytes) && !text.chars().any(is_carrier) => {
                text.into_owned()
            }
            _ => bytes.iter().map(|byte| carry(*byte)).collect(),
        }
    }

    /// The bytes of this text, or the character that the encoding has not got.
    pub fn encode(self, text: &str) -> Result<Vec<u8>, char> {
        let mut bytes = Vec::with_capacity(text.len());
        let mut rest = text;
        while let Some(at) = rest.find(is_carrier) {
            let (before, after) = rest.split_at(at);
            bytes.extend_from_slice(&self.encode_plain(before)?);
            let mut chars = after.chars();
            bytes.extend(
                chars
                    .next()
                    .and_then(|c| u8::try_from(u32::from(c) - CARRIER).ok()),
            );
            rest = chars.as_str();
        }
        bytes.extend_from_slice(&self.encode_plain(rest)?);
        Ok(bytes)
    }

    fn encode_plain(self, text: &str) -> Result<Cow<'_, [u8]>, char> {
        let (bytes, _, lossy) = self.0.encode(text);
        if !lossy {
            return Ok(bytes);
        }
        let missing = |c: &char| self.0.encode(c.encode_utf8(&mut [0; 4])).2;
        Err(text.chars().find(missing).unwrap_or(char::REPLACEMENT_CHARACTER))
    }
}

fn is_carrier(c: char) -> bool {
    ('\u{EF80}'..='\u{EFFF}').contains(&c)
}

fn carry(byte: u8) -> char {
    if byte.is_ascii() {
        char::from(byte)
    } else {
        char::from_u32(CARRIER + u32::from(byte)).unwrap_or(char::REPLACEMENT_CHARACTER)
    }
}

/// The byte that a character carries.
pub fn carried(c: char) -> Option<u8> {
    is_carrier(c)
        .then(|| u8::try_from(u32::from(c) - CARRIER).ok())
        .flatten()
}

fn utf8(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            if is_carrier(c) {
                // A real one would come back as a single byte.
                text.extend(c.encode_utf8(&mut [0; 4]).bytes().map(carry));
            } else {
                text.push(c);
            }
        }
        text.extend(chunk.invalid().iter().map(|byte| carry(*byte)));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(label: &str) -> Encoding {
        serde_json::from_value(label.into()).unwrap()
    }

    #[test]
    fn names_in_their_encoding() {
        for (label, bytes, text) in [
            ("utf-8", "Grüße".as_bytes(), "Grüße"),
            ("latin1", b"Gr\xfc\xdfe".as_slice(), "Grüße"),
            ("windows-1252", b"\x80 100", "€ 100"),
            ("iso-8859-15", b"\xa4 100", "€ 100"),
            ("Shift_JIS", b"\x92\x8d\x95\xb6.csv", "注文.csv"),
            ("gbk", b"\xb6\xa9\xb5\xa5", "订单"),
        ] {
            let encoding = named(label);
            assert_eq!(encoding.decode(bytes), text, "{label}");
            assert_eq!(encoding.encode(text).as_deref(), Ok(bytes), "{label}");
        }
    }

    #[test]
    fn whatever_the_bytes_they_come_back() {
        for label in [
            "utf-8",
            "windows-1252",
            "shift_jis",
            "gbk",
            "big5",
            "euc-jp",
            "koi8-r",
        ] {
            let encoding = named(label);
            for first in 0..=255_u8 {
                for second in [0, b'a', b'/', b'\\', 0x80, 0x9f, 0xe4, 0xfd, 0xff] {
                    let bytes = [b'x', first, second, b'y'];
                    let text = encoding.decode(&bytes);
                    assert_eq!(
                        encoding.encode(&text).as_deref(),
                        Ok(&bytes[..]),
                        "{label} {bytes:?} {text:?}"
                    );
                }
            }
            // What stands for a byte is no byte's own name.
            let bytes = "\u{EF80}\u{EFFF}".as_bytes();
            assert_eq!(
                named("utf-8").encode(&named("utf-8").decode(bytes)).as_deref(),
                Ok(bytes)
            );
        }
    }

    #[test]
    fn a_character_that_is_not_there_is_named() {
        assert_eq!(named("latin1").encode("a文b"), Err('文'));
        assert_eq!(named("shift_jis").encode("ü"), Err('ü'));
    }

    #[test]
    fn encodings_that_commands_cannot_be_written_in() {
        for label in ["utf-16le", "iso-2022-jp", "klingon", "utf-7"] {
            assert!(
                serde_json::from_value::<Encoding>(label.into()).is_err(),
                "{label}"
            );
        }
    }
}
