//! A signed-in FTP session: commands, features, folders. Data connections are in `data.rs`.

use std::collections::{HashMap, HashSet};
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::control::{Control, Reply};
use crate::data::Mode;
use crate::error::{Effect, Error, Kind, Op, Retry};
use crate::listing::{self, Dialect, Entry, EntryKind, Line};
use crate::path::RemotePath;
use crate::settings::{Auth, Connection, Visibility};
use crate::transport::{Host, Level, Patience, Stream, resolve};

/// A session that was quiet for longer is asked whether it is still there before it is used.
const FRESH: Duration = Duration::from_secs(5);

/// What is known of a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stat {
    /// The server says that it is not there, or that it is not a file.
    Missing,
    /// The server does not offer to say.
    Unknown,
    /// It is there.
    Is(Entry),
}

/// A connection that is signed in and stands in the root folder.
#[derive(Debug)]
pub struct Session {
    pub(crate) control: Control,
    pub(crate) patience: Arc<Patience>,
    pub(crate) host: Host,
    pub(crate) server: String,
    pub(crate) mode: Mode,
    /// The root as an absolute path without a slash at its end; none when the server does not tell where
    /// we are. Then every path is sent as it is, relative to the root, where the session stays.
    base: Option<String>,
    features: HashMap<String, String>,
    pub(crate) dialect: Dialect,
    password: Option<String>,
    folders: HashSet<RemotePath>,
    folder_mode: Option<Visibility>,
    used: Instant,
}

impl Session {
    /// Connects, signs in, and enters the root folder.
    pub fn open(settings: &Connection, host: Host) -> Result<Self, Error> {
        Self::open_with(settings, host, Patience::new(host, settings.idle()))
    }

    /// The same only to remove what was left half done: quickly, cancelled or not.
    pub fn open_to_clean_up(settings: &Connection, host: Host, idle: Duration) -> Result<Self, Error> {
        let patience = Patience::new(host, settings.idle());
        patience.clean_up_within(idle);
        Self::open_with(settings, host, patience)
    }

    fn open_with(settings: &Connection, host: Host, patience: Arc<Patience>) -> Result<Self, Error> {
        let mut session = Self::connect(settings, host, patience)?;
        session.sign_in(settings)?;
        session.look_around()?;
        session.enter_root(settings.root.as_deref())?;
        Ok(session)
    }

    /// Opens the control connection and waits for the greeting.
    pub fn connect(settings: &Connection, host: Host, patience: Arc<Patience>) -> Result<Self, Error> {
        let server = format!("{}:{}", settings.host, settings.port);
        let failed = |error: &io::Error| Error::io(Op::Connect, &server, error).ending_call();
        patience.check().map_err(|error| failed(&error))?;
        let addresses = resolve(&settings.host, settings.port).map_err(|error| failed(&error))?;
        let mut last = None;
        let mut stream = None;
        for address in addresses {
            match Stream::connect(address, &patience) {
                Ok(connected) => {
                    stream = Some(connected);
                    break;
                }
                Err(error) => last = Some(error),
            }
        }
        let stream = match (stream, last) {
            (Some(stream), _) => stream,
            (None, Some(error)) => return Err(failed(&error)),
            (None, None) => return Err(failed(&io::ErrorKind::NotFound.into())),
        };
        let mut session = Self {
            control: Control::new(stream),
            patience,
            host,
            server: server.clone(),
            mode: Mode::new(settings.data_connection),
            base: None,
            features: HashMap::new(),
            dialect: Dialect::Long,
            password: None,
            folders: HashSet::new(),
            folder_mode: settings.directory_visibility,
            used: Instant::now(),
        };
        let mut greeting = session.reply(Op::Connect, &server).map_err(Error::ending_call)?;
        if greeting.code == 120 {
            // "Ready in some minutes": the greeting proper follows.
            greeting = session.reply(Op::Connect, &server).map_err(Error::ending_call)?;
        }
        match greeting.code {
            220 => Ok(session),
            code => Err(Error::reply(Op::Connect, &server, code, &greeting.text)
                .losing_session()
                .ending_call()),
        }
    }

