//! What a connector plans, and how it judges settings.

use super::verdicts::{ended, unless_spoken};
use super::{Check, CheckId, Needs};
use crate::conformance::bench::Bench;
use crate::conformance::report::Verdict;
use crate::contract::{Egress, Error, ErrorKind};
use crate::failure::Failure;
use crate::flow::document::child;
use crate::flow::schema::Schema;
use serde_json::{Value, json};

/// It plans without help.
pub const PURE: Check = Check {
    id: "plan.pure",
    interface: "connector",
    sentence: "It MUST call no import.",
    does: "Calls `plan` where every import of the contract traps and nothing may be reached, within 5 seconds.",
    needs: Needs::Nothing,
};
/// It plans the same again.
pub const SAME: Check = Check {
    id: "plan.same",
    interface: "connector",
    sentence: "tells what a call of `endpoint` would reach.",
    does: "Calls `plan` twice with the same words, in two instances, and compares the answers.",
    needs: Needs::Nothing,
};
/// What is no JSON.
pub const TEXT: Check = Check {
    id: "plan.text",
    interface: "types",
    sentence: "The settings or options are wrong, and nothing was tried.",
    does: "Plans with connection settings that are no JSON object (nothing, half of one, a list): `invalid-settings`, \
           never a trap.",
    needs: Needs::Nothing,
};
/// Settings that are missing.
pub const EMPTY: Check = Check {
    id: "plan.empty",
    interface: "connector",
    sentence: "Checks settings and options beyond what a schema can say",
    does: "Plans with an empty connection, where the schema wants something in it: `invalid-settings`.",
    needs: Needs::Nothing,
};
/// Its plan for the settings.
pub const WORKS: Check = Check {
    id: "plan.works",
    interface: "connector",
    sentence: "Without an endpoint it tells what `check` would reach, and the options are not looked at.",
    does: "Plans for the connection, once with options that are no JSON, and for each call: all of them succeed.",
    needs: Needs::Connection,
};
/// What it asks for.
pub const EGRESS: Check = Check {
    id: "plan.egress",
    interface: "connector",
    sentence: "Why, in words for an operator who decides.",
    does: "Looks at all that is planned: a host, a first port that is not behind the last one, a reason. What is \
           `secondary` comes with something that is not.",
    needs: Needs::Connection,
};
/// Settings of the wrong kind.
pub const SETTINGS: Check = Check {
    id: "plan.settings",
    interface: "connector",
    sentence: "`invalid-settings`: a value is wrong;",
    does: "Gives each connection setting in turn a value that the schema refuses: `invalid-settings`, never a trap.",
    needs: Needs::Connection,
};
/// Options of the wrong kind.
pub const OPTIONS: Check = Check {
    id: "plan.options",
    interface: "types",
    sentence: "The endpoint's options as the flow states them, valid against the endpoint's schema.",
    does: "Gives each option of each endpoint in turn a value that the schema refuses, and options that are no JSON: \
           `invalid-settings`, never a trap.",
    needs: Needs::Connection,
};
/// It says where.
pub const FIELD: Check = Check {
    id: "plan.field",
    interface: "types",
    sentence: "`field`, a JSON Pointer (RFC 6901) that starts with `/connection` or `/options` and names the setting to \
               change.",
    does: "Looks at the errors for wrong values: `details.field` names the setting that is wrong, or one in it.",
    needs: Needs::Connection,
};
/// Endpoints that there are not.
pub const ENDPOINT: Check = Check {
    id: "plan.endpoint",
    interface: "connector",
    sentence: "The function's name is the endpoint's name",
    does: "Plans for an endpoint that the connector does not have: an error, never a plan or a trap.",
    needs: Needs::Connection,
};

pub(super) const CHECKS: &[CheckId] = &[
    &PURE, &SAME, &TEXT, &EMPTY, &WORKS, &EGRESS, &SETTINGS, &OPTIONS, &FIELD, &ENDPOINT,
];

type Planned = Result<Vec<Egress>, Failure>;

pub(super) async fn run(bench: &mut Bench) {
    // What was refused before has been told by the check of `describe`.
    bench.ears.refused();
    let connection = bench.connection();
    let mut plans = vec![("check".to_owned(), twice(bench, None, &connection, "{}").await)];
    for call in bench.settings.calls.clone() {
        let planned = twice(
            bench,
            Some(&call.endpoint),
            &connection,
            &call.options.to_string(),
        )
        .await;
        plans.push((call.name, planned));
    }
    pure(bench, &plans);
    if bench.book.has_failed(&PURE) {
        return;
    }
    for (name, [first, second]) in &plans {
        let other = format!("{first:?}") != format!("{second:?}");
        bench.book.put(
            &SAME,
            name,
            Verdict::unless(other.then(|| "it planned in different ways".to_owned())),
        );
    }
    wrong_texts(bench).await;
    if bench.settings.connection.is_some() {
        works(bench, &plans, &connection).await;
        settings(bench).await;
        options(bench, &connection).await;
        let unknown = bench.plan(Some("no-such-endpoint"), &connection, "{}").await;
        let complaint = match &unknown {
            Err(Failure::Connector(_)) => None,
            other => Some(ended(other)),
        };
        bench.book.put(&ENDPOINT, "", Verdict::unless(complaint));
    }
}

