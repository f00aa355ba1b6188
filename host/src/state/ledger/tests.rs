//! The ledger as its users see it.

use super::*;
use crate::payload::Payload;
use std::collections::BTreeMap;

fn run(id: &str) -> runs::New {
    runs::New {
        id: id.to_owned(),
        flow: "orders".to_owned(),
        file: "/flows/orders.yaml".to_owned(),
        variables: BTreeMap::new(),
        steps: vec!["pull".to_owned(), "send".to_owned()],
    }
}

fn payload(run: i64, id: &str, version: &str) -> payloads::New {
    let mut metadata = Payload::trigger(id).metadata;
    metadata.version = Some(version.to_owned());
    payloads::New {
        run,
        maker: 0,
        metadata,
        body: Some(payloads::Stored {
            size: 4,
            hash: [7; 32],
            bytes: Some(b"body".to_vec()),
            file: None,
        }),
        step: 1,
        done: false,
    }
}

fn write<T: Send + 'static>(
    ledger: &Ledger,
    work: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
) -> T {
    ledger.write(work).wait().expect("written")
}

#[test]
fn what_was_written_is_there_after_the_ledger_is_opened_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let ledger = Ledger::open(folder.path()).expect("a ledger");
    let begun = write(&ledger, |connection| runs::begin(connection, &run("1")));
    let seq = write(&ledger, move |connection| {
        payloads::insert(connection, &payload(begun.run, "a", "1"))
    });
    assert!(seq.is_some());
    drop(ledger);
    let ledger = Ledger::open(folder.path()).expect("the same ledger");
    let unfinished = ledger
        .read(|connection| runs::unfinished(connection, Some("orders")))
        .expect("read");
    assert_eq!(unfinished.len(), 1);
    let left = ledger
        .read(|connection| payloads::to_do(connection, unfinished[0].run, 1, 0, 10))
        .expect("read");
    assert_eq!(left.len(), 1);
    let body = ledger
        .read(|connection| payloads::body(connection, left[0].seq))
        .expect("read");
    assert_eq!(body, b"body");
}

#[test]
fn one_piece_of_work_that_fails_takes_nothing_of_the_others_with_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let ledger = Ledger::open(folder.path()).expect("a ledger");
    let good = ledger.write(|connection| runs::begin(connection, &run("1")));
    let bad = ledger.write(|connection| {
        runs::begin(connection, &run("2"))?;
        connection.execute("INSERT INTO nowhere VALUES (1)", [])
    });
    good.wait().expect("written");
    let error = bad.wait().expect_err("refused").to_string();
    assert!(
        error.contains("ledger.db cannot be written: no such table"),
        "{error}"
    );
    let all = ledger
        .read(|connection| runs::unfinished(connection, None))
        .expect("read");
    assert_eq!(all.iter().map(|run| run.id.as_str()).collect::<Vec<_>>(), ["1"]);
}

#[test]
fn a_failure_that_nobody_waited_for_is_told_to_whoever_waits_next() {
    let folder = tempfile::tempdir().expect("a folder");
    let ledger = Ledger::open(folder.path()).expect("a ledger");
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .expect("a runtime");
    let before = ledger.failures();
    drop(ledger.write(|connection| connection.execute("INSERT INTO nowhere VALUES (1)", [])));
    runtime
        .block_on(ledger.settled(before))
        .expect_err("it was not written");
    // Who came later has nothing to do with it.
    runtime
        .block_on(ledger.settled(ledger.failures()))
        .expect("nothing failed since");
}