    /// USER and PASS.
    pub fn sign_in(&mut self, settings: &Connection) -> Result<(), Error> {
        let (user, password) = match &settings.auth {
            Auth::Anonymous => ("anonymous", "anonymous@"),
            Auth::Account { username, password } => {
                self.password = Some(password.expose().to_owned()).filter(|text| !text.is_empty());
                (username.as_str(), password.expose())
            }
        };
        let server = self.server.clone();
        let fatal = |error: Error| error.losing_session().ending_call();
        let mut reply = self
            .command(Op::SignIn, &server, &format!("USER {user}"))
            .map_err(fatal)?;
        if reply.code == 331 {
            reply = self
                .command(Op::SignIn, &server, &format!("PASS {password}"))
                .map_err(fatal)?;
        }
        match reply.code {
            // 202: the server does not care for passwords.
            202 | 230 | 232 => Ok(()),
            code => Err(fatal(Error::reply(Op::SignIn, &server, code, &reply.text))),
        }
    }

    /// What the server can do, and binary transfers.
    pub fn look_around(&mut self) -> Result<(), Error> {
        let server = self.server.clone();
        let reply = self
            .command(Op::SetUp, &server, "FEAT")
            .map_err(Error::ending_call)?;
        if reply.code == 211 {
            for line in reply.text.lines() {
                let (name, value) = line.trim().split_once(' ').unwrap_or((line.trim(), ""));
                self.features.insert(name.to_ascii_uppercase(), value.to_owned());
            }
        }
        // RFC 3659 says that MLST stands for both; some servers name MLSD alone.
        if self.has("MLST") || self.has("MLSD") {
            self.dialect = Dialect::Machine;
        }
        if self.has("UTF8") {
            // Some servers want to be asked; the answer does not matter.
            self.command(Op::SetUp, &server, "OPTS UTF8 ON")
                .map_err(Error::ending_call)?;
        }
        self.expect(Op::SetUp, &server, "TYPE I", &[200])
            .map_err(Error::ending_call)?;
        Ok(())
    }

    /// Goes to the root folder and finds out what its absolute path is.
    pub fn enter_root(&mut self, root: Option<&str>) -> Result<(), Error> {
        if let Some(root) = root {
            let entered = self.expect(Op::EnterFolder, root, &format!("CWD {root}"), &[200, 250]);
            entered.map_err(|error| {
                Error {
                    field: Some("/connection/root".into()),
                    ..error
                }
                .ending_call()
            })?;
        }
        let server = self.server.clone();
        let reply = self
            .command(Op::SetUp, &server, "PWD")
            .map_err(Error::ending_call)?;
        self.base = (reply.code == 257)
            .then(|| quoted(&reply.text))
            .flatten()
            .filter(|path| path.starts_with('/') && !path.contains(['\r', '\n', '\0']))
            .map(|path| path.trim_end_matches('/').to_owned());
        Ok(())
    }

    /// Whether FEAT named a feature.
    pub fn has(&self, feature: &str) -> bool {
        self.features.contains_key(feature)
    }

    /// The names of all features, sorted.
    pub fn feature_names(&self) -> Vec<&str> {
        let mut names: Vec<_> = self
            .features
            .keys()
            .map(String::as_str)
            .filter(|name| is_feature(name))
            .collect();
        names.sort_unstable();
        names
    }

    /// The root folder on the server, where it told.
    pub fn root(&self) -> Option<&str> {
        self.base
            .as_deref()
            .map(|base| if base.is_empty() { "/" } else { base })
    }

    /// The path as the server is to be told it.
    pub fn remote(&self, path: &RemotePath) -> String {
        match &self.base {
            Some(base) if path.is_root() && base.is_empty() => "/".to_owned(),
            Some(base) if path.is_root() => base.clone(),
            Some(base) => format!("{base}/{}", path.as_str()),
            None => path.as_str().to_owned(),
        }
    }

    /// Whether the session still answers. A fresh one is taken at its word.
    pub fn is_alive(&mut self) -> bool {
        if self.used.elapsed() < FRESH {
            return true;
        }
        self.answers()
    }

    /// Asks the server for a sign of life.
    pub fn answers(&mut self) -> bool {
        let server = self.server.clone();
        self.expect(Op::SetUp, &server, "NOOP", &[200]).is_ok()
    }

    /// Says goodbye without waiting for the answer.
    pub fn quit(mut self) {
        let _ = self.control.send("QUIT");
    }

    /// Sends a command and reads its reply, whatever that is.
    pub fn command(&mut self, op: Op, subject: &str, line: &str) -> Result<Reply, Error> {
        self.control
            .send(line)
            .map_err(|error| Error::io(op, subject, &error))?;
        self.reply(op, subject)
    }

    /// Sends a command whose reply must have one of these codes.
    pub fn expect(&mut self, op: Op, subject: &str, line: &str, codes: &[u16]) -> Result<Reply, Error> {
        let reply = self.command(op, subject, line)?;
        if codes.contains(&reply.code) {
            Ok(reply)
        } else {
            Err(Error::reply(op, subject, reply.code, &reply.text))
        }
    }

