//! What the ledger tells of runs: for people who look, and for programs.

use super::payloads::{Fault, from_json};
use super::runs::{self, Recorded};
use rusqlite::{Connection, OptionalExtension as _, Row, params};
use serde::Serialize;
use std::collections::BTreeMap;

/// A run in a list.
#[derive(Debug, Clone, Serialize)]
pub struct Line {
    /// Identifies it.
    pub run: String,
    /// The flow's name.
    pub flow: String,
    /// `running`, `ok` or `failed`; and `interrupted`, which whoever looks at its lock knows.
    pub state: String,
    /// When it began, milliseconds since 1970.
    pub started: i64,
    /// When it ended.
    pub finished: Option<i64>,
    /// How often it was taken up again.
    pub resumed: u32,
    /// Documents that it made.
    pub payloads: u64,
    /// Bytes of their bodies.
    pub bytes: u64,
    /// Things that it skipped.
    pub skipped: u64,
    /// Documents and steps that failed, and problems.
    pub failed: u64,
    /// Documents that wait for a step.
    pub pending: u64,
}

/// A step of a run.
#[derive(Debug, Clone, Serialize)]
pub struct StepLine {
    /// Its id.
    pub id: String,
    /// `pending`, `running`, `done` or `failed`.
    pub state: String,
    /// Documents that wait for it.
    pub waiting: u64,
    /// Documents that it has passed on.
    pub passed: u64,
    /// Documents that failed in it.
    pub failed: u64,
    /// Things that it skipped.
    pub skipped: u64,
}

/// A document that needs somebody, or that was asked for.
#[derive(Debug, Clone, Serialize)]
pub struct Document {
    /// Its number in the ledger.
    pub number: i64,
    /// Its id, as its connector gave it.
    pub id: String,
    /// Its name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Length of its body in bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    /// `pending`, `unknown`, `failed`, `done`, `consumed`, `superseded`.
    pub state: String,
    /// The step that it is for; none when it is through.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub step: Option<String>,
    /// Why it failed last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<Fault>,
    /// What each step said of it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub deliveries: Vec<Delivery>,
}

/// What a step said of a document.
#[derive(Debug, Clone, Serialize)]
pub struct Delivery {
    /// The step's id.
    pub step: String,
    /// When, milliseconds since 1970.
    pub at: i64,
    /// Such as the path, the hash, the answer's status.
    pub proof: serde_json::Value,
}

/// Something that went wrong and is no document.
#[derive(Debug, Clone, Serialize)]
pub struct ProblemLine {
    /// The step's id.
    pub step: String,
    /// `failure`, or `problem` with a document that was delivered.
    pub sort: String,
    /// The document's name or id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub payload: Option<String>,
    /// The error's kind.
    pub kind: String,
    /// What went wrong.
    pub message: String,
    /// The remote system's code.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
}

/// A run as a whole.
#[derive(Debug, Clone, Serialize)]
pub struct Whole {
    /// The run.
    pub run: Line,
    /// The flow's file.
    pub file: String,
    /// Its steps.
    pub steps: Vec<StepLine>,
    /// How many documents are in each state.
    pub payloads: BTreeMap<String, u64>,
    /// What went wrong and is no document.
    pub problems: Vec<ProblemLine>,
    /// Documents that failed or wait; or all of them.
    pub documents: Vec<Document>,
}

/// The states that a run's documents are counted by, also where there are none.
const STATES: [&str; 4] = ["done", "failed", "pending", "unknown"];

/// All runs, the newest first.
///
/// # Errors
/// SQLite's.
pub fn list(connection: &Connection, most: u32) -> rusqlite::Result<Vec<Line>> {
    let mut statement = connection.prepare("SELECT id FROM runs ORDER BY run DESC LIMIT ?1")?;
    let ids = statement.query_map([most], |row| row.get::<_, String>(0))?;
    let mut lines = Vec::new();
    for id in ids {
        if let Some(recorded) = runs::by_id(connection, &id?)? {
            lines.push(line(connection, &recorded)?);
        }
    }
    Ok(lines)
}

fn line(connection: &Connection, recorded: &Recorded) -> rusqlite::Result<Line> {
    let totals = runs::totals(connection, recorded.run)?;
    let sql =
        "SELECT count(*) FROM payloads WHERE run = ?1 AND state IN ('pending', 'unknown') AND maker >= 0";
    let pending = connection
        .prepare_cached(sql)?
        .query_row([recorded.run], |row| row.get(0))?;
    Ok(Line {
        run: recorded.id.clone(),
        flow: recorded.flow.clone(),
        state: recorded.state.clone(),
        started: recorded.started,
        finished: recorded.finished,
        resumed: recorded.resumed,
        payloads: totals.payloads,
        bytes: totals.bytes,
        skipped: totals.skipped,
        failed: totals.failed,
        pending,
    })
}

/// The ids of the runs that a text may mean: the one that it is, or those that begin or end with it.
///
/// # Errors
/// SQLite's.
pub fn meant(connection: &Connection, text: &str) -> rusqlite::Result<Vec<String>> {
    if runs::by_id(connection, text)?.is_some() {
        return Ok(vec![text.to_owned()]);
    }
    let sql = "SELECT id FROM runs WHERE substr(id, 1, length(?1)) = ?1 OR substr(id, -length(?1)) = ?1 ORDER BY run";
    let mut statement = connection.prepare(sql)?;
    let ids = statement.query_map([text], |row| row.get(0))?;
    ids.collect()
}

