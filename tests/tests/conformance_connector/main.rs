//! `flowhost conformance connector`: our own connector passes on real servers, a connector that keeps the contract passes
//! every check, and for each way to break it exactly the checks fail that are about it.

mod described;
mod ftp;
mod program;
mod sins;
mod store;

use std::path::Path;

use flow_tests::guests::host;
use flow_tests::run::Bench;
use flowhost::component::artefact::Artefact;
use flowhost::conformance::connector;
use flowhost::conformance::report::{Report, Verdict};
use flowhost::conformance::settings::SettingsFile;
use flowhost::policy::Policy;
use serde_json::Value;

/// Checks a connector as the program does, within this process.
async fn conformance(component: &str, settings: Option<&Value>) -> Report {
    let bench = Bench::new();
    let file = settings.map(|settings| {
        bench.write("settings.yaml", settings.to_string());
        let read = SettingsFile::read(&bench.path("settings.yaml"));
        read.unwrap_or_else(|problems| panic!("{problems}"))
    });
    let artefact = Artefact::find(component, Path::new("")).expect("it is built");
    let policy = Policy::default().allow("127.0.0.0/8").expect("a range");
    let report = connector(&host().runtime(), &artefact, file.as_ref(), &policy).await;
    report.unwrap_or_else(|problem| panic!("{problem:#}"))
}

/// The ids of the checks that failed.
fn failed(report: &Report) -> Vec<&'static str> {
    named(report, |verdict| matches!(verdict, Verdict::Failed(_)))
}

fn named(report: &Report, wanted: impl Fn(&Verdict) -> bool) -> Vec<&'static str> {
    let entries = report.entries.iter().filter(|entry| wanted(entry.verdict()));
    entries.map(|entry| entry.check.id).collect()
}
