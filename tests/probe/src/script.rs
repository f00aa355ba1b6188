//! The script: what the probe does, step by step.
//!
//! A step is an object with one member, which names it: `{"begin": {"as": "a"}}`. What a step calls a thing (`as`) is how
//! later ones name it (`of`, `on`). `expect` is what has to come of it, in one or two words: `done`, `accept`,
//! `error data`.

mod steps;
mod words;

use serde::Deserialize;
use serde_json::{Map, Value};

pub use steps::{BodyStep, ContextStep, NetworkStep, PayloadStep, TlsStep, Trust, WrongStep};
pub use words::{Content, End, Ending, Facts, Fault, level, level_name, seen};

/// The options of `run`.
#[derive(Debug, Deserialize)]
pub struct Options {
    /// The steps.
    #[serde(default)]
    pub script: Vec<Step>,
}

/// One step.
#[derive(Debug)]
pub enum Step {
    /// Of the exchange.
    Payload(PayloadStep),
    /// Of bodies.
    Body(BodyStep),
    /// Of the context.
    Context(ContextStep),
    /// Of sockets, and of all else that WASI has.
    Network(NetworkStep),
    /// Of TLS.
    Tls(TlsStep),
    /// What no connector should do.
    Wrong(WrongStep),
    /// Ends the call.
    Return(End),
}

impl<'de> Deserialize<'de> for Step {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        use serde::de::Error as _;
        let step = Map::<String, Value>::deserialize(deserializer)?;
        let name = step.keys().next().cloned().unwrap_or_default();
        let step = Value::Object(step);
        macro_rules! family {
            ($($family:ident has [$($known:literal),* $(,)?])*) => {
                match name.as_str() {
                    $($($known)|* => serde_json::from_value(step).map(Self::$family),)*
                    "return" => serde_json::from_value(step["return"].clone()).map(Self::Return),
                    other => return Err(D::Error::custom(format!("there is no step {other:?}"))),
                }
            };
        }
        family! {
            Payload has ["begin", "finish", "abort", "drop", "next", "metadata", "options", "earlier", "note", "settle", "report"]
            Body has ["body", "write", "fill", "close", "read", "open", "read_some", "no_body"]
            Context has ["run_id", "attempt", "remaining", "cancelled", "wait_for_cancel", "threshold", "log", "progress", "wait"]
            Network has ["connect", "send", "receive", "hang_up", "listen", "resolve", "datagram", "environment", "files", "input"]
            Tls has ["tls_context", "tls_session", "tls_encrypt", "tls_decrypt", "tls_close", "tls_info", "tls_connect", "tls_talk"]
            Wrong has ["panic", "compute", "wait_for_ever"]
        }
        .map_err(|error| D::Error::custom(format!("step {name:?}: {error}")))
    }
}

impl Step {
    /// What it is called in messages.
    #[must_use]
    pub fn name(&self) -> String {
        let text = match self {
            Self::Payload(step) => format!("{step:?}"),
            Self::Body(step) => format!("{step:?}"),
            Self::Context(step) => format!("{step:?}"),
            Self::Network(step) => format!("{step:?}"),
            Self::Tls(step) => format!("{step:?}"),
            Self::Wrong(step) => format!("{step:?}"),
            Self::Return(_) => "return".to_owned(),
        };
        let end = text.find([' ', '{', '(']).unwrap_or(text.len());
        text[..end].to_lowercase()
    }
}
