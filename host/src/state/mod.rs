//! What a run keeps on disk.

pub mod lock;
pub mod spool;
