//! What the options of one payload ask for, read and checked once.

use crate::command::{Command, FIELD as COMMAND, Verb};
use crate::error::Error;
use crate::filter::{Filter, Pattern};
use crate::path::{Named, RemotePath, jail};
use crate::pattern::{Matcher, Template};
use crate::settings::{Connection, IfExists, Match, Options, TransferType, Verify};

const PATH: &str = "/options/path";
const ROOT: &str = "/options/root";
const AFTER: &str = "/options/after";

/// The name of an upload until it is complete. Hidden from most patterns, and the same in each try of a run,
/// so that a later try finds what an earlier one has left.
const TEMPORARY_NAME: &str = ".{name}.{run}.part";

/// What the options of one payload ask for.
#[derive(Debug, Clone)]
pub struct Task {
    /// What is to happen.
    pub verb: Verb,
    /// What to: the command's own path, or the options `root`, `path` and `match`.
    pub selection: Selection,
    /// Which of the selected files.
    pub filter: Filter,
    /// The most files of one incoming payload.
    pub max_files: u64,
    /// Where rename leads.
    pub target: Option<Named>,
    /// What happens to a file that the flow has accepted.
    pub after: After,
    /// What happens when a name is taken.
    pub if_exists: IfExists,
    /// The name of an upload until it is complete.
    pub temporary_name: Template,
    /// How a transfer is checked.
    pub verify: Verify,
    /// Whether an uploaded file gets the payload's time.
    pub preserve_modified: bool,
    /// How bytes are sent.
    pub transfer_type: TransferType,
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

/// What happens to a file that the flow has accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum After {
    /// It stays.
    Keep,
    /// It is deleted.
    Delete,
    /// It is moved to this path, or into this folder.
    Move(Template),
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
        fits_verb(options, verb)?;
        let task = Self::read(options, connection, verb, path)?;
        task.check()?;
        Ok(task)
    }

    /// Reads the options, whether or not they fit the command.
    fn read(
        options: &Options,
        connection: &Connection,
        verb: Verb,
        path: Option<Named>,
    ) -> Result<Self, Error> {
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
        Ok(Self {
            verb,
            selection,
            filter: Filter::new(options)?,
            max_files: options.max_files.map_or(u64::MAX, u64::from),
            target,
            after: after(options.after.as_deref())?,
            if_exists: options.if_exists.unwrap_or_default(),
            temporary_name: Template::parse_name(
                options.temporary_name.as_deref().unwrap_or(TEMPORARY_NAME),
                "/options/temporary_name",
            )?,
            verify: options.verify.unwrap_or_default(),
            preserve_modified: options.preserve_modified.unwrap_or_default(),
            transfer_type: options.transfer_type.unwrap_or_default(),
            original_filename: options.original_filename.clone(),
            original_path: options.original_path.clone(),
        })
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
        .and_then(|()| match (self.verb, self.if_exists) {
            (Verb::Get | Verb::Rename, IfExists::Append) => Err(Error::setting(
                "/options/if_exists",
                "`append` is for `put`; a rename adds nothing to a file.",
            )),
            _ => Ok(()),
        })
    }
}

