//! An example of a connector that connects to nothing: each CSV payload becomes one of JSON lines.

use std::io::{Read, Take, Write};

use csv::{ErrorKind, Reader, ReaderBuilder, StringRecord};
use flow_connector::settings::Nothing;
use flow_connector::{Body, Call, Connector, Endpoint, Error, Metadata, Summary, Writer};
use flow_connector::{context, exchange};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Number, json};

flow_connector::connector! {
    connector: Csv,
    wit: ["../../wit/deps/io", "../../wit/connector", "wit"],
    world: "example:csv/connector",
    endpoints: example::csv::endpoints { csv_to_json_lines: ToJsonLines },
}

/// The longest record: with a quote that never closes, the rest of the file is one.
const LONGEST_RECORD: u64 = 1 << 20;

/// The connector.
pub struct Csv;

impl Connector for Csv {
    type Connection = Nothing;
    const ID: &str = "csv";
    const VERSION: &str = env!("CARGO_PKG_VERSION");
    const TITLE: &str = "CSV";
    const DESCRIPTION: &str = "Turns CSV into JSON lines. Reaches nothing.";
}

/// How the CSV is written, and what is made of it.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Options {
    /// What stands between two values: one ASCII character.
    #[schemars(title = "Delimiter", with = "char", extend("default" = ","))]
    delimiter: Option<char>,
    /// The names of the columns, for files without a first line that names them.
    #[schemars(title = "Columns")]
    columns: Vec<String>,
    /// The columns that become JSON numbers, an empty value `null`. All others stay text, and `007` stays `007`.
    #[schemars(title = "Numbers")]
    numbers: Vec<String>,
}

impl Options {
    fn delimiter(&self) -> Result<u8, Error> {
        let byte = u8::try_from(self.delimiter.unwrap_or(',')).ok();
        let message = "It must be one ASCII character, such as `;`.";
        byte.filter(u8::is_ascii)
            .ok_or_else(|| Error::setting("/options/delimiter", message))
    }
}

/// `csv-to-json-lines`.
pub struct ToJsonLines;

impl Endpoint for ToJsonLines {
    type Connector = Csv;
    type Options = Options;
    const TITLE: &str = "CSV to JSON lines";
    const DESCRIPTION: &str = "Makes one payload of each, with a JSON object on a line for each record.";

    fn examine(_: &Nothing, options: &Options) -> Result<(), Error> {
        options.delimiter().map(|_| ())
    }

    fn run(call: &Call<Self>) -> Result<Summary, Error> {
        call.each(|payload, options, summary| {
            let body = payload.content()?;
            let new = metadata(payload.metadata());
            // A failure fails the original as well, so that no later step moves it away.
            let made = exchange::emit(&new, |lines| convert(body, options, lines))?;
            summary.count(Ok(made))
        })
    }
}

/// The attributes stay, so that a later step can still move the original.
fn metadata(original: Metadata) -> Metadata {
    Metadata {
        id: format!("{}#jsonl", original.id),
        name: original
            .name
            .map(|name| format!("{}.jsonl", name.trim_end_matches(".csv"))),
        content_type: Some("application/x-ndjson".to_owned()),
        size: None,
        ..original
    }
}

fn convert(body: Body, options: &Options, lines: &mut Writer) -> Result<(), Error> {
    let mut csv = ReaderBuilder::new();
    csv.has_headers(false).delimiter(options.delimiter()?);
    // How many values a line must have, the columns say.
    let mut csv = csv.flexible(true).from_reader(body.take(LONGEST_RECORD));
    let (mut names, mut values) = (StringRecord::from(options.columns.clone()), StringRecord::new());
    if names.is_empty() {
        read(&mut csv, &mut names)?;
    }
    while read(&mut csv, &mut values)? {
        context::check()?;
        let line = json_line(&names, &values, &options.numbers).map_err(|what| {
            let at = values.position().map_or(0, csv::Position::line);
            Error::data(format!("Line {at}: {what}."))
        })?;
        lines.write_all(line.as_bytes())?;
    }
    Ok(())
}

fn json_line(names: &StringRecord, values: &StringRecord, numbers: &[String]) -> Result<String, String> {
    if names.len() != values.len() {
        return Err(format!("{} values for {} columns", values.len(), names.len()));
    }
    let members = names.iter().zip(values).map(|(name, value)| {
        let value = match numbers.iter().any(|number| number == name) {
            false => json!(value).to_string(),
            true if value.is_empty() => "null".to_owned(),
            // Checked, and left as it stands there: a float would lose digits.
            true => serde_json::from_str::<Number>(value)
                .map(|_| value.trim().to_owned())
                .map_err(|_| format!("the value of `{name}` is no number as JSON writes them"))?,
        };
        Ok(format!("{}:{value}", json!(name)))
    });
    let members: Result<Vec<_>, String> = members.collect();
    Ok(format!("{{{}}}\n", members?.join(",")))
}

/// The next record; false at the end.
fn read(csv: &mut Reader<Take<Body>>, record: &mut StringRecord) -> Result<bool, Error> {
    csv.get_mut().set_limit(LONGEST_RECORD);
    let read = csv.read_record(record);
    let next = csv.position().line();
    if csv.get_ref().limit() == 0 {
        let message =
            format!("The record before line {next} is longer than 1 MiB: is there a quote too many?");
        return Err(Error::data(message));
    }
    read.map_err(|error| match error.into_kind() {
        ErrorKind::Io(error) => error.into(),
        _ => Error::data(format!("The record before line {next} is not UTF-8.")),
    })
}
