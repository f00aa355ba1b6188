//! Which files are taken, how many, and in which order.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use flow_tests::run::{get, put, write};
use serde_json::json;

use crate::arrange::{SHOP, Stage, files};

const MINUTE: Duration = Duration::from_mins(1);

pub fn in_folders_below_by_name(stage: &Stage) {
    for path in ["a.csv", "a.txt", "b.csv", "x/a.csv", "x/y/a.csv", "x/y/b.csv"] {
        stage.server.write(&format!("outbound/{path}"), path);
    }
    let names = |kind: &str, path: &str| {
        stage.select(json!({ "match": kind, "path": path, "recursive": true, "sort": "name" }))
    };
    let all_a = ["a.csv", "x/a.csv", "x/y/a.csv"];
    assert_eq!(names("regex", r"a\.csv"), all_a);
    assert_eq!(names("glob", "a.c*"), all_a);
    assert_eq!(names("static", "a.csv"), all_a);
    // With a slash it is the path below the folder.
    assert_eq!(names("static", "x/a.csv"), ["x/a.csv"]);
    assert_eq!(names("regex", r"x/(y/)?a\.csv"), ["x/a.csv", "x/y/a.csv"]);
    assert_eq!(names("glob", "x/*/*.csv"), ["x/y/a.csv", "x/y/b.csv"]);
    // No pattern: all of it.
    assert_eq!(stage.select(json!({ "recursive": true })).len(), 6);
    // A slash in the pattern does not reach further than it is told to.
    let options = json!({ "match": "glob", "path": "**/a.csv", "recursive": false });
    assert_eq!(stage.select(options), ["a.csv"]);
}

pub fn not_deeper_than_it_is_told(stage: &Stage) {
    for path in ["a.csv", "x/a.csv", "x/y/a.csv", "x/y/z/a.csv"] {
        stage.server.write(&format!("outbound/{path}"), path);
    }
    let depth = |depth: u8| {
        stage.select(json!({ "path": r"a\.csv", "recursive": true, "max_depth": depth, "sort": "name" }))
    };
    assert_eq!(depth(1), ["a.csv", "x/a.csv"]);
    assert_eq!(depth(2), ["a.csv", "x/a.csv", "x/y/a.csv"]);
    assert_eq!(depth(32).len(), 4);
}

/// A link to the folder that it is in leads round in circles. Listings say that it is a link, so it is not followed;
/// pyftpdlib calls it a folder, and there the depth ends it.
pub fn not_round_in_circles(stage: &Stage) {
    stage.server.write("outbound/x/a.csv", "a");
    std::os::unix::fs::symlink(".", stage.server.root.join("outbound/x/again")).expect("own folder");
    let found = |depth: u8| stage.select(json!({ "path": r"a\.csv", "recursive": true, "max_depth": depth }));
    if stage.server.kind.shows_links() {
        assert_eq!(found(32), ["x/a.csv"]);
    } else {
        assert_eq!(found(3), ["x/a.csv", "x/again/a.csv", "x/again/again/a.csv"]);
        assert_eq!(found(32).len(), 32);
    }
}

pub fn by_age(stage: &Stage) {
    for (name, age) in [("new", 0), ("hour", 60), ("days", 2 * 24 * 60)] {
        stage
            .server
            .write_aged(&format!("outbound/{name}"), name, MINUTE * age);
    }
    let aged = |options| stage.select(options);
    assert_eq!(aged(json!({ "path": ".*", "min_age": "10m" })), ["days", "hour"]);
    assert_eq!(aged(json!({ "path": ".*", "max_age": "1d" })), ["hour", "new"]);
    assert_eq!(
        aged(json!({ "path": ".*", "min_age": 600, "max_age": "24h" })),
        ["hour"]
    );
}

pub fn by_size(stage: &Stage) {
    for size in [0, 10, 1_000, 5_000] {
        stage
            .server
            .write(&format!("outbound/{size:04}"), vec![b'x'; size]);
    }
    let sized = |options| stage.select(options);
    assert_eq!(
        sized(json!({ "path": ".*", "min_size": 1 })),
        ["0010", "1000", "5000"]
    );
    assert_eq!(
        sized(json!({ "path": ".*", "max_size": "1kB" })),
        ["0000", "0010", "1000"]
    );
    assert_eq!(
        sized(json!({ "path": ".*", "min_size": 11, "max_size": "4KiB" })),
        ["1000"]
    );
}

