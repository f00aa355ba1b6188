//! A folder of its own for a test, and runs of the built `flowhost` in it.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Once, OnceLock};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use flowhost::engine::CacheOptions;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::tree;

pub use crate::steps::{SHOP, flow, get, put, read, with, write};

/// How long one run may take before it is ended and the test fails. The longest moves 1 GiB.
const RUN_WITHIN: Duration = Duration::from_mins(2);

/// The built program.
///
/// # Panics
/// When it has not been built: the tests are of the program as it is delivered, not of a copy.
#[must_use]
pub fn flowhost() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        let own = std::env::current_exe().expect("a program has a path");
        // From target/release/deps/test-0123; or from a program beside it.
        let folders = own.ancestors().skip(1).take(2);
        let mut programs = folders.map(|folder| folder.join("flowhost"));
        let program = programs.find(|program| program.is_file());
        program.unwrap_or_else(|| panic!("flowhost is not there: run `cargo xtask test`"))
    })
}

/// The policy of tests: their servers are on this machine, and may be asked to connect back.
pub const POLICY: &str = "egress: { allow: [127.0.0.0/8, '::1', localhost], listen: 1-65535 }\n";

/// Compiled components, with the key that protects them, are kept beside the tests, and not in the home folder of who
/// runs them.
#[must_use]
pub fn cache() -> CacheOptions {
    CacheOptions {
        folder: user_folder("cache").join("flowhost"),
        key: user_folder("state").join("flowhost/cache.key"),
    }
}

fn user_folder(kind: &str) -> PathBuf {
    flowhost().with_file_name(format!("flow-tests-{kind}"))
}

/// Sees to it that the compiled connector is in its cache, once: compiling takes memory that tests which measure
/// it do not mean.
///
/// # Panics
/// When the program does not know its connector.
pub fn warm() {
    static WARM: Once = Once::new();
    WARM.call_once(|| {
        let mut command = Bench::new().command();
        command.current_dir("/").args(["describe", "ftp"]);
        let run = Run::of(command);
        assert_eq!(run.code, Some(0), "{run}");
    });
}

/// A folder of its own for one test: flows, local files, state.
pub struct Bench {
    folder: TempDir,
}

impl Default for Bench {
    fn default() -> Self {
        Self::new()
    }
}

impl Bench {
    /// An empty folder.
    ///
    /// # Panics
    /// When there is no room for it.
    #[must_use]
    pub fn new() -> Self {
        let folder = tempfile::Builder::new()
            .prefix("flow-test-")
            .tempdir()
            .expect("a temporary folder");
        let bench = Self { folder };
        bench.write("policy.yaml", POLICY);
        bench
    }

    /// Leaves the folder where it is, for whoever looks what went wrong, and says where.
    #[must_use]
    pub fn keep(self) -> PathBuf {
        self.folder.keep()
    }

    /// A path below the folder.
    #[must_use]
    pub fn path(&self, below: &str) -> PathBuf {
        self.folder.path().join(below)
    }

    /// Writes a local file with the folders it needs.
    ///
    /// # Panics
    /// When it cannot be written.
    pub fn write(&self, path: &str, content: impl AsRef<[u8]>) {
        let target = self.path(path);
        std::fs::create_dir_all(target.parent().expect("below the folder")).expect("own folder");
        std::fs::write(target, content).expect("own folder");
    }

    /// The local files below a folder; none when it is not there.
    #[must_use]
    pub fn files(&self, below: &str) -> std::collections::BTreeMap<String, Vec<u8>> {
        let folder = self.path(below);
        if folder.is_dir() {
            tree::files(&folder)
        } else {
            std::collections::BTreeMap::new()
        }
    }

    /// Writes the flow to a file; JSON is YAML. Passwords go into files of their own, since flowhost refuses
    /// those that stand in a flow.
    ///
    /// # Panics
    /// When it cannot be written.
    #[must_use]
    pub fn flow_file(&self, flow: &Value) -> PathBuf {
        let mut flow = flow.clone();
        let instances = flow["instances"].as_object_mut().into_iter().flatten();
        for (name, instance) in instances {
            let Some(password) = instance.pointer_mut("/settings/auth/password") else {
                continue;
            };
            let Some(secret) = password.as_str().filter(|text| !text.starts_with("${")) else {
                continue;
            };
            let file = format!("secrets/{name}");
            self.write(&file, secret);
            *password = json!(format!("${{file:{file}}}"));
        }
        let path = self.path("flow.yaml");
        std::fs::write(&path, format!("{flow:#}\n")).expect("own folder");
        path
    }

