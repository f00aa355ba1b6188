//! The connectors that cases load, as files.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use flowhost::FTP_COMPONENT;

use super::case::Component;
use crate::guests;

/// The smallest connector there is, whose texts cases replace.
const MINIMAL: &str = include_str!("../../conformance/components/minimal.wat");

impl Component {
    /// Its file; those that are not built are written into the folder.
    ///
    /// # Errors
    /// When it cannot be written, or a text that is to be replaced is not there.
    pub fn file(&self, folder: &Path) -> Result<PathBuf> {
        let write = |name: &str, bytes: &[u8]| {
            let path = folder.join(name);
            fs::write(&path, bytes).with_context(|| format!("cannot write {}", path.display()))?;
            Ok(path)
        };
        match self {
            Self::Probe => Ok(guests::component("probe")),
            Self::Ftp => write("ftp.wasm", FTP_COMPONENT),
            Self::Bytes(text) => write("it.wasm", text.as_bytes()),
            Self::Minimal(replaced) => {
                let mut text = MINIMAL.to_owned();
                for (from, to) in replaced {
                    ensure!(text.contains(from.as_str()), "minimal.wat has no {from:?}");
                    text = text.replace(from.as_str(), to);
                }
                write("minimal.wasm", &wat::parse_str(&text)?)
            }
        }
    }
}
