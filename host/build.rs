//! Embeds the FTP connector and its digest: the program alone must know both.

use sha2::{Digest as _, Sha256};
use std::path::Path;
use std::{env, fs, io};

fn main() {
    // Asked for now rather than when it was compiled: checkouts may share a target folder.
    let package = env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default();
    let component = Path::new(&package).join("../dist/ftp.wasm");
    println!("cargo::rerun-if-changed={}", component.display());
    let out = env::var_os("OUT_DIR").unwrap_or_default();
    if embed(&component, Path::new(&out)).is_err() {
        println!(
            "cargo::error=dist/ftp.wasm is not there yet: run `cargo xtask build`, which builds it first"
        );
    }
}

fn embed(component: &Path, out: &Path) -> io::Result<()> {
    let bytes = fs::read(component)?;
    // Computed here, it costs no start the milliseconds that it takes.
    fs::write(out.join("ftp.sha256"), Sha256::digest(&bytes))?;
    fs::write(out.join("ftp.wasm"), bytes)
}
