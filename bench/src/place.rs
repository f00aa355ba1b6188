//! Where the files are.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, anyhow, ensure};
use tempfile::TempDir;

use crate::Plan;

/// A file system in memory that every Linux has.
const MEMORY: &str = "/dev/shm";

/// How many times the large file must fit: the source, our spool, our result, and the server's part of it; and one
/// to spare.
const TIMES: u64 = 5;

/// The folder for everything: the server's files, the results, our state.
#[derive(Debug)]
pub struct Place {
    folder: PathBuf,
    /// The kind of its file system, such as `tmpfs` or `ext4`.
    pub file_system: String,
}

impl Place {
    /// The folder that `TMPDIR` names. Without it, memory, where there is room, since a disk would be measured more
    /// than the programs; and the system's folder for temporary files else.
    ///
    /// It becomes the temporary folder of this process, so that the test servers have theirs there too.
    ///
    /// # Errors
    /// When there is no room anywhere.
    pub fn choose(plan: &Plan) -> Result<Self> {
        let needed = plan.large * TIMES;
        let folder = if env::var_os("TMPDIR").is_none()
            && has_room(Path::new(MEMORY), needed)
            && free_memory()? > needed
        {
            PathBuf::from(MEMORY)
        } else {
            env::temp_dir()
        };
        ensure!(
            has_room(&folder, needed),
            "{} has not {needed} bytes of room; let TMPDIR name a folder that has",
            folder.display()
        );
        tempfile::env::override_temp_dir(&folder)
            .map_err(|other| anyhow!("temporary files are in {} already", other.display()))?;
        Self::at(&folder)
    }

    /// A folder that is there.
    ///
    /// # Errors
    /// When the system does not tell its file systems.
    pub fn at(folder: &Path) -> Result<Self> {
        let folder = folder.canonicalize()?;
        let mounts =
            fs::read_to_string("/proc/self/mounts").context("cannot read the list of file systems")?;
        Ok(Self {
            file_system: file_system(&mounts, &folder).unwrap_or("unknown").to_owned(),
            folder,
        })
    }

    /// A new folder there, which goes when it is dropped.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn folder(&self, prefix: &str) -> Result<TempDir> {
        tempfile::Builder::new()
            .prefix(prefix)
            .tempdir_in(&self.folder)
            .with_context(|| format!("cannot make a folder in {}", self.folder.display()))
    }
}

fn has_room(folder: &Path, bytes: u64) -> bool {
    rustix::fs::statvfs(folder).is_ok_and(|it| it.f_bavail * it.f_frsize >= bytes)
}

/// Bytes that programs can have without swapping. A file system in memory may promise more than there is.
fn free_memory() -> Result<u64> {
    let text = fs::read_to_string("/proc/meminfo").context("cannot read how much memory there is")?;
    kib(&text, "MemAvailable:").map(|kib| kib << 10)
}

/// A number of KiB in a file like `/proc/meminfo`.
pub(crate) fn kib(text: &str, name: &str) -> Result<u64> {
    text.lines()
        .find_map(|line| line.strip_prefix(name)?.split_whitespace().next()?.parse().ok())
        .with_context(|| format!("there is no {name}"))
}

/// The kind of the file system that a path is on: the one that is mounted the furthest down, and last.
fn file_system<'a>(mounts: &'a str, path: &Path) -> Option<&'a str> {
    let mount = |line: &'a str| {
        let mut words = line.split(' ');
        Some((Path::new(words.nth(1)?), words.next()?))
    };
    mounts
        .lines()
        .filter_map(mount)
        .filter(|(point, _)| path.starts_with(point))
        .max_by_key(|(point, _)| point.components().count())
        .map(|(_, kind)| kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_system_is_the_one_furthest_down() {
        let mounts = "/dev/vda / ext4 rw 0 0\ntmpfs /dev/shm tmpfs rw 0 0\n/dev/vdb /data xfs rw 0 0\n";
        let kind = |path: &str| file_system(mounts, Path::new(path));
        assert_eq!(kind("/tmp/bench"), Some("ext4"));
        assert_eq!(kind("/dev/shm/bench"), Some("tmpfs"));
        assert_eq!(kind("/database"), Some("ext4"));
        assert_eq!(file_system("", Path::new("/")), None);
    }

    #[test]
    fn numbers_of_the_system() {
        let text = "MemTotal:       24608340 kB\nMemAvailable:   20000 kB\n";
        assert_eq!(kib(text, "MemAvailable:").unwrap(), 20000);
        assert!(kib(text, "MemFree:").is_err());
    }
}
