//! A connector at work: each call in an instance of its own, with the flow's side as a check wants it.

use super::checks::Needs;
use super::counterpart::{Act, Canceller, Script, Strict};
use super::ears::{Ears, Mouth};
use super::ran::{Ran, Remains};
use super::report::{Book, Report};
use super::settings::{Given, Planned, Settings};
use crate::component::Connector;
use crate::contract::{Call, CheckStep, Earlier, Egress, LogLevel};
use crate::failure::Failure;
use crate::imports::exchange::Incoming;
use crate::instance::{Instance, RunContext};
use crate::payload::Payload;
use crate::policy::Policy;
use crate::state::body::Body;
use crate::state::pipe;
use crate::state::spool::Spool;
use anyhow::Context as _;
use bytes::Bytes;
use serde_json::Value;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long a cancelled call may go on before it is ended by force. Much longer than it should take, so that reports
/// can say how long it took.
const GRACE: &str = "grace=10s";

/// Everything that is said shall be heard.
const LOG_LINES: &str = "log_lines=100000";

/// What the checks work with.
pub(super) struct Bench {
    pub connector: Arc<Connector>,
    pub settings: Settings,
    pub book: Book,
    pub ears: Ears,
    /// All that the connector did in the calls since this was emptied.
    pub acts: Vec<Act>,
    /// What a call that makes payloads was seen to offer.
    pub offered: Vec<(String, Option<String>)>,
    policy: Policy,
    spool: Arc<Spool>,
    has_settings: bool,
}

/// In what state incoming payloads are handed out.
#[derive(Debug, Clone, Default)]
pub(super) enum Inbox {
    /// As the settings file has them.
    #[default]
    Whole,
    /// With one before them whose options are no JSON.
    BadOptions,
    /// The first one's body breaks off in the middle.
    Broken,
    /// The first one's body never comes to its end.
    Stalled,
    /// As after a try of which nobody knows how far it came.
    Again(Option<String>),
}

impl Bench {
    pub(super) fn new(
        connector: Arc<Connector>,
        settings: Option<Settings>,
        policy: &Policy,
        book: Book,
    ) -> anyhow::Result<Self> {
        let mut policy = policy.clone();
        for limit in [GRACE, LOG_LINES] {
            policy = policy.limit(limit).map_err(anyhow::Error::msg)?;
        }
        let spool = Spool::create(&std::env::temp_dir(), None).context("bodies cannot be stored")?;
        let has_settings = settings.is_some();
        let settings = settings.unwrap_or_default();
        let ears = Ears::default();
        for pointer in &settings.secrets {
            let secret = settings
                .connection
                .as_ref()
                .and_then(|connection| connection.pointer(pointer));
            if let Some(secret) = secret.and_then(Value::as_str) {
                ears.listen_for(pointer, secret);
            }
        }
        Ok(Self {
            connector,
            settings,
            book,
            ears,
            acts: Vec::new(),
            offered: Vec::new(),
            policy,
            spool,
            has_settings,
        })
    }

    /// How many calls there are to make.
    pub(super) fn calls(&self) -> usize {
        self.settings.calls.len()
    }

    /// A live connector of which nobody will want anything else.
    pub(super) async fn start(&self) -> Result<Instance, Failure> {
        self.start_with("the start", &Canceller::default(), &self.policy)
            .await
    }

    async fn start_with(
        &self,
        place: &str,
        canceller: &Canceller,
        policy: &Policy,
    ) -> Result<Instance, Failure> {
        let run = RunContext {
            log_threshold: LogLevel::Trace,
            cancel: canceller.token.clone(),
            policy: policy.of("it"),
            ..RunContext::new(&self.settings.run_id, "it", self.ears.events(place))
        };
        Instance::start(&self.connector, run).await
    }

    /// The connection's settings as the connector gets them; an empty object where there are none.
    pub(super) fn connection(&self) -> String {
        let connection = self.settings.connection.as_ref();
        connection.map_or_else(|| "{}".to_owned(), Value::to_string)
    }

    /// Asks for a plan in an instance of its own.
    pub(super) async fn plan(
        &self,
        endpoint: Option<&str>,
        connection: &str,
        options: &str,
    ) -> Result<Vec<Egress>, Failure> {
        let call = Call {
            connection: connection.to_owned(),
            options: options.to_owned(),
        };
        let plan = match self
            .start_with("`plan`", &Canceller::default(), &self.policy)
            .await
        {
            Ok(mut instance) => instance.plan(endpoint, &call).await,
            Err(failure) => Err(failure),
        };
        for egress in plan.iter().flatten() {
            self.ears.hear(Mouth::Other, "a plan", &egress.host);
            self.ears.hear(Mouth::Other, "a plan", &egress.reason);
        }
        self.heard("`plan`", &plan);
        plan
    }

