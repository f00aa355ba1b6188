//! The tables, and how older ledgers become new ones.

use super::{LedgerError, refused};
use rusqlite::{Connection, TransactionBehavior};
use std::path::Path;

/// Marks the file as ours (`PRAGMA application_id`): "flow".
const APPLICATION: i64 = 0x666c_6f77;

/// What makes each version of the one before. A released one is never changed: somebody's ledger has it behind it.
const MIGRATIONS: [&str; 1] = [include_str!("schema_1.sql")];

/// Brings a ledger up to date, all at once or not at all.
pub(super) fn migrate(path: &Path, connection: &mut Connection) -> Result<(), LedgerError> {
    let known = i64::try_from(MIGRATIONS.len()).unwrap_or(i64::MAX);
    let failed = |error: rusqlite::Error| refused(path, "opened", &error);
    let number = |connection: &Connection, name: &str| {
        connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0))
    };
    let tables = |connection: &Connection| {
        connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| {
            row.get::<_, i64>(0)
        })
    };
    // Before anything is written, the journal mode included. In one transaction: another process may be making it now.
    let looked = || -> rusqlite::Result<(i64, i64, i64)> {
        let look = connection.transaction()?;
        let version = number(&look, "user_version")?;
        Ok((number(&look, "application_id")?, version, tables(&look)?))
    }();
    let (application, version, tables) = looked.map_err(failed)?;
    if application != APPLICATION && (application, version, tables) != (0, 0, 0) {
        return Err(LedgerError::Foreign {
            path: path.to_path_buf(),
        });
    }
    if version > known {
        return Err(LedgerError::Newer {
            path: path.to_path_buf(),
            found: version,
            known,
        });
    }
    // FULL: what is committed is on the disk, also when the machine loses power right after.
    let pragmas = "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON;";
    connection.execute_batch(pragmas).map_err(failed)?;
    let migrated = || -> rusqlite::Result<()> {
        // Another process may be making the same ledger.
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let version = number(&transaction, "user_version")?;
        for migration in MIGRATIONS.iter().skip(usize::try_from(version).unwrap_or(0)) {
            transaction.execute_batch(migration)?;
        }
        transaction.pragma_update(None, "application_id", APPLICATION)?;
        transaction.pragma_update(None, "user_version", known)?;
        transaction.commit()
    }();
    migrated.map_err(failed)
}
