//! `flowhost describe`.

use super::{Wrong, output, runtime};
use flowhost::component::Connector;
use flowhost::flow::load::component_bytes;
use flowhost::page;
use indicatif::HumanBytes;
use serde_json::{Value, json};
use std::path::Path;
use std::process::ExitCode;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// `ftp`, or the path of a `.wasm` file.
    connector: String,
    /// Print one JSON object, with the whole schemas.
    #[arg(long)]
    json: bool,
}

pub(super) async fn describe(args: Args) -> anyhow::Result<ExitCode> {
    let bytes = component_bytes(&args.connector, Path::new("")).map_err(|error| Wrong(error.to_string()))?;
    let connector = runtime()?
        .load(&bytes)
        .await
        .map_err(|error| Wrong(error.to_string()))?;
    let text = if args.json {
        as_json(&connector)?.to_string()
    } else {
        as_text(&connector)?
    };
    output::line(text.trim_end());
    Ok(ExitCode::SUCCESS)
}

fn as_json(connector: &Connector) -> anyhow::Result<Value> {
    let mut object = page::json(&connector.descriptor)?;
    object["digest"] = format!("sha256:{}", connector.digest).into();
    object["size"] = connector.size.into();
    object["imports"] = json!(connector.imports);
    object["exports"] = json!(connector.exports);
    Ok(object)
}

fn as_text(connector: &Connector) -> anyhow::Result<String> {
    let mut page = page::text(&connector.descriptor)?;
    page.section("Component");
    page.line(
        2,
        &format!(
            "sha256:{}, {}",
            connector.digest,
            HumanBytes(connector.size as u64)
        ),
    );
    for (title, names) in [("imports", &connector.imports), ("exports", &connector.exports)] {
        page.line(2, &format!("{title}:"));
        for name in names {
            page.line(4, name);
        }
    }
    Ok(page.text().to_owned())
}
