//! The spool as its users see it.

use super::*;
use std::io::Read as _;
use tempfile::TempDir;

fn spool(quota: Option<u64>) -> (TempDir, Arc<Spool>) {
    let parent = tempfile::tempdir().expect("a temporary folder");
    let spool = Spool::create(parent.path(), quota).expect("a spool");
    (parent, spool)
}

fn content(body: &Body) -> Vec<u8> {
    let mut bytes = Vec::new();
    body.open()
        .expect("opens")
        .read_to_end(&mut bytes)
        .expect("reads");
    bytes
}

#[test]
fn a_small_body_stays_in_memory_and_a_large_one_goes_to_a_file() {
    let (_parent, spool) = spool(None);
    let small = spool.store(b"small").expect("stored");
    assert_eq!(small.path(), None);
    assert_eq!(content(&small), b"small");
    let bytes: Vec<u8> = (0..=255).cycle().take(SMALL_BODY + 1).collect();
    let large = spool.store(&bytes).expect("stored");
    assert!(large.path().is_some_and(Path::exists));
    assert_eq!(content(&large), bytes);
    assert_eq!(large.len(), bytes.len() as u64);
}

#[test]
fn every_reader_starts_at_the_first_byte() {
    let (_parent, spool) = spool(None);
    let body = spool.store(&vec![7; SMALL_BODY * 2]).expect("stored");
    let mut first = body.open().expect("opens");
    assert_eq!(first.next_chunk(10).expect("reads").len(), 10);
    assert_eq!(content(&body).len(), SMALL_BODY * 2);
}

#[test]
fn the_memory_of_many_small_bodies_is_bounded() {
    let (_parent, spool) = spool(None);
    let count = 2 * usize::try_from(MEMORY_BUDGET).expect("fits") / SMALL_BODY;
    let bodies: Vec<Body> = (0..count)
        .map(|_| spool.store(&vec![1; SMALL_BODY]).expect("stored"))
        .collect();
    assert!(spool.in_memory.load(Ordering::Relaxed) <= MEMORY_BUDGET);
    assert!(bodies.iter().any(|body| body.path().is_some()));
    assert!(bodies.iter().all(|body| content(body).len() == SMALL_BODY));
}

#[test]
fn the_quota_is_a_typed_error_and_freed_bodies_give_room_again() {
    let (_parent, spool) = spool(Some(100));
    let body = spool.store(&[0; 80]).expect("there is room");
    let refused = spool.store(&[0; 21]).expect_err("there is no room");
    assert!(
        matches!(refused, SpoolError::Quota { quota: 100, .. }),
        "{refused}"
    );
    drop(body);
    spool.store(&[0; 100]).expect("there is room again");
}

#[test]
fn files_go_with_the_last_body_and_the_folder_with_the_spool() {
    let (parent, spool) = spool(None);
    let body = spool.store(&vec![0; SMALL_BODY + 1]).expect("stored");
    let path = body.path().expect("a file").to_path_buf();
    let clone = body.clone();
    drop(body);
    assert!(path.exists());
    drop(clone);
    assert!(!path.exists());
    drop(spool);
    assert_eq!(std::fs::read_dir(parent.path()).expect("readable").count(), 0);
}

#[test]
fn what_a_killed_process_left_is_removed_and_a_living_spool_is_not() {
    let (parent, living) = spool(None);
    let left = parent.path().join("run-killed");
    std::fs::create_dir(&left).expect("a folder");
    std::fs::write(left.join(LOCK_FILE), b"").expect("a lock that nobody holds");
    std::fs::write(left.join("body"), b"bytes").expect("a body");
    let _another = Spool::create(parent.path(), None).expect("a spool");
    assert!(!left.exists());
    assert!(living.folder().exists());
}