    /// Reads one reply.
    pub fn reply(&mut self, op: Op, subject: &str) -> Result<Reply, Error> {
        let mut reply = self
            .control
            .reply()
            .map_err(|error| Error::io(op, subject, &error))?;
        self.used = Instant::now();
        // A server may repeat what it was sent; the password must not get into a message that way.
        if let Some(password) = &self.password {
            reply.text = reply.text.replace(password.as_str(), "…");
        }
        Ok(reply)
    }

    /// What a path is, by MLST, else by SIZE and MDTM. A folder shows as missing where there is no MLST.
    pub fn stat(&mut self, path: &RemotePath) -> Result<Stat, Error> {
        let remote = self.remote(path);
        if self.has("MLST") {
            let reply = self.command(Op::Stat, path.as_str(), &format!("MLST {remote}"))?;
            match reply.code {
                250 => {
                    let facts = reply.text.lines().nth(1).unwrap_or_default();
                    if let Some(entry) = facts_of(path, facts) {
                        return Ok(Stat::Is(entry));
                    }
                }
                450 | 550 => return Ok(Stat::Missing),
                421 => return Err(Error::reply(Op::Stat, path.as_str(), reply.code, &reply.text)),
                _ => {}
            }
        }
        let size = match self.size(path)? {
            Stat::Is(entry) => entry.size,
            other => return Ok(other),
        };
        let reply = self.command(Op::Stat, path.as_str(), &format!("MDTM {remote}"))?;
        let modified_ms = (reply.code == 213)
            .then(|| listing::timestamp(reply.text.trim()))
            .flatten();
        Ok(Stat::Is(Entry {
            name: path.name().to_owned(),
            kind: EntryKind::File,
            size,
            modified_ms,
        }))
    }

    /// The size of a file.
    pub fn size(&mut self, path: &RemotePath) -> Result<Stat, Error> {
        let reply = self.command(Op::Stat, path.as_str(), &format!("SIZE {}", self.remote(path)))?;
        match (reply.code, reply.text.trim().parse::<u64>()) {
            (213, Ok(size)) => Ok(Stat::Is(Entry {
                name: path.name().to_owned(),
                kind: EntryKind::File,
                size: Some(size),
                modified_ms: None,
            })),
            (450 | 550, _) => Ok(Stat::Missing),
            (421, _) => Err(Error::reply(Op::Stat, path.as_str(), reply.code, &reply.text)),
            _ => Ok(Stat::Unknown),
        }
    }

    /// Whether a path is a folder that can be entered.
    pub fn is_folder(&mut self, path: &RemotePath) -> Result<bool, Error> {
        match self.enter(path) {
            Ok(()) => {
                self.leave(path)?;
                Ok(true)
            }
            Err(error) if error.session_lost => Err(error),
            Err(_) => Ok(false),
        }
    }

    /// Goes into a folder. Every path that is sent is absolute, so going back is only needed where the server
    /// does not tell where we are.
    fn enter(&mut self, folder: &RemotePath) -> Result<(), Error> {
        if folder.is_root() && self.base.is_none() {
            return Ok(());
        }
        let line = format!("CWD {}", self.remote(folder));
        self.expect(Op::EnterFolder, &folder.to_string(), &line, &[200, 250])
            .map(|_| ())
    }

    fn leave(&mut self, folder: &RemotePath) -> Result<(), Error> {
        if self.base.is_none() {
            for _ in 0..folder.depth() {
                self.expect(Op::EnterFolder, "..", "CDUP", &[200, 250])
                    .map_err(Error::losing_session)?;
            }
        }
        Ok(())
    }

    /// Goes through the entries of a folder. The folder is entered first and listed without an argument: an
    /// argument is a pattern to some servers, and an option to others when it starts with a dash.
    pub fn list(&mut self, folder: &RemotePath, mut each: impl FnMut(Entry)) -> Result<(), Error> {
        self.enter(folder)?;
        let subject = folder.to_string();
        loop {
            let dialect = self.dialect;
            let command = match dialect {
                Dialect::Machine => "MLSD",
                Dialect::Long => "LIST",
                Dialect::Names => "NLST",
            };
            let mut unreadable = 0_u64;
            let listed = self.lines(&subject, command, |line| match listing::parse(dialect, line) {
                Line::Entry(entry) => each(entry),
                Line::Nothing => {}
                Line::Unreadable => unreadable += 1,
            });
            if unreadable > 0 {
                let message = format!(
                    "Left out {unreadable} entries of `{subject}`: not readable, or with unsafe names."
                );
                (self.host.log)(Level::Warn, &message);
            }
            match (listed, dialect) {
                (Ok(()), _) => break,
                (Err(error), Dialect::Machine) if is_not_offered(&error) => self.dialect = Dialect::Long,
                (Err(error), Dialect::Long) if is_not_offered(&error) => self.dialect = Dialect::Names,
                // How several servers say that a folder has no files.
                (Err(error), Dialect::Names) if matches!(error.code, Some(450 | 550)) => break,
                (Err(error), _) => return Err(error),
            }
        }
        self.leave(folder)
    }

