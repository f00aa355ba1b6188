//! Kills the host at every command of a step, before the server has it and after the server has carried it out, and in
//! the middle of the bytes: the next try must leave the server exactly as one try would have.

use std::collections::BTreeMap;

use flow_tests::proxy::{At, CutProxy, Plan};
use flow_tests::servers::{FtpServer, Kind, LOCKED};
use flow_tests::tree;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::attempt::{Given, Memory, Past, Step, Tried, attempt, made_of};

const BODY: &str = "order;12;34\n";

/// A step that must do what it does once, whenever it is killed.
struct Case {
    name: &'static str,
    before: &'static [(&'static str, &'static str)],
    options: Value,
    after: &'static [(&'static str, &'static str)],
    /// The attribute `put_outcome`; none where it depends on what the earlier try came to.
    outcome: Option<&'static str>,
}

fn case(
    name: &'static str,
    before: &'static [(&'static str, &'static str)],
    options: Value,
    after: &'static [(&'static str, &'static str)],
) -> Case {
    Case {
        name,
        before,
        options,
        after,
        outcome: None,
    }
}

fn puts() -> Vec<Case> {
    let stored = |case: Case| Case {
        outcome: Some("stored"),
        ..case
    };
    let numbered = |case: Case| Case {
        outcome: Some("renamed"),
        ..case
    };
    let into = |if_exists: &str| json!({ "path": "inbox/", "if_exists": if_exists });
    let at_once =
        |if_exists: &str| json!({ "path": "inbox/", "if_exists": if_exists, "temporary_name": "{name}" });
    let old = &[("inbox/a.csv", "old")];
    let new = &[("inbox/a.csv", BODY)];
    let both = &[("inbox/a.csv", "old"), ("inbox/a-1.csv", BODY)];
    vec![
        stored(case("put, overwrite", old, into("overwrite"), new)),
        stored(case("put, fail", &[], into("fail"), new)),
        stored(case("put, skip", &[], into("skip"), new)),
        stored(case("put, a free name", &[], into("rename"), new)),
        numbered(case("put, a numbered name", old, into("rename"), both)),
        stored(case("put, nothing to append to", &[], into("append"), new)),
        stored(case("put at once, overwrite", old, at_once("overwrite"), new)),
        stored(case("put at once, fail", &[], at_once("fail"), new)),
        stored(case("put at once, skip", &[], at_once("skip"), new)),
        numbered(case("put at once, a numbered name", old, at_once("rename"), both)),
    ]
}

fn appends() -> Vec<Case> {
    let before = &[("log.csv", "first\n")];
    let after = &[("log.csv", "first\norder;12;34\n")];
    let put = json!({ "path": "log.csv", "if_exists": "append" });
    vec![
        case("put, append", before, put, after),
        case("append", before, json!({ "command": "append log.csv" }), after),
        case(
            "append to nothing",
            &[],
            json!({ "command": "append log.csv" }),
            &[("log.csv", BODY)],
        ),
    ]
}

fn without_a_body() -> Vec<Case> {
    let there = &[("outbound/a.csv", BODY)];
    let taken = &[("outbound/a.csv", BODY), ("done/a.csv", "old")];
    let rename = |if_exists: &str| json!({ "command": "rename done/", "if_exists": if_exists });
    vec![
        case("rename", there, rename("overwrite"), &[("done/a.csv", BODY)]),
        case("rename over", taken, rename("overwrite"), &[("done/a.csv", BODY)]),
        case("rename, fail", there, rename("fail"), &[("done/a.csv", BODY)]),
        case(
            "rename to a numbered name",
            taken,
            rename("rename"),
            &[("done/a.csv", "old"), ("done/a-1.csv", BODY)],
        ),
        case(
            "rename by a pattern",
            &[
                ("outbound/a.csv", "a"),
                ("outbound/b.csv", "b"),
                ("outbound/c.txt", "c"),
            ],
            json!({ "command": "rename done/", "root": "outbound", "path": r".*\.csv" }),
            &[("done/a.csv", "a"), ("done/b.csv", "b"), ("outbound/c.txt", "c")],
        ),
        case("delete", there, json!({ "command": "delete" }), &[]),
        case(
            "delete by a pattern",
            &[("outbound/a.csv", "a"), ("outbound/b.csv", "b")],
            json!({ "command": "delete", "root": "outbound", "path": ".*" }),
            &[],
        ),
        case("mkdir", &[], json!({ "command": "mkdir new/folder" }), &[]),
        case("rmdir", &[], json!({ "command": "rmdir outbound" }), &[]),
    ]
}

/// Files, apart from those of the server's own set-up.
fn on_server(server: &FtpServer) -> BTreeMap<String, Vec<u8>> {
    let mut files = tree::files(&server.root);
    files.retain(|path, _| !path.starts_with(LOCKED));
    files
}

fn lay_out(server: &FtpServer, case: &Case) {
    for entry in std::fs::read_dir(&server.root).expect("its root") {
        let entry = entry.expect("its root");
        if entry.file_name() != LOCKED {
            let path = entry.path();
            let removed = if path.is_dir() {
                std::fs::remove_dir_all(&path)
            } else {
                std::fs::remove_file(&path)
            };
            removed.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        }
    }
    for folder in ["inbox", "outbound", "done"] {
        server.make_folder(folder);
    }
    for (path, content) in case.before {
        server.write(path, content);
    }
}

