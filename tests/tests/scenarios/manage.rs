//! Commands without a body.

use flow_tests::run::{get, put, write};
use serde_json::{Value, json};

use crate::arrange::{SHOP, Stage, files};

pub fn rename_into_a_new_folder(stage: &Stage) {
    stage.server.write("outbound/a.txt", "a");
    stage.server.write("outbound/b.txt", "b");
    let run = stage.run(vec![
        get(SHOP, json!({ "root": "outbound", "path": ".*" })),
        put(
            "archive",
            SHOP,
            json!({ "command": "rename processed/2026/{{ original_filename }}" }),
        ),
    ]);
    run.assert_ok(2);
    assert_eq!(
        stage.on_server(),
        files([("processed/2026/a.txt", "a"), ("processed/2026/b.txt", "b")])
    );
    // The payload goes on as it came.
    assert_eq!(
        run.attributes("archive", "original_path"),
        ["outbound/a.txt", "outbound/b.txt"]
    );
}

pub fn rename_onto_an_existing_file(stage: &Stage) {
    stage.server.write("outbound/a.txt", "new");
    stage.server.write("processed/a.txt", "old");
    let run = stage.run(vec![
        get(SHOP, json!({ "path": "outbound/a.txt" })),
        put("archive", SHOP, json!({ "command": "rename processed/" })),
    ]);
    // All of these servers rename onto a file that is there. One that does not is scripted elsewhere.
    run.assert_ok(1);
    assert_eq!(stage.on_server(), files([("processed/a.txt", "new")]));
}

pub fn rename_as_people_write_it(stage: &Stage) {
    for (number, command) in [
        "rename to done/1.txt",
        "rename:to done/2.txt",
        "rename: done/3.txt",
        "RENAME done/4.txt",
    ]
    .iter()
    .enumerate()
    {
        stage.server.write("outbound/a.txt", "a");
        let run = stage.run(vec![
            get(SHOP, json!({ "path": "outbound/a.txt" })),
            put("archive", SHOP, json!({ "command": command })),
        ]);
        run.assert_ok(1);
        assert_eq!(
            stage.server.read(&format!("done/{}.txt", number + 1)).as_deref(),
            Some(&b"a"[..]),
            "{command}"
        );
        assert_eq!(stage.server.read("outbound/a.txt"), None, "{command}");
    }
}

pub fn delete_the_original(stage: &Stage) {
    stage.server.write("outbound/a.txt", "a");
    stage.server.write("outbound/keep.txt", "k");
    let run = stage.run(vec![
        get(SHOP, json!({ "path": "outbound/a.txt" })),
        write("in"),
        put("delete", SHOP, json!({ "command": "delete" })),
    ]);
    run.assert_ok(1);
    assert_eq!(stage.on_server(), files([("outbound/keep.txt", "k")]));
    assert_eq!(stage.local("in"), files([("a.txt", "a")]));
}

pub fn delete_a_named_file(stage: &Stage) {
    stage.server.write("outbound/a.txt", "a");
    stage.server.write("outbound/b.txt", "b");
    let run = stage.run(vec![put(
        "delete",
        SHOP,
        json!({ "command": "delete outbound/a.txt" }),
    )]);
    assert_eq!(run.code, Some(0), "{run}");
    assert_eq!(stage.on_server(), files([("outbound/b.txt", "b")]));
}

/// One payload for each entry, its body a description of it.
pub fn list_a_folder(stage: &Stage) {
    stage.server.write("outbound/a file.txt", "hello");
    stage.server.make_folder("outbound/sub");
    stage.server.write("outbound/sub/deeper.txt", "");
    let mut step = get(SHOP, json!({ "command": "list outbound/" }));
    step["id"] = json!("list");
    let run = stage.run(vec![step, write("in")]);
    run.assert_ok(2);
    let found = stage.local("in");
    let entry = |name: &str| -> Value {
        serde_json::from_slice(&found[name]).unwrap_or_else(|error| panic!("{name}: {error}"))
    };
    let file = entry("a file.txt");
    assert_eq!(
        (&file["name"], &file["kind"], &file["size"]),
        (&json!("a file.txt"), &json!("file"), &json!(5))
    );
    assert_eq!(file["path"], "outbound/a file.txt");
    let modified = file["modified"]
        .as_str()
        .expect("every one of these servers tells it");
    assert!(
        modified.starts_with("20") && modified.ends_with('Z'),
        "{modified}"
    );
    assert_eq!(entry("sub")["kind"], "folder");
}

pub fn make_and_remove_folders(stage: &Stage) {
    let folder = |name: &str| stage.server.root.join(name).is_dir();
    let command = |command: &str| stage.run(vec![put("folder", SHOP, json!({ "command": command }))]);
    assert_eq!(command("mkdir one/two three/four").code, Some(0));
    assert!(folder("one/two three/four"));
    // A folder that is there is what was asked for.
    assert_eq!(command("mkdir one/two three/four").code, Some(0));
    assert_eq!(command("rmdir one/two three/four").code, Some(0));
    assert!(folder("one/two three") && !folder("one/two three/four"));
    let run = command("rmdir nowhere");
    let _ = run.assert_failed("not-found");
}
