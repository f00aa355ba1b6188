//! The wrappers of what is said and heard on connections: it tells what other machines know.
//!
//! It is written down before it is said, and after it was heard. So whoever cuts the journal anywhere knows of everything
//! that the other side may have been told, and of nothing that this side has not been told.
#![expect(
    unsafe_code,
    reason = "functions of C: they get what the program gives to the C library"
)]

use std::ffi::{c_int, c_void};

use libc::{iovec, msghdr, size_t, sockaddr, socklen_t, ssize_t};

use crate::place::{Behind, behind};
use crate::real;
use crate::record::Record;
use crate::watch::watch;

/// How much of each piece is kept: more than the head of a request.
const KEPT: usize = 4096;

/// Whether somebody who speaks FTP or HTTP could begin like this.
fn is_request(text: &[u8]) -> bool {
    text.len() >= 4 && text[..3].iter().all(u8::is_ascii_uppercase)
}

/// Whether somebody who answers in FTP or HTTP could begin like this.
fn is_reply(text: &[u8]) -> bool {
    let is_code = text.len() >= 4 && text[..3].iter().all(u8::is_ascii_digit) && b" -".contains(&text[3]);
    is_code || text.starts_with(b"HTTP/")
}

/// Writes down what is about to be said, if it is on a connection that speaks.
pub fn said(descriptor: c_int, text: &[u8]) {
    told(descriptor, text, is_request, |socket, text| Record::Said {
        socket,
        text,
    });
}

fn heard(descriptor: c_int, text: &[u8]) {
    told(descriptor, text, is_reply, |socket, text| Record::Heard {
        socket,
        text,
    });
}

fn told(
    descriptor: c_int,
    text: &[u8],
    speaks: fn(&[u8]) -> bool,
    record: impl FnOnce(u64, Vec<u8>) -> Record,
) {
    if text.is_empty() {
        return;
    }
    let Some(mut watch) = watch().filter(|watch| watch.writes_down()) else {
        return;
    };
    let Behind::Socket(socket) = behind(descriptor) else {
        return;
    };
    if speaks(text) {
        watch.speaking.insert(socket);
    }
    if watch.speaking.contains(&socket) {
        watch.write_down(&record(socket, text[..text.len().min(KEPT)].to_vec()));
    }
}

/// The same of what is said in pieces: the first of them, in which a request begins.
///
/// # Safety
/// The pieces are there.
pub unsafe fn said_in_pieces(descriptor: c_int, pieces: *const iovec, count: c_int) {
    if count > 0 {
        // SAFETY: the caller says so.
        let first = unsafe { *pieces };
        // SAFETY: the same.
        said(descriptor, unsafe { text(first.iov_base, first.iov_len) });
    }
}

/// # Safety
/// The bytes are there.
unsafe fn text<'a>(start: *const c_void, length: size_t) -> &'a [u8] {
    if start.is_null() || length == 0 {
        return &[];
    }
    // SAFETY: the caller says so.
    unsafe { std::slice::from_raw_parts(start.cast(), length) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn send(descriptor: c_int, start: *const c_void, length: size_t, flags: c_int) -> ssize_t {
    // SAFETY: as the program says to the C library.
    said(descriptor, unsafe { text(start, length) });
    real!(send(descriptor => c_int, start => *const c_void, length => size_t, flags => c_int) -> ssize_t)
}

#[unsafe(no_mangle)]
unsafe extern "C" fn sendto(
    descriptor: c_int,
    start: *const c_void,
    length: size_t,
    flags: c_int,
    address: *const sockaddr,
    address_length: socklen_t,
) -> ssize_t {
    // SAFETY: as the program says to the C library.
    said(descriptor, unsafe { text(start, length) });
    real!(sendto(
        descriptor => c_int, start => *const c_void, length => size_t, flags => c_int,
        address => *const sockaddr, address_length => socklen_t
    ) -> ssize_t)
}

#[unsafe(no_mangle)]
unsafe extern "C" fn sendmsg(descriptor: c_int, message: *const msghdr, flags: c_int) -> ssize_t {
    // SAFETY: as the program says to the C library.
    unsafe {
        let count = c_int::try_from((*message).msg_iovlen).unwrap_or_default();
        said_in_pieces(descriptor, (*message).msg_iov, count);
    }
    real!(sendmsg(descriptor => c_int, message => *const msghdr, flags => c_int) -> ssize_t)
}

#[unsafe(no_mangle)]
unsafe extern "C" fn recv(descriptor: c_int, start: *mut c_void, length: size_t, flags: c_int) -> ssize_t {
    let read =
        real!(recv(descriptor => c_int, start => *mut c_void, length => size_t, flags => c_int) -> ssize_t);
    // A look at what will be read later is not yet hearing it.
    if flags & libc::MSG_PEEK == 0 {
        // SAFETY: so many bytes are there now.
        heard(descriptor, unsafe {
            text(start, usize::try_from(read).unwrap_or_default())
        });
    }
    read
}

#[unsafe(no_mangle)]
unsafe extern "C" fn read(descriptor: c_int, start: *mut c_void, length: size_t) -> ssize_t {
    let read = real!(read(descriptor => c_int, start => *mut c_void, length => size_t) -> ssize_t);
    // SAFETY: so many bytes are there now.
    heard(descriptor, unsafe {
        text(start, usize::try_from(read).unwrap_or_default())
    });
    read
}
