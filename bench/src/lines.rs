//! What is measured. A new line is one more entry of [`LINES`], as long as its [`Job`] is one of those that the
//! contenders know.

use std::fmt;

use flow_tests::pki::Version;
use flow_tests::servers::tls::{Mode, Tls};
use flow_tests::servers::{Kind, Limits};

use crate::Plan;

/// Bytes of each of many small files.
pub const SMALL: u64 = 10 << 10;

/// One line of the results: a job on a server.
#[derive(Debug, Clone, Copy)]
pub struct Line {
    /// As `--lines` has it.
    pub name: &'static str,
    /// What is to be done.
    pub job: Job,
    /// Whether by FTPS: explicit, TLS 1.3, on a server that insists on session reuse.
    pub secure: bool,
}

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Job {
    /// Get one large file.
    GetLarge,
    /// Put one large file.
    PutLarge,
    /// Get many small files, one after another.
    GetMany,
}

/// Every line, in the order of the results.
pub const LINES: [Line; 5] = [
    Line {
        name: "get-1g",
        job: Job::GetLarge,
        secure: false,
    },
    Line {
        name: "put-1g",
        job: Job::PutLarge,
        secure: false,
    },
    Line {
        name: "ftps-get-1g",
        job: Job::GetLarge,
        secure: true,
    },
    Line {
        name: "ftps-put-1g",
        job: Job::PutLarge,
        secure: true,
    },
    Line {
        name: "files-get-1000",
        job: Job::GetMany,
        secure: false,
    },
];

impl Line {
    /// The server for it. vsftpd is the fastest there is, so that the clients show.
    pub const SERVER: Kind = Kind::Vsftpd;

    /// How the server is started.
    #[must_use]
    pub fn limits(&self) -> Limits {
        Limits {
            tls: self.secure.then(|| Tls::new(Mode::Explicit).only(Version::V13)),
            ..Limits::default()
        }
    }

    /// What it does, in words and with the sizes of this run.
    #[must_use]
    pub fn describe(&self, plan: &Plan) -> String {
        let protocol = if self.secure {
            "explicit FTPS, TLS 1.3, the server insists on session reuse"
        } else {
            "plain FTP"
        };
        let large = Bytes(plan.large);
        match self.job {
            Job::GetLarge => format!("get one file of {large} ({protocol})"),
            Job::PutLarge => format!("put one file of {large} ({protocol})"),
            Job::GetMany => format!(
                "get {} files of {}, one after another ({protocol})",
                plan.files,
                Bytes(SMALL)
            ),
        }
    }
}

/// A number of bytes, for people.
pub struct Bytes(pub u64);

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (unit, size) = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)]
            .into_iter()
            .find(|(_, size)| self.0 >= *size && self.0.is_multiple_of(*size))
            .unwrap_or(("bytes", 1));
        write!(f, "{} {unit}", self.0 / size)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_help_of_the_command_names_every_line() {
        let help = include_str!("../../xtask/src/bench.rs");
        for line in LINES {
            assert!(help.contains(line.name), "{} is not in the help", line.name);
        }
    }

    #[test]
    fn bytes_for_people() {
        let shown = [1 << 30, 32 << 20, 10 << 10, 1500].map(|bytes| Bytes(bytes).to_string());
        assert_eq!(shown, ["1 GiB", "32 MiB", "10 KiB", "1500 bytes"]);
    }
}
