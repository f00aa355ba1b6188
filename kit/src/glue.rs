//! What [`connector!`](crate::connector!) calls: the contract's functions, by a table of a connector's endpoints.

use std::fmt;

use crate::bindings::exports::flow::connector::connector::Endpoint as Described;
use crate::bindings::flow::connector::types;
use crate::error::Error;
use crate::settings::unless_template;
use crate::traits::{Call, Connection, Connector, Endpoint};
use crate::{CheckStep, Descriptor, Egress, Summary};

/// The endpoints of a connector, as its component exports them. [`connector!`](crate::connector!) implements it.
pub trait Endpoints: Connector {
    /// One entry for each.
    #[must_use]
    fn endpoints() -> Vec<Entry<Self>>;
}

/// An endpoint in the table of its connector.
pub struct Entry<C: Connector> {
    /// The name of the exported function.
    pub name: String,
    describe: fn(String) -> Described,
    examine: fn(&C::Connection, &str) -> Result<(), Error>,
    run: fn(&types::Call) -> Result<Summary, Error>,
}

impl<C: Connector> fmt::Debug for Entry<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Entry").field(&self.name).finish()
    }
}

impl<C: Connector> Entry<C> {
    /// The entry of an endpoint. `function` is its name in Rust: `csv_to_json_lines`.
    #[must_use]
    pub fn of<E: Endpoint<Connector = C>>(function: &str) -> Self {
        Self {
            name: function.replace('_', "-"),
            describe: |name| Described {
                name,
                title: E::TITLE.to_owned(),
                description: E::DESCRIPTION.to_owned(),
                options_schema: E::options_schema().as_value().to_string(),
            },
            examine: examine::<E>,
            run: run::<E>,
        }
    }

    /// Calls it.
    ///
    /// # Errors
    /// As [`Endpoint::run`], and when settings or options are wrong.
    pub fn run(&self, call: &types::Call) -> Result<Summary, Error> {
        (self.run)(call)
    }
}

fn examine<E: Endpoint>(connection: &Connection<E>, options: &str) -> Result<(), Error> {
    unless_template(E::options(options), options)?.map_or(Ok(()), |options| E::examine(connection, &options))
}

/// Runs an endpoint.
///
/// # Errors
/// As [`Endpoint::run`], and when settings or options are wrong.
pub fn run<E: Endpoint>(call: &types::Call) -> Result<Summary, Error> {
    let connection = E::Connector::connection(&call.connection)?;
    examine::<E>(&connection, &call.options)?;
    E::run(&Call { connection })
}

/// `describe`.
#[must_use]
pub fn describe<C: Endpoints>() -> Descriptor {
    Descriptor {
        id: C::ID.to_owned(),
        version: C::VERSION.to_owned(),
        title: C::TITLE.to_owned(),
        description: C::DESCRIPTION.to_owned(),
        connection_schema: C::connection_schema().as_value().to_string(),
        endpoints: C::endpoints()
            .into_iter()
            .map(|entry| (entry.describe)(entry.name))
            .collect(),
        details: None,
    }
}

/// `plan`. Without an endpoint the options are not looked at.
///
/// # Errors
/// Settings or options are wrong, or there is no such endpoint.
pub fn plan<C: Endpoints>(endpoint: Option<&str>, call: &types::Call) -> Result<Vec<Egress>, Error> {
    let connection = C::connection(&call.connection)?;
    if let Some(name) = endpoint {
        let entry = C::endpoints()
            .into_iter()
            .find(|entry| entry.name == name)
            .ok_or_else(|| {
                Error::new(
                    crate::Kind::InvalidSettings,
                    format!("There is no endpoint `{name}`."),
                )
            })?;
        (entry.examine)(&connection, &call.options)?;
    }
    Ok(C::egress(&connection))
}

/// `check`.
///
/// # Errors
/// As [`Connector::check`].
pub fn check<C: Connector>(connection: &str, probe_write: bool) -> Result<Vec<CheckStep>, Error> {
    C::check(&C::connection(connection)?, probe_write)
}
