//! A disk as a journal tells it: what is on it for sure, what may be, and what it may look like when the power goes.
//!
//! Nothing is promised but what was synced. A sync of a file makes its content and length last, a sync of a folder the
//! names in it. All else may have reached the disk or not: each sector of a write by itself, each change of a length, each
//! change of a name; a rename happens whole or not at all. Real file systems promise more. A program that is right on
//! this disk is right on theirs.

use std::collections::{BTreeMap, HashMap};
use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use fastrand::Rng;

use super::record::Record;

type Name = Vec<u8>;

/// What has a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Entry {
    File(u64),
    Folder,
}

/// A change of a file since it was last synced.
#[derive(Debug, Clone)]
enum Change {
    Write { offset: usize, data: Vec<u8> },
    Resize(usize),
}

impl Change {
    fn apply(&self, content: &mut Vec<u8>) {
        match self {
            Self::Write { offset, data } => write_at(content, *offset, data),
            Self::Resize(length) => content.resize(*length, 0),
        }
    }
}

fn write_at(content: &mut Vec<u8>, offset: usize, data: &[u8]) {
    if content.len() < offset + data.len() {
        content.resize(offset + data.len(), 0);
    }
    content[offset..offset + data.len()].copy_from_slice(data);
}

/// A file: as it was last synced, and what was done since.
#[derive(Debug, Clone, Default)]
struct File {
    synced: Vec<u8>,
    since: Vec<Change>,
}

impl File {
    fn sync(&mut self) {
        for change in self.since.drain(..) {
            change.apply(&mut self.synced);
        }
    }
}

/// A change of names since their folder was last synced.
#[derive(Debug, Clone)]
enum Renaming {
    Set(Name, Entry),
    Unset(Name),
    Move(Name, Name, Entry),
}

impl Renaming {
    fn apply(&self, names: &mut BTreeMap<Name, Entry>) {
        match self {
            Self::Set(name, entry) => drop(names.insert(name.clone(), *entry)),
            Self::Unset(name) => drop(names.remove(name)),
            Self::Move(from, to, entry) => {
                names.remove(from);
                names.insert(to.clone(), *entry);
            }
        }
    }

    fn is_in(&self, folder: &[u8]) -> bool {
        match self {
            Self::Set(name, _) | Self::Unset(name) => parent(name) == folder,
            Self::Move(from, to, _) => parent(from) == folder || parent(to) == folder,
        }
    }
}

fn parent(name: &[u8]) -> &[u8] {
    name.iter()
        .rposition(|byte| *byte == b'/')
        .map_or(&[], |end| &name[..end])
}

/// A disk with one folder, empty at first.
#[derive(Debug, Clone, Default)]
pub struct Disk {
    files: HashMap<u64, File>,
    synced: BTreeMap<Name, Entry>,
    since: Vec<Renaming>,
    /// With all changes.
    now: BTreeMap<Name, Entry>,
}

/// How much of what was not synced reaches the disk, from none of it to all.
#[derive(Debug, Clone, Copy)]
pub struct Luck {
    /// Of sectors and lengths.
    content: f64,
    /// Of names.
    names: f64,
    /// Bytes that reach the disk together.
    sector: usize,
}

impl Luck {
    /// A random one.
    pub fn random(rng: &mut Rng) -> Self {
        let share = |rng: &mut Rng| [0.0, 0.5, 0.5, 0.9, 1.0][rng.usize(..5)];
        Self {
            content: share(rng),
            names: share(rng),
            sector: [512, 4096][rng.usize(..2)],
        }
    }
}

impl Disk {
    /// The disk after all of these.
    #[must_use]
    pub fn after(records: &[Record]) -> Self {
        let mut disk = Self::default();
        for record in records {
            disk.apply(record);
        }
        disk
    }

