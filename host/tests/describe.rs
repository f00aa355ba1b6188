//! `flowhost describe` and `flowhost check --offline`: what a connector is and may do, before it may do anything.

use serde_json::{Value, json};
use std::fs;
use std::process::Command;
use std::sync::OnceLock;
use tempfile::TempDir;

struct Bench(TempDir);

struct Run {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

impl Bench {
    fn new() -> Self {
        let bench = Self(tempfile::tempdir().expect("a folder"));
        let guest = wat::parse_str(include_str!("guests/reports.wat")).expect("well formed");
        fs::write(bench.path("reports.wasm"), guest).expect("written");
        bench
    }

    fn path(&self, below: &str) -> std::path::PathBuf {
        self.0.path().join(below)
    }

    /// A process with nothing but a folder to work in: no home, so neither cache nor state.
    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_flowhost"));
        command.env_clear().current_dir(self.0.path()).args(arguments);
        command
    }

    fn run(&self, arguments: &[&str]) -> Run {
        run(self.command(arguments))
    }

    fn write_flow(&self, name: &str, connector: &Value, settings: &Value) {
        let flow = json!({
            "name": "test",
            "instances": {"it": {"connector": connector, "settings": settings}},
            "steps": [{"folder": {"read": "*.none"}}],
        });
        fs::write(self.path(name), flow.to_string()).expect("written");
    }

    /// The same with a home, which all tests share, so that the connector is compiled once.
    fn run_at_home(&self, arguments: &[&str]) -> Run {
        static HOME: OnceLock<TempDir> = OnceLock::new();
        let home = HOME.get_or_init(|| tempfile::tempdir().expect("a folder"));
        let mut command = self.command(arguments);
        command.env("HOME", home.path());
        run(command)
    }

