//! An FTP session: connecting, features, the root folder, commands. Signing in is in `signin`, files and folders
//! are in `files`, data connections in `connect` and `data`.

use std::collections::{HashMap, HashSet};
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use crate::connect::Mode;
use crate::control::{Control, Reply};
use crate::error::{Effect, Error, Kind, Op, Retry};
use crate::files::Listed;
use crate::listing::Dialect;
use crate::path::RemotePath;
use crate::secure::Protection;
use crate::settings::{Connection, Secret, Tls, TransferType, Visibility};
use crate::trace::Trace;
use crate::transport::{Host, Level, Patience, Stream, resolve};
use crate::zone::Zone;

/// A session that was quiet for longer is asked whether it is still there before it is used.
const FRESH: Duration = Duration::from_secs(5);

/// A connection that is signed in and stands in the root folder.
#[derive(Debug)]
pub struct Session {
    pub(crate) control: Control,
    pub(crate) patience: Arc<Patience>,
    pub(crate) host: Host,
    pub(crate) server: String,
    pub(crate) mode: Mode,
    /// What data connections are encrypted with, when the control connection is.
    pub(crate) tls: Option<Protection>,
    /// The root as an absolute path without a slash at its end; none when the server does not tell where
    /// we are. Then every path is sent as it is, relative to the root, where the session stays.
    pub(crate) base: Option<String>,
    features: HashMap<String, String>,
    transfer_type: Option<TransferType>,
    pub(crate) dialect: Dialect,
    /// The zone of LIST.
    pub(crate) zone: Zone,
    /// The hash that HASH was told to compute.
    pub(crate) hash: Option<&'static str>,
    /// What the last listing was like.
    pub(crate) listed: Listed,
    /// What ACCT is to say, until it was said.
    pub(crate) account: Option<Secret>,
    /// Folders that are known to be there.
    pub(crate) folders: HashSet<RemotePath>,
    pub(crate) folder_mode: Option<Visibility>,
    /// Whether the server renames onto a name that is taken, where that was seen.
    pub(crate) renames_over: Option<bool>,
    /// Whether it renames at all.
    pub(crate) renames: Option<bool>,
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
        session.protect_data(settings)?;
        session.look_around()?;
        session.enter_root(settings.root.as_deref())?;
        Ok(session)
    }

    /// Opens the control connection, waits for the greeting, and encrypts it when the settings say so: before the
    /// greeting, or after it.
    pub fn connect(settings: &Connection, host: Host, patience: Arc<Patience>) -> Result<Self, Error> {
        let server = format!("{}:{}", settings.host, settings.port());
        let failed = |error: &io::Error| Error::io(Op::Connect, &server, error).ending_call();
        patience.check().map_err(|error| failed(&error))?;
        let protection = Protection::new(settings, host)?;
        let addresses = resolve(&settings.host, settings.port()).map_err(|error| failed(&error))?;
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
        stream.probe();
        let trace = Trace::new(host);
        let control = Control::new(stream).speaking(settings.encoding, trace.clone());
        if let Some(every) = settings.keep_alive() {
            let owed = control.owed().clone();
            patience.keep_alive(control.stream().wire(), every, owed, trace);
        }
        let mut session = Self {
            control,
            patience,
            host,
            server,
            mode: Mode::new(settings),
            tls: protection,
            base: None,
            features: HashMap::new(),
            transfer_type: None,
            dialect: Dialect::Long,
            zone: Zone::new(settings)?,
            hash: None,
            listed: Listed::default(),
            account: None,
            folders: HashSet::new(),
            folder_mode: settings.directory_visibility,
            renames_over: None,
            renames: None,
            used: Instant::now(),
        };
        if settings.tls == Tls::Implicit {
            session.encrypt(settings)?;
        }
        session.greet(settings)?;
        if settings.tls == Tls::Explicit {
            session.upgrade(settings)?;
        }
        Ok(session)
    }

    /// What the server can do, and binary transfers.
    pub fn look_around(&mut self) -> Result<(), Error> {
        let reply = self.harmless("FEAT").map_err(Error::ending_call)?;
        if reply.code == 211 {
            for line in reply.exact.lines() {
                let (name, value) = line.trim().split_once(' ').unwrap_or((line.trim(), ""));
                self.features.insert(name.to_ascii_uppercase(), value.to_owned());
            }
        }
        // RFC 3659 says that MLST stands for both; some servers name MLSD alone.
        if self.has("MLST") || self.has("MLSD") {
            self.dialect = Dialect::Machine;
        }
        // Some servers want to be asked; the answer does not matter.
        if self.has("UTF8") && self.control.encoding().is_utf8() {
            self.harmless("OPTS UTF8 ON").map_err(Error::ending_call)?;
        }
        self.set_type(TransferType::Binary).map_err(Error::ending_call)
    }

    /// Sends a command that the server may refuse, unless it ends the session by that.
    fn harmless(&mut self, line: &str) -> Result<Reply, Error> {
        let server = self.server.clone();
        let reply = self.command(Op::SetUp, &server, line)?;
        if reply.code == 421 {
            return Err(Error::reply(Op::SetUp, &server, reply.code, &reply.text));
        }
        Ok(reply)
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
        let reply = self.harmless("PWD").map_err(Error::ending_call)?;
        self.base = base(&reply);
        Ok(())
    }

    /// What FEAT said of a feature, where it named it.
    pub fn feature(&self, name: &str) -> Option<&str> {
        self.features.get(name).map(String::as_str)
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

    /// Sets how the next transfers send bytes.
    pub fn set_type(&mut self, wanted: TransferType) -> Result<(), Error> {
        if self.transfer_type != Some(wanted) {
            let letter = match wanted {
                TransferType::Binary => "TYPE I",
                TransferType::Ascii => "TYPE A",
            };
            match self.expect(Op::SetUp, &self.server.clone(), letter, &[200]) {
                Ok(_) => {}
                // A server that does not know the word sends bytes as they are.
                Err(error)
                    if wanted == TransferType::Binary && matches!(error.code, Some(500 | 502 | 504)) =>
                {
                    (self.host.log)(
                        Level::Debug,
                        &format!("Transfers are taken to be binary. {error}"),
                    );
                }
                Err(error) => return Err(error),
            }
            self.transfer_type = Some(wanted);
        }
        Ok(())
    }

    /// Whether the session still answers. A fresh one is taken at its word, unless replies to NOOPs are missing:
    /// a server that has swallowed them would not be understood any more.
    pub fn is_alive(&mut self) -> bool {
        if self.settle(Op::SetUp, "").is_err() {
            return false;
        }
        self.used.elapsed() < FRESH || self.answers()
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
        self.settle(op, subject)?;
        self.control
            .send(line)
            .map_err(|error| Error::io(op, subject, &error))?;
        self.reply(op, subject)
    }

    /// Reads the replies to NOOPs that the last transfer has left, before anything else is sent.
    fn settle(&mut self, op: Op, subject: &str) -> Result<(), Error> {
        if self.control.owed().load(Ordering::Relaxed) == 0 {
            return Ok(());
        }
        let control = &mut self.control;
        self.patience.for_a_reply(|| control.settle()).map_err(|error| {
            let error = Error::io(op, subject, &error).leaving(Effect::None);
            match error.kind {
                Kind::Protocol => error.retryable(),
                _ => error,
            }
        })
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
        let control = &mut self.control;
        let reply = self.patience.for_a_reply(|| control.reply());
        self.used = Instant::now();
        reply.map_err(|error| Error::io(op, subject, &error))
    }

    /// Reads the reply that ends a transfer.
    pub(crate) fn verdict(&mut self, op: Op, subject: &str) -> Result<Reply, Error> {
        let control = &mut self.control;
        let reply = self.patience.for_a_reply(|| control.verdict());
        self.used = Instant::now();
        reply.map_err(|error| Error::io(op, subject, &error))
    }

    /// Ends the session without a word, because something is half done on it.
    pub fn give_up(self) {
        self.patience.give_up();
    }
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

/// The folder that a reply to PWD names: absolute, fit for a command, without a slash at its end.
pub(crate) fn base(reply: &Reply) -> Option<String> {
    (reply.code == 257)
        .then(|| quoted(&reply.exact))
        .flatten()
        .filter(|path| path.starts_with('/') && !path.contains(['\r', '\n', '\0']))
        .map(|path| path.trim_end_matches('/').to_owned())
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
    fn features_are_words_in_capitals() {
        assert!(is_feature("MLST") && is_feature("SIZE"));
        assert!(!is_feature("END") && !is_feature("FEATURES:") && !is_feature(""));
    }
}