/// An option that does nothing for a command is a mistake of who wrote it.
fn fits_verb(options: &Options, verb: Verb) -> Result<(), Error> {
    const SELECT: &[Verb] = &[Verb::Get, Verb::List, Verb::Rename, Verb::Delete];
    const TRANSFER: &[Verb] = &[Verb::Get, Verb::Put, Verb::Append];
    let set = [
        ("recursive", options.recursive.is_some(), SELECT),
        ("max_depth", options.max_depth.is_some(), SELECT),
        ("min_age", options.min_age.is_some(), SELECT),
        ("max_age", options.max_age.is_some(), SELECT),
        ("min_size", options.min_size.is_some(), SELECT),
        ("max_size", options.max_size.is_some(), SELECT),
        ("max_files", options.max_files.is_some(), SELECT),
        ("sort", options.sort.is_some(), SELECT),
        ("stable_for", options.stable_for.is_some(), SELECT),
        ("done_file", options.done_file.is_some(), SELECT),
        ("after", options.after.is_some(), &[Verb::Get]),
        (
            "if_exists",
            options.if_exists.is_some(),
            &[Verb::Get, Verb::Put, Verb::Rename],
        ),
        ("temporary_name", options.temporary_name.is_some(), &[Verb::Put]),
        ("verify", options.verify.is_some(), TRANSFER),
        (
            "preserve_modified",
            options.preserve_modified.is_some(),
            &[Verb::Put],
        ),
        ("transfer_type", options.transfer_type.is_some(), TRANSFER),
    ];
    match set.iter().find(|(_, set, verbs)| *set && !verbs.contains(&verb)) {
        Some((name, _, verbs)) => {
            let words: Vec<_> = verbs.iter().map(|verb| format!("`{}`", verb.word())).collect();
            Err(Error::setting(
                format!("/options/{name}"),
                format!(
                    "`{name}` means nothing for `{}`; it is for {}.",
                    verb.word(),
                    words.join(", ")
                ),
            ))
        }
        None => Ok(()),
    }
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
    let recursive = options.recursive;
    let Some(text) = &options.path else {
        return Ok(match (root, recursive) {
            // A folder without a pattern: all of it.
            (root, Some(true)) => {
                let root = root.map_or_else(|| connection.default_folder(), Ok)?;
                Selection::Pattern(Pattern::all(root, true))
            }
            (Some(path), _) => Selection::Static(Named { path, folder: true }),
            (None, _) => Selection::Nothing,
        });
    };
    if how == Match::Static && recursive != Some(true) {
        let mut named = jail(text, PATH)?;
        named.path = root.unwrap_or_default().join(&named.path);
        return Ok(Selection::Static(named));
    }
    let folder = |root: Option<RemotePath>| root.map_or_else(|| connection.default_folder(), Ok);
    let (matcher, whole, deep) = match how {
        Match::Static => {
            let named = jail(text, PATH)?;
            if named.folder {
                return Ok(Selection::Pattern(Pattern::all(
                    root.unwrap_or_default().join(&named.path),
                    true,
                )));
            }
            let whole = named.path.depth() > 1;
            (Matcher::text(named.path.as_str()), whole, true)
        }
        Match::Glob => {
            let whole = text.contains('/') || text.contains("**");
            (Matcher::glob(text, PATH)?, whole, recursive.unwrap_or(whole))
        }
        Match::Regex => {
            let whole = text.contains('/');
            (Matcher::regex(text, PATH)?, whole, recursive.unwrap_or(whole))
        }
    };
    Ok(Selection::Pattern(Pattern::new(
        folder(root)?,
        matcher,
        whole,
        deep,
    )))
}

fn after(text: Option<&str>) -> Result<After, Error> {
    let Some(text) = text.map(str::trim) else {
        return Ok(After::Keep);
    };
    let (word, rest) = text
        .find(|c: char| c.is_whitespace() || c == ':')
        .map_or((text, ""), |end| text.split_at(end));
    let target = rest.trim_start_matches(':').trim();
    let target = target
        .strip_prefix("to")
        .filter(|rest| rest.starts_with([' ', '\t', ':']))
        .map_or(target, |rest| rest.trim_start_matches(':').trim());
    match word.to_ascii_lowercase().as_str() {
        "keep" if target.is_empty() => Ok(After::Keep),
        "delete" if target.is_empty() => Ok(After::Delete),
        "move" if !target.is_empty() && target != "to" => {
            let template = Template::parse(target, AFTER)?;
            jail(&template.fill("name", "run"), AFTER)?;
            Ok(After::Move(template))
        }
        _ => Err(Error::setting(
            AFTER,
            "`after` is `keep`, `delete`, or `move to PATH`, for example `move to processed/`.",
        )),
    }
}

