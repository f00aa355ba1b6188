//! Servers that refuse: to let us in, to tell what they are, to do what they said they could.

use flow_tests::run::{Bench, Run, SHOP, flow, get, put, with, write};
use flow_tests::script::{Script, ScriptServer};
use flow_tests::steps::{impatient, pull, pull_all, pull_one, push};
use serde_json::{Value, json};

/// Three tries with pauses of a quarter and half a second between them.
fn patient(server: &ScriptServer) -> Value {
    with(server.settings(), "timeout", 5)
}

fn pull_patiently(bench: &Bench, server: &ScriptServer) -> Run {
    pull(bench, patient(server), json!({ "path": "a.txt" }))
}

/// Each look is a round trip.
#[test]
fn a_file_that_is_named_is_looked_at_once() {
    let server = Script::new().file("a.txt", "hello").start();
    let bench = Bench::new();
    pull_one(&bench, &server).assert_ok(1);
    assert_eq!(
        (server.count("SIZE"), server.count("MDTM")),
        (1, 1),
        "{:?}",
        server.commands()
    );
}

#[test]
fn a_server_that_is_full_twice_is_asked_a_third_time() {
    let server = Script::new()
        .file("a.txt", "hello")
        .first(2, "CONNECT", |session, _| {
            session.say("421 too many connections")?;
            session.hang_up()
        })
        .start();
    let bench = Bench::new();
    pull_patiently(&bench, &server).assert_ok(1);
}

#[test]
fn a_server_that_is_full_at_the_password_is_asked_again() {
    let server = Script::new()
        .file("a.txt", "hello")
        .first(2, "PASS", |session, _| {
            session.say("421 there are too many connected users")?;
            session.hang_up()
        })
        .start();
    let bench = Bench::new();
    pull_patiently(&bench, &server).assert_ok(1);
    assert_eq!(server.count("PASS"), 3);
}

#[test]
fn a_530_that_means_too_many_users_is_tried_again() {
    let server = Script::new()
        .file("a.txt", "hello")
        .first(2, "PASS", |session, _| {
            session.say("530 too many users, try later")
        })
        .start();
    let bench = Bench::new();
    pull_patiently(&bench, &server).assert_ok(1);
    assert_eq!(server.count("PASS"), 3);
}

#[test]
fn a_530_that_means_wrong_password_is_never_tried_again() {
    let server = Script::new().say("PASS", "530 login incorrect").start();
    let bench = Bench::new();
    let run = pull_patiently(&bench, &server);
    let _ = run.assert_failed("authentication");
    assert_eq!((server.count("PASS"), server.count("USER")), (1, 1));
}

/// What "too many users" is in the server's own words.
#[test]
fn the_words_of_a_busy_server_can_be_set() {
    let server = Script::new()
        .file("a.txt", "hello")
        .first(1, "PASS", |session, _| session.say("530 alle Leitungen belegt"))
        .start();
    let bench = Bench::new();
    let settings = with(patient(&server), "busy_pattern", "(?i)leitungen belegt");
    pull(&bench, settings, json!({ "path": "a.txt" })).assert_ok(1);
    assert_eq!(server.count("PASS"), 2);
}

fn wanting_an_account() -> ScriptServer {
    Script::new()
        .file("a.txt", "hello")
        .say("PASS", "332 and whose money?")
        .on("ACCT", |session, argument| {
            session.say(if argument == "acc0unt-77" {
                "230 welcome"
            } else {
                "530 no"
            })
        })
        .start()
}

#[test]
fn an_account_that_is_asked_for_is_given() {
    let (server, bench) = (wanting_an_account(), Bench::new());
    let mut settings = impatient(&server);
    settings["auth"]["account"] = json!("${file:account}");
    bench.write("account", "acc0unt-77");
    let run = pull(&bench, settings, json!({ "path": "a.txt" }));
    run.assert_ok(1);
    assert!(
        !run.stdout.contains("acc0unt") && !run.stderr.contains("acc0unt"),
        "{run}"
    );
}

#[test]
fn an_account_that_is_asked_for_and_not_set_is_told() {
    let (server, bench) = (wanting_an_account(), Bench::new());
    let run = pull_one(&bench, &server);
    let failure = run.assert_failed("authentication");
    assert_eq!(failure["code"], "332", "{run}");
    assert!(
        failure["message"]
            .as_str()
            .is_some_and(|text| text.contains("account")),
        "{run}"
    );
    assert_eq!(server.count("ACCT"), 0);
}

/// Nothing of this is needed to move files.
#[test]
fn commands_that_are_only_nice_to_have_may_be_refused() {
    for command in [
        "SYST", "FEAT", "OPTS", "PWD", "SIZE", "MDTM", "MLST", "NOOP", "SITE", "ALLO", "CLNT",
    ] {
        let server = Script::new()
            .feature("UTF8")
            .file("outbound/a.txt", "a")
            .say(command, "502 not here")
            .start();
        let bench = Bench::new();
        let settings = with(impatient(&server), "visibility", "private");
        let steps = vec![
            get(SHOP, json!({ "root": "outbound", "path": ".*" })),
            write("in"),
            put("put", SHOP, json!({ "path": "inbound/" })),
        ];
        let run = bench.run(&flow(&[(SHOP, settings)], steps));
        run.assert_ok(1);
        assert_eq!(bench.files("in")["a.txt"], b"a", "{command}");
        assert_eq!(server.uploads()["inbound/a.txt"], b"a", "{command}");
    }
}

