//! The connector `my-connector`: puts a line in front of each payload. Change it into what yours does.

use std::io::{self, Write};

use flow_connector::settings::Nothing;
use flow_connector::{
    Body, Call, Connector, Endpoint, Error, Level, Metadata, Summary, Writer, exchange, log,
};
use schemars::JsonSchema;
use serde::Deserialize;

// The exports. `wit/` says the same in the language of the contract; the compiler compares the two.
flow_connector::connector! {
    connector: MyConnector,
    wit: ["wit"],
    world: "example:my-connector/connector",
    endpoints: example::my_connector::endpoints { add_line: AddLine },
}

/// What the connector says of itself.
pub struct MyConnector;

impl Connector for MyConnector {
    // A connector that reaches a server has a struct here, like `Options` below, with its host and account; says in
    // `egress` which host and port that is; and tries them in `check`.
    type Connection = Nothing;

    const ID: &str = "my-connector";
    const VERSION: &str = env!("CARGO_PKG_VERSION");
    const TITLE: &str = "My connector";
    const DESCRIPTION: &str = "Puts a line in front of each payload.";
}

/// The endpoint `add-line`.
pub struct AddLine;

/// Its options. Each needs a title and a doc comment: forms and `flowhost describe` show them.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Options {
    /// The line. A flow may fill in values of the payload: `{{ original_filename }}`.
    #[schemars(title = "Line", example = &"# {{ original_filename }}")]
    line: String,
}

impl Endpoint for AddLine {
    type Connector = MyConnector;
    type Options = Options;

    const TITLE: &str = "Add a line";
    const DESCRIPTION: &str = "Makes one payload of each, with a line in front of its body.";

    /// What a schema cannot say, of options as the flow states them: templates are not filled in yet.
    fn examine(_connection: &Nothing, options: &Options) -> Result<(), Error> {
        if options.line.contains('\n') {
            return Err(Error::setting("/options/line", "It must be one line."));
        }
        Ok(())
    }

    fn run(call: &Call<Self>) -> Result<Summary, Error> {
        call.each(|payload, options, summary| {
            let body = payload.content()?;
            let new = metadata(payload.metadata());
            let made = exchange::emit(&new, |writer| write(body, &options.line, writer))?;
            log!(Level::Debug, "{} has a line more.", new.id);
            summary.count(Ok(made))
        })
    }
}

/// The new payload's. It has another id than the original and keeps its attributes, so that a later step can still move
/// or delete that.
fn metadata(original: Metadata) -> Metadata {
    Metadata {
        id: format!("{}#line", original.id),
        size: None,
        ..original
    }
}

/// Streams: the body is never in memory as a whole.
fn write(mut body: Body, line: &str, writer: &mut Writer) -> Result<(), Error> {
    writeln!(writer, "{line}")?;
    io::copy(&mut body, writer)?;
    Ok(())
}
