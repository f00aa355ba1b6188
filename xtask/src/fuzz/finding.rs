//! What libFuzzer leaves behind when a target fails.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;

use anyhow::{Context as _, Result};

use crate::process;

/// The folder of a target's reproducers, as it was before a run.
pub struct Findings {
    folder: PathBuf,
    before: BTreeSet<PathBuf>,
}

impl Findings {
    /// Looks at the folder, which is made if it is not there.
    pub fn look(folder: PathBuf) -> Result<Self> {
        fs::create_dir_all(&folder)
            .with_context(|| format!("cannot make the folder {}", folder.display()))?;
        let before = files(&folder)?;
        Ok(Self { folder, before })
    }

    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// What to tell of a run that failed: the last words, the reproducer, and how to run it again.
    pub fn explain(&self, status: ExitStatus, program: &Path, log: &Path, text: &str) -> Result<String> {
        let mut lines = vec![format!("failed ({status}): {}", process::tail(&essence(text)))];
        let now = files(&self.folder)?;
        for reproducer in now.difference(&self.before) {
            let reproducer = reproducer.display();
            lines.push(format!("  reproducer: {reproducer}"));
            lines.push(format!("  run it again: {} {reproducer}", program.display()));
        }
        if lines.len() == 1 {
            lines.push(
                "  no new reproducer: it is the one of an earlier run, or the program did not get that far"
                    .to_owned(),
            );
        }
        lines.push(format!("  all that it said: {}", log.display()));
        Ok(lines.join("\n"))
    }
}

/// The panic message and the verdict, without progress, backtraces and dumps.
fn essence(text: &str) -> String {
    let mut lines = text.lines();
    let mut kept = Vec::new();
    while let Some(line) = lines.next() {
        if line.contains("panicked at ") {
            kept.push(line);
            kept.extend(lines.next());
        } else if line.contains("ERROR: libFuzzer") || line.starts_with("SUMMARY:") {
            kept.push(line);
        }
    }
    if kept.is_empty() {
        return text.to_owned();
    }
    kept.join("\n")
}

fn files(folder: &Path) -> Result<BTreeSet<PathBuf>> {
    let entries = fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?;
    Ok(entries.flatten().map(|entry| entry.path()).collect())
}

#[cfg(test)]
mod tests {
    use super::essence;

    #[test]
    fn the_essence_of_a_crash() {
        let log = "INFO: Seed: 1\n#2 INITED\n\nthread '<unnamed>' panicked at fuzz/src/lib.rs:1:2:\n\"..\" is no name\n\
                   note: run with\n==1== ERROR: libFuzzer: deadly signal\n    #0 0x1\nSUMMARY: libFuzzer: deadly signal\n";
        assert_eq!(
            essence(log),
            "thread '<unnamed>' panicked at fuzz/src/lib.rs:1:2:\n\"..\" is no name\n\
             ==1== ERROR: libFuzzer: deadly signal\nSUMMARY: libFuzzer: deadly signal"
        );
        assert_eq!(essence("cannot open\n"), "cannot open\n");
    }
}
