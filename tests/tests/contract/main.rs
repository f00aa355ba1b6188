//! The contract: what was released stays as it was, what comes after it is compatible, and the component has just that.

mod compatible;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use flow_tests::conformance::catalogue;
use flow_tests::{pki, tree};
use sha2::{Digest as _, Sha256};
use wit_component::{DecodedWasm, WitPrinter};
use wit_parser::{PackageId, Resolve};

/// Released versions, each with the SHA-256 over its files. A line is added with a release, and never changed.
const RELEASED: [(&str, &str); 1] = [(
    "0.1.0",
    "5d42d8235a83a364f5201474c442389ba3281a2e4a1ca608cea5c648a79856a3",
)];

fn home() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn released(version: &str) -> PathBuf {
    home().join("wit/released").join(version)
}

/// Over names and content of all files below a folder.
fn digest(folder: &Path) -> String {
    let mut hash = Sha256::new();
    for (name, content) in tree::files(folder) {
        hash.update(name.as_bytes());
        hash.update([0]);
        hash.update((content.len() as u64).to_be_bytes());
        hash.update(content);
    }
    pki::hex(&hash.finalize())
}

/// A folder's `connector` package, with the WASI that it names.
fn contract(folder: &Path) -> (Resolve, PackageId) {
    let mut resolve = Resolve::default();
    resolve.push_path(home().join("wit/deps/io")).expect("wasi:io");
    let (package, _) = resolve.push_path(folder.join("connector")).expect("the contract");
    (resolve, package)
}

/// The version that a package has.
fn version(resolve: &Resolve, package: PackageId) -> String {
    let version = resolve.packages[package].name.version.as_ref();
    version.expect("a version").to_string()
}

#[test]
fn what_was_released_stays_as_it_was() {
    let mut there: Vec<String> = fs::read_dir(home().join("wit/released"))
        .expect("released versions")
        .map(|entry| {
            entry
                .expect("an entry")
                .file_name()
                .to_string_lossy()
                .into_owned()
        })
        .collect();
    there.sort();
    assert_eq!(there, RELEASED.map(|(version, _)| version));
    for (version, expected) in RELEASED {
        let found = digest(&released(version));
        assert_eq!(
            found, expected,
            "{version} was released: make a new version of the contract instead"
        );
    }
}

#[test]
fn the_contract_is_compatible_with_every_release_of_its_series() {
    let (now, package) = contract(&home().join("wit"));
    let ours = version(&now, package);
    let series = |version: &str| version.rsplit_once('.').map(|(series, _)| series.to_owned());
    for (old, _) in RELEASED.iter().filter(|(old, _)| series(old) == series(&ours)) {
        let (then, old_package) = contract(&released(old));
        let broken = compatible::broken(&then, old_package, &now, package);
        assert!(broken.is_empty(), "since {old}: {broken:#?}");
    }
}

/// A version that has been released is that very text.
#[test]
fn a_released_version_is_not_given_out_again() {
    let (now, package) = contract(&home().join("wit"));
    let ours = version(&now, package);
    if RELEASED.iter().any(|(version, _)| *version == ours) {
        let (kept, current) = (released(&ours).join("connector"), home().join("wit/connector"));
        assert_eq!(
            tree::files(&kept),
            tree::files(&current),
            "raise the version in wit/connector"
        );
    }
}

#[test]
fn what_breaks_components_is_found() {
    let (then, old_package) = contract(&home().join("wit"));
    for (file, from, to, word) in [
        ("types.wit", "    cancelled,\n", "", "error-kind"),
        (
            "types.wit",
            "    skipped: u64,\n",
            "    skipped: u32,\n",
            "summary",
        ),
        ("context.wit", "  attempt: func() -> u32;\n", "", "attempt"),
        (
            "context.wit",
            "attempt: func() -> u32",
            "attempt: func() -> u64",
            "attempt",
        ),
        (
            "exchange.wit",
            "    note: func(text: string)",
            "    note: func(words: string)",
            "note",
        ),
        (
            "tls.wit",
            "    insecure,\n",
            "    insecure,\n    anyone,\n",
            "trust",
        ),
    ] {
        let folder = tempfile::tempdir().expect("a folder");
        let place = folder.path().join("connector");
        fs::create_dir(&place).expect("a folder");
        for (name, content) in tree::files(&home().join("wit/connector")) {
            let text = String::from_utf8(content).expect("text");
            let text = if name == file {
                assert!(text.contains(from), "{file} has no {from:?}");
                text.replace(from, to)
            } else {
                text
            };
            fs::write(place.join(name), text).expect("a file");
        }
        let (now, package) = contract(folder.path());
        let broken = compatible::broken(&then, old_package, &now, package);
        assert!(
            broken.iter().any(|line| line.contains(word)),
            "{file}, {to:?}: {broken:?}"
        );
    }
}

/// What the component imports and exports of ours, as text: its world, and the packages `flow:…`. What its C library names of
/// WASI is the toolchain's, and not here. `UPDATE_GOLDEN=1` writes it anew.
#[test]
fn the_component_has_this_wit() {
    let decoded = wit_component::decode(flowhost::FTP_COMPONENT).expect("a component");
    let DecodedWasm::Component(resolve, world) = decoded else {
        panic!("ftp.wasm is a WIT package");
    };
    let own = resolve.worlds[world].package.expect("a package");
    let ours = resolve
        .packages
        .iter()
        .filter(|(_, package)| package.name.namespace == "flow");
    let mut found = String::new();
    for package in [own].into_iter().chain(ours.map(|(id, _)| id)) {
        let mut printer = WitPrinter::default();
        printer.emit_docs(false);
        printer.print(&resolve, package, &[]).expect("WIT");
        let text = printer.output.to_string();
        let lines = text
            .lines()
            .filter(|line| !line.trim().starts_with("import wasi:"));
        found.extend(lines.flat_map(|line| [line, "\n"]));
        found.push('\n');
    }
    let file = home().join("tests/tests/contract/ftp.wit");
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(&file, &found).expect("a file");
    }
    let expected = fs::read_to_string(&file).unwrap_or_default();
    assert_eq!(found, expected, "UPDATE_GOLDEN=1 writes {}", file.display());
}

/// Every obligation has a case, and every case quotes a sentence that is there.
#[test]
fn every_must_of_the_contract_is_checked() {
    let contract = catalogue::contract().expect("the contract");
    let cases = catalogue::cases().expect("the cases");
    assert!(cases.len() >= 80, "{} cases", cases.len());
    let mut quoted: BTreeMap<String, String> = BTreeMap::new();
    for case in &cases {
        quoted.insert(case.sentence.clone(), case.id.clone());
    }
    for check in flowhost::conformance::checks() {
        quoted.insert(check.sentence.to_owned(), check.id.to_owned());
    }
    let strange: Vec<_> = quoted
        .iter()
        .filter(|(sentence, _)| !contract.contains(sentence.as_str()))
        .collect();
    assert!(strange.is_empty(), "the contract does not say: {strange:#?}");
    let unchecked: Vec<_> = catalogue::obligations(&contract)
        .into_iter()
        .filter(|obligation| {
            !quoted
                .keys()
                .any(|sentence| obligation.contains(sentence.as_str()))
        })
        .collect();
    assert!(unchecked.is_empty(), "nothing checks: {unchecked:#?}");
}
