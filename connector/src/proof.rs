//! What proves that a body is on the server.

use std::fmt;

use crate::hash::Hash;

/// What proves that a body is on the server, in the words of the attribute `stored_proof`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Proof {
    /// Its final reply alone.
    Reply,
    /// It says that the file is as long as it should be: this many bytes.
    Size(u64),
    /// The length, and a hash that it computed of the file and that is ours, too.
    Hash(Hash),
}

impl fmt::Display for Proof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Reply => f.write_str("reply"),
            Self::Size(size) => write!(f, "size:{size}"),
            Self::Hash(hash) => write!(f, "{}:{}", hash.name().to_ascii_lowercase(), hash.hex()),
        }
    }
}

/// A body that was sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sent {
    /// How many bytes went over the wire.
    pub bytes: u64,
    /// What proves that they are there.
    pub proof: Proof,
}