#[test]
fn a_writer_that_is_dropped_leaves_nothing() {
    let (_parent, spool) = spool(Some(SMALL_BODY as u64 * 2));
    let mut writer = spool.writer();
    writer.write(&vec![0; SMALL_BODY + 1]).expect("there is room");
    drop(writer);
    // The lock file alone.
    assert_eq!(std::fs::read_dir(spool.folder()).expect("readable").count(), 1);
    assert_eq!(spool.quota.used.load(Ordering::Relaxed), 0);
}

#[test]
fn what_is_sealed_is_kept_once_the_ledger_has_it_and_forgotten_otherwise() {
    let parent = tempfile::tempdir().expect("a temporary folder");
    let quota = Arc::new(Quota::new(None, 0));
    let spool = Spool::of_run(parent.path(), "run-1", Arc::clone(&quota)).expect("a spool");
    let seal = |length: usize| {
        let mut writer = spool.writer();
        writer.write(&vec![7; length]).expect("there is room");
        writer.seal().expect("sealed")
    };
    let small = seal(10);
    assert_eq!(
        small.stored().and_then(|stored| stored.bytes.clone()),
        Some(vec![7; 10])
    );
    small.keep();
    let large = seal(SMALL_BODY + 1);
    let stored = large.stored().expect("not kept yet").clone();
    let name = stored.file.expect("a file");
    let hash = blake3::hash(&vec![7; SMALL_BODY + 1]).to_hex();
    assert!(name.starts_with(&format!("run-1/{hash}.")), "{name}");
    large.keep();
    drop(seal(SMALL_BODY + 2));
    let used = 10 + SMALL_BODY as u64 + 1;
    assert_eq!(quota.used.load(Ordering::Relaxed), used);
    drop(spool);
    let spool = Spool::of_run(parent.path(), "run-1", quota).expect("the same spool");
    fs::write(spool.folder().join("x.part"), "cut").expect("written");
    spool.tidy(std::slice::from_ref(&name));
    let left: Vec<PathBuf> = entries(spool.folder()).collect();
    assert_eq!(left.len(), 2, "the lock and the body: {left:?}");
    spool.release(SMALL_BODY as u64 + 1, Some(&name));
    spool.tidy(&[]);
    assert!(!spool.folder().exists());
    assert_eq!(spool.quota.used.load(Ordering::Relaxed), 10);
}

#[test]
fn the_spool_of_a_run_is_one_processs() {
    let parent = tempfile::tempdir().expect("a temporary folder");
    let first = Spool::of_run(parent.path(), "run-1", Arc::default()).expect("a spool");
    assert!(Spool::of_run(parent.path(), "run-1", Arc::default()).is_err());
    for need in [Need::Over, Need::Unknown] {
        remove_left(parent.path(), |_| need);
        assert!(first.folder().exists());
    }
    drop(first);
    remove_left(parent.path(), |name| {
        assert_eq!(name, "run-1");
        Need::Needed
    });
    assert!(parent.path().join("run-1").exists());
    remove_left(parent.path(), |_| Need::Unknown);
    assert!(!parent.path().join("run-1").exists());
    // Its lock never came to the disk; or it is no spool.
    fs::create_dir(parent.path().join("run-2")).expect("made");
    remove_left(parent.path(), |_| Need::Unknown);
    assert!(parent.path().join("run-2").exists());
    remove_left(parent.path(), |_| Need::Over);
    assert!(!parent.path().join("run-2").exists());
}

/// A temporary spool may be anywhere, also in the system's folder for temporary files.
#[test]
fn folders_of_others_are_left_alone() {
    let parent = tempfile::tempdir().expect("a temporary folder");
    let others = parent.path().join("others");
    fs::create_dir(&others).expect("made");
    fs::write(others.join("file"), "theirs").expect("written");
    let long_ago = std::time::SystemTime::now() - std::time::Duration::from_hours(1000);
    let folder = File::open(&others).expect("opens");
    folder.set_modified(long_ago).expect("its owner may");
    drop(Spool::create(parent.path(), None).expect("a spool"));
    assert!(others.join("file").exists());
}