    /// Makes a folder and those above it. What is there already is fine.
    pub fn ensure_folder(&mut self, folder: &RemotePath) -> Result<(), Error> {
        if folder.is_root() || self.folders.contains(folder) {
            return Ok(());
        }
        if !self.is_folder(folder)? {
            self.ensure_folder(&folder.parent())?;
            self.make_folder(folder)?;
        }
        self.folders.insert(folder.clone());
        Ok(())
    }

    fn make_folder(&mut self, folder: &RemotePath) -> Result<(), Error> {
        let line = format!("MKD {}", self.remote(folder));
        match self.expect(Op::MakeFolder, folder.as_str(), &line, &[200, 250, 257]) {
            Ok(_) => {
                if let Some(visibility) = self.folder_mode {
                    self.chmod(folder, visibility.folder_mode())?;
                }
                Ok(())
            }
            Err(error) if error.session_lost => Err(error),
            // Somebody else may have made it in the meantime.
            Err(error) => match self.is_folder(folder)? {
                true => Ok(()),
                // Nothing of that name, and it still cannot be made: the right to do so is missing.
                false if error.code == Some(550) && self.stat(folder)? == Stat::Missing => Err(Error {
                    kind: Kind::Permission,
                    ..error
                }),
                false => Err(error),
            },
        }
    }

    /// Forgets that a folder was seen, since it is about to be removed or renamed.
    pub fn forget_folder(&mut self, folder: &RemotePath) {
        let below = format!("{}/", folder.as_str());
        self.folders
            .retain(|known| known != folder && !known.as_str().starts_with(&below));
    }

    /// Sets the mode of a file or folder. A refusal is a warning, for the file itself is fine.
    pub fn chmod(&mut self, path: &RemotePath, mode: &str) -> Result<(), Error> {
        let line = format!("SITE CHMOD {mode} {}", self.remote(path));
        match self.expect(Op::Chmod, path.as_str(), &line, &[200, 250]) {
            Ok(_) => Ok(()),
            Err(error) if error.session_lost => Err(error),
            Err(error) => {
                (self.host.log)(Level::Warn, &format!("The visibility stays as it is. {error}"));
                Ok(())
            }
        }
    }

    /// Renames or moves.
    pub fn rename(&mut self, from: &RemotePath, to: &RemotePath) -> Result<(), Error> {
        let line = format!("RNFR {}", self.remote(from));
        match self.expect(Op::RenameFrom, from.as_str(), &line, &[350]) {
            Ok(_) => {}
            Err(error) => return Err(self.refine(from, error)?),
        }
        let line = format!("RNTO {}", self.remote(to));
        self.expect(Op::RenameTo, to.as_str(), &line, &[200, 250])?;
        self.forget_folder(from);
        Ok(())
    }

    /// Deletes a file.
    pub fn delete(&mut self, path: &RemotePath) -> Result<(), Error> {
        let line = format!("DELE {}", self.remote(path));
        match self.expect(Op::Delete, path.as_str(), &line, &[200, 250]) {
            Ok(_) => Ok(()),
            Err(error) => Err(self.refine(path, error)?),
        }
    }

    /// Removes an empty folder.
    pub fn remove_folder(&mut self, path: &RemotePath) -> Result<(), Error> {
        self.forget_folder(path);
        let line = format!("RMD {}", self.remote(path));
        match self.expect(Op::RemoveFolder, path.as_str(), &line, &[200, 250]) {
            Ok(_) => Ok(()),
            Err(error) if error.session_lost || error.code != Some(550) => Err(error),
            Err(error) if self.is_folder(path)? => Err(error),
            Err(error) => {
                let message = format!("There is no folder `{path}`.");
                Err(Error {
                    kind: Kind::NotFound,
                    message,
                    ..error
                })
            }
        }
    }