async fn twice(bench: &Bench, endpoint: Option<&str>, connection: &str, options: &str) -> [Planned; 2] {
    [
        bench.plan(endpoint, connection, options).await,
        bench.plan(endpoint, connection, options).await,
    ]
}

fn pure(bench: &mut Bench, plans: &[(String, [Planned; 2])]) {
    for (name, planned) in plans {
        let complaint = planned.iter().find_map(|planned| match planned {
            // Other traps have checks of their own.
            Err(Failure::Trap(trap)) if !trap.reason.contains("it may call no import") => None,
            Ok(_) | Err(Failure::Connector(_)) => None,
            Err(failure) => Some(failure.to_string()),
        });
        bench.book.put(&PURE, name, Verdict::unless(complaint));
    }
    if let Some(refused) = bench.ears.refused().first() {
        bench.book.put(
            &PURE,
            "",
            Verdict::Failed(format!("it tried to reach something: {refused}")),
        );
    }
}

async fn wrong_texts(bench: &mut Bench) {
    for text in ["", "{\"", "[]"] {
        let planned = bench.plan(None, text, "{}").await;
        bench.book.put(
            &TEXT,
            &format!("the connection `{text}`"),
            Verdict::unless(unless_invalid(&planned)),
        );
    }
    let schema = Schema::compile(&bench.connector.descriptor.connection_schema);
    let verdict = match schema.map(|schema| schema.check(&json!({}), |_| false)) {
        Err(error) => Verdict::NotRun(error.to_string()),
        Ok(findings) if findings.is_empty() => {
            Verdict::NotApplicable("its schema accepts an empty connection".to_owned())
        }
        Ok(_) => Verdict::unless(unless_invalid(&bench.plan(None, "{}", "{}").await)),
    };
    bench.book.put(&EMPTY, "", verdict);
}

async fn works(bench: &mut Bench, plans: &[(String, [Planned; 2])], connection: &str) {
    let blind = bench.plan(None, connection, "no JSON").await;
    let blind = blind
        .is_err()
        .then(|| format!("for `check`, with options that are no JSON: {}", ended(&blind)));
    bench.book.put(&WORKS, "check", Verdict::unless(blind));
    for (name, [planned, _]) in plans {
        let complaint = planned.is_err().then(|| ended(planned));
        bench.book.put(&WORKS, name, Verdict::unless(complaint));
        let verdict = match planned {
            Ok(egress) if egress.is_empty() => Verdict::NotApplicable("it plans to reach nothing".to_owned()),
            Ok(egress) => Verdict::unless(strange(egress)),
            Err(_) => Verdict::NotRun("there is no plan".to_owned()),
        };
        bench.book.put(&EGRESS, name, verdict);
    }
}

fn strange(plan: &[Egress]) -> Option<String> {
    if plan.iter().all(|egress| egress.secondary) {
        return Some("all of it is `secondary`".to_owned());
    }
    plan.iter().find_map(|egress| {
        let (host, first, last) = (&egress.host, egress.first_port, egress.last_port);
        let what = if host.trim().is_empty() {
            "has no host"
        } else if first == 0 || first > last {
            "has no range of ports"
        } else if egress.reason.trim().is_empty() {
            "has no reason"
        } else {
            return None;
        };
        Some(format!("{host:?}, ports {first} to {last}, {what}"))
    })
}

/// Each setting with a value that the schema refuses.
async fn settings(bench: &mut Bench) {
    let base = bench.settings.connection.clone().unwrap_or_default();
    let text = bench.connector.descriptor.connection_schema.clone();
    for (name, wrong) in wrong_values(&text, &base) {
        let planned = bench.plan(None, &wrong.to_string(), "{}").await;
        judge(bench, &SETTINGS, &child("/connection", &name), &planned);
    }
}

/// Each option with a value that the schema refuses.
async fn options(bench: &mut Bench, connection: &str) {
    for endpoint in bench.connector.descriptor.endpoints.clone() {
        let name = &endpoint.name;
        let planned = bench.plan(Some(name), connection, "no JSON").await;
        let complaint = unless_invalid(&planned);
        bench.book.put(
            &OPTIONS,
            &format!("{name} with options that are no JSON"),
            Verdict::unless(complaint),
        );
        for (option, wrong) in wrong_values(&endpoint.options_schema, &json!({})) {
            let planned = bench.plan(Some(name), connection, &wrong.to_string()).await;
            judge(bench, &OPTIONS, &child("/options", &option), &planned);
        }
    }
}