#[test]
fn a_newer_a_foreign_and_a_broken_ledger_stay_as_they_are() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("ledger.db");
    drop(Ledger::open(folder.path()).expect("a ledger"));
    let connection = Connection::open(&path).expect("opens");
    connection.pragma_update(None, "user_version", 99).expect("set");
    drop(connection);
    let newer = std::fs::read(&path).expect("read");
    let foreign = {
        let other = tempfile::tempdir().expect("a folder");
        let connection = Connection::open(other.path().join("x")).expect("opens");
        connection.execute_batch("CREATE TABLE mine (x)").expect("made");
        drop(connection);
        std::fs::read(other.path().join("x")).expect("read")
    };
    for (bytes, expected) in [
        (
            newer,
            "is of version 99, and this flowhost knows versions up to 1",
        ),
        (foreign, "is not a ledger of flowhost"),
        (
            b"no database, but long enough to be looked at as one, that is how SQLite is".repeat(30),
            "is not a ledger of flowhost",
        ),
    ] {
        for left in ["ledger.db-wal", "ledger.db-shm"] {
            let _ = std::fs::remove_file(folder.path().join(left));
        }
        std::fs::write(&path, &bytes).expect("written");
        let error = Ledger::open(folder.path()).expect_err("refused").to_string();
        assert!(error.contains(expected), "{error}");
        assert!(
            std::fs::read(&path).expect("read") == bytes,
            "{expected}: it was changed"
        );
    }
}

#[test]
fn a_payload_is_accepted_once_and_a_changed_one_is_new() {
    let folder = tempfile::tempdir().expect("a folder");
    let ledger = Ledger::open(folder.path()).expect("a ledger");
    let run = write(&ledger, |connection| runs::begin(connection, &run("1"))).run;
    let insert = |id: &'static str, version: &'static str| {
        write(&ledger, move |connection| {
            payloads::insert(connection, &payload(run, id, version))
        })
    };
    assert!(insert("a", "1").is_some());
    assert!(insert("a", "1").is_none());
    assert!(insert("a", "2").is_some());
    let made = |version| ledger.read(|connection| payloads::is_made(connection, run, 0, "a", version));
    assert!(made("2").expect("read") && !made("3").expect("read"));
}

#[test]
fn what_an_earlier_run_failed_at_is_taken_over_with_the_name_it_was_sent_under() {
    let folder = tempfile::tempdir().expect("a folder");
    let ledger = Ledger::open(folder.path()).expect("a ledger");
    let old = write(&ledger, |connection| {
        let run = runs::begin(connection, &run("old"))?.run;
        let seq = payloads::insert(connection, &payload(run, "a", "1"))?.expect("new");
        payloads::fail(
            connection,
            seq,
            1,
            &payloads::untouched(),
            payloads::After::Parked,
        )?;
        runs::finish(connection, run, false)?;
        Ok(run)
    });
    let new = write(&ledger, |connection| {
        let run = runs::begin(connection, &run("new"))?.run;
        payloads::insert(connection, &payload(run, "a", "1"))?;
        Ok(run)
    });
    let todo = ledger
        .read(|connection| payloads::to_do(connection, new, 1, 0, 9))
        .expect("read");
    assert_eq!(todo[0].origin, "old");
    let totals = ledger
        .read(|connection| runs::totals(connection, old))
        .expect("read");
    assert_eq!((totals.payloads, totals.failed), (1, 0));
}

#[test]
fn what_a_flow_has_had_is_known_until_it_expires() {
    use seen::{Had, Key, had, remember};
    let folder = tempfile::tempdir().expect("a folder");
    let ledger = Ledger::open(folder.path()).expect("a ledger");
    let key = Key {
        flow: "orders".to_owned(),
        step: "pull".to_owned(),
        sort: "id",
        key: "a".to_owned(),
    };
    let asked = key.clone();
    let ask = move || ledger.read(|connection| had(connection, &asked)).expect("read");
    assert_eq!(ask(), Had::No);
    let ledger = Ledger::open(folder.path()).expect("the same ledger");
    let remembered = key.clone();
    let (run, seq) = write(&ledger, move |connection| {
        let run = runs::begin(connection, &run("1"))?.run;
        let seq = payloads::insert(connection, &payload(run, "a", "1"))?.expect("new");
        remember(connection, &remembered, seq, now_ms() + 60_000)?;
        Ok((run, seq))
    });
    assert_eq!(ask(), Had::Elsewhere);
    write(&ledger, move |connection| runs::finish(connection, run, false));
    assert_eq!(ask(), Had::No, "it came to nothing");
    let metadata = payload(run, "a", "1").metadata;
    write(&ledger, move |connection| {
        let passed = payloads::Passed {
            seq,
            metadata,
            step: 1,
            through: true,
            place: None,
            proof: "{}".to_owned(),
        };
        payloads::pass(connection, &passed)
    });
    assert_eq!(ask(), Had::Yes);
    write(&ledger, move |connection| runs::forget(connection, run));
    assert_eq!(ask(), Had::Yes, "also when the run is purged");
    write(&ledger, move |connection| {
        remember(connection, &key, seq, now_ms() - 1)
    });
    assert_eq!(ask(), Had::No);
    write(&ledger, seen::forget_expired);
    let left: i64 = ledger
        .read(|connection| connection.query_row("SELECT count(*) FROM seen", [], |row| row.get(0)))
        .expect("read");
    assert_eq!(left, 0);
}