    /// `flowhost` with the environment that tests want: own state, the tests' policy, shared cache, nothing else set.
    #[must_use]
    pub fn command(&self) -> Command {
        let mut command = Command::new(flowhost());
        command
            .current_dir(self.folder.path())
            .env("XDG_CACHE_HOME", user_folder("cache"))
            .env("XDG_STATE_HOME", user_folder("state"))
            .env("FLOWHOST_STATE", self.path("state"))
            .env("FLOWHOST_POLICY", self.path("policy.yaml"))
            .stdin(Stdio::null());
        command
    }

    /// Runs a flow with `--json` to its end.
    ///
    /// # Panics
    /// When it does not end in time or does not speak JSON.
    #[must_use]
    pub fn run(&self, flow: &Value) -> Run {
        self.run_with(flow, &[])
    }

    /// The same with more arguments.
    ///
    /// # Panics
    /// As [`Bench::run`].
    #[must_use]
    pub fn run_with(&self, flow: &Value, arguments: &[&str]) -> Run {
        let file = self.flow_file(flow);
        let mut command = self.command();
        command.arg("run").arg("--json").args(arguments).arg(file);
        Run::of(command)
    }

    /// Checks that the run has left no bodies behind in its state folder.
    ///
    /// # Panics
    /// When there are some.
    pub fn assert_spool_empty(&self) {
        let left = self.files("state/spool");
        assert!(left.is_empty(), "left in the spool: {:?}", left.keys());
    }
}

/// The same command with a limit on the size of every file that it writes, in blocks of 512 bytes: a full
/// disk that needs neither a disk nor privileges.
///
/// `trap` turns the signal for a file that is too large into an error of the write.
#[must_use]
pub fn full_disk(command: &Command, blocks: u32) -> Command {
    let mut shell = Command::new("sh");
    shell.args([
        "-c",
        "trap '' XFSZ; ulimit -f \"$0\"; exec \"$@\"",
        &blocks.to_string(),
    ]);
    shell.arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => shell.env(name, value),
            None => shell.env_remove(name),
        };
    }
    if let Some(folder) = command.get_current_dir() {
        shell.current_dir(folder);
    }
    shell
}

/// What a program did.
#[derive(Debug)]
pub struct Run {
    /// Its exit code; none when a signal ended it.
    pub code: Option<i32>,
    /// The lines of its standard output that are JSON objects.
    pub events: Vec<Value>,
    /// All of its standard output.
    pub stdout: String,
    /// All of its standard error.
    pub stderr: String,
    /// The most memory it had (resident), in KiB, to within a few milliseconds of its end.
    pub peak_kib: u64,
    /// From start to end.
    pub took: Duration,
}

impl Run {
    /// Runs a command to its end.
    ///
    /// # Panics
    /// When it cannot be started or does not end in time.
    #[must_use]
    pub fn of(mut command: Command) -> Self {
        let started = Instant::now();
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{}: {error}", command.get_program().display()));
        let stdout = collect(child.stdout.take().expect("piped"));
        let stderr = collect(child.stderr.take().expect("piped"));
        let (status, peak_kib) = end_of(&mut child, started);
        let (stdout, stderr) = (stdout.join().expect("no panic"), stderr.join().expect("no panic"));
        assert!(
            status.is_some(),
            "it did not end within {RUN_WITHIN:?}\n{stdout}\n{stderr}"
        );
        Self {
            code: status.and_then(|status| status.code()),
            events: stdout
                .lines()
                .filter_map(|line| serde_json::from_str(line).ok())
                .collect(),
            stdout,
            stderr,
            peak_kib,
            took: started.elapsed(),
        }
    }

    /// The last event.
    ///
    /// # Panics
    /// When it is not `run-finished` or not on the last line.
    #[must_use]
    pub fn finished(&self) -> &Value {
        let last = self.events.last().unwrap_or_else(|| panic!("no events: {self}"));
        assert_eq!(last["event"], "run-finished", "{self}");
        let line = self.stdout.lines().last().unwrap_or_default();
        assert_eq!(
            serde_json::from_str::<Value>(line).ok().as_ref(),
            Some(last),
            "the last line: {self}"
        );
        last
    }

