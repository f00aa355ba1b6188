//! How much one live connector may use. Each limit has a name, by which refusals call it and operators set it.

use bytesize::ByteSize;
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value};
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use crate::flow::problem;
use crate::flow::retry::duration;

/// The limits of one live connector: one instance within one run.
///
/// The defaults are generous for an FTP connector, which needs some 3 MiB and ten handles, and still small enough to run
/// hundreds of connectors in one process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Linear memory.
    pub memory: Size,
    /// Elements of all its tables (functions that are called through pointers) together.
    pub table_elements: u64,
    /// Core instances that its component is made of.
    pub instances: u64,
    /// Handles that it holds at the same time: sockets, streams, payloads.
    pub handles: u64,
    /// Sockets that it has at the same time.
    pub sockets: u64,
    /// Time for one call of an endpoint with everything it waits for. A step's `timeout` may be shorter.
    pub call_time: Span,
    /// Processor time of one call, with the host's work on its behalf.
    pub cpu_time: Span,
    /// Share of one processor, on average over a moment; what is beyond has to wait.
    pub cpu_quota: Share,
    /// Bytes that one call may receive over sockets.
    pub bytes_in: Size,
    /// Bytes that one call may send over sockets.
    pub bytes_out: Size,
    /// Payloads that one call may make; and problems with payloads that it may report.
    pub payloads: u64,
    /// The body of one payload.
    pub payload_size: Size,
    /// The metadata of one payload: its id, name, attributes and so on.
    pub metadata: Size,
    /// Log lines and progress reports a second; what is beyond is dropped.
    pub log_lines: u64,
    /// TLS contexts that it has at the same time. A control connection has one.
    pub tls_contexts: u64,
    /// TLS sessions that it has at the same time. A control connection has one, and so has each data connection.
    pub tls_sessions: u64,
    /// Time to end in good order after being asked to (it is cancelled, or a limit is reached); then it is dropped.
    pub grace: Span,
}

impl Default for Limits {
    fn default() -> Self {
        const HOUR: u64 = 60 * 60;
        Self {
            memory: Size(256 << 20),
            table_elements: 100_000,
            instances: 40,
            handles: 1_000,
            sockets: 64,
            call_time: Span(Duration::from_secs(24 * HOUR)),
            cpu_time: Span(Duration::from_secs(HOUR)),
            cpu_quota: Share(100),
            bytes_in: Size(1 << 40),
            bytes_out: Size(1 << 40),
            payloads: 100_000,
            payload_size: Size(1 << 40),
            metadata: Size(10 << 10),
            log_lines: 200,
            tls_contexts: 32,
            tls_sessions: 64,
            grace: Span(Duration::from_secs(5)),
        }
    }
}

/// A limit that is not one, or has a wrong value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LimitError {
    /// There is no limit of this name.
    #[error("there is no limit `{name}`{hint}")]
    Unknown {
        /// The name.
        name: String,
        /// What there is.
        hint: String,
    },
    /// The value does not fit.
    #[error("the limit `{name}` cannot be `{value}`: {reason}")]
    Value {
        /// The limit.
        name: String,
        /// What was given.
        value: String,
        /// What would be right.
        reason: String,
    },
}

impl Limits {
    /// With some of them changed: limits by name, as the policy file writes them.
    ///
    /// # Errors
    /// At the first that is not known or has a wrong value.
    pub fn with(&self, changes: &Map<String, Value>) -> Result<Self, LimitError> {
        let mut limits = self.clone();
        for (name, value) in changes {
            limits = limits.with_one(name, value)?;
        }
        Ok(limits)
    }

    fn with_one(&self, name: &str, value: &Value) -> Result<Self, LimitError> {
        let mut all = self.named();
        let Some(place) = all.get_mut(name) else {
            return Err(LimitError::Unknown {
                name: name.to_owned(),
                hint: problem::hint(name, self.named().keys().map(String::as_str)),
            });
        };
        // A number is a number also where it comes as text, from a command line.
        *place = match value.as_str().map(u64::from_str) {
            Some(Ok(number)) => number.into(),
            _ => value.clone(),
        };
        let wrong = |reason: String| LimitError::Value {
            name: name.to_owned(),
            value: plain(value),
            reason,
        };
        if place.as_u64() == Some(0) {
            return Err(wrong("it must be at least 1".to_owned()));
        }
        serde_json::from_value(Value::Object(all)).map_err(|error| wrong(error.to_string()))
    }

    /// All limits by name, with their values as people write them.
    #[must_use]
    pub fn named(&self) -> Map<String, Value> {
        match serde_json::to_value(self) {
            Ok(Value::Object(all)) => all,
            _ => Map::new(), // A struct is an object.
        }
    }

    /// A limit's value as people write it.
    #[must_use]
    pub fn value(&self, name: &str) -> String {
        self.named().get(name).map(plain).unwrap_or_default()
    }
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// A limit that was reached.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "the connector reached the limit `{name}` ({value}); if it is to have more, raise it: `--limit {instance}.{name}=…`, or \
     `limits` in the policy file"
)]
pub struct LimitReached {
    /// The limit's name.
    pub name: &'static str,
    /// Its value.
    pub value: String,
    /// The instance that reached it.
    pub instance: String,
}

