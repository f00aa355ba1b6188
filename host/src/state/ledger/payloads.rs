//! Queries of payloads. Each function is one piece of work of a transaction.

mod json;
mod streams;

use super::now_ms;
use crate::contract::{Error, ErrorKind, Metadata};
use json::Known;
use rusqlite::{Connection, OptionalExtension as _, params};

pub use json::Fault;
pub(super) use json::from_json;
pub use streams::{arrive, forget_stream, forget_streams, stream};

/// States in which a payload waits for its step.
const TO_DO: &str = "('pending', 'unknown')";

/// Whether a run (`runs.run`) is one of the same flow as run `?1`, with the same steps: a payload's place among them is of
/// use only there.
const SAME_FLOW: &str = "flow = (SELECT flow FROM runs WHERE run = ?1)
    AND (SELECT group_concat(id, char(0) ORDER BY position) FROM steps WHERE steps.run = payloads.run)
        = (SELECT group_concat(id, char(0) ORDER BY position) FROM steps WHERE steps.run = ?1)";

/// Which payload: its row.
pub type Seq = i64;

/// A payload to be recorded.
#[derive(Debug)]
pub struct New {
    /// The run's row.
    pub run: i64,
    /// The position of the step that made it; -1 for the trigger.
    pub maker: i64,
    /// What is known of it.
    pub metadata: Metadata,
    /// Its body.
    pub body: Option<Stored>,
    /// The step that it is for.
    pub step: i64,
    /// Where there is no later step, it is done at once.
    pub done: bool,
}

/// Where a body is, as the ledger records it.
#[derive(Debug, Clone)]
pub struct Stored {
    /// Length in bytes.
    pub size: u64,
    /// BLAKE3 of the bytes.
    pub hash: [u8; 32],
    /// A small body itself.
    pub bytes: Option<Vec<u8>>,
    /// The name of a large one's file in the run's spool.
    pub file: Option<String>,
}

/// A recorded payload.
#[derive(Debug)]
pub struct Recorded {
    /// Its row.
    pub seq: Seq,
    /// What is known of it.
    pub metadata: Metadata,
    /// Length of its body, if it has one.
    pub size: Option<u64>,
    /// Whether its body is stored, here or in a file.
    pub stored: bool,
    /// The name of its file, if its body is in one.
    pub file: Option<String>,
    /// Whether nobody knows how far an earlier try came.
    pub unknown: bool,
    /// What the connector noted in that try.
    pub note: Option<String>,
    /// The run that accepted it first.
    pub origin: String,
}

/// Records a payload. One that this run's step has made before gives none.
///
/// A payload that an earlier run of the flow was left with is the new one's from now on, and named to web servers as it
/// was then: it may have been sent.
///
/// # Errors
/// SQLite's.
pub fn insert(connection: &Connection, new: &New) -> rusqlite::Result<Option<Seq>> {
    let origin = take_over(connection, new)?;
    let body = new.body.as_ref().filter(|_| !new.done);
    let metadata = &new.metadata;
    let sql = "INSERT INTO payloads (run, maker, id, version, metadata, size, hash, body, file, step, state, origin)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, coalesce(?12, (SELECT id FROM runs WHERE run = ?1)))
        ON CONFLICT (run, maker, id, version) DO NOTHING RETURNING seq";
    connection
        .prepare_cached(sql)?
        .query_row(
            params![
                new.run,
                new.maker,
                metadata.id,
                metadata.version.as_deref().unwrap_or_default(),
                Known::of(metadata).json(),
                new.body.as_ref().map(|body| body.size),
                new.body.as_ref().map(|body| body.hash.as_slice()),
                body.and_then(|body| body.bytes.as_deref()),
                body.and_then(|body| body.file.as_deref()),
                new.step,
                if new.done { "done" } else { "pending" },
                origin,
            ],
            |row| row.get(0),
        )
        .optional()
}

