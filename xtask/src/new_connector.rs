//! `cargo xtask new-connector`: a connector of one's own, from the template in `kit/template`.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};

use crate::process;
use crate::workspace::Workspace;

/// The files of the template, each with its place in the new crate. The template is a crate of its own, which builds
/// where it lies; here it only changes its names.
const FILES: [(&str, &str); 9] = [
    ("Cargo.toml", include_str!("../../kit/template/Cargo.toml")),
    ("src/lib.rs", include_str!("../../kit/template/src/lib.rs")),
    (
        "wit/connector.wit",
        include_str!("../../kit/template/wit/connector.wit"),
    ),
    (
        "tests/native.rs",
        include_str!("../../kit/template/tests/native.rs"),
    ),
    ("flow.yaml", include_str!("../../kit/template/flow.yaml")),
    (
        "conformance.yaml",
        include_str!("../../kit/template/conformance.yaml"),
    ),
    ("README.md", include_str!("../../kit/template/README.md")),
    // Under its own name it would hide files of the template.
    (".gitignore", include_str!("../../kit/template/gitignore")),
    ("in/orders.csv", "sku,quantity\n007,3\n"),
];

/// The folders of the contract, and where a crate keeps them.
const CONTRACT: [(&str, &str); 2] = [
    ("wit/connector", "wit/deps/flow-connector"),
    ("wit/deps/io", "wit/deps/wasi-io"),
];

/// Words that mean something else to cargo, to Rust, or to WIT.
const TAKEN: &str = "abstract alloc as async await become borrow bool box break build char const constructor continue core \
                     crate deps do dyn else enum error-context examples export extern final flags flow-connector float fn \
                     for from func future gen if impl import in include incremental interface let list loop macro match \
                     mod move mut option override own package priv proc-macro pub record ref resource result return schemars self \
                     serde static std stream string struct super test tests trait try tuple type typeof unsafe unsized \
                     use variant virtual where while with world yield";

pub fn run(workspace: &Workspace, name: &str, into: &Path) -> Result<()> {
    check(name)?;
    fs::create_dir_all(into).with_context(|| format!("cannot make the folder {}", into.display()))?;
    let folder = into
        .canonicalize()
        .with_context(|| format!("cannot find the folder {}", into.display()))?
        .join(name);
    // Not `create_dir_all`: what is there already is somebody's work.
    fs::create_dir(&folder).with_context(|| format!("cannot make the new folder {}", folder.display()))?;
    for (place, text) in FILES {
        write(&folder.join(place), &named(text, name))?;
    }
    set_kit(&folder.join("Cargo.toml"), &workspace.root().join("kit"))?;
    for (from, to) in CONTRACT {
        copy(&workspace.root().join(from), &folder.join(to))?;
    }
    // The versions that are tested with this kit; cargo leaves out what the connector does not need.
    let (from, to) = (workspace.root().join("Cargo.lock"), folder.join("Cargo.lock"));
    fs::copy(&from, &to).with_context(|| format!("cannot copy {} to {}", from.display(), to.display()))?;
    process::say(&format!("the connector {name} is in {}", folder.display()));
    println!("{}", folder.display());
    Ok(())
}

/// A name is one of a package of Rust, of a package of WIT, and a connector's id.
fn check(name: &str) -> Result<()> {
    let is_word = |word: &str| {
        word.starts_with(|c: char| c.is_ascii_lowercase())
            && word.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit())
    };
    if !name.split('-').all(is_word) {
        bail!(
            "`{name}` cannot be the name of a connector: it must be words of lower-case letters and digits that begin \
             with a letter, with `-` between them, such as `parcel-service`"
        );
    }
    if TAKEN.split(' ').any(|word| word == name) {
        bail!("`{name}` cannot be the name of a connector: it means something else to cargo, Rust or WIT");
    }
    Ok(())
}

/// The text of the template with the new name, in each form that it has.
fn named(text: &str, name: &str) -> String {
    let capital = |word: &str| {
        let mut letters = word.chars();
        letters
            .next()
            .map(|first| first.to_ascii_uppercase().to_string() + letters.as_str())
            .unwrap_or_default()
    };
    let words: Vec<_> = name.split('-').map(capital).collect();
    let mut title = name.replace('-', " ");
    title.replace_range(..1, &name[..1].to_ascii_uppercase());
    text.replace("my-connector", name)
        .replace("my_connector", &name.replace('-', "_"))
        .replace("MyConnector", &words.concat())
        .replace("My connector", &title)
}

/// Says where the kit is.
fn set_kit(manifest: &Path, kit: &Path) -> Result<()> {
    let text = fs::read_to_string(manifest).with_context(|| format!("cannot read {}", manifest.display()))?;
    // Single quotes: a path may have backslashes. TOML has no way to write a single quote between them.
    let path = kit.display().to_string();
    if path.contains('\'') {
        bail!("the path of the checkout, {path}, has a quote in it: move it to another folder");
    }
    let line = "flow-connector = { path = \"..\" }";
    let changed = text.replace(line, &format!("flow-connector = {{ path = '{path}' }}"));
    if changed == text {
        bail!("the template's Cargo.toml has no line `{line}`");
    }
    write(manifest, &changed)
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    let entries = fs::read_dir(from).with_context(|| format!("cannot read the folder {}", from.display()))?;
    for entry in entries {
        let path: PathBuf = entry?.path();
        let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        if let Some(name) = path.file_name() {
            write(&to.join(name), &text)?;
        }
    }
    Ok(())
}

fn write(path: &Path, text: &str) -> Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).with_context(|| format!("cannot make the folder {}", folder.display()))?;
    }
    fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_one_everywhere() {
        for name in ["demo", "parcel-service", "s3"] {
            check(name).unwrap_or_else(|error| panic!("{error}"));
        }
        for name in [
            "", "-", "a-", "a--b", "3d", "a-3", "Demo", "a_b", "a.b", "../a", "test", "world", "ä",
        ] {
            assert!(check(name).is_err(), "{name}");
        }
    }

    #[test]
    fn each_form_of_the_name_is_changed() {
        assert_eq!(
            named(
                "my-connector my_connector MyConnector My connector",
                "parcel-service"
            ),
            "parcel-service parcel_service ParcelService Parcel service"
        );
        for (place, text) in FILES {
            let text = named(text, "demo").to_lowercase();
            assert!(
                !text.contains("my-connector") && !text.contains("my_connector"),
                "{place}"
            );
        }
    }
}
