//! How to sign in.

use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

/// A text that is never shown.
#[derive(Clone, PartialEq, Eq, Deserialize)]
pub struct Secret(String);

impl Secret {
    /// The text itself, for the one command that needs it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// How to sign in.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Auth {
    /// As `anonymous`.
    #[default]
    Anonymous,
    /// With an account.
    Account {
        /// The user name.
        username: String,
        /// The password.
        password: Secret,
        /// What ACCT says, for servers that ask for it.
        account: Option<Secret>,
    },
}

impl<'de> Deserialize<'de> for Auth {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        #[expect(
            clippy::struct_field_names,
            reason = "`account` is the name of the setting, and FTP's own"
        )]
        struct Account {
            username: String,
            password: Secret,
            #[serde(default)]
            account: Option<Secret>,
        }
        // By hand: what serde says of an untagged enum that does not fit helps nobody.
        match Value::deserialize(deserializer)? {
            Value::String(word) if word == "anonymous" => Ok(Self::Anonymous),
            account @ Value::Object(_) => Account::deserialize(account)
                .map(
                    |Account {
                         username,
                         password,
                         account,
                     }| Self::Account {
                        username,
                        password,
                        account,
                    },
                )
                .map_err(|error| D::Error::custom(error.to_string())),
            _ => Err(D::Error::custom(
                "must be \"anonymous\" or an object with `username` and `password`",
            )),
        }
    }
}

impl JsonSchema for Auth {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Auth".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "oneOf": [
                {
                    "title": "Anonymous",
                    "description": "Sign in as `anonymous`.",
                    "const": "anonymous"
                },
                {
                    "title": "User name and password",
                    "description": "Sign in with an account of the server.",
                    "type": "object",
                    "properties": {
                        "username": {
                            "title": "User name",
                            "description": "The account's name on the server.",
                            "type": "string",
                            "minLength": 1,
                            "examples": ["shop"]
                        },
                        "password": {
                            "title": "Password",
                            "description": "The account's password. It is never logged.",
                            "type": "string",
                            "format": "password",
                            "writeOnly": true
                        },
                        "account": {
                            "title": "Account",
                            "description": "What to answer when the server asks for an account beside user and password (ACCT, RFC 959). Few do.",
                            "type": "string",
                            "format": "password",
                            "writeOnly": true
                        }
                    },
                    "required": ["username", "password"],
                    "additionalProperties": false
                }
            ]
        })
    }
}

impl Auth {
    /// Refuses what would end a command early. The field is named below `/connection/auth`.
    pub fn check(&self) -> Result<(), (&'static str, &'static str)> {
        let breaks = |text: &str| text.contains(['\r', '\n', '\0']);
        let Self::Account {
            username,
            password,
            account,
        } = self
        else {
            return Ok(());
        };
        if username.is_empty() || breaks(username) {
            return Err(("auth/username", "a name without line breaks"));
        }
        if breaks(password.expose()) {
            return Err(("auth/password", "a text without line breaks"));
        }
        if account.as_ref().is_some_and(|account| breaks(account.expose())) {
            return Err(("auth/account", "a text without line breaks"));
        }
        Ok(())
    }
}
