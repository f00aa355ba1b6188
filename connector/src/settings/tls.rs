//! Whether and how connections are encrypted, and whom to believe.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

/// Whether and how the connection is encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub enum Tls {
    /// Not at all: plain FTP.
    #[default]
    None,
    /// Starts plain and is upgraded with AUTH TLS (RFC 4217) before anything secret is sent.
    Explicit,
    /// Encrypted from the first byte, usually on port 990.
    Implicit,
}

/// Whether data connections are encrypted too, where the control connection is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub enum DataProtection {
    /// PROT P.
    #[default]
    Private,
    /// PROT C: whoever is in between reads and changes files and listings.
    Clear,
}

/// Whom to believe that a server is who it says.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Trust {
    /// Whom the host believes.
    #[default]
    HostDefault,
    /// These certificates alone, PEM.
    Roots(String),
    /// A server with one of these certificates or public keys.
    Pinned(Vec<Fingerprint>),
    /// Anybody.
    Insecure,
}

/// SHA-256 of a certificate or of its public key.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Fingerprint([u8; 32]);

impl Fingerprint {
    /// The 32 bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// Reads `sha256:` with 64 hexadecimal digits, as browsers and OpenSSL show them with colons in between, or
    /// `sha256//` with Base64, as curl takes them.
    fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        if let Some(encoded) = text.strip_prefix("sha256//") {
            return STANDARD.decode(encoded).ok()?.try_into().ok().map(Self);
        }
        let digits = match text.split_at_checked("sha256:".len()) {
            Some((start, rest)) if start.eq_ignore_ascii_case("sha256:") => rest,
            _ => text,
        };
        let digits: Vec<u8> = digits.bytes().filter(|byte| *byte != b':').collect();
        if digits.len() != 64 {
            return None;
        }
        let mut bytes = [0; 32];
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks(2)) {
            let value = |digit: u8| char::from(digit).to_digit(16);
            *byte = u8::try_from(value(pair[0])? * 16 + value(pair[1])?).ok()?;
        }
        Some(Self(bytes))
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("sha256:")?;
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl<'de> Deserialize<'de> for Trust {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // By hand: what serde says of an untagged enum that does not fit helps nobody.
        match Value::deserialize(deserializer)? {
            Value::String(word) if matches!(word.as_str(), "" | "host-default") => Ok(Self::HostDefault),
            Value::String(word) if word == "insecure" => Ok(Self::Insecure),
            Value::Object(map) if map.len() == 1 => match map.into_iter().next() {
                Some((key, Value::String(pem))) if key == "roots" => roots(pem),
                Some((key, Value::String(pin))) if key == "pinned" => pinned([pin]),
                Some((key, Value::Array(pins))) if key == "pinned" => {
                    let pins = pins.iter().map(|pin| pin.as_str().unwrap_or_default().to_owned());
                    pinned(pins)
                }
                _ => Err(WRONG_TRUST),
            },
            _ => Err(WRONG_TRUST),
        }
        .map_err(D::Error::custom)
    }
}

const WRONG_TRUST: &str = "must be `host-default`, `insecure`, an object with `roots` (PEM text), or an object with `pinned` (a fingerprint \
     or a list of them)";

fn roots(pem: String) -> Result<Trust, &'static str> {
    if pem.contains("-----BEGIN CERTIFICATE-----") {
        Ok(Trust::Roots(pem))
    } else {
        Err(
            "`roots` must be certificates in PEM (`-----BEGIN CERTIFICATE-----`); `${file:ca.pem}` reads a file",
        )
    }
}

fn pinned(pins: impl IntoIterator<Item = String>) -> Result<Trust, &'static str> {
    let pins: Option<Vec<_>> = pins.into_iter().map(|pin| Fingerprint::parse(&pin)).collect();
    pins.filter(|pins| !pins.is_empty()).map(Trust::Pinned).ok_or(
        "`pinned` must be the SHA-256 of a certificate or of its public key, as `sha256:` with 64 hexadecimal digits",
    )
}

