//! Where a line is run: the server, the files on it, and what has to arrive.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use flow_tests::pki;
use flow_tests::servers::FtpServer;
use flow_tests::tree::{names, sha256};

use crate::contender::Task;
use crate::lines::{Job, Line};
use crate::sources::{Digests, Sources};
use crate::{Plan, made};

/// A server with the files of a line.
pub struct Ground<'a> {
    server: FtpServer,
    folder: &'a Path,
    authority: Option<PathBuf>,
    job: Job,
    files: u32,
    expected: &'a Digests,
}

impl<'a> Ground<'a> {
    /// Starts the server; none when this machine has not got it.
    ///
    /// # Errors
    /// When it does not start, or has no room.
    pub fn prepare(line: &Line, plan: &Plan, sources: &'a Sources, folder: &'a Path) -> Result<Option<Self>> {
        let Some(server) = FtpServer::start_with(Line::SERVER, line.limits())? else {
            return Ok(None);
        };
        sources.lay_out(&server.root)?;
        server.make_folder(Task::INBOUND);
        made(&folder.join(Task::RESULTS))?;
        let authority = folder.join("authority.pem");
        fs::write(&authority, pki::authority().pem())
            .with_context(|| format!("cannot write {}", authority.display()))?;
        Ok(Some(Self {
            server,
            folder,
            authority: line.secure.then_some(authority),
            job: line.job,
            files: plan.files,
            expected: sources.expected(line.job),
        }))
    }

    /// What the contenders have to do.
    #[must_use]
    pub fn task(&self) -> Task<'_> {
        Task {
            job: self.job,
            server: &self.server,
            authority: self.authority.as_deref(),
            folder: self.folder,
            files: self.files,
        }
    }

    /// Whether the right files have arrived, byte by byte, and nothing else.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn check(&self) -> Result<(), String> {
        let results = self.results();
        let arrived = names(&results);
        if !arrived.iter().eq(self.expected.keys()) {
            return Err(format!(
                "{} of {} files arrived under their names, and {} others",
                arrived
                    .iter()
                    .filter(|name| self.expected.contains_key(*name))
                    .count(),
                self.expected.len(),
                arrived
                    .iter()
                    .filter(|name| !self.expected.contains_key(*name))
                    .count(),
            ));
        }
        for (name, digest) in self.expected {
            if sha256(&results.join(name)) != *digest {
                return Err(format!("other bytes arrived in {name}"));
            }
        }
        Ok(())
    }

    /// Removes what has arrived, and waits until nothing is on its way to the disk: the next one has a disk that is
    /// as idle as this one's was.
    ///
    /// # Errors
    /// When it cannot be removed.
    pub fn clear(&self) -> Result<()> {
        let results = self.results();
        for name in names(&results) {
            let file = results.join(&name);
            fs::remove_file(&file).with_context(|| format!("cannot remove {}", file.display()))?;
        }
        rustix::fs::syncfs(File::open(self.folder)?).context("cannot flush the disk")
    }

    /// The folder in which the job leaves its files.
    fn results(&self) -> PathBuf {
        match self.job {
            Job::GetLarge | Job::GetMany => self.folder.join(Task::RESULTS),
            Job::PutLarge => self.server.root.join(Task::INBOUND),
        }
    }
}