/// A few in each run, in an order; the others stay for the next run.
pub fn the_first_few_in_an_order(stage: &Stage) {
    for (name, size, age) in [("c", 10, 180), ("a", 30, 120), ("b", 20, 60)] {
        stage
            .server
            .write_aged(&format!("outbound/{name}"), vec![b'x'; size], MINUTE * age);
    }
    for (sort, wanted) in [
        ("name", ["a", "b", "c"]),
        ("name-desc", ["c", "b", "a"]),
        ("time", ["c", "a", "b"]),
        ("time-desc", ["b", "a", "c"]),
        ("size", ["c", "b", "a"]),
        ("size-desc", ["a", "b", "c"]),
    ] {
        let all = stage.select(json!({ "path": ".*", "sort": sort }));
        assert_eq!(all, wanted, "{sort}");
        let two = stage.select(json!({ "path": ".*", "sort": sort, "max_files": 2 }));
        assert_eq!(two, wanted[..2], "{sort}");
    }
    let oldest =
        json!({ "root": "outbound", "path": ".*", "sort": "time", "max_files": 1, "after": "delete" });
    for left in [2, 1, 0] {
        stage.run(vec![get(SHOP, oldest.clone())]).assert_ok(1);
        assert_eq!(stage.on_server().len(), left);
    }
}

/// A file that somebody is still writing is left for the next run.
pub fn none_that_is_still_written(stage: &Stage) {
    stage.server.write("outbound/quiet.txt", "all of it");
    stage.server.write("outbound/growing.txt", "");
    let growing = stage.server.root.join("outbound/growing.txt");
    let options = json!({ "root": "outbound", "path": ".*", "stable_for": "1s" });
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut file = OpenOptions::new().append(true).open(&growing).expect("own file");
            while !done.load(Ordering::Relaxed) {
                file.write_all(b"one more line\n").expect("own file");
                // The pace of the one who writes; many lines in the second that the run waits.
                std::thread::sleep(Duration::from_millis(20));
            }
        });
        let run = stage.run(vec![get(SHOP, options.clone()), write("in")]);
        done.store(true, Ordering::Relaxed);
        run.assert_ok(1);
    });
    assert_eq!(stage.local("in"), files([("quiet.txt", "all of it")]));
    let run = stage.run(vec![get(SHOP, options), write("in")]);
    assert_eq!(run.code, Some(0), "{run}");
    let whole = stage.server.read("outbound/growing.txt").expect("it is there");
    assert!(
        !whole.is_empty() && stage.local("in").get("growing.txt") == Some(&whole),
        "{run}"
    );
}

/// Only what its sender calls complete; the companion goes where its file goes.
pub fn with_a_done_file(stage: &Stage) {
    let lay_out = || {
        for path in ["a.csv", "a.csv.ok", "b.csv"] {
            stage.server.write(&format!("outbound/{path}"), path);
        }
    };
    let complete = |after: &str| {
        let options = json!({ "root": "outbound", "path": ".*", "done_file": "{name}.ok", "after": after });
        let run = stage.run(vec![get(SHOP, options), write("in")]);
        run.assert_ok(1);
        assert_eq!(stage.local("in"), files([("a.csv", "a.csv")]), "{after}");
    };
    lay_out();
    complete("keep");
    assert_eq!(stage.on_server().len(), 3);
    complete("delete");
    assert_eq!(stage.on_server(), files([("outbound/b.csv", "b.csv")]));
    lay_out();
    complete("move to done/");
    assert_eq!(
        stage.on_server(),
        files([
            ("done/a.csv", "a.csv"),
            ("done/a.csv.ok", "a.csv.ok"),
            ("outbound/b.csv", "b.csv")
        ])
    );
}

/// The same selection for what is changed instead of fetched.
pub fn to_delete_and_to_move(stage: &Stage) {
    for (name, age) in [
        ("old.csv", 120),
        ("new.csv", 0),
        ("old.txt", 120),
        ("x/old.csv", 120),
    ] {
        stage
            .server
            .write_aged(&format!("outbound/{name}"), name, MINUTE * age);
    }
    let selected = json!({ "root": "outbound", "path": r".*\.csv", "min_age": "1h" });
    let step = |command: &str, recursive: bool| {
        let mut options = selected.clone();
        options["command"] = json!(command);
        options["recursive"] = json!(recursive);
        let run = stage.run(vec![put("change", SHOP, options)]);
        assert_eq!(run.code, Some(0), "{run}");
    };
    step("rename archive/", false);
    let left = || stage.on_server().into_keys().collect::<Vec<_>>();
    assert_eq!(
        left(),
        [
            "archive/old.csv",
            "outbound/new.csv",
            "outbound/old.txt",
            "outbound/x/old.csv"
        ]
    );
    step("delete", true);
    assert_eq!(
        left(),
        ["archive/old.csv", "outbound/new.csv", "outbound/old.txt"]
    );
}
