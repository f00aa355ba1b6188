//! Compiled components on disk: what this host wrote is used, and nothing else is ever run.

use flowhost::component::LoadError;
use flowhost::engine::{CacheOptions, Runtime, RuntimeOptions};
use std::fs::{self, File, Permissions};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, SystemTime};
use tempfile::TempDir;

const DAY: Duration = Duration::from_hours(24);

/// A folder for a cache and its key.
struct Bench(TempDir);

impl Bench {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("a temporary folder"))
    }

    fn folder(&self) -> PathBuf {
        self.0.path().join("cache")
    }

    fn key(&self) -> PathBuf {
        self.0.path().join("state/cache.key")
    }

    fn options(&self) -> RuntimeOptions {
        RuntimeOptions {
            cache: Some(CacheOptions {
                folder: self.folder(),
                key: self.key(),
            }),
        }
    }

    /// Loads a component in a host of its own, as another process would.
    fn load(&self, component: &[u8]) {
        load(self.options(), component);
    }

    /// The files in the cache, sorted.
    fn files(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.folder()).expect("the cache folder");
        let mut files: Vec<_> = entries.map(|entry| entry.expect("readable").path()).collect();
        files.sort();
        files
    }

    /// The only file.
    fn file(&self) -> PathBuf {
        let files = self.files();
        assert_eq!(files.len(), 1, "{files:?}");
        files[0].clone()
    }

    fn refused(&self) -> String {
        let error = Runtime::new(self.options()).err().expect("refused");
        format!("{error:#}")
    }
}

/// Compiles a component, or takes it from the cache; it is no connector, which is found only afterwards.
fn load(options: RuntimeOptions, component: &[u8]) {
    let runtime = Runtime::new(options).expect("an engine");
    let tokio = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let loaded = tokio.block_on(runtime.load(component));
    assert!(matches!(loaded, Err(LoadError::NoConnector(_))));
}

/// A component that is compiled in no time, with a function of its own.
fn component(number: u32) -> Vec<u8> {
    let text = format!("(component (core module (func (export \"f\") (result i32) i32.const {number})))");
    wat::parse_str(text).expect("well formed")
}

fn inode(path: &Path) -> u64 {
    fs::symlink_metadata(path).expect("it is there").ino()
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).expect("it is there").mode() & 0o777
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).expect("chmod");
}

fn age(path: &Path, days: u32) {
    let time = SystemTime::now() - days * DAY;
    let file = File::options().write(true).open(path).expect("own file");
    file.set_modified(time).expect("own file");
}

#[tokio::test]
async fn what_was_compiled_is_used_again() {
    let bench = Bench::new();
    let mut inodes = Vec::new();
    for _ in 0..2 {
        let runtime = Runtime::new(bench.options()).expect("an engine");
        let connector = runtime.load(flowhost::FTP_COMPONENT).await.expect("it fits");
        assert_eq!(connector.descriptor.id, "ftp");
        inodes.push(inode(&bench.file()));
    }
    assert_eq!(inodes[0], inodes[1], "it was not written anew");
}

#[test]
fn folder_files_and_key_are_this_users_alone() {
    let bench = Bench::new();
    bench.load(&component(1));
    assert_eq!(mode(&bench.folder()), 0o700);
    assert_eq!(mode(&bench.file()), 0o600);
    assert_eq!(mode(&bench.key()), 0o600);
    assert_eq!(fs::read(bench.key()).expect("readable").len(), 32);
}

/// Changes the file of `component(1)`; `component(2)` is in `others`.
type Tampering = fn(file: &Path, others: &Path);

fn change(file: &Path, change: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = fs::read(file).expect("readable");
    change(&mut bytes);
    fs::write(file, bytes).expect("writable");
}

