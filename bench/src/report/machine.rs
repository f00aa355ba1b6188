//! What the figures are of: the machine, and the versions of everything.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::thread;

use flow_tests::servers::version;
use serde::Serialize;

use crate::contender::{Contender, Tool, said};
use crate::lines::Line;
use crate::place::{Place, kib};

/// The machine, as far as it matters to timings. What it does not tell is `unknown`.
#[derive(Debug, Clone, Serialize)]
pub struct Machine {
    /// The model of the processor.
    pub cpu: String,
    /// How many threads run at once.
    pub cores: usize,
    /// The kernel's name and release.
    pub kernel: String,
    /// All of the memory, MiB.
    pub memory_mib: u64,
    /// The kind of file system that all files were on.
    pub file_system: String,
    /// Processes that ran or wanted to before the first measurement, over one minute. Far above 0, others were busy.
    pub load: String,
}

impl Machine {
    /// This one.
    #[must_use]
    pub fn this(place: &Place) -> Self {
        let file = |path: &str| fs::read_to_string(path).unwrap_or_default();
        let or_unknown = |text: Option<&str>| text.map_or("unknown", str::trim).to_owned();
        let cpu = file("/proc/cpuinfo");
        let model = cpu
            .lines()
            .find_map(|line| line.strip_prefix("model name")?.split_once(':'));
        Self {
            cpu: or_unknown(model.map(|(_, model)| model)),
            cores: thread::available_parallelism().map_or(0, usize::from),
            kernel: format!("Linux {}", file("/proc/sys/kernel/osrelease").trim()),
            memory_mib: kib(&file("/proc/meminfo"), "MemTotal:").unwrap_or_default() >> 10,
            file_system: place.file_system.clone(),
            load: or_unknown(file("/proc/loadavg").split(' ').next()),
        }
    }
}

/// A program that took part.
#[derive(Debug, Clone, Serialize)]
pub struct Version {
    /// Its name.
    pub name: String,
    /// What it says of its version, or why it took no part.
    pub version: String,
}

/// The versions of the contenders, the compiler, the server.
#[must_use]
pub fn versions(tools: &[(Contender, Result<Tool, String>)]) -> Vec<Version> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let of = |name: &str, version: Option<String>| Version {
        name: name.to_owned(),
        version: version.unwrap_or_else(|| "unknown".to_owned()),
    };
    let in_root =
        |program: &str, arguments: &[&str]| said(Command::new(program).args(arguments).current_dir(&root));
    let mut versions: Vec<Version> = tools
        .iter()
        .map(|(contender, tool)| {
            let said = tool
                .as_ref()
                .map_or_else(Clone::clone, |tool| tool.version.clone());
            of(contender.name(), Some(said))
        })
        .collect();
    versions.push(of("source", in_root("git", &["describe", "--always", "--dirty"])));
    versions.push(of("rustc", in_root("rustc", &["--version"])));
    versions.push(of(&format!("server {}", Line::SERVER), version(Line::SERVER)));
    versions
}
