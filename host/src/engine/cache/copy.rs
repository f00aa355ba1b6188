//! A copy of a cache file that nobody else can change while it is verified and after.

use std::fs::File;
use std::io::{self, Read, Write as _};
use std::os::fd::AsRawFd as _;
use std::path::{Path, PathBuf};

/// Fits into a processor's second-level cache, and is enough for BLAKE3 to be fast.
const CHUNK: usize = 128 * 1024;

/// The content of a file, in a file without a name.
///
/// Not in memory of the process's own, where every page would have to be filled twice: wasmtime maps the file, so that
/// only the pages that run are the process's.
pub(super) struct PrivateCopy(File);

impl PrivateCopy {
    /// Reads all that is left in `from`, once, and shows each part to `see`.
    pub(super) fn of(from: &mut impl Read, mut see: impl FnMut(&[u8])) -> io::Result<Self> {
        let mut copy = unnamed()?;
        let mut buffer = vec![0; CHUNK];
        loop {
            let read = match from.read(&mut buffer) {
                Ok(0) => break,
                Ok(read) => &buffer[..read],
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            see(read);
            copy.write_all(read)?;
        }
        seal(&copy)?;
        Ok(Self(copy))
    }

    /// By which this process can open the copy, for as long as `self` lives.
    pub(super) fn path(&self) -> PathBuf {
        // Small containers have no /dev/fd.
        let folder = if cfg!(target_os = "linux") {
            "/proc/self/fd"
        } else {
            "/dev/fd"
        };
        Path::new(folder).join(self.0.as_raw_fd().to_string())
    }
}

#[cfg(target_os = "linux")]
fn unnamed() -> io::Result<File> {
    use rustix::fs::{MemfdFlags, memfd_create};
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    Ok(memfd_create("flowhost-compiled", flags)?.into())
}

#[cfg(target_os = "linux")]
fn seal(file: &File) -> io::Result<()> {
    use rustix::fs::{SealFlags, fcntl_add_seals};
    let all = SealFlags::SEAL | SealFlags::SHRINK | SealFlags::GROW | SealFlags::WRITE;
    Ok(fcntl_add_seals(file, all)?)
}

/// Removed as soon as it is made.
#[cfg(not(target_os = "linux"))]
fn unnamed() -> io::Result<File> {
    tempfile::tempfile()
}

/// There are no seals elsewhere; it has no name to open it by.
#[cfg(not(target_os = "linux"))]
#[expect(clippy::unnecessary_wraps, reason = "as where there are seals")]
fn seal(_: &File) -> io::Result<()> {
    Ok(())
}
