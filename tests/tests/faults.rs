//! The faults below a program are what they say: the journal sees all that is done to files, what it makes of a power cut
//! is what `SQLite` counts on and no better, and a full disk is full.
//!
//! The program that works on files is a few lines of Python: it calls the same C library, and has `SQLite`.
#![cfg(target_os = "linux")]

use std::path::Path;
use std::process::Command;

use fastrand::Rng;
use flow_tests::power::disk::{Disk, Luck};
use flow_tests::power::record::Record;
use flow_tests::power::{peers, read_journal, unseen};
use flow_tests::torture::life::faults;
use tempfile::TempDir;

/// A folder of which all is written down, and one around it.
struct Place {
    around: TempDir,
}

impl Place {
    fn new() -> Self {
        let around = tempfile::tempdir().expect("a temporary folder");
        std::fs::create_dir(around.path().join("in")).expect("own folder");
        Self { around }
    }

    fn folder(&self) -> std::path::PathBuf {
        self.around.path().join("in").canonicalize().expect("it is there")
    }

    /// Runs the program with these variables, and gives what it prints.
    fn run(&self, work: &str, variables: &[(&str, &str)]) -> String {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/faults.py");
        let mut command = Command::new("python3");
        command.arg(script).arg(self.folder()).arg(work);
        command.env("LD_PRELOAD", faults().expect("it is built"));
        command.env("FLOW_FAULTS_FOLDER", self.folder());
        command.envs(variables.iter().copied());
        let output = command.output().expect("python3 can be started");
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{}: {errors}", output.status);
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    fn journal(&self, work: &str) -> Vec<Record> {
        let journal = self.around.path().join("journal");
        let _ = self.run(work, &[("FLOW_FAULTS_JOURNAL", &journal.display().to_string())]);
        read_journal(&journal).expect("a whole journal")
    }
}

#[test]
fn the_journal_sees_all_that_is_done_to_files() {
    let place = Place::new();
    let records = place.journal("everything");
    assert_eq!(unseen(&records, &place.folder()), [""; 0]);
    let files = Disk::after(&records).now();
    for name in [
        "a/pieces",
        "a/appended",
        "a/copied",
        "a/named",
        "a/linked",
        "a/deep",
        "after",
        "base",
    ] {
        assert!(
            files.get(name).is_some_and(|content| !content.is_empty()),
            "{name}"
        );
    }
    let syncs = |wanted: fn(&Record) -> bool| records.iter().filter(|record| wanted(record)).count();
    assert!(syncs(|record| matches!(record, Record::Sync { .. })) >= 2);
    assert_eq!(
        syncs(|record| *record == Record::SyncFolder { path: b"a".to_vec() }),
        1
    );
    let said = peers::requests(&records);
    assert_eq!(said.len(), 1, "{said:?}");
    assert_eq!(
        (said[0].word.as_str(), said[0].object.as_str()),
        ("DELE", "a.txt")
    );
}

/// What is left of a database when the power goes.
struct Left {
    /// After so many calls.
    end: usize,
    /// Rows that were promised by then.
    promised: usize,
    /// Rows that are there, or why it cannot be read.
    rows: Result<usize, String>,
}

/// Lets the power go so often.
fn cut(records: &[Record], cuts: usize) -> Vec<Left> {
    let mut rng = Rng::with_seed(6);
    let place = Place::new();
    let ends: Vec<usize> = (0..cuts).map(|_| rng.usize(..=records.len())).collect();
    for (number, end) in ends.iter().enumerate() {
        let folder = place.folder().join(number.to_string());
        std::fs::create_dir(&folder).expect("own folder");
        let luck = Luck::random(&mut rng);
        let disk = Disk::after(&records[..*end]);
        disk.lose_power(&mut rng, luck, &folder).expect("room");
    }
    let printed = place.run("look", &[]);
    let rows: Vec<&str> = printed.lines().collect();
    assert_eq!(rows.len(), cuts, "{printed}");
    let left = ends.into_iter().zip(rows).map(|(end, rows)| Left {
        end,
        promised: records[..end].iter().filter(|record| is_promise(record)).count(),
        rows: rows.parse().map_err(|_| rows.to_owned()),
    });
    left.collect()
}

fn is_promise(record: &Record) -> bool {
    matches!(record, Record::MakeFolder { path } if path.starts_with(b"promised/"))
}

#[test]
fn a_database_that_syncs_keeps_every_row_that_it_promised() {
    let records = Place::new().journal("full");
    let cuts = cut(&records, 200);
    for Left { end, promised, rows } in &cuts {
        let rows = rows.as_ref();
        let rows = *rows.unwrap_or_else(|error| panic!("after {end} calls: {error}"));
        assert!(
            rows >= *promised,
            "after {end} calls: {rows} rows, and {promised} were promised"
        );
    }
    let at_stake: usize = cuts.iter().map(|left| left.promised).sum();
    assert!(at_stake > 1000, "nothing was at stake");
}

/// Or the simulation would find nothing in a ledger that is wrong.
#[test]
fn a_database_that_does_not_sync_loses_rows_or_breaks() {
    let records = Place::new().journal("off");
    let cuts = cut(&records, 50);
    let lost = cuts
        .iter()
        .filter(|left| left.rows.as_ref().is_ok_and(|rows| *rows < left.promised));
    let broken = cuts.iter().filter(|left| left.rows.is_err());
    let (lost, broken) = (lost.count(), broken.count());
    assert!(
        lost + broken > 20,
        "of 50 cuts {lost} lost rows, and {broken} broke it"
    );
}

#[test]
fn a_disk_is_full_until_it_is_freed() {
    let place = Place::new();
    let freed = place.around.path().join("freed").display().to_string();
    let printed = place.run(
        "fill",
        &[("FLOW_FAULTS_ROOM", "2500"), ("FLOW_FAULTS_FREED", &freed)],
    );
    let full = "No space left on device";
    assert_eq!(printed, format!("2500 {full}\n{full}\n1000\n"));
}