    fn apply(&mut self, record: &Record) {
        match record {
            Record::Make { path, file } => {
                self.files.entry(*file).or_default();
                self.rename(Renaming::Set(path.clone(), Entry::File(*file)));
            }
            Record::Write { file, offset, data } => self.change(
                *file,
                Change::Write {
                    offset: size(*offset),
                    data: data.clone(),
                },
            ),
            Record::Resize { file, length } => self.change(*file, Change::Resize(size(*length))),
            Record::Sync { file } => self.files.entry(*file).or_default().sync(),
            Record::MakeFolder { path } => self.rename(Renaming::Set(path.clone(), Entry::Folder)),
            Record::RemoveFolder { path } | Record::Remove { path } => {
                self.rename(Renaming::Unset(path.clone()));
            }
            Record::SyncFolder { path } => self.sync_names(|renaming| renaming.is_in(path)),
            Record::Rename { from, to } => {
                if let Some(Entry::File(file)) = self.now.get(from) {
                    self.rename(Renaming::Move(from.clone(), to.clone(), Entry::File(*file)));
                } else {
                    // The names below a folder would have to change too.
                    panic!("a folder was renamed, which this disk does not know: {record:?}");
                }
            }
            Record::Link { path, file } => self.rename(Renaming::Set(path.clone(), Entry::File(*file))),
            Record::SyncAll => {
                self.files.values_mut().for_each(File::sync);
                self.sync_names(|_| true);
            }
            Record::Said { .. } | Record::Heard { .. } => {}
        }
    }

    fn change(&mut self, file: u64, change: Change) {
        self.files.entry(file).or_default().since.push(change);
    }

    fn rename(&mut self, renaming: Renaming) {
        renaming.apply(&mut self.now);
        self.since.push(renaming);
    }

    fn sync_names(&mut self, which: impl Fn(&Renaming) -> bool) {
        let (synced, left) = std::mem::take(&mut self.since).into_iter().partition(which);
        self.since = left;
        for renaming in <Vec<Renaming>>::into_iter(synced) {
            renaming.apply(&mut self.synced);
        }
    }

    /// The files as a program sees them while the power is on.
    #[must_use]
    pub fn now(&self) -> BTreeMap<String, Vec<u8>> {
        let files = self.now.iter().filter_map(|(name, entry)| match entry {
            Entry::File(file) => Some((
                String::from_utf8_lossy(name).into_owned(),
                self.content_now(*file),
            )),
            Entry::Folder => None,
        });
        files.collect()
    }

    fn content_now(&self, file: u64) -> Vec<u8> {
        let mut file = self.files.get(&file).cloned().unwrap_or_default();
        file.sync();
        file.synced
    }

    /// Writes what may be there when the power goes now into an empty folder.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn lose_power(&self, rng: &mut Rng, luck: Luck, folder: &Path) -> io::Result<()> {
        let mut names = self.synced.clone();
        for renaming in &self.since {
            if rng.f64() < luck.names {
                renaming.apply(&mut names);
            }
        }
        let mut contents = HashMap::new();
        // Folders come before what is in them. What is in none is lost.
        for (name, entry) in &names {
            let path = folder.join(OsStr::from_bytes(name));
            if !path.parent().is_some_and(Path::is_dir) {
                continue;
            }
            match entry {
                Entry::Folder => fs::create_dir(path)?,
                Entry::File(file) => {
                    let content = contents
                        .entry(*file)
                        .or_insert_with(|| self.content_lost(*file, rng, luck));
                    fs::write(path, content)?;
                }
            }
        }
        Ok(())
    }

    fn content_lost(&self, file: u64, rng: &mut Rng, luck: Luck) -> Vec<u8> {
        let file = self.files.get(&file).cloned().unwrap_or_default();
        let mut content = file.synced;
        for change in &file.since {
            match change {
                Change::Write { offset, data } => {
                    let mut start = 0;
                    while start < data.len() {
                        let place = offset + start;
                        let end = data.len().min(start + luck.sector - place % luck.sector);
                        if rng.f64() < luck.content {
                            write_at(&mut content, place, &data[start..end]);
                        }
                        start = end;
                    }
                }
                Change::Resize(_) => {
                    if rng.f64() < luck.content {
                        change.apply(&mut content);
                    }
                }
            }
        }
        content
    }
}

