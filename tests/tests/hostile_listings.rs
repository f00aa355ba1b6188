//! Listings that are too long, unreadable, ambiguous or a lie.

use flow_tests::run::{Bench, SHOP, flow, get, warm, with, write};
use flow_tests::script::{Script, fact_line, line};
use flow_tests::steps::{impatient, pull, pull_all};
use jiff::{ToSpan as _, Zoned};
use serde_json::{Value, json};

/// What a run may take at most: a bare one takes some 40 MiB.
const MOST_KIB: u64 = 80 * 1024;

#[test]
fn a_line_of_a_megabyte_is_left_out() {
    warm();
    let server = Script::new()
        .listing(format!(
            "{}{}",
            line('-', 5, &"x".repeat(1 << 20)),
            line('-', 5, "good.txt")
        ))
        .file("outbound/good.txt", "hello")
        .start();
    let bench = Bench::new();
    let run = pull_all(&bench, &server);
    run.assert_ok(1);
    assert_eq!(bench.files("in").into_keys().collect::<Vec<_>>(), ["good.txt"]);
    assert!(run.peak_kib < MOST_KIB, "{} KiB", run.peak_kib);
}

/// A line without an end, 200 MB of it.
#[test]
fn a_line_without_an_end_does_not_fill_the_memory() {
    warm();
    let server = Script::new()
        .file("outbound/good.txt", "hello")
        .on("LIST", |session, _| {
            use std::io::Write as _;
            session.say("150 here it comes")?;
            let mut data = session.accept()?;
            let megabyte = vec![b'x'; 1_000_000];
            for _ in 0..200 {
                data.write_all(&megabyte)?;
            }
            drop(data);
            session.say("226 done")
        })
        .start();
    let bench = Bench::new();
    let run = pull_all(&bench, &server);
    assert!(
        run.code == Some(0) || run.failures()[0]["kind"] == "protocol",
        "{run}"
    );
    assert!(bench.files("in").is_empty());
    assert!(run.peak_kib < MOST_KIB, "{} KiB", run.peak_kib);
}

#[test]
fn zero_bytes_and_other_controls_in_a_listing_are_left_out() {
    let names = [
        "nul\0.txt",
        "bell\x07.txt",
        "escape\x1b[2J.txt",
        "delete\x7f.txt",
        "good.txt",
    ];
    let listing: String = names.iter().map(|name| line('-', 5, name)).collect();
    let facts: String = names.iter().map(|name| fact_line(5, name)).collect();
    let list = Script::new().listing(listing);
    let mlsd = Script::new()
        .feature("MLST type*;size*;modify*;")
        .feature("MLSD")
        .on("MLSD", move |session, _| session.send(facts.as_bytes()));
    for script in [list, mlsd] {
        let server = names.iter().fold(script, |script, name| {
            script.file(&format!("outbound/{name}"), "hello")
        });
        let server = server.start();
        let bench = Bench::new();
        let run = pull_all(&bench, &server);
        assert!(bench.files("in").contains_key("good.txt"), "{run}");
        assert!(!bench.files("in").keys().any(|name| name.contains('\0')), "{run}");
        // What a terminal would obey does not reach it.
        assert!(
            !run.stdout.contains('\x1b') && !run.stderr.contains('\x1b'),
            "{run}"
        );
        assert!(
            !server.commands().iter().any(|line| line.contains('\0')),
            "{:?}",
            server.commands()
        );
    }
}

/// A listing may say that a file is there that is not, or has another size.
#[test]
fn a_listing_that_lies_costs_only_the_files_that_it_lies_about() {
    let server = Script::new()
        .listing(
            [
                line('-', 5, "good.txt"),
                line('-', 5, "gone.txt"),
                line('-', 4, "short.txt"),
            ]
            .concat(),
        )
        .file("outbound/good.txt", "hello")
        .file("outbound/short.txt", "hello, world")
        .start();
    let bench = Bench::new();
    let mut step = get(SHOP, json!({ "root": "outbound", "path": ".*" }));
    step["on_error"] = json!("continue");
    let run = bench.run(&flow(&[(SHOP, impatient(&server))], vec![step, write("in")]));
    assert_eq!((run.code, run.failures().len()), (Some(1), 2), "{run}");
    assert_eq!(
        bench.files("in").into_keys().collect::<Vec<_>>(),
        ["good.txt"],
        "{run}"
    );
}

