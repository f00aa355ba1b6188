//! Connectors other than FTP: those of `examples/`, each a component in target/connectors, and any crate elsewhere.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use crate::workspace::Workspace;
use crate::{process, wasm};

/// The packages in `examples/` that are connectors.
const EXAMPLES: [&str; 1] = ["csv-to-jsonl"];

/// Builds the connectors in `examples/`.
pub fn examples(workspace: &Workspace) -> Result<()> {
    let toolchain = wasm::toolchain(workspace)?;
    let place = workspace.own("connectors");
    fs::create_dir_all(&place).with_context(|| format!("cannot make the folder {}", place.display()))?;
    for package in EXAMPLES {
        process::say(&format!("target/connectors/{package}.wasm, with {toolchain}"));
        let built = toolchain.build(workspace, package)?;
        let copy = place.join(format!("{package}.wasm"));
        fs::copy(&built, &copy).with_context(|| format!("cannot copy {}", built.display()))?;
    }
    Ok(())
}

/// Builds the connector in a folder, wherever that is, with whatever toolchain there is. It is where
/// `cargo build --release --target wasm32-wasip2` leaves it.
pub fn component(workspace: &Workspace, folder: &Path) -> Result<()> {
    let folder = folder
        .canonicalize()
        .with_context(|| format!("there is no folder {}", folder.display()))?;
    let name = library(workspace, &folder)?;
    let toolchain = wasm::toolchain(workspace)?;
    process::say(&format!("{name}.wasm, with {toolchain}"));
    let built = toolchain
        .build_crate(workspace, &folder)?
        .join(format!("{name}.wasm"));
    if !built.exists() {
        bail!(
            "cargo has built {} and left no {}",
            folder.display(),
            built.display()
        );
    }
    println!("{}", built.display());
    Ok(())
}

/// The name of the library of the crate in a folder, which has to be a `cdylib`.
fn library(workspace: &Workspace, folder: &Path) -> Result<String> {
    let manifest = folder.join("Cargo.toml");
    let mut cargo = workspace.cargo();
    cargo.args([
        "metadata",
        "--no-deps",
        "--format-version",
        "1",
        "--manifest-path",
    ]);
    let metadata: Value = serde_json::from_str(&process::output(cargo.arg(&manifest))?)
        .with_context(|| format!("cargo describes {} in no words of its own", manifest.display()))?;
    let packages = metadata["packages"]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default();
    let package = packages
        .iter()
        .find(|package| package["manifest_path"].as_str().map(PathBuf::from).as_ref() == Some(&manifest))
        .with_context(|| format!("{} is no package", manifest.display()))?;
    let targets = package["targets"]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default();
    let component = targets.iter().find(|target| {
        let types = target["crate_types"].as_array();
        types.is_some_and(|types| types.iter().any(|kind| kind == "cdylib"))
    });
    let name = component.and_then(|target| target["name"].as_str());
    name.map(|name| name.replace('-', "_")).with_context(|| {
        format!(
            "{} has no library of the crate-type `cdylib`, so it does not become a component",
            manifest.display()
        )
    })
}
