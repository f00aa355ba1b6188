//! Who is measured: flowhost and its peers, found on this machine, and the command with which each does a job.
//!
//! All run as they are: with their own defaults, but for what the job itself demands. Only files of a folder are
//! fetched one after another everywhere, since that is what the line measures, and each file in one stream.

mod commands;

use std::env;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::Result;

use crate::stopwatch;

pub use commands::Task;

/// A program that moves files by FTP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Contender {
    /// Ours.
    Flowhost,
    /// curl.
    Curl,
    /// Python with its ftplib, by a script of ours: `contender/peer.py`.
    Ftplib,
    /// lftp.
    Lftp,
    /// wget.
    Wget,
    /// rclone.
    Rclone,
}

impl Contender {
    /// Ours first: the others are compared with it.
    pub const ALL: [Self; 6] = [
        Self::Flowhost,
        Self::Curl,
        Self::Ftplib,
        Self::Lftp,
        Self::Wget,
        Self::Rclone,
    ];

    /// As the results have it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Flowhost => "flowhost",
            Self::Curl => "curl",
            Self::Ftplib => "Python ftplib",
            Self::Lftp => "lftp",
            Self::Wget => "wget",
            Self::Rclone => "rclone",
        }
    }

    /// Looks for the program.
    ///
    /// # Errors
    /// When ours has not been built. A peer that is missing is no error: the reason is the inner one.
    pub fn find(self) -> Result<Result<Tool, String>> {
        let found = match self {
            Self::Flowhost => Some(stopwatch::program("flowhost")?),
            // What is on the path may be a script that chooses among several Pythons, and takes its time.
            Self::Ftplib => on_path("python3")
                .and_then(|python| {
                    said(Command::new(python).args(["-c", "import sys; print(sys.executable)"]))
                })
                .map(PathBuf::from),
            Self::Curl | Self::Lftp | Self::Wget | Self::Rclone => on_path(self.name()),
        };
        let Some(program) = found else {
            return Ok(Err("not installed".to_owned()));
        };
        let version = match self {
            Self::Ftplib => said(Command::new(&program).args([
                "-c",
                "import ssl, sys; print('Python', sys.version.split()[0] + ',', ssl.OPENSSL_VERSION)",
            ])),
            _ => said(Command::new(&program).arg("--version")),
        };
        Ok(match version {
            Some(version) => Ok(Tool {
                contender: self,
                program,
                version,
            }),
            None => Err("does not tell its version".to_owned()),
        })
    }
}

/// A contender that is there.
#[derive(Debug, Clone)]
pub struct Tool {
    /// Which.
    pub contender: Contender,
    /// Where it is.
    pub program: PathBuf,
    /// The first line of what it says of itself.
    pub version: String,
}

impl Tool {
    /// The command with which it does the task, or why it cannot.
    ///
    /// # Errors
    /// When a file that the command needs cannot be written.
    pub fn command(&self, task: &Task<'_>) -> Result<Result<Command, &'static str>> {
        commands::command(self, task)
    }
}

/// A program by its name, as a shell finds it.
fn on_path(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    env::split_paths(&path)
        .map(|folder| folder.join(name))
        .find(|program| is_program(program))
}

fn is_program(file: &Path) -> bool {
    fs::metadata(file).is_ok_and(|it| it.is_file() && it.permissions().mode() & 0o111 != 0)
}

/// The first line that a program prints, when it succeeds.
pub(crate) fn said(command: &mut Command) -> Option<String> {
    let output = command
        .stdin(Stdio::null())
        .output()
        .ok()
        .filter(|output| output.status.success())?;
    let text = String::from_utf8_lossy(&output.stdout);
    let line = text.lines().next()?.trim();
    (!line.is_empty()).then(|| line.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_found_as_a_shell_finds_them() {
        assert!(on_path("sh").is_some_and(|program| program.is_absolute()));
        assert_eq!(on_path("no-such-program-here"), None);
    }

    #[test]
    fn the_first_line_of_a_program_that_succeeds() {
        let shell = |script: &str| said(Command::new("sh").args(["-c", script]));
        assert_eq!(shell("echo tool 1.2; echo more").as_deref(), Some("tool 1.2"));
        assert_eq!(shell("echo tool 1.2; exit 1"), None);
        assert_eq!(shell("true"), None);
    }
}