/// Takes the payload away from a run that has ended without being through with it, and gives its origin.
fn take_over(connection: &Connection, new: &New) -> rusqlite::Result<Option<String>> {
    if new.maker < 0 {
        return Ok(None);
    }
    let sql = "UPDATE payloads SET state = 'superseded', body = NULL, file = NULL
        WHERE id = ?1 AND version = ?2 AND state IN ('failed', 'pending', 'unknown') AND run <> ?3 AND maker >= 0
        AND run IN (SELECT old.run FROM runs old JOIN runs new ON new.run = ?3 AND old.flow = new.flow
            WHERE old.state = 'failed')
        AND (SELECT id FROM steps WHERE run = payloads.run AND position = payloads.maker)
            = (SELECT id FROM steps WHERE run = ?3 AND position = ?4)
        RETURNING origin";
    let version = new.metadata.version.as_deref().unwrap_or_default();
    let mut statement = connection.prepare_cached(sql)?;
    let origins = statement.query_map(params![new.metadata.id, version, new.run, new.maker], |row| {
        row.get(0)
    })?;
    let origins: Vec<String> = origins.collect::<rusqlite::Result<_>>()?;
    Ok(origins.into_iter().next())
}

/// A payload that an earlier run of the flow has ended without being through with: its row.
///
/// # Errors
/// SQLite's.
pub fn parked(connection: &Connection, new: &New) -> rusqlite::Result<Option<Seq>> {
    let sql = format!(
        "SELECT seq FROM payloads JOIN runs USING (run)
         WHERE payloads.id = ?3 AND version = ?4 AND maker = ?2 AND payloads.state IN ('failed', 'pending', 'unknown')
         AND run <> ?1 AND runs.state = 'failed' AND {SAME_FLOW}
         ORDER BY seq DESC LIMIT 1"
    );
    let version = new.metadata.version.as_deref().unwrap_or_default();
    connection
        .prepare_cached(&sql)?
        .query_row(params![new.run, new.maker, new.metadata.id, version], |row| {
            row.get(0)
        })
        .optional()
}

/// Takes such a payload over, where it is: what was done with it is not done again.
///
/// # Errors
/// SQLite's.
pub fn adopt(connection: &Connection, seq: Seq, run: i64) -> rusqlite::Result<()> {
    let sql = "UPDATE payloads SET run = ?2, tries = 0, error = NULL,
            state = iif(state = 'unknown' OR error ->> 'effect' = 'unknown', 'unknown', 'pending')
        WHERE seq = ?1 AND state IN ('failed', 'pending', 'unknown')";
    connection.prepare_cached(sql)?.execute(params![seq, run])?;
    Ok(())
}

/// Whether this run's step has made it before.
///
/// # Errors
/// SQLite's.
pub fn is_made(
    connection: &Connection,
    run: i64,
    maker: i64,
    id: &str,
    version: &str,
) -> rusqlite::Result<bool> {
    let sql = "SELECT 1 FROM payloads WHERE run = ?1 AND maker = ?2 AND id = ?3 AND version = ?4 AND state <> 'streaming'";
    connection
        .prepare_cached(sql)?
        .exists(params![run, maker, id, version])
}

/// The next payloads that wait for a step, by their rows.
///
/// # Errors
/// SQLite's.
pub fn to_do(
    connection: &Connection,
    run: i64,
    step: i64,
    after: Seq,
    most: u32,
) -> rusqlite::Result<Vec<Recorded>> {
    let sql = format!(
        "SELECT seq, metadata, size, body IS NOT NULL OR file IS NOT NULL, file, state = 'unknown', note, origin
         FROM payloads
         WHERE run = ?1 AND step = ?2 AND state IN {TO_DO} AND seq > ?3 ORDER BY seq LIMIT ?4"
    );
    let mut statement = connection.prepare_cached(&sql)?;
    let rows = statement.query_map(params![run, step, after, most], |row| {
        Ok(Recorded {
            seq: row.get(0)?,
            metadata: Known::read(row, 1)?.metadata(),
            size: row.get(2)?,
            stored: row.get(3)?,
            file: row.get(4)?,
            unknown: row.get(5)?,
            note: row.get(6)?,
            origin: row.get(7)?,
        })
    })?;
    rows.collect()
}

