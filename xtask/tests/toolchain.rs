//! Where the component's toolchain comes from, on machines made of scripts: their PATH holds a `rustc`, a
//! `rustup` and nothing else, so what happens does not depend on the machine that runs the tests.
#![cfg(unix)]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::{Command, Output};

use tempfile::TempDir;

/// The target's standard library, as the probe sees it.
const STD: &str = "libstd-0123456789abcdef.rlib";

struct Machine(TempDir);

impl Machine {
    /// A machine whose rustc knows the target but has no standard library for it.
    fn new() -> Self {
        let machine = Self(TempDir::new().expect("a temporary folder"));
        for folder in ["programs", "libraries", "checkout/xtask"] {
            fs::create_dir_all(machine.path(folder)).expect("a folder in it");
        }
        // Answers to nothing but the one question that is asked.
        let answer = format!("echo {}", machine.path("libraries").display());
        let question = "--print target-libdir --target wasm32-wasip2";
        machine.program("rustc", &format!("[ \"$*\" = '{question}' ] || exit 9\n{answer}"));
        machine
    }

    /// Gives it a rustup that notes how it was called and then runs `script`.
    fn with_rustup(self, script: &str) -> Self {
        let calls = self.path("calls");
        self.program("rustup", &format!("echo \"$*\" >> {}\n{script}", calls.display()));
        self
    }

    fn program(&self, name: &str, script: &str) {
        let file = self.path("programs").join(name);
        fs::write(&file, format!("#!/bin/sh\n{script}\n")).expect("a script");
        fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).expect("own file");
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// The shell command that does what a rustup in reach of its server does.
    fn install(&self) -> String {
        format!(": > {}", self.path("libraries").join(STD).display())
    }

    /// What rustup was asked, a call a line.
    fn calls(&self) -> String {
        fs::read_to_string(self.path("calls")).unwrap_or_default()
    }

    fn toolchain(&self, forced: Option<&str>) -> Answer {
        let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
        command
            .arg("toolchain")
            .env("PATH", self.path("programs"))
            .env_remove("RUSTC");
        command
            .env("CARGO_MANIFEST_DIR", self.path("checkout/xtask"))
            .env_remove("WASM_TOOLCHAIN");
        if let Some(word) = forced {
            command.env("WASM_TOOLCHAIN", word);
        }
        Answer::from(&command.output().expect("xtask runs"))
    }
}

struct Answer {
    ok: bool,
    out: String,
    error: String,
}

impl Answer {
    fn from(output: &Output) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Self {
            ok: output.status.success(),
            out: text(&output.stdout),
            error: text(&output.stderr),
        }
    }

    #[track_caller]
    fn says(&self, ok: bool, words: &[&str]) {
        assert_eq!(self.ok, ok, "{}{}", self.out, self.error);
        for word in words {
            assert!(
                self.out.contains(word) || self.error.contains(word),
                "no {word:?} in: {}",
                self.error
            );
        }
    }
}

#[test]
fn what_is_installed_is_used_without_asking_anybody() {
    let machine = Machine::new().with_rustup("exit 1");
    fs::write(machine.path("libraries").join(STD), "").expect("a library");
    for forced in [None, Some("rustup"), Some("")] {
        machine
            .toolchain(forced)
            .says(true, &["the installed wasm32-wasip2 toolchain"]);
    }
    assert_eq!(machine.calls(), "");
}

#[test]
fn rustup_is_asked_for_the_target_once() {
    for forced in [None, Some("rustup")] {
        let machine = Machine::new();
        let install = machine.install();
        let machine = machine.with_rustup(&install);
        machine
            .toolchain(forced)
            .says(true, &["the installed wasm32-wasip2 toolchain"]);
        machine
            .toolchain(forced)
            .says(true, &["the installed wasm32-wasip2 toolchain"]);
        assert_eq!(machine.calls(), "target add wasm32-wasip2\n");
    }
}

#[test]
fn a_folder_without_the_library_is_not_a_toolchain() {
    let machine = Machine::new().with_rustup("exit 0");
    fs::write(machine.path("libraries/libcore-0123456789abcdef.rlib"), "").expect("a library");
    machine
        .toolchain(Some("rustup"))
        .says(false, &["rustup added wasm32-wasip2, but to another toolchain"]);
}

#[test]
fn a_machine_with_neither_gets_one_sentence() {
    let machine = Machine::new().with_rustup("echo 'error: could not download file' >&2; exit 1");
    let answer = machine.toolchain(None);
    answer.says(
        false,
        &[
            "error: no toolchain for wasm32-wasip2: install one with `rustup target add wasm32-wasip2`, or build on \
             Debian 12 or later with its package mirror in reach.",
            "could not download file",
            "this machine has no apt-get",
        ],
    );
    assert_eq!(machine.calls(), "target add wasm32-wasip2\n");
}

#[test]
fn a_machine_without_rustup_gets_the_same_sentence() {
    let answer = Machine::new().toolchain(None);
    answer.says(
        false,
        &[
            "error: no toolchain for wasm32-wasip2: install one",
            "cannot start `rustup target add",
        ],
    );
}

#[test]
fn rustup_alone_does_not_fall_back() {
    let machine = Machine::new().with_rustup("echo 'error: could not download file' >&2; exit 1");
    let answer = machine.toolchain(Some("rustup"));
    answer.says(
        false,
        &[
            "WASM_TOOLCHAIN=rustup, but there is no wasm32-wasip2 toolchain",
            "could not download",
        ],
    );
    assert!(!answer.error.contains("Debian"), "{}", answer.error);
}

#[test]
fn debian_alone_does_not_ask_rustup() {
    let machine = Machine::new().with_rustup("exit 0");
    fs::write(machine.path("libraries").join(STD), "").expect("a library");
    let answer = machine.toolchain(Some("debian"));
    answer.says(
        false,
        &[
            "WASM_TOOLCHAIN=debian, but there is no wasm32-wasip2 toolchain",
            "no apt-get",
        ],
    );
    assert_eq!(machine.calls(), "");
}

#[test]
fn a_tree_that_was_unpacked_before_saves_asking_rustup() {
    let machine = Machine::new().with_rustup("exit 1");
    let tree = machine.path("checkout/target/wasm-toolchain/debian");
    fs::create_dir_all(&tree).expect("a folder");
    fs::write(tree.join("unpacked.txt"), "").expect("a file");
    machine
        .toolchain(None)
        .says(true, &["Debian's wasm32-wasip2 toolchain"]);
    assert_eq!(machine.calls(), "");
    // Forced, it does not count.
    machine
        .toolchain(Some("rustup"))
        .says(false, &["WASM_TOOLCHAIN=rustup"]);
}

#[test]
fn any_other_word_names_the_two() {
    let answer = Machine::new().toolchain(Some("gcc"));
    answer.says(
        false,
        &["WASM_TOOLCHAIN is `gcc`: it must be `rustup`, `debian` or not set"],
    );
}
