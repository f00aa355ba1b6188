//! The wrappers of copies within the system, from one descriptor to another.
#![expect(
    unsafe_code,
    reason = "functions of C: they get what the program gives to the C library"
)]

use std::ffi::c_int;

use libc::{loff_t, off_t, size_t, ssize_t};

use crate::files::{full, wrote};
use crate::real;
use crate::real::fail;
use crate::watch::watch;

/// A copy within the system: what came of it is read again.
fn copy_with(
    target: c_int,
    length: size_t,
    real: impl FnOnce(size_t) -> ssize_t,
    at: impl FnOnce() -> loff_t,
) -> ssize_t {
    let Some(mut watch) = watch() else {
        return real(length);
    };
    let Some(file) = watch.file(target) else {
        drop(watch);
        return real(length);
    };
    let room = watch.take_room(length);
    if room == 0 && length > 0 {
        return full();
    }
    let copied = real(room);
    let Ok(count) = usize::try_from(copied) else {
        return copied;
    };
    if watch.writes_down() {
        let end = at();
        wrote(&watch, file, end, &read_again(target, end, count));
    }
    copied
}

/// The bytes that end there. The descriptor may be for writing alone, so the file is opened once more.
fn read_again(descriptor: c_int, end: loff_t, count: usize) -> Vec<u8> {
    let path = std::ffi::CString::new(format!("/proc/self/fd/{descriptor}")).unwrap_or_default();
    let mut data = vec![0; count];
    let start = end - loff_t::try_from(count).unwrap_or_default();
    let flags = libc::O_RDONLY | libc::O_CLOEXEC;
    // SAFETY: the path ends in a zero, the buffer has the length that is told, and the descriptor is closed by us alone.
    let read = unsafe {
        let opened = libc::syscall(libc::SYS_openat, libc::AT_FDCWD, path.as_ptr(), flags);
        let read = libc::syscall(libc::SYS_pread64, opened, data.as_mut_ptr(), count, start);
        libc::syscall(libc::SYS_close, opened);
        read
    };
    if usize::try_from(read) != Ok(count) {
        fail("what was copied cannot be read again");
    }
    data
}

/// Where a copy ended: at the offset that it moved on, else where the descriptor is.
///
/// # Safety
/// `offset` leads to a number or nowhere.
unsafe fn end_of(descriptor: c_int, offset: *const loff_t) -> loff_t {
    // SAFETY: the caller says so.
    match unsafe { offset.as_ref() } {
        Some(offset) => *offset,
        // SAFETY: only asks where the descriptor is.
        None => unsafe { libc::lseek(descriptor, 0, libc::SEEK_CUR) },
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn copy_file_range(
    from: c_int,
    from_offset: *mut loff_t,
    to: c_int,
    to_offset: *mut loff_t,
    length: size_t,
    flags: u32,
) -> ssize_t {
    let copy = |length| {
        real!(copy_file_range(
            from => c_int, from_offset => *mut loff_t, to => c_int, to_offset => *mut loff_t,
            length => size_t, flags => u32
        ) -> ssize_t)
    };
    // SAFETY: as the program says to the C library.
    copy_with(to, length, copy, || unsafe { end_of(to, to_offset) })
}

macro_rules! sends_files {
    ($($name:ident)*) => { $(
        #[unsafe(no_mangle)]
        unsafe extern "C" fn $name(to: c_int, from: c_int, offset: *mut off_t, length: size_t) -> ssize_t {
            let copy = |length| {
                real!($name(to => c_int, from => c_int, offset => *mut off_t, length => size_t) -> ssize_t)
            };
            // SAFETY: the target goes on by itself.
            copy_with(to, length, copy, || unsafe { end_of(to, std::ptr::null()) })
        }
    )* };
}
sends_files! { sendfile sendfile64 }

#[unsafe(no_mangle)]
unsafe extern "C" fn splice(
    from: c_int,
    from_offset: *mut loff_t,
    to: c_int,
    to_offset: *mut loff_t,
    length: size_t,
    flags: u32,
) -> ssize_t {
    let copy = |length| {
        real!(splice(
            from => c_int, from_offset => *mut loff_t, to => c_int, to_offset => *mut loff_t,
            length => size_t, flags => u32
        ) -> ssize_t)
    };
    // SAFETY: as the program says to the C library.
    copy_with(to, length, copy, || unsafe { end_of(to, to_offset) })
}
