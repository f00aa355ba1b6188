//! What a run keeps on disk.

pub mod ledger;
pub mod lock;
pub mod spool;
