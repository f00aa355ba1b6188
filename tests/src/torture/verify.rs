//! What must be true when a round is over.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Result, bail};
use flowhost::demo::receiver::Received;
use sha2::{Digest as _, Sha256};

use super::ledger;
use super::stage::{Delivery, Stage};
use crate::pki::hex;

/// So many of the things that are wrong are told. A hundred files that are lost are lost for one reason.
const TOLD: usize = 20;

/// What was found at the end of a round.
#[derive(Debug, Default)]
pub struct Findings {
    /// What is wrong.
    pub wrong: Vec<String>,
    /// Requests that arrived.
    pub requests: usize,
    /// Those of them that had arrived before, with the same key.
    pub repeats: usize,
}

/// Looks at everything: the servers, the web server, the ledger, the spool.
///
/// # Errors
/// When the ledger cannot be asked.
pub fn verify(stage: &Stage) -> Result<Findings> {
    let mut findings = match stage.delivery {
        Delivery::Spooled => requests(stage, &stage.shop.received(), &Keys::new()),
        Delivery::Streaming => Findings::default(),
    };
    findings.wrong.extend(stage.misplaced());
    findings
        .wrong
        .extend(ledger::disagreements(&stage.bench, stage.files.len())?);
    Ok(findings)
}

/// Nothing is wrong.
///
/// # Errors
/// When something is, with the first of it.
pub fn ensure_right(wrong: &[String]) -> Result<()> {
    if wrong.is_empty() {
        return Ok(());
    }
    let told = wrong[..wrong.len().min(TOLD)].join("\n");
    bail!("{} things are wrong:\n{told}", wrong.len())
}

/// The keys with which each file was sent.
pub type Keys = BTreeMap<String, BTreeSet<String>>;

/// Every file arrived, with the right bytes each time, and under one key that no other file had. `earlier` are the keys
/// of files that had arrived before.
#[must_use]
pub fn requests(stage: &Stage, received: &[Received], earlier: &Keys) -> Findings {
    let mut findings = Findings {
        requests: received.len(),
        ..Findings::default()
    };
    let mut keys = earlier.clone();
    for one in received {
        let Ok(name) = stage.name_in(&one.target) else {
            findings.wrong.push(format!("shop: {} names no file", one.target));
            continue;
        };
        if one.sha256 != hex(&Sha256::digest(&stage.files[name])) {
            findings
                .wrong
                .push(format!("shop: other bytes arrived as {name}"));
        }
        match one.header("idempotency-key") {
            Some(key) => drop(keys.entry(name.to_owned()).or_default().insert(key.to_owned())),
            None => findings.wrong.push(format!("shop: {name} came without a key")),
        }
    }
    let mut owners = BTreeMap::new();
    for name in stage.files.keys() {
        let of_file = keys.get(name).into_iter().flatten();
        let count = of_file.clone().count();
        if count != 1 {
            findings.wrong.push(format!(
                "shop: {name} arrived under {count} keys, and not under one"
            ));
        }
        for key in of_file {
            if let Some(other) = owners.insert(key, name) {
                findings
                    .wrong
                    .push(format!("shop: {other} and {name} have the same key"));
            }
        }
    }
    findings.repeats = received.len().saturating_sub(keys.len() - earlier.len());
    findings
}