/// Each as somebody would do who can write to the cache folder: by hand, with a backup, or with another host's files.
const TAMPERING: [(&str, Tampering); 13] = [
    ("the first byte", |file, _| change(file, |bytes| bytes[0] ^= 1)),
    ("the first byte of the code", |file, _| {
        change(file, |bytes| bytes[32] ^= 1);
    }),
    ("a byte within", |file, _| {
        change(file, |bytes| {
            let middle = bytes.len() / 2;
            bytes[middle] ^= 0x80;
        });
    }),
    ("the last byte", |file, _| {
        change(file, |bytes| *bytes.last_mut().expect("not empty") ^= 1);
    }),
    ("one byte more", |file, _| change(file, |bytes| bytes.push(0))),
    ("one byte less", |file, _| {
        change(file, |bytes| bytes.truncate(bytes.len() - 1));
    }),
    ("nothing but a tag", |file, _| {
        change(file, |bytes| bytes.truncate(32));
    }),
    ("less than a tag", |file, _| {
        change(file, |bytes| bytes.truncate(10));
    }),
    ("empty", |file, _| change(file, Vec::clear)),
    ("another component's", |file, others| {
        fs::copy(others, file).expect("copied");
    }),
    ("a link to a good file", |file, _| {
        let elsewhere = file.with_extension("moved");
        fs::rename(file, &elsewhere).expect("moved");
        symlink(&elsewhere, file).expect("linked");
    }),
    ("writable for others", |file, _| set_mode(file, 0o666)),
    ("a pipe, which would never end", |file, _| {
        fs::remove_file(file).expect("removed");
        let made = Command::new("mkfifo").arg(file).status().expect("mkfifo runs");
        assert!(made.success());
    }),
];

#[test]
fn a_file_that_was_tampered_with_is_not_run_but_made_anew() {
    for (what, tamper) in TAMPERING {
        let (bench, other) = (Bench::new(), Bench::new());
        bench.load(&component(1));
        // By the same host, so that its tag is good.
        fs::create_dir(other.key().parent().expect("a folder")).expect("made");
        fs::copy(bench.key(), other.key()).expect("copied");
        other.load(&component(2));
        let file = bench.file();
        let good = inode(&file);
        bench.load(&component(1));
        assert_eq!(inode(&file), good, "an untouched file is used");

        tamper(&file, &other.file());
        // Held, so that the new file cannot get the number of the old one.
        let _old = fs::hard_link(&file, bench.0.path().join("old"));
        let tampered = inode(&file);
        bench.load(&component(1));
        let new = inode(&file);
        assert_ne!(new, tampered, "{what}: the file was used");
        assert!(fs::symlink_metadata(&file).expect("there").is_file(), "{what}");
        bench.load(&component(1));
        assert_eq!(inode(&file), new, "{what}: the file that was made anew is used");
    }
}

#[test]
fn a_cache_of_another_key_is_worthless() {
    let (bench, planted) = (Bench::new(), Bench::new());
    planted.load(&component(1));
    fs::rename(planted.folder(), bench.folder()).expect("moved");
    let before = inode(&bench.file());
    let _old = fs::hard_link(bench.file(), bench.0.path().join("old"));
    bench.load(&component(1));
    assert_ne!(inode(&bench.file()), before);
}

#[test]
fn a_folder_that_others_may_write_to_is_refused() {
    let bench = Bench::new();
    fs::create_dir(bench.folder()).expect("made");
    for mode in [0o770, 0o707, 0o777] {
        set_mode(&bench.folder(), mode);
        let error = bench.refused();
        assert!(
            error.contains("chmod 700") && error.contains("others may write"),
            "{error}"
        );
    }
    set_mode(&bench.folder(), 0o755);
    bench.load(&component(1));
}

#[test]
fn a_folder_of_another_user_is_refused() {
    let bench = Bench::new();
    fs::create_dir(bench.folder()).expect("made");
    // Only root can give a folder away; others find one that is root's.
    let given_away = chown(bench.folder(), Some(1), None).is_ok();
    let folder = if given_away {
        bench.folder()
    } else {
        PathBuf::from("/usr")
    };
    let options = RuntimeOptions {
        cache: Some(CacheOptions {
            folder,
            key: bench.key(),
        }),
    };
    let error = Runtime::new(options).err().expect("refused");
    assert!(format!("{error:#}").contains("another user"), "{error:#}");
}

