//! `${env:NAME}` and `${file:PATH}`: values that must not stand in a flow file.

use secrecy::{ExposeSecret, SecretString};
use std::path::{Path, PathBuf};
use std::{env, fs};

/// Values shorter than this are not blacked out: hardly secrets, and reports would become unreadable.
const SHORTEST_REDACTED: usize = 4;

/// A part of a text with placeholders.
#[derive(Debug, Clone)]
pub enum Part {
    /// As written.
    Plain(String),
    /// The value of a placeholder.
    Secret(SecretString),
}

/// Why a text with placeholders cannot be filled in. Never holds a value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SecretError {
    /// Neither `env` nor `file`.
    #[error(
        "`${{{0}}}` is not a placeholder: write `${{env:NAME}}`, `${{file:PATH}}`, or `$${{` for the characters themselves"
    )]
    Unknown(String),
    /// No closing brace.
    #[error(
        "`${{` without `}}`: write `${{env:NAME}}`, `${{file:PATH}}`, or `$${{` for the characters themselves"
    )]
    Unclosed,
    /// No such variable.
    #[error("the environment variable `{0}` is not set")]
    Environment(String),
    /// Not text.
    #[error("{0} is not UTF-8 text")]
    NotText(String),
    /// The file cannot be read.
    #[error("the file {} cannot be read: {reason}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// The system's reason.
        reason: String,
    },
}

/// Whether a text contains a placeholder.
#[must_use]
pub fn has_placeholder(text: &str) -> bool {
    text.contains("${env:") || text.contains("${file:")
}

/// Fills in all placeholders of a text. Paths are relative to `folder`.
///
/// # Errors
/// When a placeholder is malformed or its value is not there.
pub fn fill(text: &str, folder: &Path) -> Result<Vec<Part>, SecretError> {
    let mut parts = Vec::new();
    let mut plain = String::new();
    let mut rest = text;
    while let Some(start) = rest.find("${") {
        let before = &rest[..start];
        if let Some(before) = before.strip_suffix('$') {
            plain.push_str(before);
            plain.push_str("${");
            rest = &rest[start + 2..];
            continue;
        }
        plain.push_str(before);
        let inner = &rest[start + 2..];
        let end = inner.find('}').ok_or(SecretError::Unclosed)?;
        parts.push(Part::Plain(std::mem::take(&mut plain)));
        parts.push(Part::Secret(resolve(&inner[..end], folder)?));
        rest = &inner[end + 1..];
    }
    plain.push_str(rest);
    parts.push(Part::Plain(plain));
    parts.retain(|part| !matches!(part, Part::Plain(text) if text.is_empty()));
    Ok(parts)
}

/// The text with all placeholders filled in; none when it has none. Paths are relative to `folder`.
///
/// # Errors
/// As [`fill`].
pub fn filled(text: &str, folder: &Path) -> Result<Option<String>, SecretError> {
    if !text.contains("${") {
        return Ok(None);
    }
    let mut filled = String::new();
    for part in fill(text, folder)? {
        match part {
            Part::Plain(text) => filled.push_str(&text),
            Part::Secret(value) => filled.push_str(value.expose_secret()),
        }
    }
    Ok(Some(filled))
}

fn resolve(placeholder: &str, folder: &Path) -> Result<SecretString, SecretError> {
    match placeholder.split_once(':') {
        Some(("env", name)) => match env::var(name) {
            Ok(value) => Ok(value.into()),
            Err(env::VarError::NotPresent) => Err(SecretError::Environment(name.to_owned())),
            Err(env::VarError::NotUnicode(_)) => {
                Err(SecretError::NotText(format!("the environment variable `{name}`")))
            }
        },
        Some(("file", name)) => {
            let path = folder.join(name);
            let bytes = fs::read(&path).map_err(|error| SecretError::File {
                path: path.clone(),
                reason: error.to_string(),
            })?;
            let text = String::from_utf8(bytes)
                .map_err(|_| SecretError::NotText(format!("the file {}", path.display())))?;
            // Editors and `echo` end a file with a line break that is not part of the secret.
            let text = text
                .strip_suffix('\n')
                .map_or(text.as_str(), |text| text.strip_suffix('\r').unwrap_or(text));
            Ok(text.to_owned().into())
        }
        _ => Err(SecretError::Unknown(placeholder.to_owned())),
    }
}

/// Blacks out known secrets in texts that come from elsewhere: a connector, a server.
#[derive(Debug, Clone, Default)]
pub struct Redactor(Vec<SecretString>);

impl Redactor {
    /// Adds a secret.
    pub fn add(&mut self, secret: SecretString) {
        if secret.expose_secret().len() >= SHORTEST_REDACTED {
            self.0.push(secret);
        }
    }

    /// The text with each secret replaced by `***`.
    #[must_use]
    pub fn redact(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for secret in &self.0 {
            if text.contains(secret.expose_secret()) {
                text = text.replace(secret.expose_secret(), "***");
            }
        }
        text
    }

    /// Whether a text holds a secret.
    #[must_use]
    pub fn concerns(&self, text: &str) -> bool {
        self.0.iter().any(|secret| text.contains(secret.expose_secret()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(text: &str, folder: &Path) -> Result<String, SecretError> {
        Ok(super::filled(text, folder)?.unwrap_or_else(|| text.to_owned()))
    }

    #[test]
    fn placeholders_are_filled_in_and_missing_ones_named() {
        let folder = tempfile::tempdir().expect("a folder");
        fs::write(folder.path().join("token"), "abc{{ x }}\r\n").expect("written");
        let at = folder.path();
        assert_eq!(
            filled("Bearer ${file:token}!", at).as_deref(),
            Ok("Bearer abc{{ x }}!")
        );
        assert_eq!(
            filled("$${env:X} $5 {{ a }}", at).as_deref(),
            Ok("${env:X} $5 {{ a }}")
        );
        assert!(filled("${env:PATH}", at).is_ok_and(|value| !value.is_empty()));
        let missing = filled("${env:NO_SUCH_VARIABLE_HERE}", at).expect_err("missing");
        assert_eq!(
            missing.to_string(),
            "the environment variable `NO_SUCH_VARIABLE_HERE` is not set"
        );
        assert!(matches!(
            filled("${file:none}", at),
            Err(SecretError::File { .. })
        ));
        let unknown = filled("${PASSWORD}", at).expect_err("unknown").to_string();
        assert!(
            unknown.starts_with("`${PASSWORD}` is not a placeholder: write `${env:NAME}`"),
            "{unknown}"
        );
        assert_eq!(filled("a${env:X", at), Err(SecretError::Unclosed));
    }

    #[test]
    fn secrets_show_neither_in_debug_nor_in_redacted_text() {
        let mut redactor = Redactor::default();
        redactor.add("s3cret".to_owned().into());
        redactor.add("ab".to_owned().into());
        assert_eq!(redactor.redact("530 s3cret is wrong, ab"), "530 *** is wrong, ab");
        assert!(!format!("{redactor:?} {:?}", Part::Secret("s3cret".to_owned().into())).contains("s3cret"));
    }
}
