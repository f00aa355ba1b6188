//! The protocol between the conformance suite and the adapter of a host: one JSON object a line (`docs/conformance.md`).
//! Both sides are here, since the suite reads what the adapter of flowhost writes.
//!
//! - [`contract`]: the words of the contract in `wit/`, as JSON.
//! - [`request`]: what the suite writes: requests, answers to what was asked, and how much of a body it takes.
//! - [`event`]: what an adapter writes: what a connector does, and replies.

pub mod contract;
pub mod event;
pub mod request;

/// The version of the protocol.
pub const PROTOCOL: u32 = 1;

/// Bytes as base64 (RFC 4648 section 4), for `#[serde(with = "…")]`.
pub(crate) mod base64_text {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use serde::de::Error as _;
    use serde::{Deserialize as _, Deserializer, Serializer};

    pub(crate) fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&STANDARD.encode(bytes))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
        let text = String::deserialize(deserializer)?;
        STANDARD
            .decode(text)
            .map_err(|error| D::Error::custom(format!("no base64: {error}")))
    }
}
