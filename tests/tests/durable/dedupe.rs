//! What a flow does not take again.

use std::fs;
use std::time::{Duration, SystemTime};

use flow_tests::run::{Bench, SHOP, flow, get, read, with, write};
use flow_tests::servers::Kind;
use serde_json::{Value, json};

use super::{local, server, told};

/// Runs a flow that reads `out` into `in`, and gives how many it took and left out.
fn run(bench: &Bench, dedupe: Value) -> (u64, u64) {
    let mut step = with(read("out/**/*"), "dedupe", dedupe);
    if step["dedupe"].is_null() {
        step = read("out/**/*");
    }
    let name = json!({ "id": "write", "folder": { "write": "in", "name": "{{ run.id }}-{{ original_path | replace('/', '_') }}" } });
    let run = bench.run(&local(vec![step, name]));
    assert_eq!(run.code, Some(0), "{run}");
    let finished = run.finished();
    let number = |name: &str| finished[name].as_u64().expect("a number");
    (number("payloads"), number("skipped"))
}

/// Sets a file's time of modification.
fn touch(bench: &Bench, path: &str, age: Duration) {
    let file = fs::File::options()
        .write(true)
        .open(bench.path(path))
        .expect("there");
    file.set_modified(SystemTime::now() - age).expect("its owner may");
}

#[test]
fn without_dedupe_each_run_takes_all() {
    let bench = Bench::new();
    bench.write("out/a", "a");
    assert_eq!(run(&bench, Value::Null), (1, 0));
    assert_eq!(run(&bench, json!("none")), (1, 0));
}

#[test]
fn by_id_takes_a_file_once_and_again_when_it_has_changed_whatever_its_date() {
    let bench = Bench::new();
    let by_id = || run(&bench, json!("by-id"));
    bench.write("out/a", "a");
    bench.write("out/b", "b");
    assert_eq!(by_id(), (2, 0));
    assert_eq!(by_id(), (0, 2));
    bench.write("out/a", "longer");
    assert_eq!(by_id(), (1, 1), "another size");
    touch(&bench, "out/b", Duration::from_mins(1));
    assert_eq!(by_id(), (1, 1), "another time");
    bench.write("out/late", "older than all that was taken");
    touch(&bench, "out/late", Duration::from_hours(1000));
    assert_eq!(by_id(), (1, 2));
    bench.write("out/copy/a", "longer");
    assert_eq!(by_id(), (1, 3), "another path");
}

#[test]
fn by_name_takes_a_name_once_and_by_content_the_same_bytes() {
    let bench = Bench::new();
    bench.write("out/a", "a");
    assert_eq!(run(&bench, json!("by-name")), (1, 0));
    bench.write("out/a", "changed");
    bench.write("out/copy/a", "a");
    assert_eq!(run(&bench, json!("by-name")), (0, 2));
    let bench = Bench::new();
    bench.write("out/a", "a");
    assert_eq!(run(&bench, json!("by-content")), (1, 0));
    bench.write("out/b", "a");
    assert_eq!(run(&bench, json!("by-content")), (0, 2));
    bench.write("out/c", "twice in one run");
    bench.write("out/d", "twice in one run");
    assert_eq!(run(&bench, json!("by-content")), (1, 3));
    bench.write("out/a", "b");
    assert_eq!(run(&bench, json!("by-content")), (1, 3));
}

#[test]
fn what_is_not_seen_any_more_is_forgotten_in_time() {
    let bench = Bench::new();
    bench.write("out/a", "a");
    let steps = |expiry: &str| {
        let step = with(with(read("out/*"), "dedupe", "by-name"), "dedupe_expiry", expiry);
        local(vec![
            step,
            json!({ "folder": { "write": "in", "name": "{{ run.id }}" } }),
        ])
    };
    bench.run(&steps("1ms")).assert_ok(1);
    bench.run(&steps("1d")).assert_ok(1);
    bench.run(&steps("1d")).assert_ok(0);
    let wrong = bench.run(&steps("soon"));
    wrong.assert_wrong(&["steps[0].dedupe_expiry", "`soon` is not a duration", "`7d`"]);
}

#[test]
fn what_was_had_is_known_when_its_run_is_purged_and_others_have_come() {
    let bench = Bench::new();
    bench.write("out/a", "a");
    assert_eq!(run(&bench, json!("by-id")), (1, 0));
    assert_eq!(told(&bench, &["purge", "--older-than", "1ms"])[0]["purged"], 1);
    let other = json!({ "name": "other", "instances": {}, "steps": [read("out/*"), { "folder": { "write": "in", "name": "{{ nothing }}" } }] });
    assert_eq!(bench.run(&other).code, Some(1));
    assert_eq!(run(&bench, json!("by-id")), (0, 1));
}

/// A file whose deletion was lost is not delivered again, and goes in the next run.
#[test]
fn what_was_had_is_dealt_with_like_what_is_accepted() {
    let server = server(Kind::Embedded);
    let bench = Bench::new();
    let steps = |after: &str| {
        let options = json!({ "root": "outbound", "path": ".*", "after": after });
        let pull = with(get(SHOP, options), "dedupe", "by-id");
        flow(&[(SHOP, server.settings())], vec![pull, write("in")])
    };
    server.write("outbound/a.csv", "a");
    bench.run(&steps("keep")).assert_ok(1);
    assert!(server.root.join("outbound/a.csv").exists());
    let run = bench.run(&steps("delete"));
    run.assert_ok(0);
    assert_eq!(run.finished()["skipped"], 1, "{run}");
    assert!(!server.root.join("outbound/a.csv").exists());
}
