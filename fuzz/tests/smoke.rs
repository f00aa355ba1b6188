//! Every target, briefly and always the same way: its seeds as they are, and mutated by a generator with a fixed
//! seed. `cargo xtask fuzz` looks for longer, and lets coverage lead it.

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use flow_fuzz::{TARGETS, Target, endless_reply};

/// Mutated inputs a target. In the release profile they take a fraction of the time below.
const MUTATIONS: u32 = 15_000;

/// When a target is slow (a debug build, a busy machine), it gets fewer mutations and not more time.
const LIMIT: Duration = Duration::from_secs(2);

/// Bytes of an input; mutations only make it longer up to here.
const LONGEST: usize = 8192;

#[test]
fn listing() {
    smoke("listing");
}

#[test]
fn reply() {
    smoke("reply");
}

#[test]
fn command() {
    smoke("command");
}

#[test]
fn template() {
    smoke("template");
}

#[test]
fn flow() {
    smoke("flow");
}

#[test]
fn json() {
    smoke("json");
}

#[test]
fn records() {
    smoke("records");
}

#[test]
fn policy() {
    smoke("policy");
}

#[test]
fn imports() {
    smoke("imports");
}

#[test]
fn replies_without_an_end() {
    for seed in seeds("reply") {
        run(endless_reply, &seed);
    }
    run(endless_reply, b"220-");
    run(endless_reply, b"220-\n");
}

/// `cargo xtask fuzz` goes by the folders, libFuzzer by the programs.
#[test]
fn every_target_has_seeds_words_and_a_program() {
    let mut folders: Vec<String> = list(&package().join("seeds"))
        .iter()
        .map(|path| name(path))
        .collect();
    folders.sort();
    let mut targets: Vec<&str> = TARGETS.iter().map(|(name, _)| *name).collect();
    targets.sort_unstable();
    assert_eq!(folders, targets);
    for target in targets {
        assert!(
            package().join(format!("words/{target}.dict")).exists(),
            "{target}"
        );
        assert!(
            package().join(format!("src/bin/fuzz_{target}.rs")).exists(),
            "{target}"
        );
    }
}

fn smoke(name: &str) {
    let (_, target) = TARGETS
        .into_iter()
        .find(|(known, _)| *known == name)
        .expect("a target");
    let seeds = seeds(name);
    for seed in &seeds {
        run(target, seed);
    }
    run(target, b"");
    let mut mutator = Mutator(0x5eed);
    let start = Instant::now();
    for _ in 0..MUTATIONS {
        if start.elapsed() > LIMIT {
            break;
        }
        run(target, &mutator.mutate(&seeds));
    }
}

/// Runs a target; a panic is preceded by the input that it takes to see it again.
fn run(target: Target, input: &[u8]) {
    if let Err(panic) = catch_unwind(AssertUnwindSafe(|| target(input))) {
        eprintln!("input: b\"{}\"", input.escape_ascii());
        resume_unwind(panic);
    }
}

fn package() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn seeds(target: &str) -> Vec<Vec<u8>> {
    let mut files = list(&package().join("seeds").join(target));
    // Folders have no order, and the test is to be the same everywhere.
    files.sort();
    assert!(!files.is_empty(), "{target} has no seeds");
    files
        .iter()
        .map(|file| fs::read(file).expect("a seed can be read"))
        .collect()
}

fn list(folder: &Path) -> Vec<PathBuf> {
    fs::read_dir(folder)
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        .map(|entry| entry.expect("an entry").path())
        .collect()
}

fn name(path: &Path) -> String {
    path.file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned()
}

/// Makes new inputs out of old ones. The state is that of splitmix64.
struct Mutator(u64);

impl Mutator {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `end`; 0 when there is none.
    fn below(&mut self, end: usize) -> usize {
        let end = u64::try_from(end.max(1)).unwrap_or(u64::MAX);
        usize::try_from(self.next() % end).unwrap_or(0)
    }

    fn range(&mut self, length: usize) -> std::ops::Range<usize> {
        let from = self.below(length + 1);
        from..from + self.below(length - from + 1)
    }

    fn mutate(&mut self, seeds: &[Vec<u8>]) -> Vec<u8> {
        let mut input = seeds[self.below(seeds.len())].clone();
        for _ in 0..=self.below(4) {
            self.step(&mut input, seeds);
        }
        input.truncate(LONGEST);
        input
    }

    fn step(&mut self, input: &mut Vec<u8>, seeds: &[Vec<u8>]) {
        /// Bytes that mean something somewhere.
        const SPECIAL: &[u8] = b"\r\n\0 \t/.:;=-\"'{}[]()|%,\\\x1b\x7f\xc3\xff09aZ";
        let place = self.below(input.len() + 1);
        let special = SPECIAL[self.below(SPECIAL.len())];
        match self.below(7) {
            0 if place < input.len() => input[place] ^= 1 << self.below(8),
            1 if place < input.len() => input[place] = special,
            2 => input.insert(place, special),
            3 => {
                input.drain(self.range(input.len()));
            }
            4 => input.truncate(place),
            // A piece of another seed, or of this one, where there was none.
            5 => {
                let other = &seeds[self.below(seeds.len())];
                let piece = other[self.range(other.len())].to_vec();
                input.splice(place..place, piece);
            }
            _ => {
                let piece = input[self.range(input.len())].to_vec();
                let times = 1 << self.below(7);
                let room = LONGEST.saturating_sub(input.len());
                let again = piece.iter().copied().cycle();
                input.splice(
                    place..place,
                    again.take((piece.len() * times).min(room)).collect::<Vec<u8>>(),
                );
            }
        }
    }
}
