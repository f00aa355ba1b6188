//! `flowhost describe`.

use super::{Wrong, output, runtime};
use flowhost::component::Connector;
use flowhost::component::artefact::Artefact;
use flowhost::component::capability::{Access, CAPABILITIES, Capability};
use flowhost::page::{self, Page};
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
    let artefact =
        Artefact::find(&args.connector, Path::new("")).map_err(|error| Wrong(error.to_string()))?;
    let connector = runtime()?
        .load_artefact(&artefact)
        .await
        .map_err(|error| Wrong(error.to_string()))?;
    let text = if args.json {
        as_json(&args.connector, &connector)?.to_string()
    } else {
        as_text(&args.connector, &connector)?
    };
    output::line(text.trim_end());
    Ok(ExitCode::SUCCESS)
}

fn as_json(path: &str, connector: &Connector) -> anyhow::Result<Value> {
    let imports = connector.imports.iter().map(|interface| {
        let capability = Capability::of(interface);
        json!({
            "interface": interface,
            "access": capability.map(|capability| capability.access),
            "topic": capability.map(|capability| capability.topic),
            "meaning": capability.map(|capability| capability.meaning),
        })
    });
    let mut object = page::json(&connector.descriptor)?;
    object["digest"] = format!("sha256:{}", connector.digest).into();
    object["size"] = connector.size.into();
    object["pin"] = json!({"path": path, "sha256": connector.digest});
    object["imports"] = imports.collect();
    object["exports"] = json!(connector.exports);
    Ok(object)
}

fn as_text(path: &str, connector: &Connector) -> anyhow::Result<String> {
    let told = page::text(&connector.descriptor)?;
    // A page of its own: however much the connector tells of itself, what the host knows of it is shown.
    let mut known = Page::default();
    component(&mut known, path, connector);
    capabilities(&mut known, &connector.imports);
    Ok(format!("{}{}", told.text(), known.text()))
}

/// Columns before what a topic means.
const TOPIC: usize = 13;

/// The bytes, how to pin them, and what they export.
fn component(page: &mut Page, path: &str, connector: &Connector) {
    page.section("Component");
    let size = HumanBytes(connector.size as u64);
    page.line(2, &format!("sha256:{}, {size}", connector.digest));
    page.line(2, "exports:");
    for name in &connector.exports {
        page.line(4, name);
    }
    page.line(
        2,
        "to run these bytes and no others, write in the flow file, with the path as seen from there:",
    );
    page.line(4, "connector:");
    page.line(6, &format!("path: {}", yaml(path)));
    page.line(6, &format!("sha256: \"{}\"", connector.digest));
}

/// What the imports let it do, by how the host answers.
fn capabilities(page: &mut Page, imports: &[String]) {
    page.section("What it may do");
    for (access, title) in [
        (Access::Granted, "granted, within the policy and the limits:"),
        (Access::Denied, "always denied, whatever the policy says:"),
        (Access::Harmless, "harmless:"),
    ] {
        let mut title = Some(title);
        for capability in CAPABILITIES
            .iter()
            .filter(|capability| capability.access == access)
        {
            let names: Vec<&str> = imports
                .iter()
                .filter(|import| Capability::of(import) == Some(capability))
                .map(String::as_str)
                .collect();
            if names.is_empty() {
                continue;
            }
            if let Some(title) = title.take() {
                page.line(2, title);
            }
            page.entry(4, capability.topic, TOPIC, capability.meaning);
            page.paragraph(4 + TOPIC, &format!("({})", names.join(", ")));
        }
    }
}

/// A text as YAML takes it.
fn yaml(text: &str) -> String {
    let harmless = |character: char| character.is_ascii_alphanumeric() || "./_-".contains(character);
    if text.chars().all(harmless)
        && text.starts_with(|first: char| first.is_ascii_alphabetic() || "./".contains(first))
    {
        text.to_owned()
    } else {
        Value::from(text).to_string()
    }
}
