//! From descriptors and names to files, and to paths below the folder.
#![expect(
    unsafe_code,
    reason = "the C library is asked about descriptors and names of the program"
)]

use std::ffi::{CStr, CString, OsStr, c_char, c_int};
use std::mem::MaybeUninit;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Component, Path, PathBuf};

/// What tells a file from all others while it is there: device and inode.
pub type Identity = (u64, u64);

/// What is behind a descriptor or a name.
#[derive(Debug, Clone, Copy)]
pub enum Behind {
    /// A file, and its length.
    File(Identity, u64),
    /// A folder.
    Folder,
    /// A connection, by its number.
    Socket(u64),
    /// Something else, or nothing.
    Other,
}

/// What is behind a descriptor.
pub fn behind(descriptor: c_int) -> Behind {
    let mut found = MaybeUninit::<libc::stat>::uninit();
    // SAFETY: there is room for the answer.
    let known = unsafe { libc::fstat(descriptor, found.as_mut_ptr()) } == 0;
    // SAFETY: the call has filled it when it says so.
    if known {
        of(&unsafe { found.assume_init() })
    } else {
        Behind::Other
    }
}

/// What has a name. Links are not followed.
pub fn named(path: &Path) -> Behind {
    let Ok(path) = CString::new(path.as_os_str().as_bytes()) else {
        return Behind::Other;
    };
    let mut found = MaybeUninit::<libc::stat>::uninit();
    // SAFETY: `path` ends in a zero, and there is room for the answer.
    let known = unsafe { libc::lstat(path.as_ptr(), found.as_mut_ptr()) } == 0;
    // SAFETY: the call has filled it when it says so.
    if known {
        of(&unsafe { found.assume_init() })
    } else {
        Behind::Other
    }
}

fn of(found: &libc::stat) -> Behind {
    match found.st_mode & libc::S_IFMT {
        libc::S_IFREG => Behind::File(
            (found.st_dev, found.st_ino),
            u64::try_from(found.st_size).unwrap_or_default(),
        ),
        libc::S_IFDIR => Behind::Folder,
        libc::S_IFSOCK => Behind::Socket(found.st_ino),
        _ => Behind::Other,
    }
}

/// The whole path that is meant by a name in the folder behind a descriptor, without `.` and `..`.
///
/// # Safety
/// `name` is a text of C.
pub unsafe fn whole(folder: c_int, name: *const c_char) -> Option<PathBuf> {
    if name.is_null() {
        return None;
    }
    // SAFETY: the caller says so.
    let name = Path::new(OsStr::from_bytes(unsafe { CStr::from_ptr(name) }.to_bytes()));
    if name.is_absolute() {
        return Some(plain(name));
    }
    let folder = if folder == libc::AT_FDCWD {
        read_link("/proc/self/cwd")?
    } else {
        of_descriptor(folder)?
    };
    Some(plain(&folder.join(name)))
}

/// The path by which the system knows a descriptor.
pub fn of_descriptor(descriptor: c_int) -> Option<PathBuf> {
    read_link(&format!("/proc/self/fd/{descriptor}"))
}

fn read_link(link: &str) -> Option<PathBuf> {
    let link = CString::new(link).ok()?;
    let mut target = vec![0; usize::try_from(libc::PATH_MAX).ok()?];
    // SAFETY: `link` ends in a zero, and the target has the length that is told.
    let length = unsafe { libc::readlink(link.as_ptr(), target.as_mut_ptr().cast(), target.len()) };
    target.truncate(usize::try_from(length).ok()?);
    Some(PathBuf::from(std::ffi::OsString::from_vec(target)))
}

fn plain(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => {
                plain.pop();
            }
            part => plain.push(part),
        }
    }
    plain
}
