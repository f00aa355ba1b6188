//! Documents that a run was left with.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use flow_tests::run::{Bench, Run, read, write};
use flow_tests::shop::Shop;
use flowhost::demo::receiver::Manner;
use serde_json::json;

use super::{local, runs, send, told};

/// A shop that loses its answers for `a` as long as it is told to.
fn shop_that_loses_answers() -> (Shop, Arc<AtomicBool>) {
    let (shop, loses) = (Shop::start(), Arc::new(AtomicBool::new(true)));
    let flag = Arc::clone(&loses);
    shop.answer_by(move |one| {
        if one.target.ends_with("/a") && flag.load(Ordering::Relaxed) {
            Manner::Silent
        } else {
            Manner::Prompt
        }
    });
    (shop, loses)
}

fn keys(shop: &Shop, target: &str) -> Vec<String> {
    let received = shop.received();
    let of = received.iter().filter(|one| one.target == target);
    of.map(|one| one.header("idempotency-key").expect("a key").to_owned())
        .collect()
}

/// The shop has it, and nobody knows: in whichever run it is sent again, it is the same request.
#[test]
fn a_document_goes_on_in_the_next_run_where_it_failed_under_the_same_key() {
    let bench = Bench::new();
    let (shop, loses) = shop_that_loses_answers();
    for name in ["a", "b"] {
        bench.write(&format!("out/{name}"), name);
    }
    let first_write =
        json!({ "id": "first", "folder": { "write": "first", "if_exists": "fail", "name": "{{ name }}" } });
    let steps = || {
        local(vec![
            read("out/*"),
            first_write.clone(),
            send(&shop.url("/{{ name }}")),
            write("in"),
        ])
    };
    let first = bench.run(&steps());
    assert_eq!(
        (first.code, &first.finished()["failed"]),
        (Some(1), &json!(1)),
        "{first}"
    );
    loses.store(false, Ordering::Relaxed);
    std::fs::remove_file(bench.path("out/b")).expect("there");
    let second = bench.run(&steps());
    second.assert_ok(1);
    // It is through `first` already, where it would be in its own way.
    assert!(second.events_of("payload-done", "first").is_empty(), "{second}");
    let keys = keys(&shop, "/a");
    assert!(keys.len() == 2 && keys[0] == keys[1], "{keys:?}");
    assert_eq!(bench.files("in").into_keys().collect::<Vec<_>>(), ["a", "b"]);
    // The run that it failed in has it no more.
    let lines = told(&bench, &[]);
    assert_eq!(
        (&lines[1]["state"], &lines[1]["failed"]),
        (&json!("failed"), &json!(0)),
        "{lines:?}"
    );
    bench.assert_spool_empty();
}

#[test]
fn a_run_is_retried_with_the_same_id_key_and_body() {
    let bench = Bench::new();
    let (shop, loses) = shop_that_loses_answers();
    bench.write("out/a", "a".repeat(100_000));
    let steps = local(vec![read("out/*"), send(&shop.url("/{{ name }}")), write("in")]);
    let failed = bench.run(&steps);
    assert_eq!(failed.code, Some(1), "{failed}");
    // The body is the ledger's: the original may be gone.
    std::fs::remove_file(bench.path("out/a")).expect("there");
    let id = failed.finished()["run"].as_str().expect("an id").to_owned();
    let shown = &told(&bench, &["show", &id])[0];
    assert_eq!(
        shown["payloads"],
        json!({"done": 0, "failed": 1, "pending": 0, "unknown": 0})
    );
    assert_eq!(shown["documents"][0]["step"], "send");
    assert_eq!(shown["documents"][0]["error"]["effect"], "unknown", "{shown}");
    let again = runs(&bench, &["retry", &id, "--json"]);
    assert_eq!(again.code, Some(1), "the shop loses its answer again: {again}");
    loses.store(false, Ordering::Relaxed);
    let short = &id[id.len() - 8..];
    let retried: Run = runs(&bench, &["retry", short, "--failed", "--json"]);
    retried.assert_ok(1);
    assert_eq!(retried.finished()["run"], json!(id));
    let keys = keys(&shop, "/a");
    assert!(
        keys.len() == 3 && keys.iter().all(|key| *key == keys[0]),
        "{keys:?}"
    );
    assert_eq!(bench.files("in")["a"].len(), 100_000);
    assert_eq!(told(&bench, &[])[0]["state"], "ok");
    bench.assert_spool_empty();
    let nothing = runs(&bench, &["retry", &id]);
    assert_eq!(nothing.code, Some(1), "{nothing}");
    assert!(nothing.stderr.contains("nothing is left to do"), "{nothing}");
}

#[test]
fn a_run_whose_flow_has_other_steps_now_is_not_guessed_at() {
    let bench = Bench::new();
    let shop = Shop::start();
    bench.write("out/a", "a");
    let failed = bench.run(&local(vec![read("out/*"), send(&shop.url("/status/422/"))]));
    assert_eq!(failed.code, Some(1), "{failed}");
    let id = failed.finished()["run"].as_str().expect("an id").to_owned();
    let _ = bench.flow_file(&local(vec![read("out/*"), write("in")]));
    let refused = runs(&bench, &["retry", &id]);
    assert_eq!(refused.code, Some(1), "{refused}");
    for part in [
        "its steps were read, send",
        "now they are read, write",
        "runs purge",
    ] {
        assert!(refused.stderr.contains(part), "{part}: {refused}");
    }
}

/// Only documents are meant, and there are none: what failed stays failed.
#[test]
fn a_step_that_failed_as_a_whole_is_not_well_because_documents_are() {
    let bench = Bench::new();
    let failed = bench.run(&local(vec![read("none/*"), write("in")]));
    assert_eq!(failed.code, Some(1), "{failed}");
    let id = failed.finished()["run"].as_str().expect("an id").to_owned();
    assert_eq!(runs(&bench, &["retry", &id, "--failed", "--json"]).code, Some(1));
    assert_eq!(told(&bench, &[])[0]["state"], "failed");
    bench.write("none/a", "a");
    runs(&bench, &["retry", &id, "--json"]).assert_ok(1);
    assert_eq!(bench.files("in").len(), 1);
}