/// One try, which may be killed. What it leaves for the next one is in `earlier`.
fn one_try(server: &FtpServer, case: &Case, earlier: &mut Past, at: Option<At>) -> Option<Tried> {
    let killed = CancellationToken::new();
    let mut step = Step::put(server.settings(), case.options.clone());
    let mut plan = Plan::new();
    if let Some(at) = at {
        plan = plan.kill_at(at, killed.clone());
        step.killed = killed.clone();
    }
    let proxy = CutProxy::before(server, plan);
    step.settings = proxy.settings(server);
    let given = Given {
        metadata: made_of("outbound/a.csv", BODY),
        body: Some(BODY.as_bytes().to_vec()),
        earlier: earlier.clone(),
    };
    let tried = attempt(&step, given, &mut Memory::default());
    if !killed.is_cancelled() {
        return Some(tried);
    }
    assert!(tried.outcome.is_none(), "{} at {at:?}: {tried:?}", case.name);
    // One that was not handed out is as it was.
    if tried.past != Past::Never {
        *earlier = tried.past;
    }
    None
}

fn assert_done(server: &FtpServer, case: &Case, tried: &Tried, history: &str) {
    let after: BTreeMap<String, Vec<u8>> = case
        .after
        .iter()
        .map(|(path, content)| ((*path).to_owned(), content.as_bytes().to_vec()))
        .collect();
    let what = format!("{} at {}, {history}: {tried:?}", case.name, server.kind);
    assert!(
        matches!(tried.outcome, Some(flowhost::contract::Outcome::Pass(_))),
        "{what}"
    );
    let now = on_server(server);
    assert_eq!(now, after, "{what}");
    if case.outcome.is_some() {
        assert_eq!(tried.attribute("put_outcome"), case.outcome, "{what}");
        assert!(tried.attribute("stored_proof").is_some(), "{what}");
    }
    if case.name == "rmdir" {
        assert!(!server.root.join("outbound").exists(), "{what}");
    }
    if case.name == "mkdir" {
        assert!(server.root.join("new/folder").is_dir(), "{what}");
    }
}

/// Kills at one instant, at a second one of the next try where there is one, and then lets it be.
fn killed_at(server: &FtpServer, case: &Case, first: At, second: At) -> bool {
    lay_out(server, case);
    let mut earlier = Past::Never;
    let mut history = format!("killed at {first:?}");
    let mut tried = one_try(server, case, &mut earlier, Some(first));
    let was_killed = tried.is_none();
    if was_killed {
        history = format!("{history} and {second:?}");
        tried = one_try(server, case, &mut earlier, Some(second));
    }
    let tried = match tried {
        Some(tried) => tried,
        None => one_try(server, case, &mut earlier, None).expect("nobody killed it"),
    };
    assert_done(server, case, &tried, &history);
    was_killed
}

/// All instants, or every so many commands, each with one that differs from time to time for the second kill.
fn killed_everywhere(kind: Kind, stride: usize, cases: Vec<Case>) {
    let Some(server) = FtpServer::start(kind).expect("it starts") else {
        return;
    };
    let mut kills = 0;
    for case in cases {
        let mut round = 0;
        for at in (1..).step_by(stride) {
            let second = |round: usize| match round % 3 {
                0 => At::Command(6 + round % 17),
                _ => At::Reply(6 + round % 19),
            };
            let by_command = killed_at(&server, &case, At::Command(at), second(round));
            let by_reply = killed_at(&server, &case, At::Reply(at), second(round + 1));
            kills += usize::from(by_command) + usize::from(by_reply);
            round += 2;
            if !by_command && !by_reply {
                break;
            }
        }
        // Every step signs in, at least; none is without end.
        assert!((8..200).contains(&(round * stride)), "{}: {round}", case.name);
        for bytes in [1, BODY.len() as u64 / 2, BODY.len() as u64] {
            kills += usize::from(killed_at(&server, &case, At::Byte(bytes), second_of(bytes)));
        }
    }
    println!("{kills} kills at {kind}");
}

fn second_of(bytes: u64) -> At {
    At::Byte(bytes / 2 + 1)
}

macro_rules! on_servers {
    ($($name:ident $kind:ident $stride:literal)*) => {
        $(mod $name {
            #[test]
            fn puts() {
                super::killed_everywhere(super::Kind::$kind, $stride, super::puts());
            }

            #[test]
            fn appends() {
                super::killed_everywhere(super::Kind::$kind, $stride, super::appends());
            }

            #[test]
            fn without_a_body() {
                super::killed_everywhere(super::Kind::$kind, $stride, super::without_a_body());
            }
        })*
    };
}

// Two servers at every command; the others do what these do. ProFTPD is not among them: each of its sessions takes
// half a second here, and there are hundreds.
on_servers! {
    embedded Embedded 1
    vsftpd Vsftpd 1
    pure_ftpd PureFtpd 10
    pyftpdlib Pyftpdlib 10
}
