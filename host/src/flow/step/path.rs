//! Local paths and names that templates may have a part in. What a payload brings is not to be trusted: it
//! never leads out of the folder that the flow's author wrote.

use crate::contract::{Error, ErrorKind};
use crate::flow::template::{TemplateError, is_template};
use std::io;
use std::path::{Component, Path};

/// Why a name or path is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// Not the name of one file.
    #[error(
        "`{0}` is not the name of a file: it must not be empty, `.` or `..`, nor hold a path separator or a control character"
    )]
    Name(String),
    /// Leads elsewhere.
    #[error(
        "`{0}` leads out of the folder that the flow names: values in templates must not bring `..` or an absolute path"
    )]
    Escape(String),
    /// No text of a path.
    #[error("`{0}` holds a control character")]
    Control(String),
}

/// Checks the name of one file.
///
/// # Errors
/// When it is anything else.
pub fn check_name(name: &str) -> Result<(), PathError> {
    let refused = matches!(name, "" | "." | "..")
        || name.chars().any(|c| std::path::is_separator(c) || c.is_control())
        // On some systems a name alone can name a drive.
        || Path::new(name).components().count() != 1;
    if refused {
        Err(PathError::Name(name.escape_debug().to_string()))
    } else {
        Ok(())
    }
}

/// Checks a path that came out of a template: it may not lead further up than the template itself does.
///
/// # Errors
/// When it does.
pub fn check_path(source: &str, rendered: &str) -> Result<(), PathError> {
    let shown = || rendered.escape_debug().to_string();
    if rendered.chars().any(char::is_control) {
        return Err(PathError::Control(shown()));
    }
    if !is_template(source) {
        return Ok(());
    }
    // Only what stands before the first value is certainly the author's.
    let own = source.split("{{").next().unwrap_or_default();
    let rooted = |path: &str| {
        Path::new(path)
            .components()
            .any(|part| matches!(part, Component::RootDir | Component::Prefix(_)))
    };
    let ups = |path: &str| {
        Path::new(path)
            .components()
            .filter(|part| *part == Component::ParentDir)
            .count()
    };
    let escapes = ups(rendered) > ups(own) || rooted(rendered) && !rooted(own);
    if escapes {
        Err(PathError::Escape(shown()))
    } else {
        Ok(())
    }
}

/// A template's or a path's fault as the payload's error.
pub(super) fn refused(step: &str, field: &str, error: &PathError) -> Error {
    Error::new(
        ErrorKind::InvalidSettings,
        format!("step `{step}`, {field}: {error}"),
    )
}

/// A path for one payload: its template filled in and checked.
pub(super) fn rendered(
    step: &str,
    field: &str,
    source: &str,
    fill: impl FnOnce(&str) -> Result<String, TemplateError>,
) -> Result<String, Error> {
    let text = if is_template(source) {
        fill(source).map_err(|error| super::template_error(step, field, &error))?
    } else {
        source.to_owned()
    };
    check_path(source, &text).map_err(|error| refused(step, field, &error))?;
    Ok(text)
}

/// What the local system refused.
pub(super) fn local_error(what: &str, path: &Path, error: &io::Error) -> Error {
    let kind = match error.kind() {
        io::ErrorKind::NotFound => ErrorKind::NotFound,
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => ErrorKind::Permission,
        io::ErrorKind::AlreadyExists | io::ErrorKind::IsADirectory | io::ErrorKind::NotADirectory => {
            ErrorKind::Conflict
        }
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
            ErrorKind::Data
        }
        io::ErrorKind::InvalidFilename => ErrorKind::InvalidSettings,
        _ => ErrorKind::Internal,
    };
    Error::new(kind, format!("cannot {what} {}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_one_plain_name() {
        for good in ["a.csv", "a b (1)'\".csv", "-x", "ä", ".hidden", "..."] {
            assert_eq!(check_name(good), Ok(()), "{good}");
        }
        for bad in ["", ".", "..", "a/b", "/etc", "../x", "a\0b", "a\nb", "x/"] {
            assert!(check_name(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_value_cannot_lead_out_of_the_folder() {
        assert_eq!(check_path("out/{{ p }}", "out/a/b"), Ok(()));
        assert_eq!(check_path("../out", "../out"), Ok(()));
        assert_eq!(check_path("../out/{{ p }}", "../out/a"), Ok(()));
        assert_eq!(check_path("/data/{{ p }}", "/data//a"), Ok(()));
        assert!(check_path("out/{{ p }}", "out/../../etc").is_err());
        assert!(check_path("../out/{{ p }}", "../out/..").is_err());
        assert!(check_path("{{ p }}", "/etc/passwd").is_err());
        assert!(check_path("{{ p }}/{{ '..' }}", "a/..").is_err());
        assert!(check_path("out/{{ p }}", "out/a\nb").is_err());
    }
}
