//! Ports that nobody else has.

use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::sync::atomic::{AtomicU16, Ordering};

/// Ports in one range for passive data connections. One server of a test serves a handful of sessions
/// at once, and the servers allow a port again while old connections on it wait to be forgotten.
const RANGE: u16 = 40;

/// Ranges are taken from here up. It ends below the ports that Linux gives to outgoing connections.
const FIRST: u16 = 12_000;
const LAST: u16 = 32_000;

/// A port that was free a moment ago.
pub fn free_port() -> io::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}

/// First and last port of a range that no other server of this process has got, all free a moment ago.
///
/// Other test processes may run at the same time, so where the search starts depends on the process.
///
/// # Errors
/// When there is none.
pub fn free_range() -> io::Result<(u16, u16)> {
    static TAKEN: AtomicU16 = AtomicU16::new(0);
    let ranges = (LAST - FIRST) / RANGE;
    let start = u16::try_from(std::process::id() % u32::from(ranges)).unwrap_or_default();
    for _ in 0..ranges {
        let number = (start + TAKEN.fetch_add(1, Ordering::Relaxed) % ranges) % ranges;
        let first = FIRST + number * RANGE;
        let last = first + RANGE - 1;
        if (first..=last).all(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()) {
            return Ok((first, last));
        }
    }
    Err(io::Error::other("no free range of ports"))
}
