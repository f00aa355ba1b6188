//! What a flow has had before: deduplication across runs.

use super::now_ms;
use super::payloads::Seq;
use rusqlite::{Connection, OptionalExtension as _, params};

/// What makes two payloads of a step the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// The flow's name.
    pub flow: String,
    /// The id of the step that makes them.
    pub step: String,
    /// `id`, `name` or `content`.
    pub sort: &'static str,
    /// Its value.
    pub key: String,
}

/// Whether a flow has had a payload before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Had {
    /// No, or it came to nothing.
    No,
    /// Yes, and it was done with it.
    Yes,
    /// Another run of the flow is at it.
    Elsewhere,
}

/// Looks a key up. A payload with which an earlier run has failed counts as not had: this is its next chance.
///
/// # Errors
/// SQLite's.
pub fn had(connection: &Connection, key: &Key) -> rusqlite::Result<Had> {
    let sql = "SELECT payloads.state, runs.state FROM seen LEFT JOIN payloads USING (seq) LEFT JOIN runs USING (run)
        WHERE flow_of = ?1 AND step_of = ?2 AND sort = ?3 AND key = ?4 AND expires > ?5";
    let row = connection
        .prepare_cached(sql)?
        .query_row(params![key.flow, key.step, key.sort, key.key, now_ms()], |row| {
            Ok((row.get::<_, Option<String>>(0)?, row.get::<_, Option<String>>(1)?))
        })
        .optional()?;
    Ok(match row {
        None => Had::No,
        // Purged: it was done once, or somebody has decided that it need not be.
        Some((None, _)) => Had::Yes,
        Some((Some(payload), run)) => match payload.as_str() {
            "done" | "consumed" => Had::Yes,
            _ if run.as_deref() == Some("running") => Had::Elsewhere,
            _ => Had::No,
        },
    })
}

/// Remembers a payload until a time.
///
/// # Errors
/// SQLite's.
pub fn remember(connection: &Connection, key: &Key, seq: Seq, expires: i64) -> rusqlite::Result<()> {
    let sql = "INSERT OR REPLACE INTO seen (flow_of, step_of, sort, key, seq, expires) VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
    connection
        .prepare_cached(sql)?
        .execute(params![key.flow, key.step, key.sort, key.key, seq, expires])?;
    Ok(())
}

/// It is still there: what is seen again and again is not forgotten.
///
/// # Errors
/// SQLite's.
pub fn refresh(connection: &Connection, key: &Key, expires: i64) -> rusqlite::Result<()> {
    let sql = "UPDATE seen SET expires = ?5 WHERE flow_of = ?1 AND step_of = ?2 AND sort = ?3 AND key = ?4";
    connection
        .prepare_cached(sql)?
        .execute(params![key.flow, key.step, key.sort, key.key, expires])?;
    Ok(())
}

/// Forgets what was not seen again in time.
///
/// # Errors
/// SQLite's.
pub fn forget_expired(connection: &Connection) -> rusqlite::Result<()> {
    connection.execute("DELETE FROM seen WHERE expires <= ?1", [now_ms()])?;
    Ok(())
}
