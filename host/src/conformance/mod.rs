//! Whether a connector keeps the contract: any component is driven through it by a host that is stricter than flows
//! need, and that says of each obligation whether it was kept.
//!
//! - [`settings`]: the file by which an author lets the connector do something: its connection and some calls.
//! - [`checks`](mod@checks): one file for each family of obligations, each with the sentence of the contract that it is about.
//! - [`report`]: what came of each check, for people, for programs and for continuous integration.
//! - `bench`: a live connector for each call, and `ran`: what came of it. `counterpart`: the flow's side of the exchange,
//!   which answers as a check wants it and writes everything down. `ears`: listens to every text that comes out, for
//!   secrets.

mod bench;
pub mod checks;
mod counterpart;
mod ears;
mod ran;
pub mod report;
pub mod settings;

use crate::component::LoadError;
use crate::component::artefact::Artefact;
use crate::engine::Runtime;
use crate::policy::Policy;
use bench::Bench;
use checks::{CheckId, component};
use report::{Book, Report};
use settings::SettingsFile;
use std::sync::Arc;

pub use checks::all as checks;

/// Drives a connector through all checks. Without settings only those are made that need none; the report names the
/// others.
///
/// # Errors
/// [`Problems`](crate::flow::Problems) when the settings do not fit what the connector says of them; anything else when
/// the host itself fails.
pub async fn connector(
    runtime: &Arc<Runtime>,
    artefact: &Artefact<'_>,
    settings: Option<&SettingsFile>,
    policy: &Policy,
) -> anyhow::Result<Report> {
    let mut book = Book::default();
    let connector = match runtime.load_artefact(artefact).await {
        Ok(connector) => connector,
        Err(error) => {
            component::refused(&mut book, &error);
            return Ok(book.close(None, "the component could not be loaded", &[]));
        }
    };
    component::loaded(&mut book);
    let settings = settings.map(|file| file.fit(&connector)).transpose()?;
    let mut bench = Bench::new(connector, settings, policy, book)?;
    checks::run(&mut bench).await;
    Ok(bench.close())
}

/// The check that a component fails which cannot be loaded.
fn failed_by(error: &LoadError) -> CheckId {
    match error {
        LoadError::NotWasm | LoadError::CoreModule | LoadError::Invalid(_) => &component::VALID,
        LoadError::Import(_) => &component::IMPORTS,
        LoadError::NoConnector(_) | LoadError::Mismatch(_) => &component::CONTRACT,
        LoadError::NoEndpoint | LoadError::Endpoints { .. } => &component::ENDPOINTS,
        LoadError::Describe(_) => &checks::describe::PURE,
    }
}
