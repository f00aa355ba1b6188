//! Whether the suite sees what is broken: a copy of the Node.js host breaks one obligation at a time, and exactly the right
//! cases have to fail.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use anyhow::{Context as _, Result, bail, ensure};
use saphyr::{LoadableYamlNode as _, Yaml};
use serde::Deserialize;
use tempfile::TempDir;

use super::case::Case;
use super::{catalogue, run};

/// What of the host's folder is linked and not copied: it is large, and no part of it.
const LINKED: &str = "node_modules";

/// One broken obligation.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mutation {
    /// What is wrong with the copy.
    pub what: String,
    /// A file of the host.
    file: String,
    /// A text that stands there once.
    from: String,
    /// What it becomes.
    to: String,
    /// The cases that have to fail.
    fails: BTreeSet<String>,
}

/// All of them.
///
/// # Errors
/// When their file cannot be read, or names a case that there is not.
pub fn all(cases: &[Case]) -> Result<Vec<Mutation>> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("conformance/mutations.yaml");
    let text = fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
    let documents = Yaml::load_from_str(&text)?;
    let value = catalogue::json(documents.first().context("it is empty")?)?;
    let mutations: Vec<Mutation> =
        serde_json::from_value(value).with_context(|| format!("{}", file.display()))?;
    for mutation in &mutations {
        for id in &mutation.fails {
            ensure!(cases.iter().any(|case| case.id == *id), "there is no case {id:?}");
        }
    }
    Ok(mutations)
}

impl Mutation {
    /// Plays the cases against a host with this fault, and gives what was not as expected.
    ///
    /// # Errors
    /// When the copy cannot be made or started.
    pub fn play(&self, host: &Path, cases: &[Case]) -> Result<Vec<String>> {
        let copy = self.copy(host)?;
        let adapter = copy.path().join("bin/adapter.js");
        let (_, played) = run(&format!("node '{}'", adapter.display()), cases, &mut |_| {})?;
        let failed: BTreeSet<String> = played
            .iter()
            .filter(|one| one.failed())
            .map(|one| one.case.id.clone())
            .collect();
        let missed = self
            .fails
            .difference(&failed)
            .map(|id| format!("{id} has passed"));
        let others = failed
            .difference(&self.fails)
            .map(|id| format!("{id} has failed"));
        Ok(missed.chain(others).collect())
    }

    fn copy(&self, host: &Path) -> Result<TempDir> {
        let copy = tempfile::Builder::new().prefix("mutant-").tempdir()?;
        copy_folder(host, copy.path())?;
        let file = copy.path().join(&self.file);
        let text = fs::read_to_string(&file).with_context(|| format!("cannot read {}", self.file))?;
        let times = text.matches(&self.from).count();
        if times != 1 {
            bail!(
                "{} has {:?} {times} times, and not once: {}",
                self.file,
                self.from,
                self.what
            );
        }
        fs::write(&file, text.replace(&self.from, &self.to))?;
        Ok(copy)
    }
}

fn copy_folder(from: &Path, to: &Path) -> Result<()> {
    for entry in fs::read_dir(from).with_context(|| format!("cannot read {}", from.display()))? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_name() == LINKED {
            symlink(entry.path(), &target)?;
        } else if entry.file_type()?.is_dir() {
            fs::create_dir(&target)?;
            copy_folder(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), &target)?;
        }
    }
    Ok(())
}
