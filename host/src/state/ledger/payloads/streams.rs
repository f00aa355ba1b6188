//! Queries of payloads that go on to another connector without being stored.

use super::json::Known;
use super::{New, Passed, SAME_FLOW, Seq, pass};
use rusqlite::{Connection, OptionalExtension as _, params};

/// A payload that goes on to another connector without being stored.
///
/// # Errors
/// SQLite's.
pub fn stream(connection: &Connection, new: &New) -> rusqlite::Result<(Seq, Option<Option<String>>)> {
    let version = new.metadata.version.as_deref().unwrap_or_default();
    // Also one that an earlier run of the flow has ended without knowing what became of it.
    let sql = format!(
        "SELECT seq, note FROM payloads JOIN runs USING (run)
         WHERE payloads.id = ?3 AND version = ?4 AND maker = ?2 AND payloads.state = 'streaming'
         AND (run = ?1 OR runs.state = 'failed' AND {SAME_FLOW})
         ORDER BY seq DESC LIMIT 1"
    );
    let earlier = connection
        .prepare_cached(&sql)?
        .query_row(params![new.run, new.maker, new.metadata.id, version], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })
        .optional()?;
    if let Some((seq, note)) = earlier {
        let sql = "UPDATE payloads SET run = ?2 WHERE seq = ?1";
        connection.prepare_cached(sql)?.execute(params![seq, new.run])?;
        return Ok((seq, Some(note)));
    }
    let sql = "INSERT INTO payloads (run, maker, id, version, metadata, size, step, state, origin)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, 'streaming', (SELECT id FROM runs WHERE run = ?1)) RETURNING seq";
    let seq = connection.prepare_cached(sql)?.query_row(
        params![
            new.run,
            new.maker,
            new.metadata.id,
            version,
            Known::of(&new.metadata).json(),
            new.metadata.size,
            new.step,
        ],
        |row| row.get(0),
    )?;
    Ok((seq, None))
}

/// Forgets a payload that was on its way and did not arrive.
///
/// # Errors
/// SQLite's.
pub fn forget_stream(connection: &Connection, seq: Seq) -> rusqlite::Result<()> {
    let sql = "DELETE FROM payloads WHERE seq = ?1 AND state = 'streaming'";
    connection.prepare_cached(sql)?.execute([seq])?;
    Ok(())
}

/// Forgets the payloads of a run that were on their way to another connector, and that nobody has offered again: their
/// originals are gone.
///
/// # Errors
/// SQLite's.
pub fn forget_streams(connection: &Connection, run: i64) -> rusqlite::Result<()> {
    connection.execute(
        "DELETE FROM payloads WHERE run = ?1 AND state = 'streaming'",
        [run],
    )?;
    Ok(())
}

/// A payload that was on its way has arrived, and is through the step that took it.
///
/// # Errors
/// SQLite's.
pub fn arrive(connection: &Connection, passed: &Passed, size: u64) -> rusqlite::Result<()> {
    pass(connection, passed)?;
    let sql = "UPDATE payloads SET size = ?2 WHERE seq = ?1";
    connection
        .prepare_cached(sql)?
        .execute(params![passed.seq, size])?;
    Ok(())
}