    /// Checks that all went well, with this many payloads.
    ///
    /// # Panics
    /// When it did not.
    pub fn assert_ok(&self, payloads: u64) {
        assert_eq!(self.code, Some(0), "{self}");
        let last = self.finished();
        assert_eq!(last["status"], "ok", "{self}");
        assert_eq!(last["payloads"], payloads, "{self}");
        assert_eq!(last["failed"], 0, "{self}");
        assert!(
            last["run"].is_string() && last["bytes"].is_u64() && last["skipped"].is_u64(),
            "{self}"
        );
    }

    /// Checks that it failed in the way that the contract says, and gives the failure's event.
    ///
    /// # Panics
    /// When it did not fail, or otherwise.
    #[must_use]
    pub fn assert_failed(&self, kind: &str) -> &Value {
        assert_eq!(self.code, Some(1), "{self}");
        assert_eq!(self.finished()["status"], "failed", "{self}");
        let failures = self.failures();
        let [failure] = failures.as_slice() else {
            panic!("not one failure but {}: {self}", failures.len())
        };
        assert_eq!(failure["kind"], kind, "{self}");
        failure
    }

    /// Checks that the flow was refused before anything was done, with a message that has all these parts.
    ///
    /// # Panics
    /// When it was not.
    pub fn assert_wrong(&self, parts: &[&str]) {
        assert_eq!(self.code, Some(2), "{self}");
        for part in parts {
            assert!(
                self.stdout.contains(part) || self.stderr.contains(part),
                "{part:?} is not in: {self}"
            );
        }
    }

    /// The events of failed payloads and steps.
    #[must_use]
    pub fn failures(&self) -> Vec<&Value> {
        self.events
            .iter()
            .filter(|event| event["event"] == "payload-failed" || event["event"] == "step-failed")
            .collect()
    }

    /// The events of one kind in one step.
    #[must_use]
    pub fn events_of(&self, event: &str, step: &str) -> Vec<&Value> {
        self.events
            .iter()
            .filter(|one| one["event"] == event && one["step"] == step)
            .collect()
    }

    /// An attribute of every payload that a step has made or passed on, sorted.
    #[must_use]
    pub fn attributes(&self, step: &str, name: &str) -> Vec<String> {
        let mut values: Vec<String> = self
            .events_of("payload-done", step)
            .iter()
            .filter_map(|event| event["attributes"].as_array())
            .flatten()
            .filter(|pair| pair[0] == name)
            .filter_map(|pair| pair[1].as_str().map(ToOwned::to_owned))
            .collect();
        values.sort();
        values
    }
}

impl std::fmt::Display for Run {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // A run over thousands of files tells too much; its end says most.
        let lines: Vec<&str> = self.stdout.lines().collect();
        let shown = lines.len().saturating_sub(40);
        write!(
            f,
            "exit code {:?}\n{}\n{}",
            self.code,
            lines[shown..].join("\n"),
            self.stderr
        )
    }
}

fn collect(mut from: impl std::io::Read + Send + 'static) -> JoinHandle<String> {
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        let _ = from.read_to_end(&mut bytes);
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

/// Waits for the end, or ends it; and looks at the memory meanwhile.
fn end_of(child: &mut Child, started: Instant) -> (Option<std::process::ExitStatus>, u64) {
    let mut peak = 0;
    loop {
        peak = peak_kib(child.id()).unwrap_or(peak);
        match child.try_wait().expect("our own child") {
            Some(status) => return (Some(status), peak),
            None if started.elapsed() > RUN_WITHIN => {
                let _ = child.kill();
                let _ = child.wait();
                return (None, peak);
            }
            // The interval between two looks at the memory; the end is seen at most this much later.
            None => std::thread::sleep(Duration::from_millis(2)),
        }
    }
}

/// `VmHWM`: the most resident memory so far.
fn peak_kib(process: u32) -> Option<u64> {
    let mut status = String::new();
    std::fs::File::open(format!("/proc/{process}/status"))
        .ok()?
        .read_to_string(&mut status)
        .ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.split_whitespace().next()?.parse().ok()
}
