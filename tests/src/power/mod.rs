//! Power cuts: what is left of the state folder when the power goes at any moment, and whether anything that the flow had
//! accepted is lost with it.
//!
//! A flow runs once, with all that it writes and syncs below its state folder written down (`tests/faults`). It deletes
//! each original as soon as the flow has accepted it, so that nothing but the state folder has it. Then, for many
//! moments of that run, the state folder is made as it may be after the power went ([`disk`]), the servers are put back to
//! what they had been told until then ([`peers`]), and the flow is run again. Every file must arrive, once.

pub mod disk;
pub mod peers;
#[path = "../../faults/src/record.rs"]
pub mod record;

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, bail, ensure};
use fastrand::Rng;

use self::disk::{Disk, Luck};
use self::peers::Request;
use self::record::Record;
use crate::servers::Kind;
use crate::torture::files::{self, Files};
use crate::torture::ledger;
use crate::torture::life::{Fate, Life, faults, live};
use crate::torture::stage::{Delivery, Shape, Stage};
use crate::torture::verify::{self, Keys};
use crate::tree;

/// What is done, and how often.
#[derive(Debug, Clone)]
pub struct Plan {
    /// At how many moments the power goes.
    pub cuts: usize,
    /// Files of the flow.
    pub files: usize,
    /// Where all random choices come from.
    pub seed: u64,
    /// How files are delivered.
    pub delivery: Delivery,
    /// The kind of both servers.
    pub server: Kind,
}

/// What was done, and came of it.
#[derive(Debug, Default)]
pub struct Counts {
    /// Things that the journal tells.
    pub records: usize,
    /// Those of them that are syncs.
    pub syncs: usize,
    /// Power cuts.
    pub cuts: usize,
    /// Payloads that were accepted and not delivered when the power went, over all cuts: the state folder alone had them.
    pub at_stake: usize,
    /// Originals that were gone when the power went, over all cuts.
    pub accepted: usize,
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} power cuts in a run of {} calls with {} syncs: {} originals were gone, {} of them not delivered yet; \
             none was lost",
            self.cuts, self.records, self.syncs, self.accepted, self.at_stake
        )
    }
}

/// Cuts the power as often as the plan says; none when this machine has not got the server.
///
/// # Errors
/// When something is lost or done twice, with the seed and the moment; or when a server does not start.
pub fn run(plan: &Plan, tell: &mut dyn FnMut(&str)) -> Result<Option<Counts>> {
    let mut rng = Rng::with_seed(plan.seed);
    let kinds = [plan.server; 2];
    let Some(stage) = Stage::set_up(&mut rng, kinds, plan.delivery, Shape::Delete, plan.files)? else {
        return Ok(None);
    };
    let records = record(&stage)?;
    let requests = peers::requests(&records);
    let mut counts = Counts {
        records: records.len(),
        syncs: records
            .iter()
            .filter(|record| matches!(record, Record::Sync { .. } | Record::SyncFolder { .. }))
            .count(),
        ..Counts::default()
    };
    let deletions = sent(&requests, "DELE");
    ensure!(
        deletions.len() >= plan.files,
        "{} deletions were seen, and there are {} files",
        deletions.len(),
        plan.files
    );
    for number in 0..plan.cuts {
        // A third of them right after a deletion was sent: nothing that it depends on may be in memory alone.
        let end = if rng.u8(..3) == 0 {
            deletions[rng.usize(..deletions.len())] + 1
        } else {
            rng.usize(..=records.len())
        };
        let luck = Luck::random(&mut rng);
        cut(&stage, &records[..end], &requests, luck, &mut rng, &mut counts).with_context(|| {
            format!(
                "cut {number} after {end} of {} calls, {luck:?}, seed {}",
                records.len(),
                plan.seed
            )
        })?;
        if counts.cuts.is_multiple_of(50) {
            tell(&format!("{} power cuts", counts.cuts));
        }
    }
    Ok(Some(counts))
}

/// The places at which a command was sent.
fn sent(requests: &[Request], word: &str) -> Vec<usize> {
    requests
        .iter()
        .filter(|request| request.word == word)
        .map(|request| request.sent)
        .collect()
}

