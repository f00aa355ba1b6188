//! Queries of runs and their steps. Each function is one piece of work of a transaction.

use super::now_ms;
use super::payloads::from_json;
use rusqlite::{Connection, OptionalExtension as _, Row, params};
use std::collections::BTreeMap;

/// A run that is to be recorded.
#[derive(Debug, Clone)]
pub struct New {
    /// Identifies it.
    pub id: String,
    /// The flow's name.
    pub flow: String,
    /// The flow's file.
    pub file: String,
    /// What its templates see as `vars`.
    pub variables: BTreeMap<String, String>,
    /// The ids of the flow's steps.
    pub steps: Vec<String>,
}

/// A recorded run.
#[derive(Debug, Clone)]
pub struct Recorded {
    /// Its row.
    pub run: i64,
    /// Identifies it.
    pub id: String,
    /// The flow's name.
    pub flow: String,
    /// The flow's file.
    pub file: String,
    /// `running`, `ok` or `failed`.
    pub state: String,
    /// What its templates see as `vars`.
    pub variables: BTreeMap<String, String>,
    /// When it began, milliseconds since 1970.
    pub started: i64,
    /// When it ended.
    pub finished: Option<i64>,
    /// How often it was taken up again.
    pub resumed: u32,
}

const COLUMNS: &str = "run, id, flow, file, state, variables, started, finished, resumed";

impl Recorded {
    fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            run: row.get(0)?,
            id: row.get(1)?,
            flow: row.get(2)?,
            file: row.get(3)?,
            state: row.get(4)?,
            variables: from_json(row, 5)?,
            started: row.get(6)?,
            finished: row.get(7)?,
            resumed: row.get(8)?,
        })
    }
}

/// Records a run with its steps, and gives it back.
///
/// # Errors
/// SQLite's.
pub fn begin(connection: &Connection, new: &New) -> rusqlite::Result<Recorded> {
    let variables = serde_json::to_string(&new.variables).unwrap_or_default();
    let sql =
        "INSERT INTO runs (id, flow, file, state, variables, started) VALUES (?1, ?2, ?3, 'running', ?4, ?5)";
    connection.execute(sql, params![new.id, new.flow, new.file, variables, now_ms()])?;
    let run = connection.last_insert_rowid();
    for (position, id) in (0_i64..).zip(&new.steps) {
        let sql = "INSERT INTO steps (run, position, id, state) VALUES (?1, ?2, ?3, 'pending')";
        connection.execute(sql, params![run, position, id])?;
    }
    connection.query_row(
        &format!("SELECT {COLUMNS} FROM runs WHERE run = ?1"),
        [run],
        Recorded::read,
    )
}

/// A run by its id.
///
/// # Errors
/// SQLite's.
pub fn by_id(connection: &Connection, id: &str) -> rusqlite::Result<Option<Recorded>> {
    let sql = format!("SELECT {COLUMNS} FROM runs WHERE id = ?1");
    connection.query_row(&sql, [id], Recorded::read).optional()
}

/// Runs that have not ended, the oldest first: of one flow, or of all. Whoever has a flow's lock knows that nobody works
/// on them.
///
/// # Errors
/// SQLite's.
pub fn unfinished(connection: &Connection, flow: Option<&str>) -> rusqlite::Result<Vec<Recorded>> {
    let sql = format!(
        "SELECT {COLUMNS} FROM runs WHERE state = 'running' AND (?1 IS NULL OR flow = ?1) ORDER BY run"
    );
    let mut statement = connection.prepare_cached(&sql)?;
    let runs = statement.query_map([flow], Recorded::read)?;
    runs.collect()
}

/// The ids of a run's steps, in their order.
///
/// # Errors
/// SQLite's.
pub fn steps(connection: &Connection, run: i64) -> rusqlite::Result<Vec<String>> {
    let mut statement = connection.prepare_cached("SELECT id FROM steps WHERE run = ?1 ORDER BY position")?;
    let ids = statement.query_map([run], |row| row.get(0))?;
    ids.collect()
}

