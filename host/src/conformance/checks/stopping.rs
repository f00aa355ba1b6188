//! How a connector ends when it is told to.

use super::verdicts::{ended, stopped, told_effect, unchanged};
use super::{Check, CheckId, Needs};
use crate::conformance::bench::{Bench, Inbox};
use crate::conformance::counterpart::{Bodies, Canceller, Moment, Next, Script, WAITING};
use crate::conformance::ran::Ran;
use crate::conformance::report::Verdict;
use crate::conformance::settings::Silent;
use crate::failure::Failure;
use serde_json::Value;
use std::io;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// While a payload is offered.
pub const OFFER: Check = Check {
    id: "cancel.offer",
    interface: "context",
    sentence: "The connector MUST return `cancelled` soon (a second is soon)",
    does: "Cancels each call while its first payload is offered: it returns `cancelled` within 3 seconds.",
    needs: Needs::Calls,
};
/// While bytes do not move.
pub const BODY: Check = Check {
    id: "cancel.body",
    interface: "context",
    sentence: "A connector that waits MUST look at least every 250 ms.",
    does: "Cancels each call while it waits for a body: one that the flow has no room for, or one that comes to no end. It \
           returns `cancelled` within 3 seconds.",
    needs: Needs::Calls,
};
/// While it waits for a payload.
pub const NEXT: Check = Check {
    id: "cancel.next",
    interface: "exchange",
    sentence: "`cancelled`: the run ends",
    does: "Cancels each call while `next` has no answer, which then is `cancelled`: the call returns it.",
    needs: Needs::Calls,
};
/// While it connects.
pub const CONNECT: Check = Check {
    id: "cancel.connect",
    interface: "connector",
    sentence: "`cancelled`: the host asked it to stop",
    does: "Leads the connection to a server that accepts connections and says nothing, and cancels `check` and the first \
           call there: `cancelled` within 3 seconds.",
    needs: Needs::Silent,
};
/// Nothing half done is left.
pub const REMAINS: Check = Check {
    id: "cancel.remains",
    interface: "context",
    sentence: "after it has removed what it left half done.",
    does: "Compares what is on the remote system before and after each call that is cancelled. Where the error says that it \
           had an effect, what was there may have another content.",
    needs: Needs::Remains,
};
/// Within the time it has.
pub const DEADLINE: Check = Check {
    id: "cancel.deadline",
    interface: "context",
    sentence: "Milliseconds until the host ends this call by force. A connector plans its own time-outs within it.",
    does: "Gives each call 2 seconds while it waits for a body: it ends with an error of its own, and need not be ended by \
           force.",
    needs: Needs::Calls,
};

pub(super) const CHECKS: &[CheckId] = &[&OFFER, &BODY, &NEXT, &CONNECT, &REMAINS, &DEADLINE];

/// What a call has that shall not have enough.
const DEADLINE_LIMIT: Duration = Duration::from_secs(2);

/// When even a connector that connects to nobody is cancelled.
const PATIENCE: Duration = Duration::from_secs(5);

pub(super) async fn run(bench: &mut Bench, index: usize) {
    let call = bench.settings.calls[index].clone();
    let name = call.name.as_str();
    if index == 0 {
        connect(bench).await;
    }
    let before = bench.remains().await;
    let waits = Script {
        next: Next::Wait,
        cancel: Some(Moment::Next),
        ..Script::default()
    };
    let ran = bench.call(&call, waits, Inbox::Whole).await;
    bench
        .book
        .put(&NEXT, name, stopped(&ran.result, ran.cancelled_for));
    if call.takes() && !call.repeatable {
        for check in [&BODY, &DEADLINE] {
            bench.book.put(
                check,
                name,
                Verdict::NotRun("the call is not `repeatable`".to_owned()),
            );
        }
        return;
    }
    let mut told = false;
    let offers = !bench.offered.is_empty();
    if offers {
        let script = Script {
            cancel: Some(Moment::Offer),
            ..Script::default()
        };
        let ran = bench.call(&call, script, Inbox::Whole).await;
        bench
            .book
            .put(&OFFER, name, stopped(&ran.result, ran.cancelled_for));
    }
    if !offers && !call.takes() {
        for check in [&OFFER, &BODY, &DEADLINE] {
            let reason = "the call neither offers payloads nor is given any".to_owned();
            bench.book.put(check, name, Verdict::NotApplicable(reason));
        }
        return;
    }
    let stalled = Script {
        bodies: Bodies::Stall,
        ..Script::default()
    };
    let cancelled = Script {
        cancel: Some(Moment::Body),
        ..stalled
    };
    let ran = bench.call(&call, cancelled, Inbox::Stalled).await;
    told |= told_effect(&ran);
    // Where no byte moves there is nothing to wait for, and the call has ended long before.
    let waited = ran.took >= WAITING;
    let verdict = if waited {
        stopped(&ran.result, ran.cancelled_for)
    } else {
        does_not_wait(&ran)
    };
    bench.book.put(&BODY, name, verdict);
    let ran = bench
        .call_within(DEADLINE_LIMIT, &call, stalled, Inbox::Stalled)
        .await;
    told |= told_effect(&ran);
    let verdict = match &ran.result {
        _ if ran.took < DEADLINE_LIMIT && !matches!(ran.result, Err(Failure::Trap(_))) => does_not_wait(&ran),
        Err(Failure::Connector(_)) => Verdict::Passed,
        other => Verdict::Failed(ended(other)),
    };
    bench.book.put(&DEADLINE, name, verdict);
    if let Some(verdict) = unchanged(before.as_ref(), bench.remains().await, told) {
        bench.book.put(&REMAINS, name, verdict);
    }
}

