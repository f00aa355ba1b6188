//! `flowhost runs`.

use flow_tests::run::{Bench, read, write};
use flow_tests::shop::Shop;
use serde_json::json;

use super::{local, runs, send, told};

#[test]
fn runs_are_listed_the_newest_first_with_what_they_came_to() {
    let bench = Bench::new();
    assert_eq!(runs(&bench, &[]).stdout, "no runs yet\n");
    bench.write("out/a", "12345");
    let one = bench.run(&local(vec![read("out/*"), write("in")]));
    let other = bench.run(&local(vec![read("none/*"), write("in")]));
    let lines = told(&bench, &[]);
    assert_eq!(lines.len(), 2);
    assert_eq!(lines[0]["run"], other.finished()["run"]);
    assert_eq!(
        (&lines[0]["state"], &lines[0]["failed"]),
        (&json!("failed"), &json!(1))
    );
    assert_eq!(lines[1]["run"], one.finished()["run"]);
    for (name, value) in [
        ("state", json!("ok")),
        ("payloads", json!(1)),
        ("bytes", json!(5)),
        ("pending", json!(0)),
    ] {
        assert_eq!(lines[1][name], value, "{name}");
    }
    let page = runs(&bench, &[]).stdout;
    assert!(page.lines().all(|line| line.chars().count() <= 100), "{page}");
    assert_eq!(page.lines().count(), 3, "{page}");
}

#[test]
fn what_was_delivered_where_is_shown_with_its_proof() {
    let bench = Bench::new();
    let shop = Shop::start();
    bench.write("out/a", "12345");
    let run = bench.run(&local(vec![
        read("out/*"),
        send(&shop.url("/orders")),
        write("in"),
    ]));
    run.assert_ok(1);
    let id = run.finished()["run"].as_str().expect("an id").to_owned();
    let shown = &told(&bench, &["show", &id, "--documents"])[0];
    let [sent, written] = shown["documents"][0]["deliveries"]
        .as_array()
        .expect("a list")
        .as_slice()
    else {
        panic!("{shown}")
    };
    assert_eq!(
        (&sent["step"], &sent["proof"]["status"]),
        (&json!("send"), &json!(200))
    );
    let key = shop.received()[0].header("idempotency-key").map(str::to_owned);
    assert_eq!(sent["proof"]["idempotency_key"], json!(key));
    assert_eq!(written["proof"]["size"], 5);
    assert!(
        written["proof"]["path"]
            .as_str()
            .is_some_and(|path| path.ends_with("in/a")),
        "{shown}"
    );
    let page = runs(&bench, &["show", &id, "--documents"]).stdout;
    assert!(
        page.contains("send  done: 1 passed on, 0 failed, 0 waiting"),
        "{page}"
    );
}

#[test]
fn documents_that_are_not_delivered_are_exported_and_purged_only_when_asked() {
    let bench = Bench::new();
    let shop = Shop::start();
    bench.write("out/small", "small");
    bench.write("out/large", "x".repeat(200_000));
    let failed = bench.run(&local(vec![read("out/*"), send(&shop.url("/status/422/"))]));
    assert_eq!(failed.code, Some(1), "{failed}");
    let id = failed.finished()["run"].as_str().expect("an id").to_owned();
    let exported = runs(&bench, &["export", &id, "rescued"]);
    assert_eq!(exported.code, Some(0), "{exported}");
    let rescued = bench.files("rescued");
    let sizes: Vec<usize> = rescued.values().map(Vec::len).collect();
    assert_eq!(sizes, [200_000, 5], "{:?}", rescued.keys());
    assert!(
        rescued
            .keys()
            .all(|name| name.ends_with("-small") || name.ends_with("-large"))
    );

    let kept = runs(&bench, &["purge", &id]);
    assert!(
        kept.code == Some(2) && kept.stderr.contains("holds 2 documents"),
        "{kept}"
    );
    let purged = runs(&bench, &["purge", "--older-than", "1ms"]);
    assert!(purged.stdout.starts_with("0 runs purged; 1 kept"), "{purged}");
    let purged = told(&bench, &["purge", "--older-than", "30d", "--failed"]);
    assert_eq!(purged[0]["purged"], 0);
    let purged = told(&bench, &["purge", "--older-than", "1ms", "--failed"]);
    assert_eq!(purged[0]["purged"], 1);
    assert!(told(&bench, &[]).is_empty());
    bench.assert_spool_empty();
}

#[test]
fn a_run_that_nobody_knows_is_told_with_what_would_be_right() {
    let bench = Bench::new();
    for arguments in [
        &["show", "nobody"][..],
        &["retry", "nobody"],
        &["purge", "nobody"],
        &["export", "nobody", "x"],
    ] {
        let refused = runs(&bench, arguments);
        assert_eq!(refused.code, Some(2), "{refused}");
        assert!(
            refused
                .stderr
                .contains("there is no run `nobody`; `flowhost runs` lists them"),
            "{refused}"
        );
    }
    assert_eq!(runs(&bench, &["purge"]).code, Some(2));
    assert_eq!(
        runs(&bench, &["purge", "--older-than", "yesterday"]).code,
        Some(2)
    );
}