    /// 550 says "no such file" and "permission denied" alike. Whether the file is there tells them apart.
    pub fn refine(&mut self, path: &RemotePath, error: Error) -> Result<Error, Error> {
        if error.kind == Kind::NotFound
            && error.code == Some(550)
            && let Stat::Is(_) = self.stat(path)?
        {
            let message = format!("{} It is there, so the account may not do this.", error.message);
            return Ok(Error {
                kind: Kind::Permission,
                message,
                ..error
            });
        }
        Ok(error)
    }

    /// Ends the session without a word, because something is half done on it.
    pub fn give_up(self) {
        self.patience.give_up();
    }

    /// A failure to read or write a data connection, made better by what the server has to say about it.
    pub(crate) fn data_failure(&mut self, op: Op, subject: &str, data: Stream, error: &io::Error) -> Error {
        drop(data);
        let failure = Error::io(op, subject, error);
        if matches!(failure.kind, Kind::Cancelled | Kind::Timeout) {
            return failure;
        }
        match self.reply(op, subject) {
            Ok(reply) if reply.code >= 400 => Error {
                effect: failure.effect,
                ..Error::reply(op, subject, reply.code, &reply.text).losing_session()
            },
            _ => failure,
        }
    }
}

/// Whether the server does not know the command at all, as opposed to refusing this use of it.
fn is_not_offered(error: &Error) -> bool {
    matches!(error.code, Some(500 | 501 | 502 | 504))
}

/// FEAT replies open and close with a sentence; features are one word in capitals.
fn is_feature(name: &str) -> bool {
    !name.is_empty()
        && name != "END"
        && !name.starts_with("FEATURE")
        && !name.starts_with("EXTENSION")
        && name
            .bytes()
            .all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'-')
}

/// The path in a 257 reply: between the first quote and its partner, quotes inside doubled (RFC 959
/// appendix II).
fn quoted(text: &str) -> Option<String> {
    let mut path = String::new();
    let mut chars = text[text.find('"')? + 1..].chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '"' if chars.peek() == Some(&'"') => {
                chars.next();
                path.push('"');
            }
            '"' => return Some(path),
            c => path.push(c),
        }
    }
    None
}

/// The entry in a line of an MLST reply. Its name is a path, and in a form of the server's choice.
fn facts_of(path: &RemotePath, line: &str) -> Option<Entry> {
    let facts = line
        .trim_start()
        .split(' ')
        .next()
        .filter(|facts| facts.contains('='))?;
    match listing::machine(&format!("{facts} x")) {
        Line::Entry(entry) => Some(Entry {
            name: path.name().to_owned(),
            ..entry
        }),
        // `cdir`: what was asked about is a folder.
        Line::Nothing => Some(Entry {
            name: path.name().to_owned(),
            kind: EntryKind::Folder,
            size: None,
            modified_ms: None,
        }),
        Line::Unreadable => None,
    }
}

/// A failure that may have left a temporary file, once the file has been removed.
pub fn cleaned(error: Error, removed: bool) -> Error {
    let effect = match (removed, error.effect) {
        (true, Effect::Partial) => Effect::None,
        (false, Effect::None) => Effect::Partial,
        (_, effect) => effect,
    };
    Error { effect, ..error }
}

/// Whether a failure may be tried again by the connector itself.
pub fn may_retry(error: &Error) -> bool {
    error.retry == Retry::Backoff && error.effect != Effect::Unknown && !error.ends_call
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_quoted_path() {
        assert_eq!(
            quoted(r#""/a b" is the current directory"#).as_deref(),
            Some("/a b")
        );
        assert_eq!(quoted(r#""/a""b" is "here""#).as_deref(), Some(r#"/a"b"#));
        assert_eq!(quoted("no quotes"), None);
        assert_eq!(quoted("\"open"), None);
    }

    #[test]
    fn mlst_facts() {
        let path = crate::path::jail("a/b.csv", "").unwrap().path;
        let entry = facts_of(&path, " type=file;size=3;modify=19700101000001; /home/x/a/b.csv").unwrap();
        assert_eq!(
            (entry.name.as_str(), entry.size, entry.modified_ms),
            ("b.csv", Some(3), Some(1000))
        );
        assert_eq!(facts_of(&path, "type=cdir;; /a").unwrap().kind, EntryKind::Folder);
        assert_eq!(facts_of(&path, "End"), None);
    }

    #[test]
    fn features_are_words_in_capitals() {
        assert!(is_feature("MLST") && is_feature("SIZE"));
        assert!(!is_feature("END") && !is_feature("FEATURES:") && !is_feature(""));
    }
}