#[test]
fn a_key_that_others_may_read_is_no_secret() {
    let bench = Bench::new();
    bench.load(&component(1));
    for (mode, words) in [(0o640, "read"), (0o604, "read"), (0o620, "write to")] {
        set_mode(&bench.key(), mode);
        let error = bench.refused();
        assert!(
            error.contains("remove it") && error.contains(&format!("others may {words} it")),
            "{error}"
        );
    }
    let elsewhere = bench.0.path().join("elsewhere");
    fs::rename(bench.key(), &elsewhere).expect("moved");
    set_mode(&elsewhere, 0o600);
    symlink(&elsewhere, bench.key()).expect("linked");
    assert!(bench.refused().contains("symbolic link"));
}

#[test]
fn a_key_beside_what_it_protects_is_refused() {
    let bench = Bench::new();
    for below in ["cache.key", "below/cache.key"] {
        let options = RuntimeOptions {
            cache: Some(CacheOptions {
                folder: bench.folder(),
                key: bench.folder().join(below),
            }),
        };
        let error = Runtime::new(options).err().expect("refused");
        assert!(
            error.to_string().contains("lies in the cache folder"),
            "{error:#}"
        );
    }
}

#[test]
fn without_a_place_for_the_files_or_a_good_key_nothing_is_cached() {
    let bench = Bench::new();
    let blocked = bench.0.path().join("file");
    fs::write(&blocked, b"not a folder").expect("written");
    let places = [
        (blocked.join("cache"), bench.key()),
        (bench.folder(), blocked.join("cache.key")),
    ];
    for (folder, key) in places {
        let cache = Some(CacheOptions { folder, key });
        load(RuntimeOptions { cache }, &component(1));
    }
    bench.load(&component(1));
    fs::remove_file(bench.file()).expect("removed");
    for wrong in [&[7; 31][..], &[7; 33], b""] {
        fs::write(bench.key(), wrong).expect("written");
        bench.load(&component(1));
        assert!(bench.files().is_empty(), "{} bytes", wrong.len());
    }
}

#[test]
fn many_that_begin_at_once_share_one_key_and_one_file() {
    for _ in 0..5 {
        let bench = Bench::new();
        thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| bench.load(&component(1)));
            }
        });
        let file = bench.file();
        let made = inode(&file);
        bench.load(&component(1));
        assert_eq!(inode(&file), made, "all had the same key");
        let beside = fs::read_dir(bench.key().parent().expect("a folder")).expect("readable");
        assert_eq!(beside.count(), 1, "nothing is left beside the key");
    }
}

#[test]
fn what_nobody_uses_any_more_goes() {
    let bench = Bench::new();
    bench.load(&component(1));
    let used = bench.file();
    bench.load(&component(2));
    let unused = bench.files().into_iter().find(|file| *file != used).expect("two");
    let foreign = bench.folder().join("notes.txt");
    fs::write(&foreign, b"mine").expect("written");
    for file in [&used, &unused, &foreign] {
        age(file, 40);
    }
    // A file that is loaded is in use, however long ago it was made.
    bench.load(&component(1));
    bench.load(&component(3));
    assert!(used.exists() && foreign.exists());
    assert!(!unused.exists());
}

#[test]
fn files_do_not_pile_up() {
    let bench = Bench::new();
    bench.load(&component(0));
    let oldest = bench.file();
    age(&oldest, 2);
    for number in 1..=31 {
        bench.load(&component(number));
    }
    assert!(oldest.exists());
    assert_eq!(bench.files().len(), 32);
    bench.load(&component(32));
    assert!(!oldest.exists());
    assert_eq!(bench.files().len(), 32);
}
