//! The wrappers of what changes a file's content or length, and of what syncs it.
#![expect(
    unsafe_code,
    reason = "functions of C: they get what the program gives to the C library"
)]

use std::ffi::{c_char, c_int, c_void};

use libc::{iovec, mode_t, off_t, size_t, ssize_t};

use crate::place::{self, Behind, behind, of_descriptor, whole};
use crate::real;
use crate::real::fail;
use crate::record::Record;
use crate::sockets;
use crate::watch::{Watch, watch};

/// Opens a file, and gives it its number when it is below the folder.
///
/// # Safety
/// `name` is a text of C, and `real` opens it.
unsafe fn open_with(folder: c_int, name: *const c_char, flags: c_int, real: impl FnOnce() -> c_int) -> c_int {
    let Some(mut watch) = watch() else { return real() };
    // SAFETY: the caller says so.
    let path = unsafe { whole(folder, name) };
    let Some((path, below)) = path.and_then(|path| {
        let below = watch.below(&path)?;
        Some((path, below))
    }) else {
        // Not under the lock: a pipe may be waited for.
        drop(watch);
        return real();
    };
    let nameless = flags & libc::O_TMPFILE == libc::O_TMPFILE;
    let was_there = !nameless && matches!(place::named(&path), Behind::File(..));
    let opened = real();
    if opened < 0 {
        return opened;
    }
    watch.opened(opened, (!nameless).then_some(below), !was_there);
    if was_there
        && flags & libc::O_TRUNC != 0
        && let Some(file) = watch.file(opened)
    {
        watch.write_down(&Record::Resize { file, length: 0 });
    }
    opened
}

macro_rules! opens {
    ($($name:ident)*) => { $(
        #[unsafe(no_mangle)]
        unsafe extern "C" fn $name(path: *const c_char, flags: c_int, mode: mode_t) -> c_int {
            let real = || real!($name(path => *const c_char, flags => c_int, mode => mode_t) -> c_int);
            // SAFETY: as the program says to the C library.
            unsafe { open_with(libc::AT_FDCWD, path, flags, real) }
        }
    )* };
}
opens! { open open64 }

macro_rules! opens_at {
    ($($name:ident)*) => { $(
        #[unsafe(no_mangle)]
        unsafe extern "C" fn $name(folder: c_int, path: *const c_char, flags: c_int, mode: mode_t) -> c_int {
            let real = || real!($name(folder => c_int, path => *const c_char, flags => c_int, mode => mode_t) -> c_int);
            // SAFETY: as the program says to the C library.
            unsafe { open_with(folder, path, flags, real) }
        }
    )* };
}
opens_at! { openat openat64 }

macro_rules! creates {
    ($($name:ident)*) => { $(
        #[unsafe(no_mangle)]
        unsafe extern "C" fn $name(path: *const c_char, mode: mode_t) -> c_int {
            let real = || real!($name(path => *const c_char, mode => mode_t) -> c_int);
            // SAFETY: as the program says to the C library.
            unsafe { open_with(libc::AT_FDCWD, path, libc::O_CREAT | libc::O_TRUNC, real) }
        }
    )* };
}
creates! { creat creat64 }

/// The disk is full.
pub fn full<T: From<i8>>() -> T {
    // SAFETY: every thread has its place for the number.
    unsafe { *libc::__errno_location() = libc::ENOSPC };
    T::from(-1)
}

/// Writes as many of the bytes as have room, and writes them down. `offset`: where they go, when the descriptor's own
/// place does not say it. `real` writes so many of them.
fn write_with(
    descriptor: c_int,
    bytes: &[u8],
    offset: Option<off_t>,
    real: impl FnOnce(size_t) -> ssize_t,
) -> ssize_t {
    let Some(mut watch) = watch() else {
        return real(bytes.len());
    };
    let Some(file) = watch.file(descriptor) else {
        drop(watch);
        return real(bytes.len());
    };
    let room = watch.take_room(bytes.len());
    if room == 0 && !bytes.is_empty() {
        return full();
    }
    let written = real(room);
    let Ok(length) = usize::try_from(written) else {
        return written;
    };
    let end = offset.map_or_else(
        // SAFETY: only asks where the descriptor is.
        || unsafe { libc::lseek(descriptor, 0, libc::SEEK_CUR) },
        |offset| offset + off_t::try_from(length).unwrap_or_default(),
    );
    wrote(&watch, file, end, &bytes[..length]);
    written
}

/// Writes down that these bytes end there.
pub fn wrote(watch: &Watch, file: u64, end: off_t, bytes: &[u8]) {
    if bytes.is_empty() {
        return;
    }
    let end = u64::try_from(end).unwrap_or_else(|_| fail("the end of a write is not known"));
    watch.write_down(&Record::Write {
        file,
        offset: end - bytes.len() as u64,
        data: bytes.to_vec(),
    });
}

