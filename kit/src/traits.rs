//! What a connector says of itself, and what it does.

use std::fmt;

use schemars::{JsonSchema, Schema};
use serde::de::DeserializeOwned;

use crate::error::Error;
use crate::exchange::{self, Done, Reader};
use crate::settings::{self, CONNECTION, OPTIONS};
use crate::{CheckStatus, CheckStep, Egress, Summary};

/// A connector, as it says of itself.
pub trait Connector: Sized + 'static {
    /// The connection settings: [`Nothing`](settings::Nothing) when it connects to nothing.
    type Connection: DeserializeOwned + JsonSchema;

    /// Stable, lower case, for example `ftp`.
    const ID: &str;
    /// Semantic version: `env!("CARGO_PKG_VERSION")`.
    const VERSION: &str;
    /// A few words for a heading.
    const TITLE: &str;
    /// What it is, Markdown.
    const DESCRIPTION: &str;

    /// Reads connection settings.
    ///
    /// # Errors
    /// They are wrong: `invalid-settings`, with the field.
    fn connection(json: &str) -> Result<Self::Connection, Error> {
        settings::read(json, CONNECTION)
    }

    /// The JSON Schema of the connection settings.
    #[must_use]
    fn connection_schema() -> Schema {
        settings::schema::<Self::Connection>()
    }

    /// What calls with these settings reach on the network. Calls no import.
    #[must_use]
    fn egress(_connection: &Self::Connection) -> Vec<Egress> {
        Vec::new()
    }

    /// Connects with these settings and tells what it found, step by step, the failed step last. Without
    /// `probe_write` it changes nothing; with it, it also tries what only writing can tell, and removes that again.
    /// There is always a step; a connector that reaches nothing has tried all when its settings could be read.
    ///
    /// # Errors
    /// The settings are wrong, or the host asked it to stop. What it finds out is a step, not an error.
    fn check(_connection: &Self::Connection, _probe_write: bool) -> Result<Vec<CheckStep>, Error> {
        let message = "They can be read. Nothing else was tried.";
        Ok(vec![CheckStep::new("settings", CheckStatus::Passed, message)])
    }
}

/// One thing that a connector does.
pub trait Endpoint: Sized + 'static {
    /// Whose it is.
    type Connector: Connector;
    /// Its options.
    type Options: DeserializeOwned + JsonSchema;

    /// A few words for a heading.
    const TITLE: &str;
    /// What it does, Markdown.
    const DESCRIPTION: &str;

    /// Reads options.
    ///
    /// # Errors
    /// They are wrong: `invalid-settings`, with the field.
    fn options(json: &str) -> Result<Self::Options, Error> {
        settings::read(json, OPTIONS)
    }

    /// The JSON Schema of the options.
    #[must_use]
    fn options_schema() -> Schema {
        settings::schema::<Self::Options>()
    }

    /// Checks settings and options beyond what a schema can say, as a flow states them: a text with `{{` in it is a
    /// template, and nothing can be said of it. Calls no import.
    ///
    /// # Errors
    /// They are wrong: `invalid-settings`, with the field.
    fn examine(_connection: &Connection<Self>, _options: &Self::Options) -> Result<(), Error> {
        Ok(())
    }

    /// Does it, for all incoming payloads.
    ///
    /// # Errors
    /// The call as a whole could not go on. What happens to one payload is told by what becomes of that.
    fn run(call: &Call<Self>) -> Result<Summary, Error>;
}

impl CheckStep {
    /// A step without details. The message says what was found, and for a failure what would be right.
    pub fn new(name: impl Into<String>, status: CheckStatus, message: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            status,
            message: message.into(),
            details: None,
        }
    }
}

/// The connection settings of an endpoint's connector.
pub type Connection<E> = <<E as Endpoint>::Connector as Connector>::Connection;

/// What an endpoint is called with.
pub struct Call<E: Endpoint> {
    /// The connection settings.
    pub connection: Connection<E>,
}

/// Without the settings: secrets are among them.
impl<E: Endpoint> fmt::Debug for Call<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Call").finish_non_exhaustive()
    }
}

impl<E: Endpoint> Call<E> {
    /// Takes all incoming payloads, one after another, each with its own options, and settles them:
    /// see [`exchange::each`].
    ///
    /// # Errors
    /// What ends the call.
    pub fn each(
        &self,
        deal: impl FnMut(&Reader, &E::Options, &mut Summary) -> Result<Done, Error>,
    ) -> Result<Summary, Error> {
        exchange::each(E::options, deal)
    }
}
