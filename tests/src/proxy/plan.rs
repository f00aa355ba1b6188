//! What a proxy breaks, and when.

use std::collections::VecDeque;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

/// Which connections break.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    /// The data connection, at both ends.
    Data,
    /// The control connection at the client's end, as a firewall does it; the data flows on.
    Control,
    /// Data and control connection, at both ends.
    Both,
}

/// How a connection breaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum How {
    /// With a reset (`SO_LINGER` 0).
    Reset,
    /// With a close. In clear it looks like the end of the file; in TLS it is one that nobody has announced.
    Close,
    /// With the end of the TLS session (`close_notify`) and a close: what the end of a file looks like there. In clear
    /// the same as a close.
    CloseNotify,
}

/// A break.
#[derive(Debug, Clone, Copy)]
pub struct Cut {
    /// After this many bytes of files, counted over the whole run and both directions.
    pub after: u64,
    /// What breaks.
    pub what: What,
    /// How it breaks.
    pub how: How,
}

/// An instant of a session, counted from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum At {
    /// This command has been sent, and does not reach the server.
    Command(usize),
    /// The server has carried out this command, and its final reply does not reach the client.
    Reply(usize),
    /// So many bytes of files have passed.
    Byte(u64),
}

/// What a proxy does besides passing on.
#[derive(Debug, Clone, Default)]
pub struct Plan {
    pub(super) cuts: VecDeque<Cut>,
    pub(super) lost: Vec<&'static str>,
    pub(super) pace: Option<(usize, Duration)>,
    pub(super) kill: Option<(At, CancellationToken)>,
}

impl Plan {
    /// Nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// One more break; they come in the order in which they are planned.
    #[must_use]
    pub fn cut(mut self, after: u64, what: What, how: How) -> Self {
        self.cuts.push_back(Cut { after, what, how });
        self
    }

    /// Loses the final reply to the next command with this word, once, and closes both ends of the connection. The
    /// server has done what it was asked to.
    #[must_use]
    pub fn lose_reply_to(mut self, command: &'static str) -> Self {
        self.lost.push(command);
        self
    }

    /// Kills the client at an instant: `killed` is cancelled, which is to end it, and from then on nothing passes, not
    /// even what it might do in its last moment. To the server its connections close; to the client nothing happens.
    #[must_use]
    pub fn kill_at(mut self, at: At, killed: CancellationToken) -> Self {
        self.kill = Some((at, killed));
        self
    }

    /// Passes files on in pieces of so many bytes with a pause after each.
    #[must_use]
    pub fn pace(mut self, piece: usize, pause: Duration) -> Self {
        self.pace = Some((piece, pause));
        self
    }
}