    fn files(&self) -> Vec<String> {
        let entries = fs::read_dir(self.0.path()).expect("readable");
        let names = entries.map(|entry| entry.expect("readable").file_name());
        let mut names: Vec<_> = names.map(|name| name.to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }
}

fn run(mut command: Command) -> Run {
    let output = command.output().expect("flowhost runs");
    let text = |bytes| String::from_utf8(bytes).expect("text");
    Run {
        code: output.status.code(),
        stdout: text(output.stdout),
        stderr: text(output.stderr),
    }
}

#[test]
fn a_host_without_network_cache_and_state_describes_and_checks() {
    let bench = Bench::new();
    let described = bench.run(&["describe", "ftp"]);
    assert_eq!((described.code, described.stderr.as_str()), (Some(0), ""));
    assert!(described.stdout.contains("data_connection"));
    // A name that nobody can look up: asking for it would fail.
    let settings = json!({"host": "ftp.invalid"});
    bench.write_flow("flow.yaml", &json!("ftp"), &settings);
    bench.write_flow(
        "wrong.yaml",
        &json!("ftp"),
        &json!({"host": "ftp.invalid", "prot": 21}),
    );
    let checked = bench.run(&["check", "--offline", "flow.yaml", "wrong.yaml"]);
    assert_eq!(checked.code, Some(2), "{}", checked.stderr);
    assert!(
        checked
            .stdout
            .contains("flow.yaml: test: 1 steps, 1 instances: valid"),
        "{}",
        checked.stdout
    );
    assert!(
        checked.stderr.contains("did you mean `port`?"),
        "{}",
        checked.stderr
    );
    assert_eq!(bench.files(), ["flow.yaml", "reports.wasm", "wrong.yaml"]);
}

#[test]
fn places_that_cannot_be_made_are_done_without() {
    let bench = Bench::new();
    for name in ["HOME", "FLOWHOST_CACHE", "FLOWHOST_CACHE_KEY", "FLOWHOST_STATE"] {
        let mut command = bench.command(&["describe", "./reports.wasm"]);
        // Below what is no folder, nothing can be made, not even by root.
        command
            .env("HOME", bench.path("home"))
            .env(name, "/dev/null/none");
        let described = run(command);
        assert_eq!(
            (described.code, described.stderr.as_str()),
            (Some(0), ""),
            "{name}"
        );
    }
}

#[test]
fn a_planted_cache_file_is_told_and_made_anew() {
    let bench = Bench::new();
    let describe = || {
        let mut command = bench.command(&["describe", "./reports.wasm", "--json"]);
        command.env("HOME", bench.path("home"));
        run(command)
    };
    let good = describe();
    let cache = bench.path("home/.cache/flowhost");
    assert!(bench.path("home/.local/state/flowhost/cache.key").exists());
    let file = fs::read_dir(cache)
        .expect("made")
        .next()
        .expect("a file")
        .expect("readable");
    fs::write(file.path(), "planted").expect("written");
    let after = describe();
    assert_eq!((after.code, &after.stdout), (Some(0), &good.stdout));
    assert!(
        after.stderr.contains("is not used, but removed and made anew"),
        "{}",
        after.stderr
    );
    assert_eq!(describe().stderr, "");
}

#[test]
fn what_describe_shows_can_be_pasted_as_a_pin() {
    let bench = Bench::new();
    fs::copy(bench.path("reports.wasm"), bench.path("odd name.wasm")).expect("copied");
    for path in ["./reports.wasm", "./odd name.wasm"] {
        let described = bench.run(&["describe", path, "--json"]);
        let description: Value = serde_json::from_str(&described.stdout).expect("JSON");
        let pin = &description["pin"];
        assert_eq!(
            description["digest"],
            format!("sha256:{}", pin["sha256"].as_str().expect("text"))
        );
        bench.write_flow("flow.yaml", pin, &Value::Null);
        let checked = bench.run(&["check", "--offline", "flow.yaml"]);
        assert_eq!(checked.code, Some(0), "{}", checked.stderr);

        let described = bench.run(&["describe", path]);
        let lines: Vec<&str> = described.stdout.lines().collect();
        let first = lines
            .iter()
            .position(|line| line.trim() == "connector:")
            .expect("shown");
        let pasted = lines[first..first + 3].join("\n");
        let text =
            format!("name: t\ninstances:\n  it:\n{pasted}\nsteps:\n  - folder: {{ read: '*.none' }}\n");
        fs::write(bench.path("pasted.yaml"), &text).expect("written");
        let checked = bench.run(&["check", "--offline", "pasted.yaml"]);
        assert_eq!(checked.code, Some(0), "{text}{}", checked.stderr);

        let digest = pin["sha256"].as_str().expect("text");
        fs::write(bench.path("pasted.yaml"), text.replace(digest, &"ab".repeat(32))).expect("written");
        let checked = bench.run(&["check", "--offline", "pasted.yaml"]);
        assert_eq!(checked.code, Some(2), "{}", checked.stdout);
        assert!(
            checked.stderr.contains("is not the pinned one"),
            "{}",
            checked.stderr
        );
    }
}

#[test]
fn every_import_is_told_with_what_it_allows() {
    let bench = Bench::new();
    let described = bench.run_at_home(&["describe", "ftp", "--json"]);
    let description: Value = serde_json::from_str(&described.stdout).expect("JSON");
    let imports = description["imports"].as_array().expect("a list");
    let access = |interface: &str| {
        let import = imports.iter().find(|import| {
            let name = import["interface"].as_str().expect("a name");
            name.split('@').next() == Some(interface)
        });
        let import = import.unwrap_or_else(|| panic!("{interface} is not in {imports:?}"));
        assert!(
            import["meaning"]
                .as_str()
                .is_some_and(|meaning| !meaning.is_empty()),
            "{import}"
        );
        import["access"].as_str().expect("told").to_owned()
    };
    for (interface, expected) in [
        ("wasi:sockets/tcp", "granted"),
        ("flow:connector/exchange", "granted"),
        ("wasi:filesystem/types", "denied"),
        ("wasi:cli/environment", "denied"),
        ("wasi:clocks/wall-clock", "harmless"),
    ] {
        assert_eq!(access(interface), expected, "{interface}");
    }
}

#[test]
fn the_page_fits_a_terminal_and_has_every_import_in_one_group() {
    let bench = Bench::new();
    let page = bench.run_at_home(&["describe", "ftp"]).stdout;
    let json = bench.run_at_home(&["describe", "ftp", "--json"]).stdout;
    let json: Value = serde_json::from_str(&json).expect("JSON");
    let (_, capabilities) = page.split_once("What it may do").expect("the part is there");
    for import in json["imports"].as_array().expect("a list") {
        let name = import["interface"].as_str().expect("a name");
        let words = |line: &str| {
            line.split(['(', ')', ',', ' '])
                .filter(|word| *word == name)
                .count()
        };
        assert_eq!(
            capabilities.lines().map(words).sum::<usize>(),
            1,
            "{name}: {capabilities}"
        );
    }
    let at = |words: &str| {
        capabilities
            .find(words)
            .unwrap_or_else(|| panic!("{words}: {capabilities}"))
    };
    assert!(
        at("granted") < at("TCP") && at("TCP") < at("always denied") && at("always denied") < at("Files")
    );
    let wide: Vec<&str> = capabilities
        .lines()
        .filter(|line| line.chars().count() > 100)
        .collect();
    assert!(wide.is_empty(), "{wide:#?}");
}

/// The list of words is the list of what may be imported.
#[test]
fn a_component_that_wants_more_is_refused_with_what_it_wants() {
    let bench = Bench::new();
    let component = wat::parse_str(r#"(component (import "wasi:http/types@0.2.6" (instance)))"#);
    fs::write(bench.path("more.wasm"), component.expect("well formed")).expect("written");
    let refused = bench.run(&["describe", "./more.wasm"]);
    assert_eq!(refused.code, Some(2), "{}", refused.stdout);
    assert!(
        refused.stderr.contains("wasi:http/types@0.2.6"),
        "{}",
        refused.stderr
    );
}