/// `SITE CHMOD` that is refused makes no failure of an upload that worked.
#[test]
fn chmod_that_is_refused_is_a_warning() {
    for answer in ["500 what?", "502 not here", "550 not yours", "504 not that"] {
        let server = Script::new().say("SITE", answer).start();
        let bench = Bench::new();
        let run = push(&bench, with(impatient(&server), "visibility", "private"));
        run.assert_ok(1);
        let log = run.events_of("log", "put");
        assert!(
            log.iter().any(|event| event["level"] == "warn"),
            "{answer}: {run}"
        );
        assert_eq!(server.uploads()["inbound/a.txt"], b"hello");
    }
}

#[test]
fn mlsd_that_is_refused_after_all_is_followed_by_list() {
    let server = Script::new()
        .feature("MLST type*;size*;")
        .feature("MLSD")
        .file("outbound/a.txt", "a")
        .say("MLSD", "500 what?")
        .start();
    let bench = Bench::new();
    pull_all(&bench, &server).assert_ok(1);
    assert_eq!(bench.files("in")["a.txt"], b"a");
}

/// Names alone: what a file is and how long, the server is asked for each.
#[test]
fn a_server_that_only_lists_names_will_do() {
    let server = Script::new()
        .file("outbound/a.txt", "a")
        .file("outbound/b.txt", "bb")
        .say("LIST", "502 not here")
        .start();
    let bench = Bench::new();
    pull_all(&bench, &server).assert_ok(2);
    assert_eq!(bench.files("in").len(), 2);
    let run = pull(
        &bench,
        impatient(&server),
        json!({ "root": "outbound", "path": ".*", "min_size": 2 }),
    );
    run.assert_ok(1);
    assert_eq!(run.attributes("get", "original_filename"), ["b.txt"]);
}

/// An empty folder is an error to some servers.
#[test]
fn a_listing_of_names_that_finds_nothing_is_no_failure() {
    let server = Script::new()
        .file("outbound/sub/a.txt", "a")
        .say("LIST", "502 not here")
        .say("NLST", "550 no files found")
        .start();
    let bench = Bench::new();
    pull_all(&bench, &server).assert_ok(0);
}

/// A 550 is about the file; the session goes on.
#[test]
fn a_harmless_550_costs_no_session() {
    let server = Script::new().file("outbound/a.txt", "a").start();
    let bench = Bench::new();
    let step = |id: &str, command: &str| {
        let mut step = put(id, SHOP, json!({ "command": command }));
        step["on_error"] = json!("continue");
        step
    };
    let steps = vec![
        get(SHOP, json!({ "path": "outbound/a.txt" })),
        step("mkdir", "mkdir outbound"),
        step("put", "put again/a.txt"),
    ];
    let run = bench.run(&flow(&[(SHOP, impatient(&server))], steps));
    run.assert_ok(1);
    assert_eq!(server.count("USER"), 1, "{:?}", server.commands());
}

/// The control connection is gone when the next step wants it: a new one, not a failure.
#[test]
fn a_session_that_was_closed_meanwhile_is_opened_again() {
    let server = Script::new()
        .file("a.txt", "hello")
        .on("RETR", |session, argument| {
            session.honestly("RETR", argument)?;
            session.hang_up()
        })
        .start();
    let bench = Bench::new();
    let steps = vec![
        get(SHOP, json!({ "path": "a.txt" })),
        put("put", SHOP, json!({ "path": "inbound/" })),
    ];
    let run = bench.run(&flow(&[(SHOP, patient(&server))], steps));
    run.assert_ok(1);
    assert_eq!(server.count("USER"), 2, "{:?}", server.commands());
    assert_eq!(server.uploads()["inbound/a.txt"], b"hello");
}

/// One instance is one session, however many files and steps there are, so that a server that allows a single one
/// is enough.
#[test]
fn a_server_that_allows_one_session_is_enough() {
    let open = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let counted = std::sync::Arc::clone(&open);
    let mut script = Script::new().on("CONNECT", move |session, _| {
        if counted.fetch_add(1, std::sync::atomic::Ordering::Relaxed) > 0 {
            session.say("421 one is enough")?;
            return session.hang_up();
        }
        session.say("220 ready")
    });
    for number in 0..20 {
        script = script.file(&format!("outbound/{number}.txt"), "hello");
    }
    let (server, bench) = (script.start(), Bench::new());
    let steps = vec![
        get(SHOP, json!({ "root": "outbound", "path": ".*" })),
        put("put", SHOP, json!({ "path": "inbound/" })),
        put("delete", SHOP, json!({ "command": "delete" })),
    ];
    let run = bench.run(&flow(&[(SHOP, impatient(&server))], steps));
    run.assert_ok(20);
    assert_eq!(server.uploads().len(), 20);
    assert_eq!(open.load(std::sync::atomic::Ordering::Relaxed), 1);
}