/// A number of bytes; as text with a unit, such as `16MiB` or `1.5GB`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Size(pub u64);

/// A time; as text with units, such as `30s` or `1h 30m`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span(pub Duration);

/// A share in percent, from 1 to 100; as text such as `5%`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Share(pub u8);

impl FromStr for Size {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let size = ByteSize::from_str(text).map(|size| size.as_u64());
        size.ok().filter(|bytes| *bytes > 0).map(Self).ok_or_else(|| {
            "write a number of bytes, with a unit if you like: `65536`, `64KiB`, `1GB`".to_owned()
        })
    }
}

impl fmt::Display for Size {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The largest unit that divides it: what is shown can be read back, and means the same.
        let units = [(50, "PiB"), (40, "TiB"), (30, "GiB"), (20, "MiB"), (10, "KiB")];
        let unit = units
            .into_iter()
            .find(|(bits, _)| self.0 > 0 && self.0.trailing_zeros() >= *bits);
        match unit {
            Some((bits, name)) => write!(formatter, "{}{name}", self.0 >> bits),
            None => write!(formatter, "{}B", self.0),
        }
    }
}

impl FromStr for Span {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        duration(text).map(Self).map_err(|error| error.to_string())
    }
}

impl fmt::Display for Span {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.as_secs();
        match (self.0.subsec_nanos(), seconds % 3600, seconds % 60) {
            (0, 0, _) => write!(formatter, "{}h", seconds / 3600),
            (0, _, 0) => write!(formatter, "{}m", seconds / 60),
            _ => write!(formatter, "{:?}", self.0),
        }
    }
}

impl FromStr for Share {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let percent = text
            .strip_suffix('%')
            .and_then(|number| number.trim().parse().ok());
        percent
            .filter(|percent| (1..=100).contains(percent))
            .map(Self)
            .ok_or_else(|| "write a share of a processor from `1%` to `100%`".to_owned())
    }
}

impl fmt::Display for Share {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}%", self.0)
    }
}

/// Values that are written as text with a unit; a size may be a plain number of bytes too.
macro_rules! written_as_text {
    ($($type:ident: $schema:tt),* $(,)?) => {$(
        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }
        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let value = Value::deserialize(deserializer)?;
                plain(&value).parse().map_err(serde::de::Error::custom)
            }
        }
        impl JsonSchema for $type {
            fn inline_schema() -> bool {
                true
            }
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($type).into()
            }
            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!($schema)
            }
        }
    )*};
}

written_as_text! {
    Size: { "type": ["string", "integer"], "minimum": 1, "examples": ["64MiB"] },
    Span: { "type": "string", "examples": ["30s"] },
    Share: { "type": "string", "examples": ["25%"] },
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn changed(name: &str, value: impl Into<Value>) -> Result<Limits, String> {
        let changes = Map::from_iter([(name.to_owned(), value.into())]);
        Limits::default()
            .with(&changes)
            .map_err(|error| error.to_string())
    }

    #[test]
    fn limits_are_set_by_name_with_units() {
        assert_eq!(changed("memory", "16MiB").expect("sound").memory, Size(16 << 20));
        assert_eq!(changed("memory", 65_536).expect("sound").memory, Size(65_536));
        assert_eq!(changed("memory", "65536").expect("sound").memory, Size(65_536));
        assert_eq!(
            changed("bytes_in", "1.5GB").expect("sound").bytes_in,
            Size(1_500_000_000)
        );
        assert_eq!(changed("sockets", "3").expect("sound").sockets, 3);
        assert_eq!(changed("cpu_quota", "5%").expect("sound").cpu_quota, Share(5));
        let span = Span(Duration::from_mins(90));
        assert_eq!(changed("call_time", "1h 30m").expect("sound").call_time, span);
    }

    #[test]
    fn what_is_no_limit_is_said() {
        let wrong = |name: &str, value: &str| changed(name, value).expect_err("wrong");
        assert!(wrong("memroy", "1MiB").starts_with("there is no limit `memroy`; did you mean `memory`?"));
        assert_eq!(
            wrong("memory", "lots"),
            "the limit `memory` cannot be `lots`: write a number of bytes, with a unit if you like: `65536`, `64KiB`, `1GB`"
        );
        assert!(wrong("grace", "5").contains("is not a duration"));
        assert!(wrong("cpu_quota", "200%").contains("from `1%` to `100%`"));
        assert!(wrong("sockets", "0").ends_with("it must be at least 1"));
        assert!(wrong("sockets", "-1").contains("cannot be `-1`"));
        assert!(wrong("memory", "0").ends_with("it must be at least 1"));
    }

    #[test]
    fn shown_values_can_be_read_back() {
        let limits = Limits::default();
        assert_eq!(limits.with(&limits.named()), Ok(limits.clone()));
        assert_eq!(limits.value("memory"), "256MiB");
        assert_eq!(limits.value("call_time"), "24h");
        assert_eq!(limits.value("handles"), "1000");
        assert_eq!(json!(Size(1001)), json!("1001B"));
        assert_eq!(json!(Span(Duration::from_millis(1500))), json!("1.5s"));
    }
}
