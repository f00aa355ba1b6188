//! Flow files that change while they are served.

use super::{TOKEN, bench, copy, over_http, put, run_of, waiting};
use flow_tests::gate::Gate;
use flow_tests::serving::Serving;
use rustix::process::Signal;
use serde_json::json;

#[test]
fn a_changed_flow_is_loaded_and_a_run_keeps_the_definition_it_began_with() {
    let bench = bench();
    let gate = Gate::closed();
    let mut flow = waiting("f", &gate);
    flow["overlap"] = json!("allow");
    put(&bench, "f.yaml", &flow);
    let serving = Serving::start(&bench, &["f.yaml"]);
    serving.wait_event("f", "leading");
    let before = run_of(&serving.post("f", TOKEN, ""));
    gate.wait_for(1);

    flow["variables"]["to"] = json!("new");
    put(&bench, "f.yaml", &flow);
    serving.wait_for("loaded twice", 2, |line| line["event"] == "flow-loaded");
    let after = run_of(&serving.post("f", TOKEN, ""));
    gate.open();
    serving.wait_for("both runs", 2, |line| line["event"] == "run-finished");
    assert_eq!(bench.files("in").keys().collect::<Vec<_>>(), [&before]);
    assert_eq!(bench.files("new").keys().collect::<Vec<_>>(), [&after]);
}

#[test]
fn a_flow_that_has_become_wrong_goes_on_as_it_was() {
    let bench = bench();
    put(&bench, "f.yaml", &copy("f", json!([{ "every": "1s" }])));
    put(&bench, "other.yaml", &copy("other", json!([{ "every": "1h" }])));
    let serving = Serving::start(&bench, &["f.yaml", "other.yaml"]);
    serving.wait_event("f", "run-finished");
    assert_eq!(serving.get("/healthz").status, 200);

    bench.write(
        "f.yaml",
        "name: f\nsteps:\n- folder: { read: out }\ntriggers:\n- every: soon\n",
    );
    let broken = serving.wait_event("f", "flow-broken");
    assert_eq!(
        (&broken["line"], &broken["file"]),
        (&json!(5), &json!("f.yaml")),
        "{broken}"
    );
    let health = serving.get("/healthz");
    assert_eq!(health.status, 503, "{health:?}");
    assert_eq!(health.json()["status"], "broken");
    let flow = &health.json()["flows"][0];
    assert_eq!((&flow["name"], &flow["state"]), (&json!("f"), &json!("broken")));
    assert_eq!(flow["problems"][0]["line"], 5, "{flow}");
    assert_eq!(
        serving.get("/readyz").status,
        200,
        "what was loaded before is served"
    );
    assert_eq!(serving.metric("flowhost_flow_broken{flow=\"f\"}"), Some(1.0));
    assert_eq!(
        serving.metric("flowhost_reload_failures_total{flow=\"f\"}"),
        Some(1.0)
    );
    let runs = serving.count("run-finished");
    serving.wait_for("it goes on", runs + 2, |line| line["event"] == "run-finished");
    assert_eq!(serving.count("flow-broken"), 1, "told once");

    put(&bench, "f.yaml", &copy("f", json!([{ "every": "1h" }])));
    let health = serving.wait_page("/healthz", |answer| answer.status == 200);
    assert_eq!(health.json()["status"], "ok");
    assert_eq!(serving.metric("flowhost_flow_broken{flow=\"f\"}"), Some(0.0));
}

#[test]
fn flows_of_a_folder_come_and_go() {
    let bench = bench();
    put(&bench, "flows/a.yaml", &copy("a", json!([{ "every": "1h" }])));
    let serving = Serving::start(&bench, &["flows"]);
    serving.wait_event("a", "run-finished");

    put(&bench, "flows/b.yaml", &copy("b", json!([over_http()])));
    // Its secret is not where it says, which is told; the one that is right is not touched by that.
    serving.wait("broken", |line| {
        line["event"] == "flow-broken" && line["file"] == "flows/b.yaml"
    });
    let health = serving.get("/healthz").json();
    assert_eq!(health["flows"][1]["name"], json!(null), "{health}");
    assert_eq!(health["flows"][1]["file"], "flows/b.yaml", "{health}");
    bench.write("flows/token", TOKEN);
    serving.signal(Signal::HUP);
    serving.wait_event("b", "leading");
    let run = run_of(&serving.post("b", TOKEN, ""));
    serving.wait("its end", |line| {
        line["event"] == "run-finished" && line["run"] == *run
    });

    std::fs::remove_file(bench.path("flows/a.yaml")).expect("there");
    serving.wait_event("a", "flow-removed");
    serving.wait_page("/metrics", |answer| !answer.body.contains("flow=\"a\""));
    let health = serving.get("/healthz").json();
    assert_eq!(health["flows"].as_array().map(Vec::len), Some(1), "{health}");
}

#[test]
fn a_new_name_is_a_new_flow() {
    let bench = bench();
    put(&bench, "f.yaml", &copy("old", json!([{ "every": "1h" }])));
    let serving = Serving::start(&bench, &["f.yaml"]);
    serving.wait_event("old", "run-finished");
    put(&bench, "f.yaml", &copy("new", json!([{ "every": "1h" }])));
    serving.wait_event("old", "flow-removed");
    serving.wait_event("new", "run-finished");
}

#[test]
fn a_name_that_another_flow_has_is_free_when_that_one_goes() {
    let bench = bench();
    put(&bench, "flows/a.yaml", &copy("a", json!([{ "every": "1h" }])));
    let serving = Serving::start(&bench, &["flows"]);
    serving.wait_event("a", "run-finished");
    put(&bench, "flows/b.yaml", &copy("a", json!([{ "every": "1h" }])));
    let broken = serving.wait("broken", |line| line["event"] == "flow-broken");
    assert!(
        broken["message"]
            .as_str()
            .is_some_and(|message| message.contains("flows/a.yaml")),
        "{broken}"
    );
    std::fs::remove_file(bench.path("flows/a.yaml")).expect("there");
    let health = serving.wait_page("/healthz", |answer| answer.status == 200);
    assert_eq!(health.json()["flows"][0]["file"], "flows/b.yaml", "{health:?}");
}
