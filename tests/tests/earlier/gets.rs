//! Originals of payloads that an earlier try has brought, and of payloads that the flow does not take after all.

use flow_tests::proxy::{At, CutProxy, Plan};
use flow_tests::script::Script;
use flow_tests::servers::{FtpServer, Kind};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::attempt::{Memory, Step, Tried, attempt, trigger};

const SERVERS: [Kind; 3] = [Kind::Embedded, Kind::Vsftpd, Kind::Proftpd];

fn get(settings: Value, options: &Value, memory: &mut Memory) -> Tried {
    let step = Step {
        endpoint: "ftp-get",
        ..Step::put(settings, options.clone())
    };
    attempt(&step, trigger(), memory)
}

/// Gets, and is killed when it has sent `word` for the first time: before the server has it.
fn get_killed_at(server: &FtpServer, options: &Value, word: &str, memory: &mut Memory) {
    // The same without a kill tells which command it is; nothing changes by that.
    let rehearsal = CutProxy::before(server, Plan::new());
    let mut harmless = options.clone();
    harmless["after"] = json!("keep");
    let _ = get(rehearsal.settings(server), &harmless, &mut Memory::default());
    let retrieved = rehearsal
        .commands()
        .iter()
        .position(|line| line.starts_with("RETR"));
    for later in 1..20 {
        let killed = CancellationToken::new();
        let at = retrieved.expect("it gets") + 1 + later;
        let proxy = CutProxy::before(server, Plan::new().kill_at(At::Command(at), killed.clone()));
        let mut own = Memory::default();
        let step = Step {
            endpoint: "ftp-get",
            killed: killed.clone(),
            ..Step::put(proxy.settings(server), options.clone())
        };
        let tried = attempt(&step, trigger(), &mut own);
        assert!(killed.is_cancelled(), "it has never sent {word}: {tried:?}");
        if proxy.commands().last().is_some_and(|line| line.starts_with(word)) {
            assert_eq!(tried.made, ["a.csv"]);
            *memory = own;
            return;
        }
    }
    panic!("it has not sent {word}");
}

#[test]
fn the_original_is_still_deleted_or_moved() {
    for (after, word, moved) in [("delete", "DELE", false), ("move to done/", "RNFR", true)] {
        for kind in SERVERS {
            let Some(server) = FtpServer::start(kind).expect("it starts") else {
                continue;
            };
            server.make_folder("done");
            server.write("outbound/a.csv", "1");
            let options = json!({ "path": "outbound/", "after": after, "max_files": 1 });
            let mut memory = Memory::default();
            get_killed_at(&server, &options, word, &mut memory);
            assert!(server.read("outbound/a.csv").is_some());
            server.write("outbound/b.csv", "2");
            let tried = get(server.settings(), &options, &mut memory);
            // It is none of this try's files, so there is room for another.
            assert_eq!(tried.made, ["b.csv"], "{kind}: {tried:?}");
            let summary = tried.answer.expect("it went well");
            assert_eq!((summary.payloads, summary.skipped, summary.failed), (1, 0, 0));
            assert_eq!(tried.problems, Vec::<String>::new());
            for name in ["a.csv", "b.csv"] {
                assert!(
                    server.read(&format!("outbound/{name}")).is_none(),
                    "{kind} {name}"
                );
                assert_eq!(
                    server.read(&format!("done/{name}")).is_some(),
                    moved,
                    "{kind} {name}"
                );
            }
        }
    }
}

#[test]
fn an_original_that_is_to_stay_is_left_alone() {
    for kind in SERVERS {
        let Some(server) = FtpServer::start(kind).expect("it starts") else {
            continue;
        };
        server.write("outbound/a.csv", "1");
        for command in ["get outbound/", "list outbound/"] {
            let options = json!({ "command": command });
            let mut memory = Memory::default();
            assert_eq!(get(server.settings(), &options, &mut memory).made, ["a.csv"]);
            let tried = get(server.settings(), &options, &mut memory);
            assert_eq!(tried.made, Vec::<String>::new());
            let summary = tried.answer.expect("it went well");
            assert_eq!((summary.payloads, summary.skipped, summary.failed), (0, 0, 0));
        }
    }
}

/// Its place is taken by a file that the flow has not had: as long, and the server tells no times.
#[test]
fn an_original_that_may_be_another_file_is_not_deleted() {
    let server = Script::new()
        .file("outbound/a.csv", "1")
        .say("LIST", "502 not here")
        .start();
    let keep = json!({ "path": "outbound/" });
    let delete = json!({ "path": "outbound/", "after": "delete" });
    let mut memory = Memory::default();
    assert_eq!(get(server.settings(), &keep, &mut memory).made, ["a.csv"]);
    let tried = get(server.settings(), &delete, &mut memory);
    let [problem] = tried.problems.as_slice() else {
        panic!("{tried:?}");
    };
    assert!(problem.contains("delivered, not deleted"), "{problem}");
    assert_eq!(server.count("DELE"), 0);
}

/// The flow, or with a streamed delivery the destination, says at the very end that it has not got it.
#[test]
fn a_payload_that_is_not_accepted_keeps_its_original_and_its_siblings_go_on() {
    for kind in SERVERS {
        let Some(server) = FtpServer::start(kind).expect("it starts") else {
            continue;
        };
        // Past what is kept in memory, so that there is a quota to speak of.
        server.write("outbound/a.csv", vec![b'x'; 200_000]);
        server.write("outbound/b.csv", "2");
        let options = json!({ "path": "outbound/", "after": "delete" });
        let mut memory = Memory::with_quota(100_000);
        let tried = get(server.settings(), &options, &mut memory);
        assert_eq!(tried.made, ["b.csv"], "{kind}: {tried:?}");
        assert_eq!(tried.aborted, 1);
        let summary = tried.answer.expect("the call goes on");
        assert_eq!((summary.payloads, summary.failed), (1, 1));
        assert!(server.read("outbound/a.csv").is_some() && server.read("outbound/b.csv").is_none());
    }
}