    /// Lets it check a connection. Where it shall be cancelled, somebody else does so meanwhile.
    pub(super) async fn check(
        &self,
        connection: &str,
        probe_write: bool,
        canceller: &Canceller,
        policy: Option<&Policy>,
    ) -> Result<Vec<CheckStep>, Failure> {
        let limit = self.settings.timeout;
        let policy = policy.unwrap_or(&self.policy);
        let steps = match self.start_with("`check`", canceller, policy).await {
            Ok(mut instance) => instance.check(connection, probe_write, limit).await,
            Err(failure) => Err(failure),
        };
        for step in steps.iter().flatten() {
            let details = step.details.as_ref();
            for text in [&step.name, &step.message].into_iter().chain(details) {
                self.ears.hear(Mouth::Other, "a step of `check`", text);
            }
        }
        self.heard("`check`", &steps);
        steps
    }

    fn heard<T>(&self, place: &str, result: &Result<T, Failure>) {
        match result {
            Err(Failure::Connector(error)) => self.ears.hear_error(place, error),
            Err(failure) => self
                .ears
                .hear(Mouth::Log, &format!("the end of {place}"), &failure.to_string()),
            Ok(_) => {}
        }
    }

    /// Makes a call in an instance of its own.
    pub(super) async fn call(&mut self, call: &Planned, script: Script, inbox: Inbox) -> Ran {
        let canceller = Canceller::default();
        match self.start_with(&call.name, &canceller, &self.policy).await {
            Ok(mut instance) => {
                let limit = self.settings.timeout;
                self.call_on(&mut instance, &canceller, call, (script, inbox, 1, limit))
                    .await
            }
            Err(failure) => Ran::not_begun(failure),
        }
    }

    /// The same with another time limit.
    pub(super) async fn call_within(
        &mut self,
        limit: Duration,
        call: &Planned,
        script: Script,
        inbox: Inbox,
    ) -> Ran {
        let canceller = Canceller::default();
        match self.start_with(&call.name, &canceller, &self.policy).await {
            Ok(mut instance) => {
                self.call_on(&mut instance, &canceller, call, (script, inbox, 1, limit))
                    .await
            }
            Err(failure) => Ran::not_begun(failure),
        }
    }

    /// Makes a call with another connection, of which the operator thinks this.
    pub(super) async fn call_elsewhere(
        &mut self,
        connection: Value,
        policy: &Policy,
        canceller: &Canceller,
        call: &Planned,
    ) -> Ran {
        let mut instance = match self.start_with(&call.name, canceller, policy).await {
            Ok(instance) => instance,
            Err(failure) => return Ran::not_begun(failure),
        };
        let own = self.settings.connection.replace(connection);
        let limit = self.settings.timeout;
        let how = (Script::default(), Inbox::Whole, 1, limit);
        let ran = self.call_on(&mut instance, canceller, call, how).await;
        self.settings.connection = own;
        ran
    }

    /// Makes a call and, whatever came of it, a second one in the same instance: the next try of the same run.
    pub(super) async fn call_twice(
        &mut self,
        call: &Planned,
        first: Script,
        second: (Script, Inbox),
    ) -> (Ran, Ran) {
        let canceller = Canceller::default();
        let limit = self.settings.timeout;
        let mut instance = match self.start_with(&call.name, &canceller, &self.policy).await {
            Ok(instance) => instance,
            Err(failure) => return (Ran::not_begun(failure), self.call(call, second.0, second.1).await),
        };
        let ran = self
            .call_on(&mut instance, &canceller, call, (first, Inbox::Whole, 1, limit))
            .await;
        let (script, inbox) = second;
        if !instance.is_alive() {
            return (ran, self.call(call, script, inbox).await);
        }
        let again = self
            .call_on(&mut instance, &canceller, call, (script, inbox, 2, limit))
            .await;
        (ran, again)
    }