/// How many payloads wait for a step.
///
/// # Errors
/// SQLite's.
pub fn waiting(connection: &Connection, run: i64, step: i64) -> rusqlite::Result<u64> {
    let sql = format!("SELECT count(*) FROM payloads WHERE run = ?1 AND step = ?2 AND state IN {TO_DO}");
    connection
        .prepare_cached(&sql)?
        .query_row(params![run, step], |row| row.get(0))
}

/// The bytes of a small body.
///
/// # Errors
/// SQLite's; also when the payload is through and its body gone.
pub fn body(connection: &Connection, seq: Seq) -> rusqlite::Result<Vec<u8>> {
    let sql = "SELECT body FROM payloads WHERE seq = ?1";
    connection.prepare_cached(sql)?.query_row([seq], |row| row.get(0))
}

/// How a payload came through a step.
#[derive(Debug)]
pub struct Passed {
    /// The payload.
    pub seq: Seq,
    /// What is known of it now.
    pub metadata: Metadata,
    /// The step's position.
    pub step: i64,
    /// Whether it was the last one: then the body goes.
    pub through: bool,
    /// Where it is now, if its step takes each place once.
    pub place: Option<String>,
    /// JSON: what the step said of it.
    pub proof: String,
}

/// A step is done with a payload, and it goes on.
///
/// # Errors
/// SQLite's.
pub fn pass(connection: &Connection, passed: &Passed) -> rusqlite::Result<()> {
    let Passed {
        seq,
        metadata,
        step,
        through,
        place,
        proof,
    } = passed;
    let sql =
        "UPDATE payloads SET metadata = ?2, step = ?3 + 1, state = iif(?4, 'done', 'pending'), tries = 0,
        note = NULL, error = NULL, body = iif(?4, NULL, body), file = iif(?4, NULL, file) WHERE seq = ?1";
    connection
        .prepare_cached(sql)?
        .execute(params![seq, Known::of(metadata).json(), step, through])?;
    let sql = "INSERT OR REPLACE INTO deliveries (seq, step, at, place, proof) VALUES (?1, ?2, ?3, ?4, ?5)";
    connection
        .prepare_cached(sql)?
        .execute(params![seq, step, now_ms(), place, proof])?;
    Ok(())
}

/// A payload ends in a step: whatever came of it has rows of its own.
///
/// # Errors
/// SQLite's.
pub fn consume(connection: &Connection, seq: Seq) -> rusqlite::Result<()> {
    let sql = "UPDATE payloads SET state = 'consumed', note = NULL, error = NULL, body = NULL, file = NULL WHERE seq = ?1";
    connection.prepare_cached(sql)?.execute([seq])?;
    Ok(())
}

/// What a failure makes of a payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum After {
    /// It is tried again; with `look`, not before somebody has looked how far this try came.
    Again {
        /// Whether the effect of this try is not known.
        look: bool,
    },
    /// It is kept with its body until somebody deals with it.
    Parked,
}

/// A payload failed in a try of its step.
///
/// # Errors
/// SQLite's.
pub fn fail(
    connection: &Connection,
    seq: Seq,
    attempt: u32,
    error: &Error,
    after: After,
) -> rusqlite::Result<()> {
    let state = match after {
        After::Again { look: true } => "unknown",
        After::Again { look: false } => "pending",
        After::Parked => "failed",
    };
    // A note is about what may have been done.
    let sql = "UPDATE payloads SET state = ?2, tries = ?3, error = ?4,
        note = iif(?4 ->> 'effect' = 'unknown', note, NULL) WHERE seq = ?1";
    connection
        .prepare_cached(sql)?
        .execute(params![seq, state, attempt, Fault::of(error).json()])?;
    Ok(())
}

