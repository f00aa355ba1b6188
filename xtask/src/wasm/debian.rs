//! A toolchain from Debian's packages alone, unpacked and never installed.
//!
//! Debian's rustc has no standard library for wasm32-wasip2, but its packages carry the library's source, the
//! linker and (in `wasi-libc`) the C library, from which cargo builds it along with the connector.

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use super::TARGET;
use crate::apt::Apt;
use crate::process;
use crate::workspace::Workspace;

/// The names under which Debian packages rustc: the one kept new for browsers, and the release's own.
/// The rest of a family is named after it: `rust-web-src`, `rust-src`.
const FAMILIES: [(&str, &str); 2] = [("rustc-web", "rust-web"), ("rustc", "rust")];

/// Debian's rustc with everything it needs, below one folder.
#[derive(Debug)]
pub struct Tree {
    root: PathBuf,
}

impl Tree {
    /// The tree of an earlier call, if that one came to its end.
    pub fn present(workspace: &Workspace) -> Option<Self> {
        let tree = Self {
            root: workspace.own("wasm-toolchain/debian"),
        };
        tree.stamp().exists().then_some(tree)
    }

    /// The tree, fetched if it is not there.
    pub fn get(workspace: &Workspace) -> Result<Self> {
        if let Some(tree) = Self::present(workspace) {
            return Ok(tree);
        }
        let tree = Self {
            root: workspace.own("wasm-toolchain/debian"),
        };
        if tree.root.exists() {
            fs::remove_dir_all(&tree.root)
                .with_context(|| format!("cannot remove {}", tree.root.display()))?;
        }
        let apt = Apt::open(workspace)?;
        let packages = compiler(&apt)?;
        process::say(&format!(
            "unpacking Debian's {} below target/ (1 GB)",
            packages.join(", ")
        ));
        let mut unpacked = apt.unpack(&packages, &tree.root)?;
        unpacked.push(c_library(&apt, &tree.root)?);
        tree.write_wrapper()?;
        let version = process::output(Command::new(tree.wrapper()).arg("--version"))
            .context("the unpacked rustc does not start")?;
        let packages: Vec<String> = unpacked
            .iter()
            .map(|package| format!("{} {}\n", package.name, package.version))
            .collect();
        let text = version + &packages.concat();
        // Last of all: its presence says that the rest is whole.
        fs::write(tree.stamp(), text).with_context(|| format!("cannot write {}", tree.stamp().display()))?;
        Ok(tree)
    }

    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Makes `cargo build` use this compiler and build the standard library along.
    pub fn apply(&self, cargo: &mut Command) {
        let libc = self.root.join("usr/lib").join(TARGET);
        // Debian's rustc is a stable one; building std needs what only nightly allows by itself.
        cargo.env("RUSTC", self.wrapper()).env("RUSTC_BOOTSTRAP", "1");
        // Encoded flags are the ones that may hold spaces, as the path of a checkout may; they also take
        // precedence over a RUSTFLAGS that was meant for the host's compiler.
        let mut flags = OsString::from("-Lnative=");
        flags.push(libc);
        flags.push("\u{1f}-Clink-self-contained=yes");
        cargo
            .env("CARGO_ENCODED_RUSTFLAGS", flags)
            .env_remove("RUSTFLAGS");
        cargo
            .env_remove("RUSTC_WRAPPER")
            .env_remove("RUSTC_WORKSPACE_WRAPPER");
        cargo.arg("-Zbuild-std=std,panic_abort");
    }

    fn stamp(&self) -> PathBuf {
        self.root.join("unpacked.txt")
    }

    fn wrapper(&self) -> PathBuf {
        self.root.join("rustc")
    }

    /// A rustc that finds its libraries and linkers beside itself, wherever the checkout is.
    fn write_wrapper(&self) -> Result<()> {
        let libraries = subfolders(&self.root.join("usr/lib"), |path| {
            files(path).any(|name| name.starts_with("librustc_driver-"))
        });
        let tools = subfolders(&self.root.join("usr/lib/rustlib"), |path| {
            path.join("bin/wasm-component-ld").exists()
        });
        let llvm = subfolders(&self.root.join("usr/lib"), |path| {
            path.join("bin/wasm-ld").exists()
        });
        let (Some(libraries), Some(tools), Some(llvm)) = (libraries, tools, llvm) else {
            bail!(
                "Debian's packages have no librustc_driver, wasm-component-ld or wasm-ld where they are expected \
                 below {}",
                self.root.display()
            );
        };
        let script = format!(
            "#!/bin/sh\n\
             root=$(cd \"$(dirname \"$0\")\" && pwd) || exit 1\n\
             export LD_LIBRARY_PATH=\"$root/usr/lib/{libraries}\"\n\
             export PATH=\"$root/usr/lib/{llvm}/bin:$root/usr/bin:$root/usr/lib/rustlib/{tools}/bin:$PATH\"\n\
             exec \"$root/usr/bin/rustc\" \"$@\"\n"
        );
        let path = self.wrapper();
        fs::write(&path, script).with_context(|| format!("cannot write {}", path.display()))?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755))
            .with_context(|| format!("cannot make {} executable", path.display()))
    }
}