/// The bytes that a program gives away.
///
/// # Safety
/// They are there.
unsafe fn bytes<'a>(start: *const c_void, length: size_t) -> &'a [u8] {
    if start.is_null() || length == 0 {
        return &[];
    }
    // SAFETY: the caller says so.
    unsafe { std::slice::from_raw_parts(start.cast(), length) }
}

/// The same in pieces, joined.
///
/// # Safety
/// They are there.
unsafe fn joined(pieces: *const iovec, count: c_int) -> Vec<u8> {
    let count = usize::try_from(count).unwrap_or_default();
    // SAFETY: the caller says so, of the list and of what it leads to.
    let pieces = unsafe { std::slice::from_raw_parts(pieces, count) };
    let pieces = pieces.iter().map(|piece| {
        // SAFETY: the same.
        unsafe { bytes(piece.iov_base, piece.iov_len) }
    });
    pieces.flatten().copied().collect()
}

#[unsafe(no_mangle)]
unsafe extern "C" fn write(descriptor: c_int, start: *const c_void, length: size_t) -> ssize_t {
    // SAFETY: as the program says to the C library.
    let data = unsafe { bytes(start, length) };
    sockets::said(descriptor, data);
    write_with(
        descriptor,
        data,
        None,
        |length| real!(write(descriptor => c_int, start => *const c_void, length => size_t) -> ssize_t),
    )
}

macro_rules! writes_at {
    ($($name:ident)*) => { $(
        #[unsafe(no_mangle)]
        unsafe extern "C" fn $name(descriptor: c_int, start: *const c_void, length: size_t, offset: off_t) -> ssize_t {
            // SAFETY: as the program says to the C library.
            write_with(descriptor, unsafe { bytes(start, length) }, Some(offset), |length| {
                real!($name(
                    descriptor => c_int, start => *const c_void, length => size_t, offset => off_t
                ) -> ssize_t)
            })
        }
    )* };
}
writes_at! { pwrite pwrite64 }

/// In one piece, so that it can be cut short.
#[unsafe(no_mangle)]
unsafe extern "C" fn writev(descriptor: c_int, pieces: *const iovec, count: c_int) -> ssize_t {
    let is_ours = watch().is_some_and(|watch| watch.file(descriptor).is_some());
    if !is_ours {
        // SAFETY: as the program says to the C library.
        unsafe { sockets::said_in_pieces(descriptor, pieces, count) };
        return real!(writev(descriptor => c_int, pieces => *const iovec, count => c_int) -> ssize_t);
    }
    // SAFETY: the same.
    let data = unsafe { joined(pieces, count) };
    write_with(descriptor, &data, None, |length| {
        let start = data.as_ptr().cast();
        real!(write(descriptor => c_int, start => *const c_void, length => size_t) -> ssize_t)
    })
}

/// The same for pieces that go to a place of their own; for a negative one, to the descriptor's.
///
/// # Safety
/// The pieces are there.
unsafe fn write_pieces_at(descriptor: c_int, pieces: *const iovec, count: c_int, offset: off_t) -> ssize_t {
    // SAFETY: the caller says so.
    let data = unsafe { joined(pieces, count) };
    let start: *const c_void = data.as_ptr().cast();
    if offset < 0 {
        return write_with(
            descriptor,
            &data,
            None,
            |length| real!(write(descriptor => c_int, start => *const c_void, length => size_t) -> ssize_t),
        );
    }
    write_with(descriptor, &data, Some(offset), |length| {
        real!(pwrite(
            descriptor => c_int, start => *const c_void, length => size_t, offset => off_t
        ) -> ssize_t)
    })
}

macro_rules! writes_pieces_at {
    ($($name:ident)*) => { $(
        #[unsafe(no_mangle)]
        unsafe extern "C" fn $name(descriptor: c_int, pieces: *const iovec, count: c_int, offset: off_t) -> ssize_t {
            // SAFETY: as the program says to the C library.
            unsafe { write_pieces_at(descriptor, pieces, count, offset) }
        }
    )* };
}
writes_pieces_at! { pwritev pwritev64 }

macro_rules! writes_pieces_with_flags {
    ($($name:ident)*) => { $(
        /// The flags are about speed, and about syncs that are then not seen: too few, never too many.
        #[unsafe(no_mangle)]
        unsafe extern "C" fn $name(
            descriptor: c_int,
            pieces: *const iovec,
            count: c_int,
            offset: off_t,
            _flags: c_int,
        ) -> ssize_t {
            // SAFETY: as the program says to the C library.
            unsafe { write_pieces_at(descriptor, pieces, count, offset) }
        }
    )* };
}
writes_pieces_with_flags! { pwritev2 pwritev64v2 }

