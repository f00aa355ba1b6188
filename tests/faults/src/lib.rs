//! Faults below a program that knows nothing of them: this library is put before the C library (`LD_PRELOAD`), takes the
//! calls that change files below one folder, and lets them fail or writes them down. Linux alone.
//!
//! | variable | meaning |
//! |---|---|
//! | `FLOW_FAULTS_FOLDER` | the folder, by its whole path without links; without it nothing is done |
//! | `FLOW_FAULTS_ROOM` | so many bytes can be written below it, and then its disk is full |
//! | `FLOW_FAULTS_FREED` | a file: when it is there, the disk is not full any more |
//! | `FLOW_FAULTS_JOURNAL` | a file outside the folder that takes a [`record`] of all that is done and synced below it |
//!
//! The journal also has what the program says and hears on connections, as far as it looks like FTP or HTTP. So it is
//! known what other machines had been told when the power went.
//!
//! A lock holds the call and its record together, so the order of the records is the order of the calls. A sync that
//! takes long makes other writes wait; nothing is synced by it that was written after it began.
//!
//! What a program does without the C library is not seen: calls of the system by rustix, say, and writes to memory that
//! is mapped. Who reads a journal compares it with the folder.
//!
//! - `real`: the functions that are wrapped, as they are. `place`: from descriptors and names to paths below the folder.
//! - `watch`: what is known of files, the journal, and the room on the disk.
//! - `files`, `copies`, `names`, `sockets`: the wrappers: of contents, of copies within the system, of names, of
//!   connections.
#![cfg(target_os = "linux")]

mod copies;
mod files;
mod names;
mod place;
mod real;
pub mod record;
mod sockets;
mod watch;
