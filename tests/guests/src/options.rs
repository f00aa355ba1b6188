//! The options of the endpoints, and the errors that they end with.

use schemars::JsonSchema;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::bindings::flow::connector::types::{Effect, Error, ErrorKind, Retry};

/// What `misbehave` can do.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "the functions that do it say what it is")]
pub enum Behaviour {
    // work
    Loop,
    LoopInCalls,
    LoopInPayload,
    Recurse,
    Panic,
    Exit,
    Allocate,
    ExhaustHandles,
    // network
    Dial,
    WaitForAnswer,
    Resolve,
    Bind,
    SendDatagram,
    OpenSockets,
    Send,
    Receive,
    // flood
    FloodLog,
    FloodProgress,
    FloodOutput,
    FloodMetadata,
    FloodPassedMetadata,
    FloodPayloads,
    FloodReports,
    FloodBody,
    FloodTlsContexts,
    FloodTlsSessions,
    // payloads
    ForgeNames,
    PassUnderAnotherId,
    LieAboutSize,
    BodyTwice,
    DropUnfinished,
    ForgetWriter,
    KeepWriter,
    FinishKeptWriter,
    NeverSettle,
    DropUnsettled,
    TrapInPayload,
    WriteAfterAbort,
    WriteAfterFinish,
    HugeWrite,
    HugeError,
    DetailsWithoutJson,
    SummaryOfLies,
    // raw
    FinishTwice,
    AbortThenFinish,
    SettleTwice,
    ForgedHandle,
    HandleOfAnotherType,
    LogNoText,
    ErrorNoText,
}

/// What `plan` does.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Planning {
    /// It asks for what `planned` lists.
    #[default]
    Honest,
    /// It never ends.
    Loop,
    /// It panics.
    Panic,
    /// It asks for any address, as the first connection.
    AnyAddress,
    /// It asks for `count` hosts.
    Many,
    /// It gives a text of 64 MiB.
    Huge,
    /// It gives a text that is not UTF-8.
    NoText,
    /// It writes to the log.
    CallImport,
    /// It connects to `address`.
    Dial,
}

/// Options of `misbehave`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Misbehaviour {
    /// What it does.
    pub behaviour: Behaviour,
    /// A name, or an address with its port: where it goes.
    #[serde(default)]
    pub address: String,
    /// How many of what it makes.
    #[serde(default)]
    pub count: u64,
    /// Bytes of each.
    #[serde(default)]
    pub size: usize,
    /// What `plan` asks for: a host and its port.
    #[serde(default)]
    pub planned: Vec<(String, u16)>,
    /// How it plans.
    #[serde(default)]
    pub plan: Planning,
}

/// Options of `make`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Make {
    /// How many payloads.
    pub count: u64,
    /// Bytes of each.
    pub size: u64,
}

/// Reads options.
///
/// # Errors
/// `invalid-settings`.
pub fn parse<T: DeserializeOwned>(options: &str) -> Result<T, Error> {
    serde_json::from_str(options)
        .map_err(|fault| error(ErrorKind::InvalidSettings, format!("the options: {fault}")))
}

/// An error that nothing is known of but its kind and what it says.
#[must_use]
pub fn error(kind: ErrorKind, message: impl Into<String>) -> Error {
    Error {
        kind,
        message: message.into(),
        code: None,
        retry: Retry::Never,
        effect: Effect::None,
        details: None,
    }
}

/// What the guest saw when it did wrong, for the test to look at.
#[must_use]
pub fn seen(what: impl Into<String>) -> Error {
    error(ErrorKind::Internal, what)
}
