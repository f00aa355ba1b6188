//! The wrappers of what changes names: of files and of folders.
#![expect(
    unsafe_code,
    reason = "functions of C: they get what the program gives to the C library"
)]

use std::ffi::{c_char, c_int};
use std::path::Path;

use libc::{AT_FDCWD, AT_REMOVEDIR, mode_t};

use crate::place::whole;
use crate::real;
use crate::record::Record;
use crate::watch::{Watch, watch};

/// Does something to one name, and writes it down when it was done.
///
/// # Safety
/// `name` is a text of C.
unsafe fn with_name(
    folder: c_int,
    name: *const c_char,
    real: impl FnOnce() -> c_int,
    record: impl FnOnce(Vec<u8>) -> Record,
) -> c_int {
    let Some(watch) = watch() else { return real() };
    // SAFETY: the caller says so.
    let below = unsafe { whole(folder, name) }.and_then(|path| watch.below(&path));
    let answer = real();
    if answer == 0
        && let Some(path) = below
    {
        watch.write_down(&record(path));
    }
    answer
}

/// The same with two names.
///
/// # Safety
/// Both names are texts of C.
unsafe fn with_names(
    from: (c_int, *const c_char),
    to: (c_int, *const c_char),
    real: impl FnOnce() -> c_int,
    record: impl FnOnce(&Watch, &Path, &Path) -> Option<Record>,
) -> c_int {
    let Some(watch) = watch() else { return real() };
    // SAFETY: the caller says so.
    let (from, to) = unsafe { (whole(from.0, from.1), whole(to.0, to.1)) };
    let answer = real();
    if answer == 0
        && let (Some(from), Some(to)) = (from, to)
        && let Some(record) = record(&watch, &from, &to)
    {
        watch.write_down(&record);
    }
    answer
}

/// A name that comes from outside the folder or leaves it is no rename of the journal's: the comparison with the folder
/// then tells.
fn renamed(watch: &Watch, from: &Path, to: &Path) -> Option<Record> {
    Some(Record::Rename {
        from: watch.below(from)?,
        to: watch.below(to)?,
    })
}

/// The file is known by its new name: the old one may be that of a descriptor.
fn linked(watch: &Watch, _: &Path, to: &Path) -> Option<Record> {
    let file = watch.file_named(to)?;
    Some(Record::Link {
        path: watch.below(to)?,
        file,
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn rename(from: *const c_char, to: *const c_char) -> c_int {
    let real = || real!(rename(from => *const c_char, to => *const c_char) -> c_int);
    // SAFETY: as the program says to the C library.
    unsafe { with_names((AT_FDCWD, from), (AT_FDCWD, to), real, renamed) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn renameat(
    from_folder: c_int,
    from: *const c_char,
    to_folder: c_int,
    to: *const c_char,
) -> c_int {
    let real = || {
        real!(renameat(
            from_folder => c_int, from => *const c_char, to_folder => c_int, to => *const c_char
        ) -> c_int)
    };
    // SAFETY: as the program says to the C library.
    unsafe { with_names((from_folder, from), (to_folder, to), real, renamed) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn renameat2(
    from_folder: c_int,
    from: *const c_char,
    to_folder: c_int,
    to: *const c_char,
    flags: u32,
) -> c_int {
    let real = || {
        real!(renameat2(
            from_folder => c_int, from => *const c_char, to_folder => c_int, to => *const c_char, flags => u32
        ) -> c_int)
    };
    // SAFETY: as the program says to the C library.
    unsafe { with_names((from_folder, from), (to_folder, to), real, renamed) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn link(from: *const c_char, to: *const c_char) -> c_int {
    let real = || real!(link(from => *const c_char, to => *const c_char) -> c_int);
    // SAFETY: as the program says to the C library.
    unsafe { with_names((AT_FDCWD, from), (AT_FDCWD, to), real, linked) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn linkat(
    from_folder: c_int,
    from: *const c_char,
    to_folder: c_int,
    to: *const c_char,
    flags: c_int,
) -> c_int {
    let real = || {
        real!(linkat(
            from_folder => c_int, from => *const c_char, to_folder => c_int, to => *const c_char, flags => c_int
        ) -> c_int)
    };
    // SAFETY: as the program says to the C library.
    unsafe { with_names((from_folder, from), (to_folder, to), real, linked) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn unlink(path: *const c_char) -> c_int {
    let real = || real!(unlink(path => *const c_char) -> c_int);
    // SAFETY: as the program says to the C library.
    unsafe { with_name(AT_FDCWD, path, real, |path| Record::Remove { path }) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn unlinkat(folder: c_int, path: *const c_char, flags: c_int) -> c_int {
    let real = || real!(unlinkat(folder => c_int, path => *const c_char, flags => c_int) -> c_int);
    let record = |path| {
        if flags & AT_REMOVEDIR == 0 {
            Record::Remove { path }
        } else {
            Record::RemoveFolder { path }
        }
    };
    // SAFETY: as the program says to the C library.
    unsafe { with_name(folder, path, real, record) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn mkdir(path: *const c_char, mode: mode_t) -> c_int {
    let real = || real!(mkdir(path => *const c_char, mode => mode_t) -> c_int);
    // SAFETY: as the program says to the C library.
    unsafe { with_name(AT_FDCWD, path, real, |path| Record::MakeFolder { path }) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn mkdirat(folder: c_int, path: *const c_char, mode: mode_t) -> c_int {
    let real = || real!(mkdirat(folder => c_int, path => *const c_char, mode => mode_t) -> c_int);
    // SAFETY: as the program says to the C library.
    unsafe { with_name(folder, path, real, |path| Record::MakeFolder { path }) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn rmdir(path: *const c_char) -> c_int {
    let real = || real!(rmdir(path => *const c_char) -> c_int);
    // SAFETY: as the program says to the C library.
    unsafe { with_name(AT_FDCWD, path, real, |path| Record::RemoveFolder { path }) }
}
