//! `delivery: streaming`.

use flow_tests::run::{Bench, SHOP, flow, get, put, with, write};
use flow_tests::script::Script;
use flow_tests::servers::Kind;
use serde_json::{Value, json};

use super::{server, told};

fn streaming(options: Value) -> Value {
    with(get(SHOP, options), "delivery", "streaming")
}

/// From one server to another, with the original moved when the destination has it; nothing is stored here.
#[test]
fn documents_go_through_without_being_stored() {
    let (from, to) = (server(Kind::Pyftpdlib), server(Kind::Embedded));
    let bench = Bench::new();
    let sizes = [0, 5, 65_536, 3_000_000];
    for size in sizes {
        from.write(
            &format!("outbound/{size}.bin"),
            vec![u8::try_from(size % 251).expect("small"); size],
        );
    }
    let options = json!({ "root": "outbound", "path": ".*", "after": "move to done/" });
    let steps = vec![
        streaming(options),
        put("put", "there", json!({ "path": "inbound/" })),
    ];
    let flow = flow(&[(SHOP, from.settings()), ("there", to.settings())], steps);
    let run = bench.run_with(&flow, &["--spool-quota", "1000"]);
    run.assert_ok(4);
    assert_eq!(run.events_of("payload-done", "put").len(), 4, "{run}");
    for size in sizes {
        let arrived = std::fs::read(to.root.join(format!("inbound/{size}.bin"))).expect("there");
        assert!(
            arrived == vec![u8::try_from(size % 251).expect("small"); size],
            "{size}"
        );
        assert!(from.root.join(format!("done/{size}.bin")).exists());
    }
    assert_eq!(
        std::fs::read_dir(to.root.join("inbound"))
            .expect("a folder")
            .count(),
        4
    );
    bench.assert_spool_empty();
    let id = run.finished()["run"].as_str().expect("an id").to_owned();
    let shown = &told(&bench, &["show", &id, "--documents"])[0];
    assert_eq!(shown["payloads"]["done"], 4, "{shown}");
    assert_eq!(
        shown["documents"][0]["deliveries"][0]["proof"]["put_outcome"], "stored",
        "{shown}"
    );
}

/// Copying within one server takes two sessions of the same instance.
#[test]
fn one_instance_reads_and_writes_at_the_same_time() {
    let server = server(Kind::Embedded);
    let bench = Bench::new();
    server.write("outbound/a.bin", "x".repeat(500_000));
    let steps = vec![
        streaming(json!({ "root": "outbound", "path": ".*" })),
        put("put", SHOP, json!({ "path": "copy/" })),
        put("move", SHOP, json!({ "command": "rename done/" })),
    ];
    bench.run(&flow(&[(SHOP, server.settings())], steps)).assert_ok(1);
    assert_eq!(
        std::fs::read(server.root.join("copy/a.bin"))
            .expect("there")
            .len(),
        500_000
    );
    assert!(server.root.join("done/a.bin").exists() && !server.root.join("outbound/a.bin").exists());
}

/// What the destination refuses is not accepted: its original stays, and its siblings go on.
#[test]
fn what_is_not_delivered_is_not_accepted() {
    let from = server(Kind::Embedded);
    let to = Script::new().say("STOR", "553 not today").start();
    let bench = Bench::new();
    for name in ["a.bin", "b.bin"] {
        from.write(&format!("outbound/{name}"), "x".repeat(200_000));
    }
    let options = json!({ "root": "outbound", "path": ".*", "after": "delete" });
    let steps = vec![
        streaming(options),
        put("put", "there", json!({ "path": "inbound/" })),
    ];
    let instances = [
        (SHOP, from.settings()),
        ("there", with(to.settings(), "max_tries", 1)),
    ];
    let run = bench.run(&flow(&instances, steps));
    assert_eq!(run.code, Some(1), "{run}");
    assert_eq!(run.finished()["payloads"], 0, "{run}");
    assert_eq!(run.failures().len(), 2, "{run}");
    assert!(
        run.failures().iter().all(|failure| failure["code"] == "553"),
        "{run}"
    );
    for name in ["a.bin", "b.bin"] {
        assert_eq!(
            std::fs::read(from.root.join("outbound").join(name))
                .expect("there")
                .len(),
            200_000
        );
    }
    let id = run.finished()["run"].as_str().expect("an id").to_owned();
    assert_eq!(told(&bench, &["show", &id])[0]["payloads"]["failed"], 0);
}

#[test]
fn what_streaming_cannot_do_is_said_before_anything_connects() {
    let bench = Bench::new();
    let settings = json!({ "host": "127.0.0.1" });
    let refused = |steps: Vec<Value>, parts: &[&str]| {
        bench
            .run(&flow(&[(SHOP, settings.clone())], steps))
            .assert_wrong(parts);
    };
    let pull = streaming(json!({ "path": "a" }));
    let push = put("put", SHOP, json!({}));
    refused(
        vec![pull.clone(), write("in")],
        &["steps[0].delivery", "from an endpoint into another"],
    );
    refused(vec![pull.clone()], &["steps[0].delivery"]);
    refused(
        vec![
            pull.clone(),
            with(push.clone(), "retry", json!({ "attempts": 2 })),
        ],
        &["steps[1].retry", "holds for both"],
    );
    refused(
        vec![pull.clone(), push.clone(), write("in")],
        &["steps[2]", "step 1 does not keep them"],
    );
    refused(
        vec![with(pull, "dedupe", "by-content"), push],
        &["steps[0].dedupe", "has to read a document before it is delivered"],
    );
}