/// Takes a run up again that has not ended. What its steps were at when it was interrupted may have been done.
///
/// # Errors
/// SQLite's.
pub fn resume(connection: &Connection, run: i64) -> rusqlite::Result<()> {
    connection.execute("UPDATE runs SET resumed = resumed + 1 WHERE run = ?1", [run])?;
    let sql = "UPDATE payloads SET state = iif(state = 'pending', 'unknown', state), tries = 0
        WHERE run = ?1 AND state IN ('pending', 'unknown')
        AND step IN (SELECT position FROM steps WHERE run = ?1 AND state = 'running')";
    connection.execute(sql, [run])?;
    Ok(())
}

/// Opens a run again that has ended, for what was not done in it: payloads that failed, and with `whole` also steps that
/// failed as such. `anew`: somebody has looked, and what may have been done is to be done.
///
/// # Errors
/// SQLite's.
pub fn reopen(connection: &Connection, run: i64, whole: bool, anew: bool) -> rusqlite::Result<()> {
    let sql = "UPDATE payloads SET tries = 0,
            state = iif(error ->> 'effect' = 'unknown' AND NOT ?3, 'unknown', 'pending'), note = iif(?3, NULL, note)
        WHERE run = ?1 AND (state = 'failed' OR state = 'unknown' AND ?3) AND (?2 OR maker >= 0)";
    connection.execute(sql, params![run, whole, anew])?;
    if whole {
        // The first step looks again; what it made before it has not to make again.
        let sql = "UPDATE payloads SET state = 'pending', tries = 0 WHERE run = ?1 AND maker < 0
            AND EXISTS (SELECT 1 FROM problems WHERE run = ?1 AND step = 0)";
        connection.execute(sql, [run])?;
    }
    // What is not run again stays told, and does not keep payloads from later steps.
    let sql = if whole {
        "DELETE FROM problems WHERE run = ?1"
    } else {
        "UPDATE problems SET sort = 'problem' WHERE run = ?1 AND sort = 'failure'"
    };
    connection.execute(sql, [run])?;
    let sql = "UPDATE steps SET state = 'pending' WHERE run = ?1 AND state = 'failed'";
    connection.execute(sql, [run])?;
    let sql = "UPDATE runs SET state = 'running', finished = NULL, resumed = resumed + 1 WHERE run = ?1";
    connection.execute(sql, [run])?;
    Ok(())
}

/// Says where a step is: `running`, `done` or `failed`.
///
/// # Errors
/// SQLite's.
pub fn step(connection: &Connection, run: i64, position: i64, state: &str) -> rusqlite::Result<()> {
    let sql = "UPDATE steps SET state = ?3 WHERE run = ?1 AND position = ?2";
    connection
        .prepare_cached(sql)?
        .execute(params![run, position, state])?;
    Ok(())
}

/// Adds what a try of a step has counted.
///
/// # Errors
/// SQLite's.
pub fn count(
    connection: &Connection,
    run: i64,
    position: i64,
    skipped: u64,
    bytes: u64,
) -> rusqlite::Result<()> {
    // What a connector counts is its own affair; it may be anything, and SQLite's numbers end at 2^63.
    let most = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
    let sql = "UPDATE steps SET skipped = min(skipped, 9223372036854775807 - ?3) + ?3,
        bytes = min(bytes, 9223372036854775807 - ?4) + ?4 WHERE run = ?1 AND position = ?2";
    connection
        .prepare_cached(sql)?
        .execute(params![run, position, most(skipped), most(bytes)])?;
    Ok(())
}

/// Something that went wrong and is no state of a payload.
#[derive(Debug, Clone)]
pub struct Problem {
    /// Whether the step failed with it.
    pub failure: bool,
    /// The payload's name or id.
    pub payload: Option<String>,
    /// The error's kind, or what a report calls it.
    pub kind: String,
    /// What went wrong.
    pub message: String,
    /// The remote system's code.
    pub code: Option<String>,
}

