//! The servers that Debian packages.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use super::{Packages, Ready, empty};
use crate::process;

/// A server as Debian packages it.
pub struct Server {
    pub name: &'static str,
    /// What the package is called, by release: the first one on offer is taken.
    packages: &'static [&'static str],
    /// What it needs besides: of these, those on offer. Older releases have all of it in one package.
    pub also: &'static [&'static str],
    program: &'static str,
}

pub const SERVERS: [Server; 3] = [
    Server {
        name: "vsftpd",
        packages: &["vsftpd"],
        also: &[],
        program: "usr/sbin/vsftpd",
    },
    Server {
        name: "pure-ftpd",
        packages: &["pure-ftpd"],
        also: &[],
        program: "usr/sbin/pure-ftpd",
    },
    Server {
        name: "proftpd",
        packages: &["proftpd-core", "proftpd-basic"],
        // mod_tls.
        also: &["proftpd-mod-crypto"],
        program: "usr/sbin/proftpd",
    },
];

impl Server {
    pub fn get(&self, packages: &Packages<'_>, folder: &Path) -> Result<Ready> {
        let apt = packages.apt()?;
        let Some(package) = self
            .packages
            .iter()
            .find(|package| apt.candidate(package).is_some())
        else {
            bail!(
                "none of the machine's package sources offers {}",
                self.packages.join(" or ")
            );
        };
        empty(folder)?;
        let also = self
            .also
            .iter()
            .filter(|package| apt.candidate(package).is_some());
        let wanted: Vec<String> = [package]
            .into_iter()
            .chain(also)
            .map(|&name| name.to_owned())
            .collect();
        let unpacked = apt.unpack(&wanted, folder)?;
        let version = unpacked
            .into_iter()
            .find(|unpacked| unpacked.name == **package)
            .map(|found| found.version);

        let program = folder.join(self.program);
        let library_path = library_path(folder);
        let libraries = process::output(
            Command::new("ldd")
                .arg(&program)
                .env("LD_LIBRARY_PATH", &library_path),
        )?;
        if let Some(line) = libraries.lines().find(|line| line.contains("not found")) {
            bail!(
                "{} lacks a library after unpacking: {}",
                program.display(),
                line.trim()
            );
        }
        Ok(Ready {
            program,
            args_prefix: Vec::new(),
            library_path,
            version: version.with_context(|| format!("apt gave no {package}"))?,
        })
    }
}

/// The folders of unpacked libraries, for `LD_LIBRARY_PATH`.
fn library_path(folder: &Path) -> String {
    let mut folders = Vec::new();
    for parent in ["usr/lib", "lib"] {
        for entry in fs::read_dir(folder.join(parent)).into_iter().flatten().flatten() {
            // Such as x86_64-linux-gnu: Debian keeps the libraries of each machine type apart.
            if entry.file_name().to_string_lossy().contains("-linux-") {
                folders.push(entry.path().to_string_lossy().into_owned());
            }
        }
    }
    folders.sort();
    folders.join(":")
}
