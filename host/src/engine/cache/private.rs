//! What belongs to this user alone.

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use std::fs::{self, File, Metadata};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

/// Permissions by which others may change a file.
pub(super) const WRITABLE: u32 = 0o022;
/// Permissions by which others may do anything with it.
pub(super) const ANY: u32 = 0o077;

/// Why a file or folder cannot be relied on.
#[derive(Debug, thiserror::Error)]
pub(super) enum NotPrivate {
    #[error("it belongs to another user")]
    Owner,
    #[error("others may {} it (mode {:o})", if mode & WRITABLE == 0 { "read" } else { "write to" }, mode & 0o777)]
    Mode { mode: u32 },
    #[error("it is a symbolic link")]
    Link,
    #[error("it is not a {0}")]
    Kind(&'static str),
    #[error(transparent)]
    Io(#[from] std::io::Error),
}

/// Checks that a folder is this user's, and that nobody else may put anything there.
pub(super) fn check_folder(path: &Path) -> Result<(), NotPrivate> {
    let metadata = fs::metadata(path)?;
    if !metadata.is_dir() {
        return Err(NotPrivate::Kind("folder"));
    }
    check(&metadata, WRITABLE)
}

/// Opens a file for reading, if it is there, and checks what was opened: a plain file of this user, without the
/// permissions `forbidden`.
pub(super) fn open(path: &Path, forbidden: u32) -> Result<Option<File>, NotPrivate> {
    // Without NONBLOCK, opening a pipe would wait for somebody who writes to it.
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = match rustix::fs::open(path, flags, Mode::empty()) {
        Ok(file) => File::from(file),
        Err(Errno::NOENT) => return Ok(None),
        Err(Errno::LOOP) => return Err(NotPrivate::Link),
        Err(error) => return Err(NotPrivate::Io(error.into())),
    };
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(NotPrivate::Kind("file"));
    }
    check(&metadata, forbidden)?;
    Ok(Some(file))
}

fn check(metadata: &Metadata, forbidden: u32) -> Result<(), NotPrivate> {
    if metadata.uid() != rustix::process::geteuid().as_raw() {
        return Err(NotPrivate::Owner);
    }
    let mode = metadata.mode();
    if mode & forbidden != 0 {
        return Err(NotPrivate::Mode { mode });
    }
    Ok(())
}