/// Runs the flow with a journal, and compares the folder that the journal tells of with the real one.
fn record(stage: &Stage) -> Result<Vec<Record>> {
    let (folder, journal) = (stage.state(), stage.bench.path("journal"));
    let mut command = stage.command();
    command
        .env("LD_PRELOAD", faults()?)
        .env("FLOW_FAULTS_FOLDER", &folder)
        .env("FLOW_FAULTS_JOURNAL", &journal);
    let life = live(command, &folder, &stage.bench.path(""), Fate::Undisturbed)?;
    ensure!(
        life.code == Some(0),
        "the run that is written down ended with {:?}: {}",
        life.code,
        life.last_words()
    );
    let records = read_journal(&journal)?;
    // Before anything else looks into the folder, and so changes it.
    let unseen = unseen(&records, &folder);
    ensure!(
        unseen.is_empty(),
        "the journal has not seen all:\n{}",
        unseen.join("\n")
    );
    let findings = verify::verify(stage)?;
    verify::ensure_right(&findings.wrong).context("without a power cut")?;
    Ok(records)
}

/// The records of a journal.
///
/// # Errors
/// When it is not whole.
pub fn read_journal(journal: &Path) -> Result<Vec<Record>> {
    let bytes = fs::read(journal).with_context(|| format!("{}", journal.display()))?;
    let mut rest = bytes.as_slice();
    let mut records = Vec::new();
    while !rest.is_empty() {
        let record = Record::decode(&mut rest);
        records
            .push(record.with_context(|| format!("the journal ends within its record {}", records.len()))?);
    }
    Ok(records)
}

/// In which ways the folder that a journal tells of is not the real one. Something has then been done that the journal
/// does not see.
#[must_use]
pub fn unseen(records: &[Record], state: &Path) -> Vec<String> {
    let mut real = tree::files(state);
    let mut told = Disk::after(records).now();
    // SQLite maps its index of the log into memory; it is made anew after each crash.
    for files in [&mut real, &mut told] {
        files.retain(|name, _| !name.ends_with("-shm"));
    }
    files::differences("journal", &told, &real)
}

/// Lets the power go after these records, and runs the flow again.
fn cut(
    stage: &Stage,
    records: &[Record],
    requests: &[Request],
    luck: Luck,
    rng: &mut Rng,
    counts: &mut Counts,
) -> Result<()> {
    let end = records.len();
    let folder = stage.state();
    empty(&folder)?;
    Disk::after(records).lose_power(rng, luck, &folder)?;
    let gone = put_back_source(stage, requests, end, rng)?;
    put_back_partner(stage, requests, end, rng)?;
    let _ = stage.shop.take_received();

    let life = live(stage.command(), &folder, &stage.bench.path(""), Fate::Undisturbed)?;
    ensure_ok(stage, &life)?;
    let mut wrong = stage.misplaced();
    if stage.delivery == Delivery::Spooled {
        let mut earlier = Keys::new();
        note_keys(stage, requests, end, &mut earlier);
        let received = stage.shop.take_received();
        wrong.extend(verify::requests(stage, &received, &earlier).wrong);
        wrong.extend(not_sent(stage, requests, end, &received)?);
    }
    wrong.extend(ledger::disagreements(&stage.bench, stage.files.len())?);
    verify::ensure_right(&wrong).with_context(|| format!("{} originals were gone", gone.len()))?;
    counts.cuts += 1;
    counts.accepted += gone.len();
    counts.at_stake += gone
        .keys()
        .filter(|name| !is_put(stage, requests, end, name))
        .count();
    Ok(())
}

fn ensure_ok(stage: &Stage, life: &Life) -> Result<()> {
    let failed = ledger::not_ok(&stage.bench)?;
    if life.code != Some(0) || !failed.is_empty() {
        bail!(
            "the run after the cut ended with {:?}, not well are {failed:?}: {}",
            life.code,
            life.last_words()
        );
    }
    Ok(())
}

/// Removes everything in a folder.
fn empty(folder: &Path) -> Result<()> {
    fs::remove_dir_all(folder).with_context(|| format!("cannot empty {}", folder.display()))?;
    Ok(fs::create_dir(folder)?)
}

