//! Patterns that the settings hold: regular expressions and globs over paths, and names with placeholders.

use globset::GlobBuilder;
use regex::{Regex, RegexBuilder, bytes};

use crate::error::{Error, printable};
use crate::path::{is_name, stem_and_extension};

/// Bytes that a compiled pattern may take; a hostile one could otherwise fill the memory.
const LARGEST_PATTERN: usize = 1 << 20;

/// Alternatives in a glob. The library calls itself for one within another, and the component's stack is small.
const MOST_ALTERNATIVES: usize = 100;

/// A regular expression from a setting. `field` is its JSON Pointer.
pub fn regex(text: &str, field: &str) -> Result<Regex, Error> {
    RegexBuilder::new(text)
        .size_limit(LARGEST_PATTERN)
        .build()
        .map_err(|error| wrong(text, field, "regular expression", &reason(&error)))
}

fn wrong(text: &str, field: &str, what: &str, why: &str) -> Error {
    Error::setting(
        field,
        format!("`{}` is not a {what}: {}.", printable(text), printable(why)),
    )
}

/// The last line of what the library says; those before it are a drawing of the place.
fn reason(error: &regex::Error) -> String {
    let text = error.to_string();
    let last = text.lines().last().unwrap_or_default();
    last.trim_start_matches("error: ").to_owned()
}

/// What a path must look like.
#[derive(Debug, Clone)]
pub enum Matcher {
    /// Exactly this.
    Text(String),
    /// Fits the regular expression as a whole.
    Regex(Regex),
    /// Fits the glob; `*` does not cross a `/`. Globs are made of bytes: `?` is one byte of a name.
    Glob(bytes::Regex),
}

impl Matcher {
    /// A text that is meant as it is.
    pub fn text(text: &str) -> Self {
        Self::Text(text.to_owned())
    }

    /// A regular expression that must fit as a whole.
    pub fn regex(text: &str, field: &str) -> Result<Self, Error> {
        without_breaks(text, field)?;
        // First as it was written, so that what is said of it fits, and `a)(b` is not mended by the brackets
        // around it.
        regex(text, field)?;
        regex(&format!("^(?:{text})$"), field).map(Self::Regex)
    }

    /// A glob.
    pub fn glob(text: &str, field: &str) -> Result<Self, Error> {
        without_breaks(text, field)?;
        glob(text.trim_start_matches('/'))
            .map(Self::Glob)
            .map_err(|why| wrong(text, field, "glob", &why))
    }

    /// Whether a text fits as a whole.
    pub fn fits(&self, text: &str) -> bool {
        match self {
            Self::Text(wanted) => wanted == text,
            Self::Regex(regex) => regex.is_match(text),
            Self::Glob(glob) => glob.is_match(text.as_bytes()),
        }
    }
}

/// Compiles a glob. Not with the library's own matcher, which panics when the compiled pattern is too large.
fn glob(text: &str) -> Result<bytes::Regex, String> {
    if text.matches('{').count() > MOST_ALTERNATIVES {
        return Err(format!("it has more than {MOST_ALTERNATIVES} alternatives"));
    }
    let glob = GlobBuilder::new(text)
        .literal_separator(true)
        .build()
        .map_err(|error| error.to_string())?;
    bytes::RegexBuilder::new(glob.regex())
        .dot_matches_new_line(true)
        .size_limit(LARGEST_PATTERN)
        .build()
        .map_err(|error| reason(&error))
}

fn without_breaks(text: &str, field: &str) -> Result<(), Error> {
    if text.contains(['\r', '\n', '\0']) {
        return Err(Error::setting(
            field,
            "A pattern must not contain line breaks or NUL.",
        ));
    }
    Ok(())
}

/// A text with placeholders for parts of a file's name, such as `{name}.ok`. The connector fills it in for
/// each file it finds; the host's `{{ … }}` are filled in before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template(Vec<Part>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(String),
    Name,
    Stem,
    Extension,
    Run,
}

