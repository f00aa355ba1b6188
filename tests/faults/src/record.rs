//! What the journal tells: one record for each thing that was done, in the order in which it was done.
//!
//! The library that writes it and the tests that read it share this file. A record is a tag and its fields: numbers of
//! eight bytes, and texts with their length in four bytes before them, all in little endian.

/// One thing that was done below the folder, or said to another machine. Paths are relative to the folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Record {
    /// A file got its first name.
    Make {
        /// Its name.
        path: Vec<u8>,
        /// Its number in this journal.
        file: u64,
    },
    /// Bytes were written.
    Write {
        /// The file.
        file: u64,
        /// From where on.
        offset: u64,
        /// What.
        data: Vec<u8>,
    },
    /// A file got another length.
    Resize {
        /// The file.
        file: u64,
        /// Its length now.
        length: u64,
    },
    /// A file was synced.
    Sync {
        /// The file.
        file: u64,
    },
    /// A folder was made.
    MakeFolder {
        /// Its name.
        path: Vec<u8>,
    },
    /// A folder was removed.
    RemoveFolder {
        /// Its name.
        path: Vec<u8>,
    },
    /// A folder was synced: the names in it.
    SyncFolder {
        /// Its name; empty for the folder of the journal itself.
        path: Vec<u8>,
    },
    /// A name was changed.
    Rename {
        /// The name before.
        from: Vec<u8>,
        /// The name since.
        to: Vec<u8>,
    },
    /// A file got one more name.
    Link {
        /// The name.
        path: Vec<u8>,
        /// The file.
        file: u64,
    },
    /// A name was removed.
    Remove {
        /// The name.
        path: Vec<u8>,
    },
    /// Everything was synced.
    SyncAll,
    /// The program is about to say this on a connection.
    Said {
        /// The connection.
        socket: u64,
        /// The first bytes of what it says.
        text: Vec<u8>,
    },
    /// The program has heard this on a connection.
    Heard {
        /// The connection.
        socket: u64,
        /// The first bytes of what it has heard.
        text: Vec<u8>,
    },
}

impl Record {
    /// Appends the record to a journal.
    pub fn encode(&self, to: &mut Vec<u8>) {
        let mut line = Line(to);
        match self {
            Self::Make { path, file } => line.tag(0).text(path).number(*file),
            Self::Write { file, offset, data } => line.tag(1).number(*file).number(*offset).text(data),
            Self::Resize { file, length } => line.tag(2).number(*file).number(*length),
            Self::Sync { file } => line.tag(3).number(*file),
            Self::MakeFolder { path } => line.tag(4).text(path),
            Self::RemoveFolder { path } => line.tag(5).text(path),
            Self::SyncFolder { path } => line.tag(6).text(path),
            Self::Rename { from, to } => line.tag(7).text(from).text(to),
            Self::Link { path, file } => line.tag(8).text(path).number(*file),
            Self::Remove { path } => line.tag(9).text(path),
            Self::SyncAll => line.tag(10),
            Self::Said { socket, text } => line.tag(11).number(*socket).text(text),
            Self::Heard { socket, text } => line.tag(12).number(*socket).text(text),
        };
    }

    /// Takes the first record off a journal; none when there is no whole one.
    pub fn decode(from: &mut &[u8]) -> Option<Self> {
        let tag = *take(from, 1)?.first()?;
        Some(match tag {
            0 => Self::Make {
                path: text(from)?,
                file: number(from)?,
            },
            1 => Self::Write {
                file: number(from)?,
                offset: number(from)?,
                data: text(from)?,
            },
            2 => Self::Resize {
                file: number(from)?,
                length: number(from)?,
            },
            3 => Self::Sync { file: number(from)? },
            4 => Self::MakeFolder { path: text(from)? },
            5 => Self::RemoveFolder { path: text(from)? },
            6 => Self::SyncFolder { path: text(from)? },
            7 => Self::Rename {
                from: text(from)?,
                to: text(from)?,
            },
            8 => Self::Link {
                path: text(from)?,
                file: number(from)?,
            },
            9 => Self::Remove { path: text(from)? },
            10 => Self::SyncAll,
            11 => Self::Said {
                socket: number(from)?,
                text: text(from)?,
            },
            12 => Self::Heard {
                socket: number(from)?,
                text: text(from)?,
            },
            _ => return None,
        })
    }
}

struct Line<'a>(&'a mut Vec<u8>);

impl Line<'_> {
    fn tag(&mut self, tag: u8) -> &mut Self {
        self.0.push(tag);
        self
    }

    fn number(&mut self, number: u64) -> &mut Self {
        self.0.extend_from_slice(&number.to_le_bytes());
        self
    }

    fn text(&mut self, text: &[u8]) -> &mut Self {
        // No call of the system writes more than 2 GiB at once.
        let length = u32::try_from(text.len()).unwrap_or(u32::MAX);
        self.0.extend_from_slice(&length.to_le_bytes());
        self.0.extend_from_slice(text);
        self
    }
}

fn take<'a>(from: &mut &'a [u8], length: usize) -> Option<&'a [u8]> {
    let (taken, rest) = from.split_at_checked(length)?;
    *from = rest;
    Some(taken)
}

fn number(from: &mut &[u8]) -> Option<u64> {
    Some(u64::from_le_bytes(take(from, 8)?.try_into().ok()?))
}

fn text(from: &mut &[u8]) -> Option<Vec<u8>> {
    let length = u32::from_le_bytes(take(from, 4)?.try_into().ok()?);
    Some(take(from, usize::try_from(length).ok()?)?.to_vec())
}
