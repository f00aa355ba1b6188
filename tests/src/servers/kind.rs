//! The kinds of FTP server, and what each can and cannot do.

use std::fmt;

use super::tls::{Mode, Tls};
use crate::pki::Version;

/// A kind of FTP server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The demo's server (libunftp), within this process.
    Embedded,
    /// vsftpd: no MLSD, LIST in its own short form, EPSV.
    Vsftpd,
    /// Pure-FTPd: MLSD, forks, wants root.
    PureFtpd,
    /// `ProFTPD`: MLSD, HASH and much else.
    Proftpd,
    /// pyftpdlib: MLSD, one thread.
    Pyftpdlib,
}

impl Kind {
    /// Every kind. A scenario that is not run on one of these says why.
    pub const ALL: [Self; 5] = [
        Self::Embedded,
        Self::Vsftpd,
        Self::PureFtpd,
        Self::Proftpd,
        Self::Pyftpdlib,
    ];

    /// The name under which the catalogue of servers lists it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Embedded => "embedded",
            Self::Vsftpd => "vsftpd",
            Self::PureFtpd => "pure-ftpd",
            Self::Proftpd => "proftpd",
            Self::Pyftpdlib => "pyftpdlib",
        }
    }

    /// Whether the server knows `SITE CHMOD` and lets this account use it.
    #[must_use]
    pub fn has_chmod(self) -> bool {
        matches!(self, Self::PureFtpd | Self::Proftpd | Self::Pyftpdlib)
    }

    /// Whether the server computes hashes of files (HASH and the older XSHA256, XMD5 and so on).
    #[must_use]
    pub fn has_hash(self) -> bool {
        self == Self::Proftpd
    }

    /// Whether a client may set a file's time, by MFMT or, at vsftpd, by MDTM with a time before the name.
    #[must_use]
    pub fn sets_times(self) -> bool {
        self != Self::Embedded
    }

    /// Whether the server tells and takes names that are not UTF-8 as the bytes that they are. libunftp and
    /// pyftpdlib put other characters in their place, so that such a file cannot be named at all.
    #[must_use]
    pub fn keeps_any_name(self) -> bool {
        matches!(self, Self::Vsftpd | Self::PureFtpd | Self::Proftpd)
    }

    /// Whether line ends change in transfers as text. libunftp says yes to TYPE A and changes nothing.
    #[must_use]
    pub fn changes_line_ends(self) -> bool {
        self != Self::Embedded
    }

    /// Whether listings tell links from what they lead to.
    #[must_use]
    pub fn shows_links(self) -> bool {
        self != Self::Pyftpdlib
    }

    /// Whether listings are in MLSD.
    #[must_use]
    pub fn has_mlsd(self) -> bool {
        self != Self::Vsftpd
    }

    /// Whether files in [`LOCKED`](super::LOCKED) are refused. libunftp knows no permissions below the process's own.
    #[must_use]
    pub fn has_locked_folder(self) -> bool {
        self != Self::Embedded
    }

    /// Whether the server refuses data connections that do not resume a session of the control connection.
    #[must_use]
    pub fn requires_resumption(self) -> bool {
        matches!(self, Self::Vsftpd | Self::Proftpd)
    }

    /// Whether the server lets the data connections of a [`Mode`] and [`Version`] resume the control connection's
    /// session. Pure-FTPd does so with TLS 1.2 alone; and behind a front the control connection's
    /// session is the front's, which the server does not know.
    #[must_use]
    pub fn resumes(self, tls: &Tls) -> bool {
        match self {
            Self::Vsftpd | Self::Proftpd | Self::Pyftpdlib => true,
            Self::PureFtpd => tls.mode == Mode::Explicit && tls.version == Some(Version::V12),
            Self::Embedded => tls.mode == Mode::Explicit,
        }
    }

    /// Whether the server has implicit FTPS itself; otherwise a front stands before it.
    pub(super) fn has_implicit(self) -> bool {
        matches!(self, Self::Vsftpd | Self::Proftpd | Self::Pyftpdlib)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