/// Records a problem; false when the step has told the same one before.
///
/// # Errors
/// SQLite's.
pub fn problem(
    connection: &Connection,
    run: i64,
    position: i64,
    problem: &Problem,
) -> rusqlite::Result<bool> {
    let sort = if problem.failure { "failure" } else { "problem" };
    let sql = "INSERT INTO problems (run, step, sort, payload, kind, message, code, at)
        SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8 WHERE ?3 = 'failure' OR NOT EXISTS (SELECT 1 FROM problems
            WHERE run = ?1 AND step = ?2 AND sort = ?3 AND payload IS ?4 AND kind = ?5 AND message = ?6)";
    let Problem {
        payload,
        kind,
        message,
        code,
        ..
    } = problem;
    let added = connection.prepare_cached(sql)?.execute(params![
        run,
        position,
        sort,
        payload,
        kind,
        message,
        code,
        now_ms()
    ])?;
    Ok(added > 0)
}

/// Whether something failed in a step, in this run of it or before it was interrupted.
///
/// # Errors
/// SQLite's.
pub fn has_failed(connection: &Connection, run: i64, position: i64) -> rusqlite::Result<bool> {
    let sql = "SELECT EXISTS (SELECT 1 FROM payloads WHERE run = ?1 AND step = ?2 AND state = 'failed')
        OR EXISTS (SELECT 1 FROM problems WHERE run = ?1 AND step = ?2 AND sort = 'failure')";
    connection
        .prepare_cached(sql)?
        .query_row(params![run, position], |row| row.get(0))
}

/// What a run, or one of its steps, comes to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Totals {
    /// Payloads that were made.
    pub payloads: u64,
    /// Bytes of their bodies.
    pub bytes: u64,
    /// Things that were skipped.
    pub skipped: u64,
    /// Payloads and steps that failed, and problems.
    pub failed: u64,
}

/// What a run comes to.
///
/// # Errors
/// SQLite's.
pub fn totals(connection: &Connection, run: i64) -> rusqlite::Result<Totals> {
    let sql = "SELECT
        (SELECT count(*) FROM payloads WHERE run = ?1 AND maker >= 0 AND state <> 'streaming'),
        (SELECT coalesce(sum(size), 0) FROM payloads WHERE run = ?1 AND maker >= 0 AND state <> 'streaming'),
        (SELECT CAST(min(total(skipped), 9e18) AS INTEGER) FROM steps WHERE run = ?1),
        (SELECT count(*) FROM payloads WHERE run = ?1 AND maker >= 0 AND state = 'failed')
            + (SELECT count(*) FROM problems WHERE run = ?1)";
    connection.prepare_cached(sql)?.query_row([run], |row| {
        Ok(Totals {
            payloads: row.get(0)?,
            bytes: row.get(1)?,
            skipped: row.get(2)?,
            failed: row.get(3)?,
        })
    })
}

/// Whether a run has neither found nor failed at anything.
///
/// # Errors
/// SQLite's.
pub fn is_empty(connection: &Connection, run: i64) -> rusqlite::Result<bool> {
    let sql = "SELECT NOT EXISTS (SELECT 1 FROM payloads WHERE run = ?1 AND maker >= 0)
        AND NOT EXISTS (SELECT 1 FROM problems WHERE run = ?1)";
    connection.query_row(sql, [run], |row| row.get(0))
}

/// A run has ended.
///
/// # Errors
/// SQLite's.
pub fn finish(connection: &Connection, run: i64, well: bool) -> rusqlite::Result<()> {
    let state = if well { "ok" } else { "failed" };
    let sql = "UPDATE runs SET state = ?2, finished = ?3 WHERE run = ?1";
    connection.execute(sql, params![run, state, now_ms()])?;
    Ok(())
}

/// Removes a run with all that belongs to it.
///
/// # Errors
/// SQLite's.
pub fn forget(connection: &Connection, run: i64) -> rusqlite::Result<()> {
    connection.execute("DELETE FROM runs WHERE run = ?1", [run])?;
    Ok(())
}
