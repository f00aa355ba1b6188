//! The commands of docs/new-connector.md do what the page says: a connector from nothing, in a flow.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// As many commands as it may take from nothing to a connector in a flow.
const FEW: usize = 9;

/// The checkout.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The commands of the page, without the prompt.
fn commands() -> Vec<String> {
    let page = fs::read_to_string(root().join("docs/new-connector.md")).expect("readable");
    let (_, rest) = page.split_once("<!-- commands").expect("the page has commands");
    let (part, _) = rest.split_once("<!-- end -->").expect("they have an end");
    let commands = part.lines().filter_map(|line| line.strip_prefix("$ "));
    commands.map(str::to_owned).collect()
}

/// A shell that knows the commands of the page alone.
struct Shell {
    folder: PathBuf,
    place: tempfile::TempDir,
}

impl Shell {
    fn new() -> Self {
        Self {
            folder: root(),
            place: tempfile::tempdir().expect("a temporary folder"),
        }
    }

    /// Runs a command of the page, and gives what it says.
    fn run(&mut self, line: &str) -> String {
        let line = line.replace("../connectors", self.place.path().to_str().expect("UTF-8"));
        let words: Vec<&str> = line.split(' ').collect();
        let mut command = match words[..] {
            ["cd", folder] => {
                self.folder = PathBuf::from(folder);
                return String::new();
            }
            // It builds this test as well, so it was run before.
            ["cargo", "xtask", "build"] => return String::new(),
            ["cargo", "xtask", ref arguments @ ..] => xtask(arguments),
            // The same with the toolchain that there is.
            ["cargo", "build", ref arguments @ ..] => {
                assert_eq!(arguments, ["--release", "--target", "wasm32-wasip2"]);
                xtask(&["component", self.folder.to_str().expect("UTF-8")])
            }
            ["cargo", ref arguments @ ..] => {
                let mut cargo = Command::new(env!("CARGO"));
                // Kept, so that only the connector is compiled the next time.
                cargo
                    .args(arguments)
                    .env("CARGO_TARGET_DIR", root().join("target/new-connector"));
                cargo
            }
            ["flowhost", ref arguments @ ..] => self.flowhost(arguments),
            _ => panic!("the page has a command that this test does not know: {line}"),
        };
        command.current_dir(&self.folder);
        let done = command.output().unwrap_or_else(|error| panic!("{line}: {error}"));
        let (out, err) = (
            String::from_utf8_lossy(&done.stdout).into_owned(),
            String::from_utf8_lossy(&done.stderr).into_owned(),
        );
        assert!(done.status.success(), "{line}: {}\n{out}{err}", done.status);
        out
    }

    fn flowhost(&self, arguments: &[&str]) -> Command {
        let program = root()
            .join("target/release/flowhost")
            .with_extension(std::env::consts::EXE_EXTENSION);
        assert!(
            program.exists(),
            "{} is not there: run `cargo xtask build`",
            program.display()
        );
        let mut command = Command::new(program);
        command
            .args(arguments)
            .env("XDG_CACHE_HOME", self.place.path().join("cache"))
            .env("XDG_STATE_HOME", self.place.path().join("state"));
        command
    }
}

/// `cargo xtask …`, as this test was built with it.
fn xtask(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
    command.args(arguments);
    command
}

#[test]
fn the_commands_of_the_page_lead_to_a_connector_in_a_flow() {
    let commands = commands();
    assert!(!commands.is_empty() && commands.len() <= FEW, "{commands:?}");
    let mut shell = Shell::new();
    for line in &commands {
        let said = shell.run(line);
        if line == "cargo test" {
            assert!(said.contains("3 passed"), "{said}");
        } else if line.starts_with("flowhost describe") {
            assert!(said.contains("add-line"), "{said}");
        }
    }
    assert_eq!(
        fs::read_to_string(shell.folder.join("out/orders.csv")).expect("the flow has written it"),
        "# orders.csv\nsku,quantity\n007,3\n"
    );
}

#[test]
fn what_is_there_already_stays_as_it_is() {
    let place = tempfile::tempdir().expect("a temporary folder");
    let into = place.path().to_str().expect("UTF-8");
    fs::create_dir(place.path().join("mine")).expect("own folder");
    let refused = xtask(&["new-connector", "mine", "--into", into])
        .output()
        .expect("it runs");
    let said = String::from_utf8_lossy(&refused.stderr);
    assert!(
        !refused.status.success() && said.contains("cannot make the new folder"),
        "{said}"
    );
    assert_eq!(
        fs::read_dir(place.path().join("mine"))
            .expect("own folder")
            .count(),
        0
    );
}