/// The entries of `list`, by name.
fn listed(listing: &str, settings: impl FnOnce(Value) -> Value) -> std::collections::BTreeMap<String, Value> {
    let server = Script::new()
        .feature("MDTM")
        .listing(listing)
        .file("outbound/a.txt", "hello")
        .file("outbound/b.txt", "hello")
        .say("MDTM", "213 20260704120000")
        .start();
    let bench = Bench::new();
    let mut step = get(SHOP, json!({ "command": "list outbound/" }));
    step["id"] = json!("list");
    let steps = vec![step, write("in")];
    let run = bench.run(&flow(&[(SHOP, settings(impatient(&server)))], steps));
    assert_eq!(run.code, Some(0), "{run}");
    let entries = bench.files("in").into_iter();
    entries
        .map(|(name, body)| (name, serde_json::from_slice(&body).expect("JSON")))
        .collect()
}

/// `ls` leaves the year out for what is less than half a year old. A file that would be from tomorrow, seen from
/// here, is from last year, but for the hours that clocks and time zones differ.
#[test]
fn a_line_without_a_year_is_never_in_the_future() {
    let now = Zoned::now().with_time_zone(jiff::tz::TimeZone::UTC);
    let future = now.checked_add(3.days()).expect("a time");
    let past = now.checked_sub(3.days()).expect("a time");
    let row = |name: &str, at: &Zoned| {
        format!(
            "-rw-r--r--    1 shop     shop            5 {} {name}\r\n",
            at.strftime("%b %e 12:00")
        )
    };
    let entries = listed(&(row("a.txt", &future) + &row("b.txt", &past)), |settings| {
        with(settings, "timezone", "UTC")
    });
    let year = |name: &str| entries[name]["modified"].as_str().expect("it is told")[..4].to_owned();
    assert_eq!(year("a.txt"), (future.year() - 1).to_string());
    assert_eq!(year("b.txt"), past.year().to_string());
}

const IN_LOCAL_TIME: &str = "07-04-26  02:00PM                    5 a.txt\r\n";

/// LIST says 14:00 and MDTM, which is in UTC, says 12:00: the server is two hours east.
#[test]
fn the_time_zone_is_found_out_by_comparing_with_mdtm() {
    let entries = listed(IN_LOCAL_TIME, |settings| settings);
    assert_eq!(entries["a.txt"]["modified"], "2026-07-04T12:00:00Z");
}

#[test]
fn a_time_zone_that_is_set_is_not_doubted() {
    let entries = listed(IN_LOCAL_TIME, |settings| {
        with(settings, "timezone", "America/New_York")
    });
    assert_eq!(entries["a.txt"]["modified"], "2026-07-04T18:00:00Z");
}

/// Every dialect has its good lines among bad ones; here a few in one listing each.
#[test]
fn many_dialects_are_read() {
    for (dialect, listing) in [
        (
            "unix",
            "-rw-r--r--    1 shop     shop            5 Jul 04  2026 a.txt\r\n",
        ),
        (
            "unix without group",
            "-rw-r--r--   1 shop       5 Jul  4  2026 a.txt\r\n",
        ),
        (
            "unix with acl",
            "-rw-r--r--+   1 shop     shop     5 Jul  4  2026 a.txt\r\n",
        ),
        ("windows", "07-04-26  02:00PM                    5 a.txt\r\n"),
        ("eplf", "+i8388621.48594,m825718503,r,s5,\ta.txt\r\n"),
        (
            "nothing but lines like these",
            "total 1\r\n-rw-r--r--    1 0        0               5 Jul 04  2026 a.txt\n",
        ),
    ] {
        let server = Script::new()
            .listing(listing)
            .file("outbound/a.txt", "hello")
            .start();
        let bench = Bench::new();
        let run = pull_all(&bench, &server);
        assert_eq!(
            bench.files("in").into_keys().collect::<Vec<_>>(),
            ["a.txt"],
            "{dialect}: {run}"
        );
    }
}

/// Folders that contain themselves are left after 32 of them, or where the flow says.
#[test]
fn folders_without_an_end_are_left() {
    let server = Script::new()
        .listing([line('d', 0, "again"), line('-', 5, "a.txt")].concat())
        .file("outbound/a.txt", "hello")
        .start();
    let bench = Bench::new();
    let options = json!({ "root": "outbound", "path": r"b\.txt", "recursive": true });
    pull(&bench, impatient(&server), options).assert_ok(0);
    assert_eq!(server.count("LIST"), 33);
    let options = json!({ "root": "outbound", "path": r"b\.txt", "recursive": true, "max_depth": 2 });
    pull(&bench, impatient(&server), options).assert_ok(0);
    assert_eq!(server.count("LIST"), 33 + 3);
}

/// The same folder seen twice is the same file twice; it is delivered once.
#[test]
fn a_name_that_is_listed_twice_is_fetched_once() {
    let server = Script::new()
        .listing([line('-', 5, "a.txt"), line('-', 5, "a.txt")].concat())
        .file("outbound/a.txt", "hello")
        .start();
    let bench = Bench::new();
    let run = pull_all(&bench, &server);
    assert_eq!(run.code, Some(0), "{run}");
    assert_eq!(run.finished()["payloads"], 1, "{run}");
}
