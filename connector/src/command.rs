//! The `command` option: a word, then a space or colon, then an optional path.

use crate::error::Error;
use crate::path::{Named, jail};

/// JSON Pointer of the option.
pub const FIELD: &str = "/options/command";

/// What is to happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    /// Receive files.
    Get,
    /// Send a file.
    Put,
    /// Send to the end of a file.
    Append,
    /// Rename or move.
    Rename,
    /// Delete files.
    Delete,
    /// Tell what is there.
    List,
    /// Make a folder.
    Mkdir,
    /// Remove an empty folder.
    Rmdir,
}

/// All words, in the order in which a message names them.
const WORDS: [(&str, Verb); 8] = [
    ("get", Verb::Get),
    ("put", Verb::Put),
    ("append", Verb::Append),
    ("rename", Verb::Rename),
    ("delete", Verb::Delete),
    ("list", Verb::List),
    ("mkdir", Verb::Mkdir),
    ("rmdir", Verb::Rmdir),
];

impl Verb {
    /// The word that means it.
    pub fn word(self) -> &'static str {
        WORDS
            .iter()
            .find(|(_, verb)| *verb == self)
            .map_or("", |(word, _)| word)
    }
}

/// A command that has been read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    /// What is to happen.
    pub verb: Verb,
    /// The path after the word, if there is one. For rename it is the target.
    pub path: Option<Named>,
}

impl Command {
    /// Reads the option's text.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let (verb, rest) = split(text)?;
        let rest = if verb == Verb::Rename {
            without_to(rest)
        } else {
            rest
        };
        let path = match unquoted(rest)? {
            "" => None,
            path => Some(jail(path, FIELD)?),
        };
        if verb == Verb::Rename && path.is_none() {
            return Err(Error::setting(
                FIELD,
                "`rename` needs a target, for example `rename processed/`.",
            ));
        }
        Ok(Self { verb, path })
    }

    /// Checks a text that still has templates in it. The answer is the word, where it is not itself one.
    pub fn check_template(text: &str) -> Result<Option<Verb>, Error> {
        let word = text
            .trim_start()
            .split([' ', '\t', ':'])
            .next()
            .unwrap_or_default();
        if word.contains("{{") {
            Ok(None)
        } else {
            split(text).map(|(verb, _)| Some(verb))
        }
    }
}

/// The word and what follows it.
fn split(text: &str) -> Result<(Verb, &str), Error> {
    let text = text.trim();
    let end = text
        .find(|c: char| c.is_whitespace() || c == ':')
        .unwrap_or(text.len());
    let (word, rest) = text.split_at(end);
    let lower = word.to_ascii_lowercase();
    let Some((_, verb)) = WORDS.iter().find(|(known, _)| *known == lower) else {
        return Err(unknown(word, &lower));
    };
    let rest = rest.trim_start();
    let rest = rest.strip_prefix(':').unwrap_or(rest).trim_start();
    Ok((*verb, rest))
}

fn unknown(word: &str, lower: &str) -> Error {
    let list = WORDS.map(|(known, _)| known).join(", ");
    let nearest = WORDS
        .iter()
        .map(|(known, _)| (strsim::damerau_levenshtein(known, lower), *known))
        .min()
        .filter(|(distance, _)| *distance <= 2);
    let word = crate::error::printable(word);
    let guess = nearest.map_or_else(String::new, |(_, known)| format!(" Did you mean `{known}`?"));
    Error::setting(
        FIELD,
        format!("`{word}` is not an FTP command.{guess} The commands are: {list}."),
    )
}

/// `rename to x` is `rename x`; a target that is really called `to` can be put in quotes.
fn without_to(rest: &str) -> &str {
    match rest.get(..2) {
        Some(to) if to.eq_ignore_ascii_case("to") => {
            let after = &rest[2..];
            let trimmed = after.trim_start();
            if let Some(target) = trimmed.strip_prefix(':') {
                target.trim_start()
            } else if trimmed.len() < after.len() || trimmed.is_empty() {
                trimmed
            } else {
                rest
            }
        }
        _ => rest,
    }
}

/// The text between quotes, or the text itself.
fn unquoted(text: &str) -> Result<&str, Error> {
    for quote in ['"', '\''] {
        if let Some(open) = text.strip_prefix(quote) {
            return match open.strip_suffix(quote) {
                Some(inner) => Ok(inner),
                // A name may start with a quote; one that is opened and closed in between may not.
                None if !open.contains(quote) => Ok(text),
                None => Err(Error::setting(
                    FIELD,
                    "A quoted path must end with its closing quote.",
                )),
            };
        }
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Kind;

    #[test]
    fn words_and_paths() {
        for (text, verb, path, folder) in [
            ("get", Verb::Get, None, false),
            ("  GET  ", Verb::Get, None, false),
            ("get orders/a.csv", Verb::Get, Some("orders/a.csv"), false),
            ("Get:orders/a.csv", Verb::Get, Some("orders/a.csv"), false),
            ("list orders/", Verb::List, Some("orders"), true),
            ("rename processed/x", Verb::Rename, Some("processed/x"), false),
            ("rename:processed/x", Verb::Rename, Some("processed/x"), false),
            ("rename : processed/x", Verb::Rename, Some("processed/x"), false),
            ("rename to processed/x", Verb::Rename, Some("processed/x"), false),
            ("rename:to processed/x", Verb::Rename, Some("processed/x"), false),
            ("rename to:processed/", Verb::Rename, Some("processed"), true),
            ("rename together/x", Verb::Rename, Some("together/x"), false),
            ("rename 'to'", Verb::Rename, Some("to"), false),
            ("rename \"to do/a b\"", Verb::Rename, Some("to do/a b"), false),
            ("rename /", Verb::Rename, Some(""), true),
            ("delete a b [1].csv", Verb::Delete, Some("a b [1].csv"), false),
            ("get 'tis.csv", Verb::Get, Some("'tis.csv"), false),
            ("put \" a \"", Verb::Put, Some(" a "), false),
            ("mkdir a/b", Verb::Mkdir, Some("a/b"), false),
            ("rmdir a", Verb::Rmdir, Some("a"), false),
            ("append a", Verb::Append, Some("a"), false),
        ] {
            let command = Command::parse(text).unwrap_or_else(|error| panic!("{text:?}: {error}"));
            assert_eq!(command.verb, verb, "{text:?}");
            assert_eq!(command.path.as_ref().map(|p| p.path.as_str()), path, "{text:?}");
            assert_eq!(command.path.is_some_and(|p| p.folder), folder, "{text:?}");
        }
    }

    #[test]
    fn what_is_wrong_is_explained() {
        for (text, part) in [
            ("renme x", "Did you mean `rename`?"),
            ("upload x", "The commands are: get, put"),
            ("", "is not an FTP command"),
            ("rename", "needs a target"),
            ("rename to", "needs a target"),
            ("get ../x", "`..`"),
            ("get a\r\nDELE b", "line breaks"),
            ("get 'a'b", "closing quote"),
        ] {
            let error = Command::parse(text).unwrap_err();
            assert_eq!(
                (error.kind, error.field.as_deref()),
                (Kind::InvalidSettings, Some(FIELD)),
                "{text:?}"
            );
            assert!(error.message.contains(part), "{text:?}: {}", error.message);
        }
    }

    #[test]
    fn templates_are_judged_by_their_word_only() {
        assert!(Command::check_template("rename processed/{{ name }}").is_ok());
        assert!(Command::check_template("{{ what }} x").is_ok());
        assert!(Command::check_template("renme {{ x }}").is_err());
    }
}
