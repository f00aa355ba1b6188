//! Embeds the FTP connector: the program alone must know it.

use std::path::Path;
use std::{env, fs};

fn main() {
    // Asked for now rather than when it was compiled: checkouts may share a target folder.
    let package = env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default();
    let component = Path::new(&package).join("../dist/ftp.wasm");
    println!("cargo::rerun-if-changed={}", component.display());
    let out = env::var_os("OUT_DIR").map(|folder| Path::new(&folder).join("ftp.wasm"));
    match out.map(|out| fs::copy(&component, out)) {
        Some(Ok(_)) => {}
        _ => println!(
            "cargo::error=dist/ftp.wasm is not there yet: run `cargo xtask build`, which builds it first"
        ),
    }
}
