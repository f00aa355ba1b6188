//! Numbers with units, as people write them: `5m`, `10 MiB`, `50000-50100`.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

/// A length of time: whole seconds, or a number with `s`, `m`, `h` or `d`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span(pub Duration);

/// A number of bytes: a whole number, or one with `kB`, `MB`, `GB` (powers of 1000) or `KiB`, `MiB`, `GiB`
/// (powers of 1024).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bytes(pub u64);

/// Ports from the first to the last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PortRange {
    /// The first port.
    pub first: u16,
    /// The last port, not below the first.
    pub last: u16,
}

const SPANS: [(&str, u64); 5] = [("", 1), ("s", 1), ("m", 60), ("h", 3600), ("d", 86_400)];
const SIZES: [(&str, u64); 8] = [
    ("", 1),
    ("b", 1),
    ("kb", 1000),
    ("mb", 1_000_000),
    ("gb", 1_000_000_000),
    ("kib", 1 << 10),
    ("mib", 1 << 20),
    ("gib", 1 << 30),
];

/// A whole number followed by one of the units, in any case.
fn quantity(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let text = text.trim();
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let unit = unit.trim_start().to_ascii_lowercase();
    let (_, factor) = units.iter().find(|(known, _)| *known == unit)?;
    number.parse::<u64>().ok()?.checked_mul(*factor)
}

impl FromStr for Span {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        // A century is more than any file waits, and leaves room for reckoning.
        quantity(text, &SPANS)
            .filter(|seconds| *seconds <= 36_525 * 86_400)
            .map(|seconds| Self(Duration::from_secs(seconds)))
            .ok_or("must be a length of time: whole seconds, or a number with a unit, such as `30s`, `5m`, `2h` or `7d`")
    }
}

impl FromStr for Bytes {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        quantity(text, &SIZES)
            .map(Self)
            .ok_or("must be a size: whole bytes, or a number with a unit, such as `10kB` or `64MiB`")
    }
}

impl FromStr for PortRange {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (first, last) = text.split_once('-').unwrap_or((text, text));
        match (first.trim().parse(), last.trim().parse()) {
            (Ok(first), Ok(last)) if first > 0 && first <= last => Ok(Self { first, last }),
            _ => Err("must be ports from 1 to 65535, first and last, such as `50000-50100`"),
        }
    }
}

impl fmt::Display for PortRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.first, self.last)
    }
}

/// Reads a text or a whole number.
fn read<'de, D: Deserializer<'de>, T: FromStr<Err = &'static str>>(deserializer: D) -> Result<T, D::Error> {
    let text = match Value::deserialize(deserializer)? {
        Value::String(text) => text,
        Value::Number(number) => number.to_string(),
        _ => String::new(),
    };
    text.parse().map_err(D::Error::custom)
}

macro_rules! a_quantity {
    ($type:ident, $pattern:literal) => {
        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                read(deserializer)
            }
        }

        impl JsonSchema for $type {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($type).into()
            }

            fn inline_schema() -> bool {
                true
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({ "type": ["string", "integer"], "minimum": 0, "pattern": $pattern })
            }
        }
    };
}

a_quantity!(Span, r"^\s*\d+\s*([sSmMhHdD])?\s*$");
a_quantity!(Bytes, r"^\s*\d+\s*(([kKmMgG][iI]?)?[bB])?\s*$");

impl<'de> Deserialize<'de> for PortRange {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        read(deserializer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_people_write_them() {
        for (text, seconds) in [
            ("90", 90),
            ("0", 0),
            ("30s", 30),
            ("5 m", 300),
            ("2H", 7200),
            ("7d", 604_800),
        ] {
            assert_eq!(text.parse(), Ok(Span(Duration::from_secs(seconds))), "{text}");
        }
        for (text, bytes) in [
            ("0", 0),
            ("10kB", 10_000),
            ("64 MiB", 64 << 20),
            ("1gib", 1 << 30),
            ("7B", 7),
        ] {
            assert_eq!(text.parse(), Ok(Bytes(bytes)), "{text}");
        }
        assert_eq!(
            "50000-50100".parse(),
            Ok(PortRange {
                first: 50_000,
                last: 50_100
            })
        );
        assert_eq!("21".parse(), Ok(PortRange { first: 21, last: 21 }));
    }

    #[test]
    fn what_they_are_not() {
        for text in [
            "",
            "m",
            "-1",
            "1.5h",
            "5 minutes",
            "99999999999999999999d",
            "99999999999d",
        ] {
            assert!(text.parse::<Span>().is_err(), "{text}");
        }
        for text in ["", "MB", "-1", "1.5MB", "1 TB", "99999999999GiB"] {
            assert!(text.parse::<Bytes>().is_err(), "{text}");
        }
        for text in ["", "0-1", "2-1", "1-70000", "a-b", "1-2-3"] {
            assert!(text.parse::<PortRange>().is_err(), "{text}");
        }
    }
}
