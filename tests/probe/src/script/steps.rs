//! The steps, a family for each part of the contract.

use serde::Deserialize;
use serde_json::{Map, Value};

use super::words::{Content, Ending, Facts, Fault};

/// What is meant where a step does not say it: serde wants functions.
macro_rules! defaults {
    ($($name:ident = $text:literal),* $(,)?) => {
        $(fn $name() -> String { $text.to_owned() })*
    };
}

defaults!(
    writer = "out",
    reader = "in",
    stream = "body",
    line = "line",
    trust_place = "trust",
    session = "session",
    accept = "accept",
    done = "done",
    payload = "payload",
    records = "records",
    a_stream = "stream",
    info = "info",
);

#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[expect(missing_docs, reason = "named as the functions that they call")]
pub enum PayloadStep {
    Begin {
        #[serde(default = "writer", rename = "as")]
        place: String,
        #[serde(default)]
        metadata: Facts,
        /// Makes the metadata so many bytes larger.
        #[serde(default)]
        padding: usize,
        #[serde(default = "accept")]
        expect: String,
    },
    Finish {
        #[serde(default = "writer")]
        of: String,
        #[serde(default = "done")]
        expect: String,
    },
    Abort {
        #[serde(default = "writer")]
        of: String,
        reason: Fault,
    },
    /// Drops a writer or a reader.
    Drop {
        of: String,
    },
    Next {
        #[serde(default = "reader", rename = "as")]
        place: String,
        #[serde(default = "payload")]
        expect: String,
    },
    /// Compares the members of the metadata that are named.
    Metadata {
        #[serde(default = "reader")]
        of: String,
        expect: Map<String, Value>,
    },
    Options {
        #[serde(default = "reader")]
        of: String,
        expect: Value,
    },
    /// `none`, `unknown` (without a note) or `note TEXT`.
    Earlier {
        #[serde(default = "reader")]
        of: String,
        expect: String,
    },
    Note {
        #[serde(default = "reader")]
        of: String,
        #[serde(default)]
        text: String,
        /// Makes the text so many bytes larger.
        #[serde(default)]
        padding: usize,
        #[serde(default = "done")]
        expect: String,
    },
    Settle {
        #[serde(default = "reader")]
        of: String,
        outcome: Ending,
        /// Passed on in place of what it came with.
        metadata: Option<Facts>,
        error: Option<Fault>,
    },
    Report {
        id: String,
        problem: Fault,
    },
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[expect(missing_docs, reason = "named as the functions that they call")]
pub enum BodyStep {
    /// Asks a writer for its stream.
    Body {
        #[serde(default = "writer")]
        of: String,
    },
    /// Writes, and asks for the stream where that has not been done.
    Write {
        #[serde(default = "writer")]
        to: String,
        content: Content,
        #[serde(default = "done")]
        expect: String,
    },
    /// Writes the pattern until there has been no room for so long.
    Fill {
        #[serde(default = "writer")]
        to: String,
        at_most: u64,
        quiet_ms: u64,
    },
    /// Drops a stream: of a writer, or one that was opened.
    Close {
        #[serde(default = "writer")]
        of: String,
    },
    /// Reads a new stream of a reader to its end, and compares.
    Read {
        #[serde(default = "reader")]
        of: String,
        content: Content,
        /// Reads with `read` and `poll` in place of `blocking-read`.
        #[serde(default)]
        polling: bool,
    },
    NoBody {
        #[serde(default = "reader")]
        of: String,
    },
    /// Opens a stream of a reader.
    Open {
        #[serde(default = "reader")]
        of: String,
        #[serde(default = "stream", rename = "as")]
        place: String,
        #[serde(default = "a_stream")]
        expect: String,
    },
    /// Reads the next bytes of a stream, or its end where the text is empty.
    ReadSome {
        #[serde(default = "stream")]
        from: String,
        text: String,
    },
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[expect(missing_docs, reason = "named as the functions that they call")]
pub enum ContextStep {
    RunId {
        expect: String,
    },
    Attempt {
        expect: u32,
    },
    Remaining {
        at_least: u64,
        at_most: u64,
    },
    Cancelled {
        expect: bool,
    },
    WaitForCancel {
        within_ms: u64,
    },
    Threshold {
        expect: String,
    },
    Log {
        level: String,
        message: String,
    },
    Progress {
        what: String,
        done: u64,
        total: Option<u64>,
    },
    Wait {
        ms: u64,
    },
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[expect(missing_docs, reason = "named as what they do")]
pub enum NetworkStep {
    /// `done`, `access-denied`, `refused`, or what the error says.
    Connect {
        to: String,
        #[serde(default = "line", rename = "as")]
        place: String,
        #[serde(default = "done")]
        expect: String,
    },
    Send {
        #[serde(default = "line")]
        on: String,
        text: String,
    },
    /// Receives these bytes, or the end where the text is empty.
    Receive {
        #[serde(default = "line")]
        on: String,
        text: String,
    },
    HangUp {
        #[serde(default = "line")]
        on: String,
    },
    Listen {
        on: String,
        #[serde(default = "done")]
        expect: String,
    },
    Resolve {
        name: String,
        #[serde(default = "done")]
        expect: String,
    },
    Datagram {
        to: String,
    },
    /// There are no variables and no arguments.
    Environment {},
    /// There are no folders.
    Files {},
    /// There is nothing to be read.
    Input {},
}

/// Whom to trust.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the contract's words")]
pub enum Trust {
    HostDefault,
    Roots(String),
    /// Hexadecimal.
    Pinned(Vec<String>),
    Insecure,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[expect(missing_docs, reason = "named as the functions that they call")]
pub enum TlsStep {
    TlsContext {
        trust: Trust,
        client_certificate: Option<String>,
        #[serde(default = "trust_place", rename = "as")]
        place: String,
        #[serde(default = "done")]
        expect: String,
    },
    TlsSession {
        #[serde(default = "trust_place")]
        of: String,
        server_name: String,
        #[serde(default = "session", rename = "as")]
        place: String,
        #[serde(default = "done")]
        expect: String,
    },
    TlsEncrypt {
        #[serde(default = "session")]
        of: String,
        text: String,
        #[serde(default = "records")]
        expect: String,
    },
    TlsDecrypt {
        #[serde(default = "session")]
        of: String,
        text: String,
        #[serde(default = "done")]
        expect: String,
    },
    TlsClose {
        #[serde(default = "session")]
        of: String,
        #[serde(default = "records")]
        expect: String,
    },
    TlsInfo {
        #[serde(default = "session")]
        of: String,
        #[serde(default = "info")]
        expect: String,
        resumed: Option<bool>,
    },
    /// Shakes hands over a connection.
    TlsConnect {
        #[serde(default = "session")]
        of: String,
        #[serde(default = "line")]
        on: String,
        /// Hands what arrives to the host in pieces of so many bytes.
        pieces: Option<usize>,
        #[serde(default = "done")]
        expect: String,
    },
    /// Says something and hears it again, and with `end` sees the peer close.
    TlsTalk {
        #[serde(default = "session")]
        of: String,
        #[serde(default = "line")]
        on: String,
        content: Content,
        #[serde(default)]
        end: bool,
    },
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[expect(missing_docs, reason = "named as what they do")]
pub enum WrongStep {
    Panic {},
    /// Without end.
    Compute {},
    /// In a function of the host.
    WaitForEver {},
}
