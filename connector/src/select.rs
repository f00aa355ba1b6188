//! Which files an endpoint's options mean: one path, or a pattern over a folder.

use globset::GlobBuilder;
use regex::{Regex, RegexBuilder, bytes};

use crate::command::{Command, FIELD as COMMAND, Verb};
use crate::error::{Error, printable};
use crate::files::Stat;
use crate::listing::{Entry, EntryKind};
use crate::path::{Named, RemotePath, jail};
use crate::session::Session;
use crate::settings::{Connection, Match, Options};
use crate::transport::Level;

const PATH: &str = "/options/path";
const ROOT: &str = "/options/root";

/// How deep a walk goes. Deeper than any tree that people make, and a stop for one without an end.
const DEEPEST: usize = 32;

/// Bytes that a compiled pattern may take; a hostile one could otherwise fill the memory.
const LARGEST_PATTERN: usize = 1 << 20;

/// Alternatives in a glob. The library calls itself for one within another, and the component's stack is small.
const MOST_ALTERNATIVES: usize = 100;

/// What the options of one payload ask for.
#[derive(Debug, Clone)]
pub struct Task {
    /// What is to happen.
    pub verb: Verb,
    /// What to: the command's own path, or the options `root`, `path` and `match`.
    pub selection: Selection,
    /// Where rename leads.
    pub target: Option<Named>,
    /// What later steps see as `original_filename`.
    pub original_filename: Option<String>,
    /// What later steps see as `original_path`.
    pub original_path: Option<String>,
}

/// What the options name.
#[derive(Debug, Clone)]
pub enum Selection {
    /// No path.
    Nothing,
    /// One path.
    Static(Named),
    /// All that fits a pattern.
    Pattern(Pattern),
}

/// A pattern over the paths below a folder.
#[derive(Debug, Clone)]
pub struct Pattern {
    /// The folder.
    pub root: RemotePath,
    matcher: Matcher,
    /// The pattern has a `/`, so the folders below are walked.
    pub deep: bool,
}

#[derive(Debug, Clone)]
enum Matcher {
    Regex(Regex),
    /// Globs are made of bytes: `?` is one byte of a name.
    Glob(bytes::Regex),
}

/// A file or folder that was selected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Where it is.
    pub path: RemotePath,
    /// What is known of it.
    pub entry: Entry,
}

impl Task {
    /// Reads the options of a call to an endpoint whose command is `default` when none is given.
    pub fn new(options: &Options, connection: &Connection, default: Verb) -> Result<Self, Error> {
        let Command { verb, path } = match &options.command {
            Some(text) => Command::parse(text)?,
            None => Command {
                verb: default,
                path: None,
            },
        };
        let (target, own) = if verb == Verb::Rename {
            (path, None)
        } else {
            (None, path)
        };
        let selection = match own {
            Some(path) => {
                let other = [(PATH, &options.path), (ROOT, &options.root)];
                if let Some((field, _)) = other.iter().find(|(_, option)| option.is_some()) {
                    let name = &field["/options/".len()..];
                    let message =
                        format!("The path is given twice: in `command` and in `{name}`; leave one out.");
                    return Err(Error::setting(*field, message));
                }
                Selection::Static(path)
            }
            None => selection(options, connection)?,
        };
        let task = Self {
            verb,
            selection,
            target,
            original_filename: options.original_filename.clone(),
            original_path: options.original_path.clone(),
        };
        task.check()?;
        Ok(task)
    }

    fn check(&self) -> Result<(), Error> {
        match (self.verb, &self.selection) {
            (Verb::Mkdir | Verb::Rmdir, Selection::Pattern(_)) => Err(Error::setting(
                PATH,
                "`mkdir` and `rmdir` need a static path, not a pattern.",
            )),
            (Verb::Mkdir | Verb::Rmdir, Selection::Nothing) => Err(Error::setting(
                COMMAND,
                "Name the folder, for example `mkdir processed`.",
            )),
            (Verb::Rmdir | Verb::Delete | Verb::Rename, Selection::Static(named)) if named.path.is_root() => {
                Err(Error::setting(
                    PATH,
                    "The root folder itself cannot be deleted or renamed.",
                ))
            }
            (Verb::Delete, Selection::Static(Named { folder: true, .. })) => Err(Error::setting(
                PATH,
                "`delete` is for files; remove an empty folder with `rmdir`.",
            )),
            _ => Ok(()),
        }
    }
}

/// Checks options as a flow states them. A text with a template in it is not judged, only what is certain.
pub fn check_stated(options: &Options, connection: &Connection, default: Verb) -> Result<(), Error> {
    let is_template = |text: &Option<String>| text.as_ref().is_some_and(|text| text.contains("{{"));
    let mut known = options.clone();
    if is_template(&options.command) {
        let text = options.command.as_deref().unwrap_or_default();
        Command::check_template(text)?;
        // Whatever the path turns out to be, the rest must fit the word.
        let word = text
            .trim_start()
            .split([' ', '\t', ':'])
            .next()
            .unwrap_or_default();
        known.command = (!word.contains("{{")).then(|| format!("{word} {{{{"));
    }
    for text in [&mut known.path, &mut known.root] {
        if is_template(text) {
            *text = Some("template".to_owned());
        }
    }
    Task::new(&known, connection, default).map(|_| ())
}

