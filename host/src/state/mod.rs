//! What a run keeps on disk.

pub mod spool;