/// What gives a file another length, and answers with 0 when it has.
fn resize_with(descriptor: c_int, growth: usize, real: impl FnOnce() -> c_int) -> Result<c_int, ()> {
    let Some(mut watch) = watch() else {
        return Ok(real());
    };
    let Some(file) = watch.file(descriptor) else {
        drop(watch);
        return Ok(real());
    };
    if watch.take_room(growth) < growth {
        return Err(());
    }
    let answer = real();
    if answer == 0
        && let Behind::File(_, length) = behind(descriptor)
    {
        watch.write_down(&Record::Resize { file, length });
    }
    Ok(answer)
}

macro_rules! truncates {
    ($($name:ident)*) => { $(
        #[unsafe(no_mangle)]
        unsafe extern "C" fn $name(descriptor: c_int, length: off_t) -> c_int {
            // A hole takes no room.
            resize_with(descriptor, 0, || real!($name(descriptor => c_int, length => off_t) -> c_int))
                .unwrap_or_else(|()| full())
        }
    )* };
}
truncates! { ftruncate ftruncate64 }

macro_rules! truncates_named {
    ($($name:ident)*) => { $(
        #[unsafe(no_mangle)]
        unsafe extern "C" fn $name(path: *const c_char, length: off_t) -> c_int {
            let Some(watch) = watch() else {
                return real!($name(path => *const c_char, length => off_t) -> c_int);
            };
            // SAFETY: as the program says to the C library.
            let file = unsafe { whole(libc::AT_FDCWD, path) }.and_then(|path| watch.file_named(&path));
            let answer = real!($name(path => *const c_char, length => off_t) -> c_int);
            if answer == 0 && let Some(file) = file {
                let length = u64::try_from(length).unwrap_or_default();
                watch.write_down(&Record::Resize { file, length });
            }
            answer
        }
    )* };
}
truncates_named! { truncate truncate64 }

/// How much longer a file becomes when it is to reach this far.
fn growth(descriptor: c_int, offset: off_t, length: off_t) -> usize {
    let end = u64::try_from(offset.saturating_add(length)).unwrap_or_default();
    match behind(descriptor) {
        Behind::File(_, now) => usize::try_from(end.saturating_sub(now)).unwrap_or_default(),
        _ => 0,
    }
}

macro_rules! allocates {
    ($($name:ident)*) => { $(
        #[unsafe(no_mangle)]
        unsafe extern "C" fn $name(descriptor: c_int, mode: c_int, offset: off_t, length: off_t) -> c_int {
            resize_with(descriptor, growth(descriptor, offset, length), || {
                real!($name(descriptor => c_int, mode => c_int, offset => off_t, length => off_t) -> c_int)
            })
            .unwrap_or_else(|()| full())
        }
    )* };
}
allocates! { fallocate fallocate64 }

macro_rules! allocates_as_posix_says {
    ($($name:ident)*) => { $(
        #[unsafe(no_mangle)]
        unsafe extern "C" fn $name(descriptor: c_int, offset: off_t, length: off_t) -> c_int {
            // It answers with the error's number.
            resize_with(descriptor, growth(descriptor, offset, length), || {
                real!($name(descriptor => c_int, offset => off_t, length => off_t) -> c_int)
            })
            .unwrap_or(libc::ENOSPC)
        }
    )* };
}
allocates_as_posix_says! { posix_fallocate posix_fallocate64 }

/// Syncs, and writes down what.
fn sync_with(descriptor: c_int, real: impl FnOnce() -> c_int) -> c_int {
    let Some(watch) = watch() else { return real() };
    let record = match behind(descriptor) {
        Behind::File(..) => watch.file(descriptor).map(|file| Record::Sync { file }),
        Behind::Folder => of_descriptor(descriptor)
            .and_then(|path| watch.below(&path))
            .map(|path| Record::SyncFolder { path }),
        _ => None,
    };
    let answer = real();
    if answer == 0
        && let Some(record) = record
    {
        watch.write_down(&record);
    }
    answer
}

macro_rules! syncs {
    ($($name:ident)*) => { $(
        #[unsafe(no_mangle)]
        unsafe extern "C" fn $name(descriptor: c_int) -> c_int {
            sync_with(descriptor, || real!($name(descriptor => c_int) -> c_int))
        }
    )* };
}
syncs! { fsync fdatasync }

#[unsafe(no_mangle)]
unsafe extern "C" fn syncfs(descriptor: c_int) -> c_int {
    let watch = watch();
    let answer = real!(syncfs(descriptor => c_int) -> c_int);
    if answer == 0
        && let Some(watch) = watch
    {
        watch.write_down(&Record::SyncAll);
    }
    answer
}

#[unsafe(no_mangle)]
unsafe extern "C" fn sync() {
    let watch = watch();
    real!(sync() -> ());
    if let Some(watch) = watch {
        watch.write_down(&Record::SyncAll);
    }
}