impl JsonSchema for Trust {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Trust".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let pin = json_schema!({
            "type": "string",
            "minLength": 1,
            "examples": ["sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"]
        });
        json_schema!({
            "oneOf": [
                {
                    "title": "The host's",
                    "description": "Whom the host believes: usually the roots of its operating system.",
                    "const": "host-default"
                },
                {
                    "title": "Anybody",
                    "description": "Any certificate. For tests: whoever is in between can read and change everything, the password included. The host refuses it unless its operator allows it.",
                    "const": "insecure"
                },
                {
                    "title": "Certificates",
                    "type": "object",
                    "properties": {
                        "roots": {
                            "title": "Certificates",
                            "description": "The certificates to believe, and no others, as PEM text: of authorities, or the server's own.",
                            "type": "string",
                            "minLength": 1,
                            "examples": ["${file:partner-ca.pem}"]
                        }
                    },
                    "required": ["roots"],
                    "additionalProperties": false
                },
                {
                    "title": "Fingerprints",
                    "type": "object",
                    "properties": {
                        "pinned": {
                            "title": "Fingerprints",
                            "description": "SHA-256 of the server's certificate or of its public key; several for a change of certificates. Name, issuer and expiry do not matter then.",
                            "oneOf": [pin, { "type": "array", "minItems": 1, "items": pin }]
                        }
                    },
                    "required": ["pinned"],
                    "additionalProperties": false
                }
            ]
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trust(json: &str) -> Result<Trust, String> {
        serde_json::from_str(json).map_err(|error| error.to_string())
    }

    #[test]
    fn fingerprints_are_read_as_people_copy_them() {
        let hex = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";
        let colons: Vec<_> = hex
            .as_bytes()
            .chunks(2)
            .map(|pair| std::str::from_utf8(pair).unwrap())
            .collect();
        let colons = colons.join(":").to_uppercase();
        let wanted = Fingerprint::parse(hex).unwrap();
        for text in [
            format!("sha256:{hex}"),
            format!("SHA256:{colons}"),
            format!(" {colons} "),
            "sha256//n4bQgYhMfWWaL+qgxVrQFaO/TxsrC4Is0V1sFbDwCgg=".to_owned(),
        ] {
            assert_eq!(Fingerprint::parse(&text), Some(wanted), "{text}");
        }
        for text in [
            "",
            "sha256:",
            &hex[1..],
            "sha1:9f86",
            "sha256//AAAA",
            &hex.replace('9', "ü"),
        ] {
            assert_eq!(Fingerprint::parse(text), None, "{text}");
        }
        assert_eq!(format!("{wanted:?}"), format!("sha256:{hex}"));
    }

    #[test]
    fn trust_is_one_of_four() {
        assert_eq!(trust(r#""host-default""#), Ok(Trust::HostDefault));
        assert_eq!(trust(r#""""#), Ok(Trust::HostDefault));
        assert_eq!(trust(r#""insecure""#), Ok(Trust::Insecure));
        let pem = "-----BEGIN CERTIFICATE-----";
        assert_eq!(
            trust(&format!(r#"{{"roots":"{pem}"}}"#)),
            Ok(Trust::Roots(pem.to_owned()))
        );
        let pin = "00".repeat(32);
        for json in [
            format!(r#"{{"pinned":"{pin}"}}"#),
            format!(r#"{{"pinned":["{pin}"]}}"#),
        ] {
            assert_eq!(trust(&json), Ok(Trust::Pinned(vec![Fingerprint([0; 32])])));
        }
        for (json, says) in [
            (r#""any""#, "must be `host-default`"),
            ("true", "must be `host-default`"),
            ("{}", "must be `host-default`"),
            (r#"{"roots":"ca.pem"}"#, "${file:ca.pem}"),
            (r#"{"roots":["x"]}"#, "must be `host-default`"),
            (r#"{"pinned":[]}"#, "64 hexadecimal digits"),
            (r#"{"pinned":["x"]}"#, "64 hexadecimal digits"),
            (r#"{"pinned":[7]}"#, "64 hexadecimal digits"),
        ] {
            let error = trust(json).unwrap_err();
            assert!(error.contains(says), "{json}: {error}");
        }
    }
}