impl Template {
    /// Reads the text. `field` is its JSON Pointer.
    pub fn parse(text: &str, field: &str) -> Result<Self, Error> {
        without_breaks(text, field)?;
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some(open) = rest.find(['{', '}']) {
            if open > 0 {
                parts.push(Part::Text(rest[..open].to_owned()));
            }
            let inner = rest[open..]
                .strip_prefix('{')
                .and_then(|inner| inner.split_once('}'));
            let part = match inner.map(|(word, _)| word.trim()) {
                Some("name") => Part::Name,
                Some("stem") => Part::Stem,
                Some("extension") => Part::Extension,
                Some("run") => Part::Run,
                _ => {
                    return Err(Error::setting(
                        field,
                        format!(
                            "`{}` has a brace that is no placeholder: there are `{{name}}`, `{{stem}}`, `{{extension}}` and `{{run}}`.",
                            printable(text)
                        ),
                    ));
                }
            };
            parts.push(part);
            rest = inner.map_or("", |(_, after)| after);
        }
        if !rest.is_empty() {
            parts.push(Part::Text(rest.to_owned()));
        }
        Ok(Self(parts))
    }

    /// The same for a text that must give a name, not a path.
    pub fn parse_name(text: &str, field: &str) -> Result<Self, Error> {
        let template = Self::parse(text, field)?;
        if is_name(&template.fill("x.y", "1")) {
            Ok(template)
        } else {
            Err(Error::setting(
                field,
                "A name must not be empty, `.` or `..`, nor contain `/`.",
            ))
        }
    }

    /// Puts in a file's name and the run's id.
    pub fn fill(&self, name: &str, run: &str) -> String {
        let (stem, extension) = stem_and_extension(name);
        self.0
            .iter()
            .map(|part| match part {
                Part::Text(text) => text,
                Part::Name => name,
                Part::Stem => stem,
                Part::Extension => extension,
                Part::Run => run,
            })
            .collect()
    }

    /// Whether each file has a result of its own.
    pub fn depends_on_name(&self) -> bool {
        self.0.iter().any(|part| matches!(part, Part::Name | Part::Stem))
    }

    /// Whether a name may have come from this template: it begins and ends as all results do.
    pub fn may_give(&self, name: &str) -> bool {
        fn text(part: Option<&Part>) -> &str {
            match part {
                Some(Part::Text(text)) => text,
                _ => "",
            }
        }
        let (first, last) = (text(self.0.first()), text(self.0.last()));
        if !self.depends_on_name() {
            return self.0.len() == 1 && name == first;
        }
        (!first.is_empty() || !last.is_empty())
            && name.len() > first.len() + last.len()
            && name.starts_with(first)
            && name.ends_with(last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Kind;

    #[test]
    fn placeholders() {
        let fill = |text: &str, name: &str| Template::parse(text, "/f").unwrap().fill(name, "r1");
        assert_eq!(fill("{name}.ok", "a.csv"), "a.csv.ok");
        assert_eq!(fill("{stem}-{run}.{extension}", "a.b.csv"), "a.b-r1.csv");
        assert_eq!(fill("done/{stem}", ".hidden"), "done/.hidden");
        assert_eq!(fill("READY", "a"), "READY");
        for wrong in ["{", "}", "{nmae}", "a{name", "{{name}}", "{}"] {
            let error = Template::parse(wrong, "/f").unwrap_err();
            assert_eq!(
                (error.kind, error.field.as_deref()),
                (Kind::InvalidSettings, Some("/f"))
            );
        }
        for wrong in ["", "a/{name}", "..", "a\nb"] {
            assert!(Template::parse_name(wrong, "/f").is_err(), "{wrong:?}");
        }
    }

    /// Found by the fuzz target `command`: the library takes such a glob, and panics when it is to be used.
    #[test]
    fn a_glob_that_is_too_much_is_refused() {
        let nested = format!("{}a{}", "{".repeat(300), "}".repeat(300));
        let long = "?*".repeat(40_000);
        for glob in [nested, long] {
            let error = Matcher::glob(&glob, "/options/path").unwrap_err();
            assert_eq!(error.field.as_deref(), Some("/options/path"));
        }
    }

    #[test]
    fn companions_are_known_by_their_ends() {
        let ok = Template::parse("{name}.ok", "").unwrap();
        assert!(ok.may_give("a.csv.ok") && !ok.may_give(".ok") && !ok.may_give("a.csv"));
        let ready = Template::parse("READY", "").unwrap();
        assert!(ready.may_give("READY") && !ready.may_give("READY2") && !ready.depends_on_name());
        assert!(!Template::parse("{name}", "").unwrap().may_give("a"));
    }
}
