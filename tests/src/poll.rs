//! Waiting for sockets, in threads that also look whether they are to end.

use std::os::fd::AsFd;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

/// The longest that a thread takes to notice that it is to end.
pub(crate) const TICK: Duration = Duration::from_millis(20);

/// Waits at most a [`TICK`] until some of these can be read or have ended; which ones.
pub(crate) fn readable<const N: usize>(sockets: &[&dyn AsFd; N]) -> [bool; N] {
    readable_within(TICK, sockets)
}

/// The same, at most so long.
pub(crate) fn readable_within<const N: usize>(time: Duration, sockets: &[&dyn AsFd; N]) -> [bool; N] {
    let mut polled = sockets.map(|socket| PollFd::from_borrowed_fd(socket.as_fd(), PollFlags::IN));
    let timeout = Timespec::try_from(time).expect("milliseconds are a time");
    match poll(&mut polled, Some(&timeout)) {
        Ok(_) => polled.map(|one| !one.revents().is_empty()),
        Err(_) => [false; N],
    }
}
