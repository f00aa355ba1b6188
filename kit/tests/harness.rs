//! The harness finds what breaks the contract, and gives connectors what a host gives them.

use std::io::{BufRead as _, Read as _, Write as _};

use flow_connector::exchange::{self, Offer};
use flow_connector::harness::{Answer, Harness, Outcome, Payload};
use flow_connector::settings::Nothing;
use flow_connector::{
    Call, Connector, Done, Effect, Egress, Endpoint, Error, Kind, Level, Metadata, Reader, Summary, context,
    log,
};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

flow_connector::connector! {
    connector: Sloppy,
    wit: ["wit"],
    world: "none",
    endpoints: none::endpoints { work: Work },
}

/// A connector that does as it is told.
struct Sloppy;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Account {
    /// A secret.
    #[serde(default)]
    #[schemars(title = "Password", extend("writeOnly" = true))]
    password: String,
    /// Whether the plan calls the host.
    #[serde(default)]
    #[schemars(title = "Talks")]
    talks: bool,
}

impl Connector for Sloppy {
    type Connection = Account;
    const ID: &str = "sloppy";
    const VERSION: &str = "0.0.0";
    const TITLE: &str = "Sloppy";
    const DESCRIPTION: &str = "Does as it is told.";

    fn egress(account: &Account) -> Vec<Egress> {
        if account.talks {
            log!(Level::Info, "planning");
        }
        Vec::new()
    }
}

struct Work;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Options {
    /// What it does.
    #[schemars(title = "Way")]
    way: String,
}

impl Endpoint for Work {
    type Connector = Sloppy;
    type Options = Options;
    const TITLE: &str = "Work";
    const DESCRIPTION: &str = "Does as it is told.";

    fn run(call: &Call<Self>) -> Result<Summary, Error> {
        if context::attempt() > 1 {
            return Ok(Summary::default());
        }
        call.each(|payload, options, summary| work(&options.way, &call.connection.password, payload, summary))
    }
}

fn work(way: &str, password: &str, payload: &Reader, summary: &mut Summary) -> Result<Done, Error> {
    let mut metadata = payload.metadata();
    let accepted = |metadata: &Metadata| match exchange::begin(metadata)? {
        Offer::Accept(writer) => Ok(writer),
        other => Err(Error::internal(format!("{other:?}"))),
    };
    match way {
        "pass" => {}
        "pass as another" => metadata.id.push('x'),
        "repeat an attribute" => metadata
            .attributes
            .extend([("a".into(), "1".into()), ("a".into(), "2".into())]),
        "go on" => assert!(context::cancelled()),
        "miscount" => summary.payloads += 1,
        "tell the secret" => log!(Level::Warn, "It is {password}."),
        "say nothing" => return Err(Error::data(" ")),
        "name a strange field" => return Err(Error::setting("way", "It is wrong.")),
        "give up" => {
            let mut writer = accepted(&metadata)?;
            writer.write_all(b"half")?;
            writer.abort(
                Error::unreachable("It broke.")
                    .retryable()
                    .leaving(Effect::Partial),
            );
        }
        "finish anyhow" => {
            let mut writer = accepted(&metadata)?;
            let written = writer.write_all(b"all of it");
            writer.finish()?;
            written?;
        }
        "drop" => drop(accepted(&metadata)?),
        "lie about the size" => {
            metadata.size = Some(3);
            return summary.count(exchange::emit(&metadata, |writer| Ok(writer.write_all(b"four")?)));
        }
        "no id" => accepted(&Metadata::new("")).map(drop)?,
        "read" => {
            let mut body = payload.content()?;
            let (mut first, mut start) = (String::new(), [0; 2]);
            body.read_line(&mut first)?;
            body.read_exact(&mut start)?;
            let rest = body.piece(3)?;
            let whole = payload.content()?.bytes().count();
            context::progress("bytes", whole as u64, None);
            log!(Level::Info, "{first:?} {start:?} {rest:?}");
            log!(Level::Trace, "nobody reads this");
        }
        "note" => {
            let before = payload.earlier().and_then(|earlier| earlier.note);
            payload.note(&format!("{before:?} and more"))?;
            exchange::report("a", Error::not_found("It is gone."));
        }
        other => panic!("no way: {other}"),
    }
    Ok(Done::Pass(metadata))
}

fn told(way: &str) -> Harness {
    Harness::new()
        .connection(json!({ "password": "s3cret" }))
        .options(json!({ "way": way }))
        .payload(Payload::of("a.txt", "one\ntwo and more"))
}

fn done(way: &str) -> Outcome {
    told(way).call::<Sloppy>("work")
}

/// What the harness says of a connector that breaks a rule.
fn broken(harness: Harness) -> String {
    let call = std::panic::AssertUnwindSafe(|| harness.call::<Sloppy>("work"));
    let panic = std::panic::catch_unwind(call).expect_err("the harness should have found it");
    let text = panic.downcast_ref::<String>().cloned();
    text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()))
        .expect("a text")
}