fn judge(bench: &mut Bench, check: CheckId, pointer: &str, planned: &Planned) {
    bench
        .book
        .put(check, pointer, Verdict::unless(unless_invalid(planned)));
    if let Err(Failure::Connector(error)) = planned
        && error.kind == ErrorKind::InvalidSettings
    {
        bench
            .book
            .put(&FIELD, pointer, Verdict::unless(elsewhere(error, pointer)));
    }
}

fn elsewhere(error: &Error, pointer: &str) -> Option<String> {
    match error.field() {
        None => Some(format!("the error has no `details.field`: {}", error.message)),
        Some(field) if field == pointer || field.starts_with(&format!("{pointer}/")) => None,
        Some(field) => Some(format!("`details.field` is {field:?}")),
    }
}

fn unless_invalid(planned: &Planned) -> Option<String> {
    match planned {
        Err(Failure::Connector(error)) if error.kind == ErrorKind::InvalidSettings => None,
        other => Some(format!("{}; `invalid-settings` would be right", ended(other))),
    }
}

/// The settings, each time with one of them wrong: its name, and all of them. Properties that accept anything are left
/// out.
fn wrong_values(schema: &str, base: &Value) -> Vec<(String, Value)> {
    let Ok(text) = serde_json::from_str::<Value>(schema) else {
        return Vec::new();
    };
    let Ok(schema) = Schema::from_value(text.clone()) else {
        return Vec::new();
    };
    let names = text.get("properties").and_then(Value::as_object);
    let names = names.into_iter().flatten().map(|(name, _)| name.clone());
    let candidates = [
        json!({"conformance": true}),
        json!([[]]),
        json!(-1.5),
        json!("\u{1}"),
        json!(true),
    ];
    names
        .filter_map(|name| {
            let pointer = child("", &name);
            let wrong = candidates.iter().find_map(|candidate| {
                let mut all = base.as_object().cloned().unwrap_or_default();
                all.insert(name.clone(), candidate.clone());
                let all = Value::Object(all);
                let mut findings = schema.check(&all, |_| false).into_iter();
                findings
                    .any(|finding| finding.pointer.starts_with(&pointer))
                    .then_some(all)
            })?;
            Some((name, wrong))
        })
        .collect()
}

/// Whether a plan ended in the connector's own words.
pub(super) fn unless_planned(planned: &Planned) -> Option<String> {
    unless_spoken(planned).or_else(|| planned.is_err().then(|| ended(planned)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::Direction;

    #[test]
    fn wrong_values_are_wrong_in_one_place() {
        let schema = json!({"type": "object", "properties": {"host": {"type": "string"}, "any": {},
            "port": {"type": "integer"}}, "required": ["host"]});
        let wrong = wrong_values(&schema.to_string(), &json!({"host": "h"}));
        let names: Vec<_> = wrong.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["host", "port"]);
        assert_eq!(wrong[1].1["host"], "h");
    }

    #[test]
    fn plans_name_hosts_ports_and_reasons() {
        let egress = |host: &str, ports: (u16, u16), reason: &str, secondary| Egress {
            host: host.to_owned(),
            first_port: ports.0,
            last_port: ports.1,
            direction: Direction::Connect,
            secondary,
            reason: reason.to_owned(),
        };
        assert_eq!(strange(&[egress("h", (21, 21), "control", false)]), None);
        for (wrong, words) in [
            (egress("", (1, 1), "r", false), "no host"),
            (egress("h", (2, 1), "r", false), "no range"),
            (egress("h", (0, 1), "r", false), "no range"),
            (egress("h", (1, 1), " ", false), "no reason"),
            (egress("h", (1, 1), "r", true), "secondary"),
        ] {
            assert!(
                strange(&[wrong]).is_some_and(|text| text.contains(words)),
                "{words}"
            );
        }
    }

    #[test]
    fn the_field_names_the_setting() {
        let error = |field: &str| Error {
            details: Some(json!({ "field": field }).to_string()),
            ..Error::new(ErrorKind::InvalidSettings, "x")
        };
        assert_eq!(elsewhere(&error("/connection/auth"), "/connection/auth"), None);
        assert_eq!(
            elsewhere(&error("/connection/auth/user"), "/connection/auth"),
            None
        );
        assert!(elsewhere(&error("/connection/authority"), "/connection/auth").is_some());
        assert!(elsewhere(&Error::new(ErrorKind::InvalidSettings, "x"), "/connection/auth").is_some());
    }
}