/// The compiler's family of packages, for the newest rustc on offer.
fn compiler(apt: &Apt) -> Result<Vec<String>> {
    let wanted = number(env!("CARGO_PKG_RUST_VERSION"));
    let mut offers = Vec::new();
    for (rustc, family) in FAMILIES {
        let Some(version) = apt.candidate(rustc) else {
            continue;
        };
        if number(&version) >= wanted {
            return with_dependencies(
                apt,
                vec![
                    rustc.to_owned(),
                    format!("{family}-src"),
                    format!("{family}-llvm"),
                ],
            );
        }
        offers.push(format!("{rustc} {version}"));
    }
    let offers = if offers.is_empty() {
        "no rustc".to_owned()
    } else {
        offers.join(", ")
    };
    bail!(
        "this release offers {offers}, and {} or later is needed",
        env!("CARGO_PKG_RUST_VERSION")
    )
}

/// Adds what must lie in the same tree as the compiler, even where the machine has it installed: its
/// libraries, which it looks for beside itself, and the linker of its LLVM.
fn with_dependencies(apt: &Apt, mut packages: Vec<String>) -> Result<Vec<String>> {
    let mut next = 0;
    while let Some(package) = packages.get(next) {
        for name in apt.dependencies(package)? {
            let linker = name
                .strip_prefix("llvm-")
                .filter(|rest| rest.parse::<u32>().is_ok());
            let linker = linker.map(|version| format!("lld-{version}"));
            let family = name.starts_with("libstd-rust-") || name.starts_with("libllvm") || linker.is_some();
            for name in family.then_some(name).into_iter().chain(linker) {
                if !packages.contains(&name) {
                    packages.push(name);
                }
            }
        }
        next += 1;
    }
    if !packages.iter().any(|name| name.starts_with("lld-")) {
        bail!(
            "none of {} names its version of LLVM, which is needed to choose lld",
            packages.join(", ")
        );
    }
    Ok(packages)
}

/// Unpacks the newest `wasi-libc` that knows the target: from the release, otherwise from its backports.
fn c_library(apt: &Apt, root: &Path) -> Result<crate::apt::Package> {
    let mut tried = Vec::new();
    loop {
        for version in apt.versions("wasi-libc") {
            if tried.contains(&version) {
                continue;
            }
            let trial = root.join("wasi-libc");
            let unpacked = apt.unpack(&[format!("wasi-libc={version}")], &trial)?;
            let found = trial.join("usr/lib").join(TARGET);
            if found.join("crt1-command.o").exists() && found.join("libc.a").exists() {
                let place = root.join("usr/lib").join(TARGET);
                fs::rename(&found, &place).with_context(|| format!("cannot make {}", place.display()))?;
                fs::remove_dir_all(&trial)?;
                let package = unpacked.into_iter().find(|package| package.name == "wasi-libc");
                return package.context("apt gave no wasi-libc");
            }
            fs::remove_dir_all(&trial)?;
            tried.push(version);
        }
        if !apt
            .add_backports()
            .context("wasi-libc from the release's backports")?
        {
            let tried = if tried.is_empty() {
                "none".to_owned()
            } else {
                tried.join(", ")
            };
            bail!("no wasi-libc on offer knows {TARGET} (tried: {tried})");
        }
    }
}

/// `1.96` from `1.96.0+dfsg1-1~deb12u2`.
fn number(version: &str) -> (u32, u32) {
    let mut parts = version
        .split(|c: char| !c.is_ascii_digit())
        .map(|part| part.parse().unwrap_or(0));
    (parts.next().unwrap_or(0), parts.next().unwrap_or(0))
}

/// The name of the first folder in `parent` that fits.
fn subfolders(parent: &Path, fits: impl Fn(&Path) -> bool) -> Option<String> {
    let mut names: Vec<String> = files(parent).filter(|name| fits(&parent.join(name))).collect();
    names.sort();
    names.into_iter().next()
}

fn files(folder: &Path) -> impl Iterator<Item = String> {
    fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
}

#[cfg(test)]
mod tests {
    use super::number;

    #[test]
    fn versions_compare_as_numbers() {
        assert_eq!(number("1.96.0+dfsg1-1~deb12u2"), (1, 96));
        assert!(number("1.100.0-1") > number("1.95"));
        assert!(number("1.63.0+dfsg1-2") < number("1.95"));
    }
}