#[test]
fn what_a_killed_run_was_at_is_unknown_when_it_is_resumed() {
    let folder = tempfile::tempdir().expect("a folder");
    let ledger = Ledger::open(folder.path()).expect("a ledger");
    let run = write(&ledger, |connection| {
        let run = runs::begin(connection, &run("1"))?.run;
        payloads::insert(connection, &payload(run, "a", "1"))?;
        runs::step(connection, run, 1, "running")?;
        Ok(run)
    });
    let unknown = || {
        ledger
            .read(|connection| payloads::to_do(connection, run, 1, 0, 9))
            .expect("read")[0]
            .unknown
    };
    assert!(!unknown());
    write(&ledger, move |connection| runs::resume(connection, run));
    assert!(unknown());
}

#[test]
fn what_was_unknown_stays_unknown_when_its_step_does_not_come_to_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let ledger = Ledger::open(folder.path()).expect("a ledger");
    let todo = write(&ledger, |connection| {
        let old = runs::begin(connection, &run("old"))?.run;
        let seq = payloads::insert(connection, &payload(old, "a", "1"))?.expect("new");
        payloads::insert(connection, &payload(old, "b", "1"))?;
        payloads::note(connection, seq, "about to append")?;
        payloads::lose(connection, seq)?;
        payloads::park_rest(connection, old, 1, 1, &payloads::untouched())?;
        runs::finish(connection, old, false)?;
        let new = runs::begin(connection, &run("new"))?.run;
        for id in ["a", "b"] {
            let parked = payloads::parked(connection, &payload(new, id, "1"))?.expect("parked");
            payloads::adopt(connection, parked, new)?;
        }
        payloads::to_do(connection, new, 1, 0, 9)
    });
    let told: Vec<_> = todo
        .iter()
        .map(|one| (one.metadata.id.as_str(), one.unknown, one.note.as_deref()))
        .collect();
    assert_eq!(told, [("a", true, Some("about to append")), ("b", false, None)]);
}

#[test]
fn what_a_failed_run_was_streaming_is_known_to_the_next() {
    let folder = tempfile::tempdir().expect("a folder");
    let ledger = Ledger::open(folder.path()).expect("a ledger");
    let (first, again, done) = write(&ledger, |connection| {
        let old = runs::begin(connection, &run("old"))?.run;
        let first = payloads::stream(connection, &payload(old, "a", "1"))?;
        payloads::note(connection, first.0, "about to append")?;
        runs::finish(connection, old, false)?;
        let new = runs::begin(connection, &run("new"))?.run;
        let again = payloads::stream(connection, &payload(new, "a", "1"))?;
        // One of another version is another one.
        let other = payloads::stream(connection, &payload(new, "a", "2"))?;
        payloads::forget_streams(connection, new)?;
        runs::finish(connection, new, true)?;
        let last = runs::begin(connection, &run("last"))?.run;
        let after = payloads::stream(connection, &payload(last, "a", "1"))?;
        Ok((first, again, (other.1, after.1)))
    });
    assert_eq!(first.1, None);
    assert_eq!(again, (first.0, Some(Some("about to append".to_owned()))));
    assert_eq!(done, (None, None), "what a run that ended well has forgotten");
}