/// Checks options as a flow states them. A text with a template in it is not judged, only what is certain.
pub fn check_stated(options: &Options, connection: &Connection, default: Verb) -> Result<(), Error> {
    let is_template = |text: &Option<String>| text.as_ref().is_some_and(|text| text.contains("{{"));
    let mut known = options.clone();
    let mut known_verb = true;
    if is_template(&options.command) {
        let text = options.command.as_deref().unwrap_or_default();
        let verb = Command::check_template(text)?;
        known_verb = verb.is_some();
        // Whatever the path turns out to be, the rest must fit the word.
        known.command = verb.map(|verb| format!("{} {{{{", verb.word()));
    }
    for text in [&mut known.path, &mut known.root] {
        if is_template(text) {
            *text = Some("template".to_owned());
        }
    }
    for text in [&mut known.after, &mut known.done_file, &mut known.temporary_name] {
        if is_template(text) {
            *text = None;
        }
    }
    if known_verb {
        Task::new(&known, connection, default).map(|_| ())
    } else {
        // What the options mean for a word that is not known cannot be said, but whether they can be read.
        Task::read(&known, connection, default, None).map(|_| ())
    }
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
        assert!(flat.fits("a.csv") && !flat.fits("a.csv.tmp"));
        let deep = pattern(r#"{"path":"**/*.{csv,xml}","match":"glob","root":"/"}"#);
        assert!(deep.deep && deep.root.is_root());
        assert!(deep.fits("a.csv") && deep.fits("x/y/a.xml") && !deep.fits("x/a.txt"));
    }

    #[test]
    fn names_in_folders_below() {
        let names = pattern(r#"{"root":"out","path":"x\\d\\.csv","recursive":true}"#);
        assert!(names.deep && names.fits("a/b/x1.csv") && names.fits("x1.csv"));
        let exact = pattern(r#"{"path":"a[1].csv","recursive":true}"#);
        assert!(exact.fits("q/a[1].csv") && !exact.fits("q/a1.csv"));
        let path = pattern(r#"{"path":"q/a.csv","recursive":true}"#);
        assert!(path.fits("q/a.csv") && !path.fits("p/q/a.csv"));
        let all = pattern(r#"{"path":"q/","recursive":true}"#);
        assert!(all.root.as_str() == "q" && all.deep && all.fits("any/thing"));
        let flat = pattern(r#"{"root":"out","path":"[^/]+","recursive":false}"#);
        assert!(!flat.deep);
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
    fn after_get() {
        let of = |text: &str| task(&format!(r#"{{"after":"{text}"}}"#)).map(|task| task.after);
        let to = |text: &str| After::Move(Template::parse(text, "").unwrap());
        assert_eq!(of("keep").unwrap(), After::Keep);
        assert_eq!(of("Delete").unwrap(), After::Delete);
        for text in ["move to done/", "move:done/", "move done/", "move to: done/"] {
            assert_eq!(of(text).unwrap(), to("done/"), "{text}");
        }
        assert_eq!(of("move to {stem}.old").unwrap(), to("{stem}.old"));
        assert_eq!(of("move total/").unwrap(), to("total/"));
        for wrong in [
            "",
            "move",
            "move to",
            "keep it",
            "archive",
            "move to ../x",
            "move to {x}",
        ] {
            if wrong.is_empty() {
                assert_eq!(of(wrong).unwrap(), After::Keep);
            } else {
                assert_eq!(of(wrong).unwrap_err().field.as_deref(), Some(AFTER), "{wrong}");
            }
        }
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
            (r#"{"command":"put","after":"delete"}"#, "/options/after"),
            (r#"{"command":"put","sort":"time"}"#, "/options/sort"),
            (r#"{"command":"delete","verify":"hash"}"#, "/options/verify"),
            (r#"{"preserve_modified":true}"#, "/options/preserve_modified"),
            (r#"{"temporary_name":"x"}"#, "/options/temporary_name"),
            (
                r#"{"command":"put","temporary_name":"a/{name}"}"#,
                "/options/temporary_name",
            ),
            (r#"{"if_exists":"append"}"#, "/options/if_exists"),
            (r#"{"min_age":"2d","max_age":"1d"}"#, "/options/max_age"),
            (r#"{"min_size":2,"max_size":"1B"}"#, "/options/max_size"),
            (r#"{"max_files":0}"#, "/options/max_files"),
            (r#"{"max_depth":0}"#, "/options/max_depth"),
            (r#"{"max_depth":33}"#, "/options/max_depth"),
            (r#"{"min_age":"soon"}"#, "/options/min_age"),
            (r#"{"done_file":"{nmae}.ok"}"#, "/options/done_file"),
            (r#"{"done_file":"{name}"}"#, "/options/done_file"),
            (r#"{"sort":"colour"}"#, "/options/sort"),
        ] {
            let error = task(json).unwrap_err();
            assert_eq!(
                (error.kind, error.field.as_deref()),
                (Kind::InvalidSettings, Some(field)),
                "{json}"
            );
        }
    }

    #[test]
    fn templates_are_not_judged() {
        let check = |json: &str| check_stated(&Options::parse(json).unwrap(), &connection(), Verb::Put);
        for json in [
            r#"{"command":"rename processed/{{ original_filename }}"}"#,
            r#"{"command":"{{ what }}","after":"delete"}"#,
            r#"{"path":"../{{ x }}"}"#,
            r#"{"root":"{{ x }}","path":"([{{ x }}"}"#,
            r#"{"command":"mkdir {{ x }}"}"#,
            r#"{"command":"get","after":"move to {{ day }}/{name}"}"#,
        ] {
            check(json).unwrap();
        }
        for json in [
            r#"{"command":"renmae {{ x }}"}"#,
            r#"{"command":"mkdir {{ x }}","path":"a"}"#,
            r#"{"command":"{{ what }}","root":"a","path":"(["}"#,
            r#"{"command":"{{ what }}","min_size":2,"max_size":1}"#,
        ] {
            assert!(check(json).is_err(), "{json}");
        }
    }
}
