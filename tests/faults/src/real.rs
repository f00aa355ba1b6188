//! The C library's own functions, which the wrappers stand before.
#![expect(
    unsafe_code,
    reason = "a function that is found by its name has the type that its manual page says"
)]

use std::ffi::{CStr, c_void};
use std::sync::atomic::{AtomicPtr, Ordering};

/// Ends the program. A panic would be told through a wrapper, which waits for the lock that its thread has.
pub fn fail(message: &str) -> ! {
    let line = format!("flow-faults: {message}\n");
    // SAFETY: the bytes are there.
    unsafe { libc::syscall(libc::SYS_write, libc::STDERR_FILENO, line.as_ptr(), line.len()) };
    std::process::abort()
}

/// The next function of this name behind this library. There is one, or the program would not have called it.
pub fn find(place: &AtomicPtr<c_void>, name: &CStr) -> *mut c_void {
    let known = place.load(Ordering::Relaxed);
    if !known.is_null() {
        return known;
    }
    // SAFETY: `name` ends in a zero, and `RTLD_NEXT` is a handle that is always there.
    let found = unsafe { libc::dlsym(libc::RTLD_NEXT, name.as_ptr()) };
    if found.is_null() {
        fail("the C library lacks a function that the program calls");
    }
    place.store(found, Ordering::Relaxed);
    found
}

/// Calls the function that a wrapper of the same name stands before.
#[macro_export]
macro_rules! real {
    ($name:ident($($argument:ident => $type:ty),*) -> $answer:ty) => {{
        static PLACE: std::sync::atomic::AtomicPtr<std::ffi::c_void> =
            std::sync::atomic::AtomicPtr::new(std::ptr::null_mut());
        const NAME: &std::ffi::CStr =
            match std::ffi::CStr::from_bytes_with_nul(concat!(stringify!($name), "\0").as_bytes()) {
                Ok(name) => name,
                Err(_) => panic!("a name has no zero in it"),
            };
        // SAFETY: the function of this name has this type, and gets what the wrapper was given.
        unsafe {
            std::mem::transmute::<*mut std::ffi::c_void, unsafe extern "C" fn($($type),*) -> $answer>(
                $crate::real::find(&PLACE, NAME),
            )($($argument),*)
        }
    }};
}