/// The server as it was: what was deleted is gone. What it was told to delete, without an answer, may be gone. The
/// files that are gone.
fn put_back_source(stage: &Stage, requests: &[Request], end: usize, rng: &mut Rng) -> Result<Files> {
    let mut gone = Files::new();
    for request in requests
        .iter()
        .filter(|request| request.word == "DELE" && request.is_sent(end))
    {
        let Ok(name) = stage.name_in(&request.object) else {
            continue;
        };
        if request.is_done(end) || rng.bool() {
            gone.insert(name.to_owned(), stage.files[name].clone());
        }
    }
    let folder = stage.source.root.join("outbound");
    empty(&folder)?;
    fs::remove_dir(&folder)?;
    stage.source.make_folder("outbound");
    for name in stage.files.keys().filter(|name| !gone.contains_key(*name)) {
        stage.lay_out_original(name);
    }
    Ok(gone)
}

/// The second server as it was: what was renamed to its name is there. What was being sent is there in part, or whole,
/// under its temporary name or under its own.
fn put_back_partner(stage: &Stage, requests: &[Request], end: usize, rng: &mut Rng) -> Result<()> {
    let folder = stage.partner.root.join("inbound");
    empty(&folder)?;
    fs::remove_dir(&folder)?;
    stage.partner.make_folder("inbound");
    let mut parts: BTreeMap<String, Vec<u8>> = BTreeMap::new();
    for request in requests.iter().filter(|request| request.is_sent(end)) {
        let last = request.object.rsplit('/').next().unwrap_or_default();
        match request.word.as_str() {
            "STOR" => {
                let Some(content) = content_of(stage, last) else {
                    continue;
                };
                let length = if request.is_done(end) {
                    content.len()
                } else {
                    rng.usize(..=content.len())
                };
                parts.insert(last.to_owned(), content[..length].to_vec());
            }
            "RNTO" if request.is_done(end) || rng.bool() => {
                let Ok(name) = stage.name_in(last) else { continue };
                parts.retain(|part, _| !part.contains(name));
                parts.insert(name.to_owned(), stage.files[name].clone());
            }
            _ => {}
        }
    }
    for (name, content) in parts {
        stage.partner.write(&format!("inbound/{name}"), content);
    }
    Ok(())
}

/// The content of the file whose upload has this name.
fn content_of<'a>(stage: &'a Stage, upload: &str) -> Option<&'a [u8]> {
    let file = stage
        .files
        .iter()
        .find(|(name, _)| upload.contains(name.as_str()));
    file.map(|(_, content)| content.as_slice())
}

/// Whether this machine knew that a file was at the second server.
fn is_put(stage: &Stage, requests: &[Request], end: usize, name: &str) -> bool {
    requests
        .iter()
        .filter(|request| request.word == "RNTO" && request.is_done(end))
        .any(|request| stage.name_in(&request.object).is_ok_and(|put| put == name))
}

/// The keys under which files were sent before.
fn note_keys(stage: &Stage, requests: &[Request], end: usize, keys: &mut Keys) {
    for request in requests.iter().filter(|request| request.is_sent(end)) {
        if let (Some(key), Ok(name)) = (&request.key, stage.name_in(&request.object)) {
            keys.entry(name.to_owned()).or_default().insert(key.clone());
        }
    }
}

/// The files that have not arrived at the web server: their answer was not known before, and they have not come since.
fn not_sent(
    stage: &Stage,
    requests: &[Request],
    end: usize,
    received: &[flowhost::demo::receiver::Received],
) -> Result<Vec<String>> {
    let mut missing: std::collections::BTreeSet<&str> = stage.files.keys().map(String::as_str).collect();
    for request in requests
        .iter()
        .filter(|request| request.word == "POST" && request.is_done(end))
    {
        missing.remove(stage.name_in(&request.object)?);
    }
    for one in received {
        missing.remove(stage.name_in(&one.target)?);
    }
    Ok(missing
        .into_iter()
        .map(|name| format!("shop: {name} has not arrived"))
        .collect())
}