/// Parks the payloads of a step of which a try has said nothing, and gives what they are called.
///
/// # Errors
/// SQLite's.
pub fn park_rest(
    connection: &Connection,
    run: i64,
    step: i64,
    attempt: u32,
    error: &Error,
) -> rusqlite::Result<Vec<String>> {
    // What an earlier try may have done is as little known as before.
    let sql = format!(
        "UPDATE payloads SET state = 'failed', tries = ?3,
            error = iif(state = 'unknown', json_set(?4, '$.effect', 'unknown'), ?4)
         WHERE run = ?1 AND step = ?2 AND state IN {TO_DO} AND tries < ?3 AND maker >= 0 RETURNING metadata"
    );
    let mut statement = connection.prepare_cached(&sql)?;
    let rows = statement.query_map(params![run, step, attempt, Fault::of(error).json()], |row| {
        Known::read(row, 0)
    })?;
    rows.map(|known| known.map(|known| known.label().to_owned()))
        .collect()
}

/// Keeps a connector's note.
///
/// # Errors
/// SQLite's.
pub fn note(connection: &Connection, seq: Seq, text: &str) -> rusqlite::Result<()> {
    let sql = "UPDATE payloads SET note = ?2 WHERE seq = ?1";
    connection.prepare_cached(sql)?.execute(params![seq, text])?;
    Ok(())
}

/// Files in a run's spool that are still needed, by this run or another one.
///
/// # Errors
/// SQLite's.
pub fn files(connection: &Connection, run: &str) -> rusqlite::Result<Vec<String>> {
    // Names begin with the run in whose spool they are; `0` comes behind `/`.
    let sql = "SELECT file FROM payloads WHERE file >= ?1 AND file < ?2";
    let mut statement = connection.prepare_cached(sql)?;
    let files = statement.query_map([format!("{run}/"), format!("{run}0")], |row| row.get(0))?;
    files.collect()
}

/// Bytes of all bodies that are kept, of all runs.
///
/// # Errors
/// SQLite's.
pub fn bytes_kept(connection: &Connection) -> rusqlite::Result<u64> {
    let sql = "SELECT coalesce(sum(size), 0) FROM payloads
        WHERE state IN ('pending', 'unknown', 'failed') AND (body IS NOT NULL OR file IS NOT NULL)";
    connection.query_row(sql, [], |row| row.get(0))
}

/// Whether another payload of the run was delivered to a place in this step.
///
/// # Errors
/// SQLite's.
pub fn is_taken(
    connection: &Connection,
    run: i64,
    step: i64,
    place: &str,
    but: Seq,
) -> rusqlite::Result<bool> {
    let sql = "SELECT 1 FROM deliveries JOIN payloads USING (seq)
        WHERE place = ?4 AND deliveries.step = ?2 AND seq <> ?3 AND run = ?1";
    connection
        .prepare_cached(sql)?
        .exists(params![run, step, but, place])
}

/// Marks payloads that a try has dealt with and that are to be handed in once more, so that they are not taken for
/// untouched ones.
///
/// # Errors
/// SQLite's.
pub fn touch(connection: &Connection, seqs: &[Seq], attempt: u32) -> rusqlite::Result<()> {
    let mut statement = connection.prepare_cached("UPDATE payloads SET tries = ?2 WHERE seq = ?1")?;
    for seq in seqs {
        statement.execute(params![seq, attempt])?;
    }
    Ok(())
}

/// Nobody knows how far this try came with a payload.
///
/// # Errors
/// SQLite's.
pub fn lose(connection: &Connection, seq: Seq) -> rusqlite::Result<()> {
    let sql = "UPDATE payloads SET state = 'unknown' WHERE seq = ?1";
    connection.prepare_cached(sql)?.execute([seq])?;
    Ok(())
}

/// The failure of a payload that a connector was given and never took.
#[must_use]
pub fn untouched() -> Error {
    Error::new(
        ErrorKind::Internal,
        "the connector ended without taking this payload",
    )
}