/// A run with its steps, problems and documents: those that need somebody, or with `all` each of them with what became of
/// it in each step.
///
/// # Errors
/// SQLite's.
pub fn whole(connection: &Connection, id: &str, all: bool) -> rusqlite::Result<Option<Whole>> {
    let Some(recorded) = runs::by_id(connection, id)? else {
        return Ok(None);
    };
    let run = recorded.run;
    let mut payloads: BTreeMap<String, u64> = STATES.map(|state| (state.to_owned(), 0)).into();
    let sql = "SELECT state, count(*) FROM payloads WHERE run = ?1 AND maker >= 0 GROUP BY state";
    let mut statement = connection.prepare(sql)?;
    for counted in statement.query_map([run], |row| Ok((row.get(0)?, row.get(1)?)))? {
        let (state, count): (String, u64) = counted?;
        payloads.insert(state, count);
    }
    Ok(Some(Whole {
        run: line(connection, &recorded)?,
        file: recorded.file,
        steps: steps(connection, run)?,
        payloads,
        problems: problems(connection, run)?,
        documents: documents(connection, run, all)?,
    }))
}

fn steps(connection: &Connection, run: i64) -> rusqlite::Result<Vec<StepLine>> {
    let sql = "SELECT id, state, skipped,
            (SELECT count(*) FROM payloads WHERE run = ?1 AND step = position AND state IN ('pending', 'unknown')
                AND maker >= 0),
            (SELECT count(*) FROM payloads WHERE run = ?1 AND step = position AND state = 'failed' AND maker >= 0),
            (SELECT count(*) FROM deliveries JOIN payloads USING (seq)
                WHERE run = ?1 AND deliveries.step = position AND maker >= 0)
        FROM steps WHERE run = ?1 ORDER BY position";
    let mut statement = connection.prepare(sql)?;
    let lines = statement.query_map([run], |row| {
        Ok(StepLine {
            id: row.get(0)?,
            state: row.get(1)?,
            skipped: row.get(2)?,
            waiting: row.get(3)?,
            failed: row.get(4)?,
            passed: row.get(5)?,
        })
    })?;
    lines.collect()
}

fn problems(connection: &Connection, run: i64) -> rusqlite::Result<Vec<ProblemLine>> {
    let sql = "SELECT id, sort, payload, kind, message, code FROM problems
        JOIN steps ON steps.run = problems.run AND position = step WHERE problems.run = ?1 ORDER BY at";
    let mut statement = connection.prepare(sql)?;
    let lines = statement.query_map([run], |row| {
        Ok(ProblemLine {
            step: row.get(0)?,
            sort: row.get(1)?,
            payload: row.get(2)?,
            kind: row.get(3)?,
            message: row.get(4)?,
            code: row.get(5)?,
        })
    })?;
    lines.collect()
}

fn documents(connection: &Connection, run: i64, all: bool) -> rusqlite::Result<Vec<Document>> {
    let sql =
        "SELECT seq, payloads.id, metadata ->> 'name', size, payloads.state, steps.id, error FROM payloads
        LEFT JOIN steps ON steps.run = payloads.run AND position = step
            AND payloads.state IN ('failed', 'pending', 'unknown', 'streaming')
        WHERE payloads.run = ?1 AND maker >= 0 AND (?2 OR payloads.state IN ('failed', 'pending', 'unknown'))
        ORDER BY seq";
    let mut statement = connection.prepare(sql)?;
    let documents = statement.query_map(params![run, all], document)?;
    let mut documents: Vec<Document> = documents.collect::<rusqlite::Result<_>>()?;
    let sql = "SELECT id, at, proof FROM deliveries JOIN steps ON run = ?1 AND position = step WHERE seq = ?2
        ORDER BY position";
    let mut statement = connection.prepare(sql)?;
    for document in &mut documents {
        let deliveries = statement.query_map(params![run, document.number], |row| {
            Ok(Delivery {
                step: row.get(0)?,
                at: row.get(1)?,
                proof: from_json(row, 2)?,
            })
        })?;
        document.deliveries = deliveries.collect::<rusqlite::Result<_>>()?;
    }
    Ok(documents)
}

fn document(row: &Row<'_>) -> rusqlite::Result<Document> {
    let error: Option<String> = row.get(6)?;
    Ok(Document {
        number: row.get(0)?,
        id: row.get(1)?,
        name: row.get(2)?,
        size: row.get(3)?,
        state: row.get(4)?,
        step: row.get(5)?,
        error: error.and_then(|error| serde_json::from_str(&error).ok()),
        deliveries: Vec::new(),
    })
}

/// A body's bytes, or the name of its file.
type Place = (Option<Vec<u8>>, Option<String>);

/// Where the body of a document is that is kept: its bytes, or the name of its file.
///
/// # Errors
/// SQLite's.
pub fn kept(connection: &Connection, number: i64) -> rusqlite::Result<Option<Place>> {
    let sql = "SELECT body, file FROM payloads WHERE seq = ?1 AND (body IS NOT NULL OR file IS NOT NULL)";
    connection
        .query_row(sql, [number], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()
}

/// The ids of the runs that ended before a time, the oldest first; and whether each holds documents that were not
/// delivered.
///
/// # Errors
/// SQLite's.
pub fn ended_before(connection: &Connection, time: i64) -> rusqlite::Result<Vec<(String, bool)>> {
    let sql = "SELECT id, EXISTS (SELECT 1 FROM payloads WHERE run = runs.run AND maker >= 0
            AND state IN ('failed', 'pending', 'unknown'))
        FROM runs WHERE state <> 'running' AND finished < ?1 ORDER BY run";
    let mut statement = connection.prepare(sql)?;
    let runs = statement.query_map([time], |row| Ok((row.get(0)?, row.get(1)?)))?;
    runs.collect()
}