fn selection(options: &Options, connection: &Connection) -> Result<Selection, Error> {
    let root = options
        .root
        .as_deref()
        .map(|root| jail(root, ROOT))
        .transpose()?
        .map(|root| root.path);
    let how = options.matching.unwrap_or(if root.is_some() {
        Match::Regex
    } else {
        Match::Static
    });
    let Some(text) = &options.path else {
        return Ok(match root {
            // A folder without a pattern: the folder itself.
            Some(path) => Selection::Static(Named { path, folder: true }),
            None => Selection::Nothing,
        });
    };
    if how == Match::Static {
        let mut named = jail(text, PATH)?;
        named.path = root.unwrap_or_default().join(&named.path);
        return Ok(Selection::Static(named));
    }
    let root = match root {
        Some(root) => root,
        None => connection.default_folder()?,
    };
    Pattern::new(root, text, how).map(Selection::Pattern)
}

impl Pattern {
    fn new(root: RemotePath, text: &str, how: Match) -> Result<Self, Error> {
        let wrong = |what: &str, why: String| {
            Err(Error::setting(
                PATH,
                format!("`{}` is not a {what}: {}.", printable(text), printable(&why)),
            ))
        };
        if text.contains(['\r', '\n', '\0']) {
            return Err(Error::setting(
                PATH,
                "A pattern must not contain line breaks or NUL.",
            ));
        }
        let (matcher, deep) = if how == Match::Glob {
            match glob(text.trim_start_matches('/')) {
                Ok(regex) => (Matcher::Glob(regex), text.contains('/') || text.contains("**")),
                Err(why) => return wrong("glob", why),
            }
        } else {
            let build = |text: &str| RegexBuilder::new(text).size_limit(LARGEST_PATTERN).build();
            // First as it was written, so that what is said of it fits, and `a)(b` is not mended by the
            // brackets around it.
            match build(text).and_then(|_| build(&format!("^(?:{text})$"))) {
                Ok(regex) => (Matcher::Regex(regex), text.contains('/')),
                Err(error) => return wrong("regular expression", reason(&error)),
            }
        };
        Ok(Self { root, matcher, deep })
    }

    /// Whether a path below the folder fits as a whole.
    pub fn fits(&self, below: &str) -> bool {
        match &self.matcher {
            Matcher::Regex(regex) => regex.is_match(below),
            Matcher::Glob(regex) => regex.is_match(below.as_bytes()),
        }
    }

