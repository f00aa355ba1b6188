//! Files and folders of a session: looking, listing, making, renaming, deleting.

use std::time::SystemTime;

use crate::error::{Error, Kind, Op};
use crate::listing::{self, Dialect, Entry, EntryKind, Line, Lines, Modified, Precision, Style};
use crate::path::RemotePath;
use crate::session::Session;
use crate::settings::TransferType;
use crate::transport::Level;

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

/// What was found out about the last listing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Listed {
    /// The command.
    pub command: &'static str,
    /// What the lines turned out to be.
    pub style: Option<Style>,
    /// Lines that were left out.
    pub unreadable: u64,
}

impl Session {
    /// What a path is, by MLST, else by SIZE and MDTM. A folder shows as missing where there is no MLST.
    pub fn stat(&mut self, path: &RemotePath) -> Result<Stat, Error> {
        let remote = self.remote(path);
        if self.has("MLST") {
            let reply = self.command(Op::Stat, path.as_str(), &format!("MLST {remote}"))?;
            match reply.code {
                250 => {
                    let facts = reply.exact.lines().nth(1).unwrap_or_default();
                    if let Some(entry) = facts_of(path, facts) {
                        return Ok(Stat::Is(entry));
                    }
                }
                450 | 550 => return Ok(Stat::Missing),
                421 => return Err(Error::reply(Op::Stat, path.as_str(), reply.code, &reply.text)),
                _ => {}
            }
        }
        self.target(path)
    }

    /// What a path leads to, by SIZE and MDTM, which follow links. A folder shows as missing.
    pub fn target(&mut self, path: &RemotePath) -> Result<Stat, Error> {
        let size = match self.size(path)? {
            Stat::Is(entry) => entry.size,
            other => return Ok(other),
        };
        Ok(Stat::Is(Entry {
            name: path.name().to_owned(),
            kind: EntryKind::File,
            size,
            modified: self.modified(path)?,
        }))
    }

    /// When a file was last modified, where the server tells (MDTM, RFC 3659 section 3).
    pub fn modified(&mut self, path: &RemotePath) -> Result<Option<Modified>, Error> {
        let remote = self.remote(path);
        self.modified_at(path, &remote)
    }

    /// The same of a file that is called `remote` where we are.
    pub(crate) fn modified_at(&mut self, path: &RemotePath, remote: &str) -> Result<Option<Modified>, Error> {
        let reply = self.command(Op::Stat, path.as_str(), &format!("MDTM {remote}"))?;
        Ok((reply.code == 213)
            .then(|| listing::timestamp(reply.exact.trim()))
            .flatten()
            .map(|ms| Modified {
                ms,
                precision: Precision::Second,
            }))
    }

    /// The size of a file.
    pub fn size(&mut self, path: &RemotePath) -> Result<Stat, Error> {
        // As text a file would have another length, and several servers refuse to count it, with the same 550 as
        // for a file that is not there.
        self.set_type(TransferType::Binary)?;
        let reply = self.command(Op::Stat, path.as_str(), &format!("SIZE {}", self.remote(path)))?;
        match (reply.code, reply.exact.trim().parse::<u64>()) {
            (213, Ok(size)) => Ok(Stat::Is(Entry {
                name: path.name().to_owned(),
                kind: EntryKind::File,
                size: Some(size),
                modified: None,
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
        loop {
            let dialect = self.dialect;
            match (self.read_list(folder, &mut each), dialect) {
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

    /// Lists the folder that we are in.
    fn read_list(&mut self, folder: &RemotePath, each: &mut dyn FnMut(Entry)) -> Result<(), Error> {
        let subject = folder.to_string();
        let command = match self.dialect {
            Dialect::Machine => "MLSD",
            Dialect::Long => "LIST",
            Dialect::Names => "NLST",
        };
        let kept = if self.seeks_zone() {
            self.seek_zone(folder)?
        } else {
            None
        };
        let mut unreadable = 0_u64;
        let mut take = |line: Line| match line {
            Line::Entry(entry) => each(entry),
            Line::Nothing => {}
            Line::Unreadable => unreadable += 1,
        };
        let mut lines = Lines::new(self.dialect, &self.clock());
        let mut read = |line: Option<&str>| take(line.map_or(Line::Unreadable, |line| lines.read(line)));
        let listed = match kept {
            Some(kept) => {
                for line in &kept {
                    read(line.as_deref());
                }
                Ok(())
            }
            None => self.lines(&subject, command, read),
        };
        take(lines.end());
        if unreadable > 0 {
            let message =
                format!("Left out {unreadable} entries of `{subject}`: not readable, or with unsafe names.");
            (self.host.log)(Level::Warn, &message);
        }
        self.listed = Listed {
            command,
            style: lines.style(),
            unreadable,
        };
        listed
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

    /// Sets when a file was last modified: MFMT (draft-somers-ftp-mfxx), else MDTM with a time, as servers had it
    /// before. A refusal is a warning, for the file itself is fine.
    pub fn set_modified(&mut self, path: &RemotePath, ms: u64) -> Result<(), Error> {
        let Some(time) = stamp(ms) else {
            let message = format!("The time of `{path}` stays as it is: the payload's is no time.");
            (self.host.log)(Level::Warn, &message);
            return Ok(());
        };
        let command = if self.has("MFMT") { "MFMT" } else { "MDTM" };
        let line = format!("{command} {time} {}", self.remote(path));
        match self.expect(Op::SetModified, path.as_str(), &line, &[200, 213, 250, 253]) {
            Ok(_) => Ok(()),
            Err(error) if error.session_lost => Err(error),
            Err(error) => {
                (self.host.log)(Level::Warn, &format!("The time stays as it is. {error}"));
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
}

/// Milliseconds since 1970.
pub(crate) fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since.map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

/// A time as commands have it, in UTC (RFC 3659 section 2.3). None past the year 9999.
fn stamp(ms: u64) -> Option<String> {
    let time = jiff::Timestamp::from_millisecond(i64::try_from(ms).ok()?).ok()?;
    Some(time.strftime("%Y%m%d%H%M%S").to_string())
}

/// Whether the server does not know the command at all, as opposed to refusing this use of it.
fn is_not_offered(error: &Error) -> bool {
    matches!(error.code, Some(500 | 501 | 502 | 504))
}

/// The entry in a line of an MLST reply. Its name is a path, and in a form of the server's choice.
pub(crate) fn facts_of(path: &RemotePath, line: &str) -> Option<Entry> {
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
            modified: None,
        }),
        Line::Unreadable => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_for_commands() {
        assert_eq!(stamp(0).as_deref(), Some("19700101000000"));
        assert_eq!(stamp(1_709_210_096_999).as_deref(), Some("20240229123456"));
        assert_eq!(stamp(u64::MAX), None);
    }

    #[test]
    fn mlst_facts() {
        let path = crate::path::jail("a/b.csv", "").unwrap().path;
        let entry = facts_of(&path, " type=file;size=3;modify=19700101000001; /home/x/a/b.csv").unwrap();
        assert_eq!(
            (
                entry.name.as_str(),
                entry.size,
                entry.modified.map(|modified| modified.ms)
            ),
            ("b.csv", Some(3), Some(1000))
        );
        assert_eq!(facts_of(&path, "type=cdir;; /a").unwrap().kind, EntryKind::Folder);
        assert_eq!(facts_of(&path, "End"), None);
    }
}