    async fn call_on(
        &mut self,
        instance: &mut Instance,
        canceller: &Canceller,
        call: &Planned,
        (script, inbox, attempt, limit): (Script, Inbox, u32, Duration),
    ) -> Ran {
        let mut strict = Strict::new(
            script,
            &format!("the call `{}`", call.name),
            &self.spool,
            canceller,
            &self.ears,
        );
        if let Err(error) = self.hand_in(&mut strict, call, &inbox) {
            return Ran::not_begun(Failure::Host(error));
        }
        let words = Call {
            connection: self.connection(),
            options: call.options.to_string(),
        };
        let begun = Instant::now();
        let (strict, result) = instance
            .call(&call.name, &call.endpoint, &words, attempt, limit, strict)
            .await;
        let ended = Instant::now();
        self.heard(&format!("the call `{}`", call.name), &result);
        self.acts.extend(strict.acts.iter().cloned());
        Ran {
            result,
            acts: strict.acts,
            cancelled_for: canceller.at().map(|at| ended.saturating_duration_since(at)),
            took: ended - begun,
        }
    }

    fn hand_in(&self, strict: &mut Strict, call: &Planned, inbox: &Inbox) -> anyhow::Result<()> {
        if let (Inbox::BadOptions, Some(first)) = (inbox, call.incoming.first()) {
            let mut payload = self.payload(first)?;
            BAD_OPTIONS.clone_into(&mut payload.metadata.id);
            strict
                .inbox
                .push_back(Incoming::new(payload, "no JSON".to_owned()));
        }
        for (index, given) in call.incoming.iter().enumerate() {
            let mut payload = self.payload(given)?;
            if let (0, Some(content), Inbox::Broken | Inbox::Stalled) = (index, &given.content, inbox) {
                let (mut writer, reader) = pipe::pipe();
                let half = content.len().div_ceil(2).min(64 * 1024);
                if half > 0 {
                    // There is room for the first piece.
                    let _ = writer.write(Bytes::copy_from_slice(&content[..half]));
                }
                payload.body = Some(Body::on_its_way(reader, content.len() as u64));
                if matches!(inbox, Inbox::Stalled) {
                    strict.hold(writer);
                }
            }
            let mut incoming = Incoming::new(payload, given.options.to_string());
            if let Inbox::Again(note) = inbox {
                incoming.earlier = Some(Earlier { note: note.clone() });
            }
            strict.inbox.push_back(incoming);
        }
        Ok(())
    }

    fn payload(&self, given: &Given) -> anyhow::Result<Payload> {
        let body = match &given.content {
            Some(content) => Some(self.spool.store(content)?),
            None => None,
        };
        Ok(Payload {
            metadata: given.metadata.clone(),
            body,
        })
    }

    /// What is on the remote system, where the settings say how to find out.
    pub(super) async fn remains(&mut self) -> Option<Result<Remains, String>> {
        let call = self.settings.remains.clone()?;
        // What it does is not what is looked at.
        let acts = std::mem::take(&mut self.acts);
        let ran = self.call(&call, Script::default(), Inbox::Whole).await;
        self.acts = acts;
        if let Err(failure) = &ran.result {
            return Some(Err(format!("`remains` failed: {failure}")));
        }
        let found = ran.acts.into_iter().filter_map(|act| match act {
            Act::Finished(metadata, Ok(sum)) => Some((metadata.id, sum)),
            _ => None,
        });
        Some(Ok(found.collect()))
    }

    /// The operator's say with one more address.
    pub(super) fn policy_with(&self, target: &str) -> Result<Policy, String> {
        self.policy.clone().allow(target)
    }

    /// Ends the checks.
    pub(super) fn close(self) -> Report {
        let without = "no settings file was given (`--settings`)";
        let lack = |there: bool, reason: &'static str| match (self.has_settings, there) {
            (false, _) => Some(without),
            (true, false) => Some(reason),
            (true, true) => None,
        };
        let connection = lack(
            self.settings.connection.is_some(),
            "the settings file has no `connection`",
        );
        let missing = [
            (Needs::Connection, connection),
            (
                Needs::Calls,
                lack(
                    !self.settings.calls.is_empty(),
                    "the settings file has no `calls`",
                ),
            ),
            (
                Needs::Silent,
                lack(
                    self.settings.silent.is_some(),
                    "the settings file has no `silent`",
                ),
            ),
            (
                Needs::Remains,
                lack(
                    self.settings.remains.is_some(),
                    "the settings file has no `remains`",
                ),
            ),
        ];
        let missing: Vec<_> = missing
            .into_iter()
            .filter_map(|(needs, reason)| Some((needs, reason?)))
            .collect();
        let otherwise = if self.book.has_failed(&super::checks::plan::PURE) {
            "`plan.pure` failed, and every call begins with a plan"
        } else {
            "nothing in the settings file is what it looks at: `--list` says what that is"
        };
        self.book
            .close(Some(&self.connector), otherwise, &missing)
            .without(self.settings.redactor)
    }
}

/// The id of the payload whose options are no JSON.
pub(super) const BAD_OPTIONS: &str = "conformance/bad-options";
