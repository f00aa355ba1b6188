//! The files that are moved: pseudo-random, so that nothing on the way can make them smaller or guess them.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use fastrand::Rng;
use flow_tests::tree::sha256;

use crate::contender::Task;
use crate::lines::{Job, Line, SMALL};
use crate::{Plan, made};

/// Names of files, and the SHA-256 of each.
pub type Digests = BTreeMap<String, Vec<u8>>;

/// Files that were made once, for all lines.
pub struct Sources {
    folder: PathBuf,
    large: Digests,
    many: Digests,
}

impl Sources {
    /// Makes those that the lines need in a folder.
    ///
    /// # Errors
    /// When there is no room for them.
    pub fn make(folder: &Path, plan: &Plan, lines: &[Line]) -> Result<Self> {
        // Every run has the same bytes.
        let mut random = Rng::with_seed(0);
        let mut sources = Self {
            folder: folder.to_owned(),
            large: Digests::new(),
            many: Digests::new(),
        };
        let large = |line: &Line| line.job != Job::GetMany;
        if lines.iter().any(large) {
            let file = folder.join(Task::LARGE);
            write(&mut random, &file, plan.large)?;
            sources.large.insert(Task::LARGE.to_owned(), sha256(&file));
        }
        if !lines.iter().all(large) {
            let many = folder.join(Task::MANY);
            made(&many)?;
            for name in (0..plan.files).map(Task::small) {
                let file = many.join(&name);
                write(&mut random, &file, SMALL)?;
                sources.many.insert(name, sha256(&file));
            }
        }
        Ok(sources)
    }

    /// What a job must lead to.
    #[must_use]
    pub fn expected(&self, job: Job) -> &Digests {
        match job {
            Job::GetLarge | Job::PutLarge => &self.large,
            Job::GetMany => &self.many,
        }
    }

    /// Puts the files to get on a server: links to the same bytes, since the server is on the same file system.
    ///
    /// # Errors
    /// When they cannot be made.
    pub fn lay_out(&self, root: &Path) -> Result<()> {
        for (names, from, to) in [
            (&self.large, self.folder.clone(), Task::OUTBOUND),
            (&self.many, self.folder.join(Task::MANY), Task::MANY),
        ] {
            let folder = root.join(to);
            made(&folder)?;
            for name in names.keys() {
                fs::hard_link(from.join(name), folder.join(name))
                    .with_context(|| format!("cannot make {to}/{name} on the server"))?;
            }
        }
        Ok(())
    }
}

/// Writes a file of random bytes.
fn write(random: &mut Rng, path: &Path, bytes: u64) -> Result<()> {
    let mut write = || -> std::io::Result<()> {
        let mut file = File::create(path)?;
        let mut piece = vec![0; 1 << 20];
        let mut left = bytes;
        while left > 0 {
            let part = usize::try_from(left).map_or(piece.len(), |left| left.min(piece.len()));
            random.fill(&mut piece[..part]);
            file.write_all(&piece[..part])?;
            left -= part as u64;
        }
        Ok(())
    };
    write().with_context(|| format!("cannot write {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bytes_are_always_the_same_and_never_repeat() {
        let folder = tempfile::tempdir().unwrap();
        let (one, other) = (folder.path().join("one"), folder.path().join("other"));
        write(&mut Rng::with_seed(0), &one, 100_003).unwrap();
        write(&mut Rng::with_seed(0), &other, 100_003).unwrap();
        let bytes = fs::read(&one).unwrap();
        assert_eq!(bytes.len(), 100_003);
        assert_eq!(sha256(&one), sha256(&other));
        let blocks: std::collections::BTreeSet<_> = bytes.chunks(8).collect();
        assert_eq!(blocks.len(), bytes.len().div_ceil(8));
    }
}