fn does_not_wait(ran: &Ran) -> Verdict {
    match &ran.result {
        Err(Failure::Trap(trap)) => Verdict::Failed(trap.to_string()),
        // It has time-outs of its own, within what it has.
        Err(Failure::Connector(_)) => Verdict::Passed,
        _ => Verdict::NotApplicable("the call does not wait for a body".to_owned()),
    }
}

/// Cancels while a server says nothing.
async fn connect(bench: &mut Bench) {
    let (Some(silent), Some(connection)) = (bench.settings.silent.clone(), bench.settings.connection.clone())
    else {
        return;
    };
    for first_call in [false, true] {
        let canceller = Canceller::default();
        let server = match SilentServer::start(&canceller).await {
            Ok(server) => server,
            Err(error) => {
                let reason = format!("no server could be started on this machine: {error}");
                bench.book.put(&CONNECT, "", Verdict::NotRun(reason));
                return;
            }
        };
        let policy = match bench.policy_with(&format!("127.0.0.1:{}", server.port)) {
            Ok(policy) => policy,
            Err(reason) => {
                bench.book.put(&CONNECT, "", Verdict::NotRun(reason));
                return;
            }
        };
        let led = led_to(&connection, &silent, server.port);
        let (case, verdict) = if first_call {
            let call = bench.settings.calls[0].clone();
            let ran = bench.call_elsewhere(led, &policy, &canceller, &call).await;
            let verdict = stopped(&ran.result, ran.cancelled_for);
            (call.name, verdict)
        } else {
            let steps = bench
                .check(&led.to_string(), false, &canceller, Some(&policy))
                .await;
            let lasted = canceller.at().map(|at| at.elapsed());
            ("check".to_owned(), stopped(&steps, lasted))
        };
        bench.book.put(&CONNECT, &case, verdict);
    }
}

/// The connection with another server.
fn led_to(connection: &Value, silent: &Silent, port: u16) -> Value {
    let mut connection = connection.clone();
    for (pointer, value) in [
        (&silent.host, Value::from("127.0.0.1")),
        (&silent.port, port.into()),
    ] {
        let (parent, name) = pointer.rsplit_once('/').unwrap_or_default();
        let name = name.replace("~1", "/").replace("~0", "~");
        if let Some(Value::Object(members)) = connection.pointer_mut(parent) {
            members.insert(name, value);
        }
    }
    connection
}

/// Accepts connections, says nothing, and cancels the call some time after the first one. It ends when it is dropped.
struct SilentServer {
    port: u16,
    task: JoinHandle<()>,
}

impl SilentServer {
    async fn start(canceller: &Canceller) -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let port = listener.local_addr()?.port();
        let canceller = canceller.clone();
        let task = tokio::spawn(async move {
            canceller.after(PATIENCE);
            let mut held = Vec::new();
            while let Ok((socket, _)) = listener.accept().await {
                held.push(socket);
                canceller.after(WAITING);
            }
        });
        Ok(Self { port, task })
    }
}

impl Drop for SilentServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_connection_is_led_elsewhere_also_where_it_has_no_port() {
        let silent = Silent {
            host: "/at/host".to_owned(),
            port: "/at/port".to_owned(),
        };
        let led = led_to(&json!({"at": {"host": "h"}, "user": "u"}), &silent, 7);
        assert_eq!(led, json!({"at": {"host": "127.0.0.1", "port": 7}, "user": "u"}));
    }
}