fn size(number: u64) -> usize {
    usize::try_from(number).expect("no file of these tests is that large")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree;

    const ALL: Luck = Luck {
        content: 1.0,
        names: 1.0,
        sector: 512,
    };
    const NOTHING: Luck = Luck {
        content: 0.0,
        names: 0.0,
        ..ALL
    };

    fn make(path: &str, file: u64) -> Record {
        Record::Make {
            path: path.into(),
            file,
        }
    }

    fn write(file: u64, offset: u64, data: &[u8]) -> Record {
        Record::Write {
            file,
            offset,
            data: data.to_vec(),
        }
    }

    fn lost(records: &[Record], luck: Luck) -> BTreeMap<String, Vec<u8>> {
        let folder = tempfile::tempdir().expect("a folder");
        let disk = Disk::after(records);
        disk.lose_power(&mut Rng::with_seed(1), luck, folder.path())
            .expect("room");
        tree::files(folder.path())
    }

    fn files(list: &[(&str, &[u8])]) -> BTreeMap<String, Vec<u8>> {
        list.iter()
            .map(|(name, content)| ((*name).to_owned(), content.to_vec()))
            .collect()
    }

    #[test]
    fn only_what_was_synced_is_there_for_sure() {
        let mut records = vec![make("a", 1), write(1, 0, b"one")];
        assert_eq!(lost(&records, NOTHING), files(&[]));
        assert_eq!(lost(&records, ALL), files(&[("a", b"one")]));
        records.push(Record::Sync { file: 1 });
        assert_eq!(lost(&records, NOTHING), files(&[]), "its name is not synced");
        records.push(Record::SyncFolder { path: Vec::new() });
        records.push(write(1, 0, b"two!"));
        assert_eq!(lost(&records, NOTHING), files(&[("a", b"one")]));
        assert_eq!(lost(&records, ALL), files(&[("a", b"two!")]));
    }

    #[test]
    fn a_rename_happens_whole_or_not_at_all() {
        let synced = Record::SyncFolder { path: Vec::new() };
        let rename = Record::Rename {
            from: b"a".to_vec(),
            to: b"b".to_vec(),
        };
        let mut records = vec![
            make("a", 1),
            write(1, 0, b"x"),
            Record::Sync { file: 1 },
            synced.clone(),
            rename,
        ];
        assert_eq!(lost(&records, NOTHING), files(&[("a", b"x")]));
        assert_eq!(lost(&records, ALL), files(&[("b", b"x")]));
        records.push(synced);
        assert_eq!(lost(&records, NOTHING), files(&[("b", b"x")]));
    }

    #[test]
    fn a_write_may_be_torn_between_sectors_alone() {
        let records = [
            make("a", 1),
            Record::SyncFolder { path: Vec::new() },
            write(1, 100, &[7; 2000]),
        ];
        let luck = Luck { content: 0.5, ..ALL };
        let disk = Disk::after(&records);
        let mut rng = Rng::with_seed(3);
        let mut seen = std::collections::HashSet::new();
        for _ in 0..100 {
            let content = disk.content_lost(1, &mut rng, luck);
            for sector in content.chunks(512).skip(1).take(3) {
                assert!(sector.iter().all(|byte| *byte == sector[0]), "{sector:?}");
            }
            seen.insert(content);
        }
        assert!(seen.len() > 5, "always the same");
    }

    #[test]
    fn what_is_in_a_folder_that_is_lost_is_lost() {
        let records = [
            Record::MakeFolder { path: b"f".to_vec() },
            make("f/a", 1),
            Record::SyncFolder { path: b"f".to_vec() },
        ];
        assert_eq!(lost(&records, NOTHING), files(&[]));
        assert_eq!(lost(&records, ALL), files(&[("f/a", b"")]));
    }

    #[test]
    fn records_can_be_read_again() {
        let records = [
            make("a b", 1),
            write(7, 1 << 40, b"data"),
            Record::SyncAll,
            Record::Heard {
                socket: 3,
                text: b"250 OK\r\n".to_vec(),
            },
        ];
        let mut bytes = Vec::new();
        for record in &records {
            record.encode(&mut bytes);
        }
        let mut rest = bytes.as_slice();
        let read: Vec<_> = std::iter::from_fn(|| Record::decode(&mut rest)).collect();
        assert_eq!(read, records);
        let mut half = &bytes[..bytes.len() - 1];
        assert_eq!(std::iter::from_fn(|| Record::decode(&mut half)).count(), 3);
    }
}