    /// All entries that fit, sorted by path.
    pub fn find(&self, session: &mut Session, folders_too: bool) -> Result<Vec<Found>, Error> {
        let mut found = Vec::new();
        let mut waiting = vec![self.root.clone()];
        while let Some(folder) = waiting.pop() {
            let listed = session.list(&folder, |entry| {
                let path = folder.child(&entry.name);
                if entry.kind == EntryKind::Folder {
                    if self.deep && path.depth() - self.root.depth() < DEEPEST {
                        waiting.push(path.clone());
                    }
                    if !folders_too {
                        return;
                    }
                }
                if self.fits(path.below(&self.root)) {
                    found.push(Found { path, entry });
                }
            });
            match listed {
                Ok(()) => {}
                // A folder further down that may not be entered hides its files from everybody.
                Err(error) if folder != self.root && !error.session_lost && error.code == Some(550) => {
                    (session.host.log)(Level::Warn, &format!("Left out a folder. {error}"));
                }
                Err(error) => return Err(error),
            }
        }
        found.sort_by(|a, b| a.path.cmp(&b.path));
        without_folder_links(session, found)
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

/// Everything directly in a folder, sorted by name.
pub fn in_folder(session: &mut Session, folder: &RemotePath, folders_too: bool) -> Result<Vec<Found>, Error> {
    let mut found = Vec::new();
    session.list(folder, |entry| {
        if folders_too || entry.kind != EntryKind::Folder {
            found.push(Found {
                path: folder.child(&entry.name),
                entry,
            });
        }
    })?;
    found.sort_by(|a, b| a.path.cmp(&b.path));
    without_folder_links(session, found)
}

/// Looks behind links: one to a file is a file, one to a folder or to nothing is left out.
fn without_folder_links(session: &mut Session, found: Vec<Found>) -> Result<Vec<Found>, Error> {
    let mut kept = Vec::with_capacity(found.len());
    for mut item in found {
        if item.entry.kind == EntryKind::Link {
            match session.size(&item.path)? {
                Stat::Is(entry) => {
                    item.entry.kind = EntryKind::File;
                    item.entry.size = entry.size;
                }
                Stat::Missing => continue,
                Stat::Unknown => {}
            }
        }
        kept.push(item);
    }
    Ok(kept)
}

/// The last line of what the library says; those before it are a drawing of the place.
fn reason(error: &regex::Error) -> String {
    let text = error.to_string();
    let last = text.lines().last().unwrap_or_default();
    last.trim_start_matches("error: ").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Kind;

    fn connection() -> Connection {
        Connection::parse(r#"{"host":"h","path":"inbox"}"#).unwrap()
    }

    fn task(json: &str) -> Result<Task, Error> {
        Task::new(&Options::parse(json)?, &connection(), Verb::Get)
    }

    fn pattern(json: &str) -> Pattern {
        match task(json).unwrap().selection {
            Selection::Pattern(pattern) => pattern,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_regex_fits_the_whole_path() {
        let flat = pattern(r#"{"root":"out","path":"a|b\\d+\\.csv"}"#);
        assert_eq!((flat.root.as_str(), flat.deep), ("out", false));
        assert!(flat.fits("a") && flat.fits("b12.csv"));
        assert!(!flat.fits("xa") && !flat.fits("b12.csv.tmp") && !flat.fits("ab1.csv"));
        let deep = pattern(r#"{"root":"out","path":".*/x\\.csv"}"#);
        assert!(deep.deep && deep.fits("2024/05/x.csv") && !deep.fits("x.csv"));
    }

    #[test]
    fn a_glob_respects_folders() {
        let flat = pattern(r#"{"path":"*.csv","match":"glob"}"#);
        assert_eq!((flat.root.as_str(), flat.deep), ("inbox", false));
        assert!(flat.fits("a.csv") && !flat.fits("sub/a.csv") && !flat.fits("a.csv.tmp"));
        let deep = pattern(r#"{"path":"**/*.{csv,xml}","match":"glob","root":"/"}"#);
        assert!(deep.deep && deep.root.is_root());
        assert!(deep.fits("a.csv") && deep.fits("x/y/a.xml") && !deep.fits("x/a.txt"));
    }

    #[test]
    fn static_paths_and_nothing() {
        let Selection::Static(named) = task(r#"{"path":"a[1].csv"}"#).unwrap().selection else {
            panic!()
        };
        assert_eq!((named.path.as_str(), named.folder), ("a[1].csv", false));
        let Selection::Static(named) = task(r#"{"root":"out","path":"a","match":"static"}"#)
            .unwrap()
            .selection
        else {
            panic!()
        };
        assert_eq!(named.path.as_str(), "out/a");
        let Selection::Static(named) = task(r#"{"root":"out"}"#).unwrap().selection else {
            panic!()
        };
        assert!(named.folder);
        assert!(matches!(task("{}").unwrap().selection, Selection::Nothing));
        let rename = task(r#"{"command":"rename done/","root":"out","path":".*"}"#).unwrap();
        assert!(matches!(rename.selection, Selection::Pattern(_)));
        assert!(rename.target.unwrap().folder);
    }

    #[test]
    fn what_does_not_fit_together() {
        for (json, field) in [
            (r#"{"command":"get a","path":"b"}"#, "/options/path"),
            (r#"{"command":"delete a","root":"b"}"#, "/options/root"),
            (r#"{"command":"mkdir"}"#, "/options/command"),
            (r#"{"command":"rmdir","root":"a","path":".*"}"#, "/options/path"),
            (r#"{"command":"rmdir /"}"#, "/options/path"),
            (r#"{"root":"a","path":"(["}"#, "/options/path"),
            (r#"{"root":"a","path":"a)(b"}"#, "/options/path"),
            (r#"{"path":"[","match":"glob"}"#, "/options/path"),
            (r#"{"root":"a","path":"(a{1000}){1000}"}"#, "/options/path"),
            (r#"{"path":"../a"}"#, "/options/path"),
            (r#"{"root":"..","path":"a"}"#, "/options/root"),
        ] {
            let error = task(json).unwrap_err();
            assert_eq!(
                (error.kind, error.field.as_deref()),
                (Kind::InvalidSettings, Some(field)),
                "{json}"
            );
        }
    }

    /// Found by the target `command`: the library takes such a glob, and panics when it is to be used.
    #[test]
    fn a_glob_that_is_too_much_is_refused() {
        let nested = format!("{}a{}", "{".repeat(300), "}".repeat(300));
        let long = "?*".repeat(40_000);
        for glob in [nested, long] {
            let error = task(&format!(r#"{{"path":"{glob}","match":"glob"}}"#)).unwrap_err();
            assert_eq!(error.field.as_deref(), Some("/options/path"));
        }
    }

    #[test]
    fn templates_are_not_judged() {
        let check = |json: &str| check_stated(&Options::parse(json).unwrap(), &connection(), Verb::Put);
        for json in [
            r#"{"command":"rename processed/{{ original_filename }}"}"#,
            r#"{"command":"{{ what }}"}"#,
            r#"{"path":"../{{ x }}"}"#,
            r#"{"root":"a","path":"({{ x }}"}"#,
            r#"{"command":"mkdir {{ x }}"}"#,
        ] {
            assert!(check(json).is_ok(), "{json}: {:?}", check(json));
        }
        for json in [
            r#"{"command":"renme {{ x }}"}"#,
            r#"{"command":"get {{ x }}","path":"a"}"#,
            r#"{"command":"rename {{ x }}","root":"a","path":"(["}"#,
        ] {
            assert!(check(json).is_err(), "{json}");
        }
    }
}