#[test]
fn each_broken_rule_is_told() {
    for (way, rule) in [
        ("pass as another", "under another id"),
        ("repeat an attribute", "the attribute `a` twice"),
        ("miscount", "made or passed on 2 payloads, and did 1"),
        ("tell the secret", "a secret setting"),
        ("say nothing", "says nothing"),
        ("name a strange field", "has to be a JSON Pointer"),
    ] {
        let said = broken(told(way));
        assert!(said.contains(rule), "{way}: {said}");
    }
    assert!(broken(told("go on").cancelled_after(0)).contains("wants the call to end"));
    assert!(broken(told("pass").attempt(2)).contains("left 1 incoming payloads"));
    let talking = told("pass").connection(json!({ "talks": true }));
    assert!(broken(talking).contains("`describe` and `plan` call no import"));
    // And it is not the harness that is always unhappy.
    assert_eq!(done("pass").summary().payloads, 1);
}

#[test]
fn settings_are_looked_at_before_anything_is_done() {
    let outcome = told("pass")
        .options(json!({ "wya": "pass" }))
        .call::<Sloppy>("work");
    assert_eq!(outcome.error().field.as_deref(), Some("/options/wya"));
    assert_eq!(outcome.left, 1);
    // As a flow states it, it may be a template; each payload has its own.
    let filled = Payload::of("a.txt", "").options(json!({ "way": "pass" }));
    let outcome = Harness::new()
        .options(json!({ "way": "{{ way }}" }))
        .payload(filled)
        .call::<Sloppy>("work");
    assert_eq!(outcome.summary().payloads, 1);
}

#[test]
fn what_was_given_up_is_told_with_its_reason() {
    let outcome = done("give up");
    let (metadata, reason) = &outcome.aborted[0];
    assert_eq!(
        (metadata.id.as_str(), reason.kind, reason.effect),
        ("a.txt", Kind::Unreachable, Effect::Partial)
    );
    assert!(
        done("drop").aborted[0]
            .1
            .message
            .contains("neither finished nor given up")
    );
    let lied = done("lie about the size");
    assert_eq!((lied.aborted[0].1.kind, lied.summary().failed), (Kind::Data, 1));
    assert_eq!(done("no id").error().kind, Kind::InvalidSettings);
    let refused = told("give up").answer(|_| Answer::Skip).call::<Sloppy>("work");
    assert_eq!(refused.failed()[0].kind, Kind::Internal);
}

#[test]
fn what_was_cut_is_not_finished() {
    let outcome = told("finish anyhow")
        .answer(|_| Answer::Stall)
        .cancelled_after(2)
        .call::<Sloppy>("work");
    assert_eq!(outcome.error().kind, Kind::Cancelled);
    assert!(
        outcome.accepted.is_empty() && outcome.aborted.len() == 1,
        "{outcome:?}"
    );
    assert_eq!(outcome.aborted[0].1.kind, Kind::Cancelled);
}

#[test]
fn a_body_is_read_in_any_way_and_again() {
    let outcome = done("read");
    let rest = b"o a".to_vec();
    assert_eq!(
        outcome.log,
        [(Level::Info, format!("\"one\\n\" {:?} Some({rest:?})", *b"tw"))]
    );
    assert_eq!(outcome.progress, [("bytes".to_owned(), 16, None)]);
}

#[test]
fn notes_and_reports_are_kept() {
    let payload = Payload::of("a.txt", "").after_a_try(Some("begun"));
    let outcome = Harness::new()
        .options(json!({ "way": "note" }))
        .payload(payload)
        .call::<Sloppy>("work");
    assert_eq!(
        outcome.settled[0].note.as_deref(),
        Some("Some(\"begun\") and more")
    );
    assert_eq!(
        (outcome.reported[0].0.as_str(), outcome.reported[0].1.kind),
        ("a", Kind::NotFound)
    );
}

/// A connector whose option has no title.
struct Silent;
struct Mute;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Unexplained {
    #[serde(rename = "x")]
    _x: bool,
}

impl Connector for Silent {
    type Connection = Nothing;
    const ID: &str = "silent";
    const VERSION: &str = "0.0.0";
    const TITLE: &str = "Silent";
    const DESCRIPTION: &str = "Says too little.";
}

impl Endpoint for Mute {
    type Connector = Silent;
    type Options = Unexplained;
    const TITLE: &str = "Mute";
    const DESCRIPTION: &str = "Says too little.";

    fn run(_: &Call<Self>) -> Result<Summary, Error> {
        Ok(Summary::default())
    }
}

mod silent {
    use super::{Mute, Silent};

    flow_connector::connector! {
        connector: Silent,
        wit: ["wit"],
        world: "none",
        endpoints: none::endpoints { mute: Mute },
    }
}

#[test]
#[should_panic(expected = "`x` of `mute` has no title")]
fn a_setting_without_a_title_is_told() {
    flow_connector::harness::rules::assert_described::<Silent>();
}
