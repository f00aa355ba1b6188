//! The exchange as a guest uses it, without a guest.

use super::*;
use crate::contract::LogLevel;
use crate::event::Events;
use crate::imports::context::Context;
use crate::imports::log::Log;
use crate::imports::tls::Tls;
use crate::payload::Payload;
use crate::policy::Limits;
use crate::policy::bounds::Bounds;
use crate::policy::limits::Size;
use crate::policy::reach::Reach;
use crate::state::spool::Spool;
use futures_util::FutureExt as _;
use serde_json::{Value, json};
use std::any::Any;
use std::sync::{Arc, Mutex};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

/// A call that goes on, and what it told.
struct Bench {
    state: State,
    told: Arc<Mutex<Vec<Value>>>,
    _folder: TempDir,
}

impl Bench {
    fn new() -> Self {
        let told: Arc<Mutex<Vec<Value>>> = Arc::default();
        let sink = Arc::clone(&told);
        let events = Events::new(move |event| sink.lock().expect("not poisoned").push(json!(event)));
        let limits = Limits {
            payloads: 3,
            metadata: Size(1000),
            ..Limits::default()
        };
        let bounds = Bounds::new("shop", limits, events.clone());
        let log = Log::new(events.clone(), LogLevel::Debug, bounds.clone());
        let context = Context::new("run".into(), events, log, CancellationToken::new());
        let reach = Reach::none(bounds.clone(), Arc::default());
        let mut state = State::new(context, reach, Tls::default(), bounds);
        let folder = tempfile::tempdir().expect("a folder");
        let spool = Spool::create(folder.path(), None).expect("a spool");
        state.context.step = "pull".into();
        state.desk.exchange = Some(Box::new(Exchange::new(spool, [])));
        Self {
            state,
            told,
            _folder: folder,
        }
    }

    fn accept(&mut self, id: &str, name: &str) {
        let writer = self.begin(id, name).expect("no error");
        self.finish(writer).expect("accepted");
    }

    fn begin(&mut self, id: &str, name: &str) -> Result<Resource<Writer>, Error> {
        let metadata = Metadata {
            id: id.into(),
            name: Some(name.into()),
            ..Payload::trigger("run").metadata
        };
        let answer = self.state.begin(metadata).now_or_never();
        match answer.expect("nothing to wait for").expect("no trap")? {
            Offer::Accept(writer) => Ok(writer),
            offer => panic!("{offer:?}"),
        }
    }

    fn finish(&mut self, writer: Resource<Writer>) -> Result<(), Error> {
        let answer = HostWriter::finish(&mut self.state, writer).now_or_never();
        answer.expect("nothing to wait for").expect("no trap")
    }

    /// Ends the call, and gives its exchange.
    fn close(&mut self) -> Box<Exchange> {
        let exchange: Box<dyn Any> = self.state.desk.close().expect("the call's");
        exchange.downcast().expect("what was put there")
    }

    fn report(&mut self, id: &str, message: &str) -> wasmtime::Result<()> {
        let problem = Error {
            code: Some("553".into()),
            ..Error::new(ErrorKind::Permission, message)
        };
        Host::report(&mut self.state, id.into(), problem)
    }

    fn problems(&self) -> Vec<Value> {
        let told = self.told.lock().expect("not poisoned");
        told.iter()
            .filter(|event| event["event"] == "payload-problem")
            .cloned()
            .collect()
    }
}

#[test]
fn a_problem_is_told_with_the_payloads_name_and_leaves_it_accepted() {
    let mut bench = Bench::new();
    bench.accept("/in/a.csv", "a.csv");
    bench
        .report("/in/a.csv", "delivered, not moved")
        .expect("no trap");
    assert_eq!(
        bench.problems(),
        [
            json!({"event": "payload-problem", "step": "pull", "payload": "a.csv", "kind": "permission",
            "message": "delivered, not moved", "code": "553"})
        ]
    );
    let exchange = bench.close();
    assert_eq!((exchange.accepted.len(), exchange.aborted.len()), (1, 0));
    assert_eq!(exchange.reported[0].0, "/in/a.csv");
}

#[test]
fn tries_of_the_same_call_tell_a_problem_once() {
    let mut bench = Bench::new();
    bench.report("a", "not moved").expect("no trap");
    // The next try has the exchange of the one before.
    let exchange = bench.state.desk.close();
    bench.state.desk.exchange = exchange;
    bench.report("a", "not moved").expect("no trap");
    bench.report("a", "not deleted").expect("no trap");
    assert_eq!(bench.problems().len(), 2);
    let exchange = bench.close();
    assert_eq!(exchange.reported.len(), 2);
}

#[test]
fn a_problem_of_an_unknown_payload_is_told_by_its_id() {
    let mut bench = Bench::new();
    bench.report("/in/b.csv", "not moved").expect("no trap");
    assert_eq!(bench.problems()[0]["payload"], "/in/b.csv");
}

#[test]
fn problems_without_end_are_refused() {
    let mut bench = Bench::new();
    for index in 0..3 {
        bench.report("a", &format!("problem {index}")).expect("no trap");
    }
    assert!(bench.report("a", "one more").is_err());
}

#[test]
fn of_two_writers_of_one_payload_the_first_to_finish_delivers_it() {
    let mut bench = Bench::new();
    let first = bench.begin("a", "a.csv").expect("no error");
    let second = bench.begin("a", "a.csv").expect("no error");
    bench.finish(second).expect("accepted");
    let error = bench.finish(first).expect_err("accepted twice");
    assert_eq!((error.kind, error.effect), (ErrorKind::Conflict, Effect::None));
    assert!(error.message.contains("a.csv"), "{}", error.message);
    let exchange = bench.close();
    assert_eq!((exchange.accepted.len(), exchange.aborted.len()), (1, 0));
}

#[test]
fn an_accepted_payload_is_not_given_up_by_its_second_writer() {
    let mut bench = Bench::new();
    // The last one is kept until the call ends.
    let [finished, aborted, _] = [(); 3].map(|()| bench.begin("a", "a.csv").expect("no error"));
    bench.finish(finished).expect("accepted");
    let reason = Error::new(ErrorKind::Data, "given up");
    HostWriter::abort(&mut bench.state, aborted, reason).expect("no trap");
    let exchange = bench.close();
    let others = (exchange.aborted.len(), exchange.unfinished.len());
    assert_eq!((exchange.accepted.len(), others), (1, (0, 0)));
}

#[test]
fn payloads_that_are_on_their_way_count_for_the_limit() {
    let mut bench = Bench::new();
    let writers = ["a", "b", "c"].map(|id| bench.begin(id, id).expect("no error"));
    let error = bench.begin("d", "d").expect_err("one more than the limit");
    assert_eq!(error.kind, ErrorKind::DeniedByHost);
    for writer in writers {
        bench.finish(writer).expect("accepted");
    }
    assert!(bench.begin("d", "d").is_err());
}

#[test]
fn what_was_accepted_is_answered_so_also_at_the_limit() {
    let mut bench = Bench::new();
    for id in ["a", "b", "c"] {
        bench.accept(id, id);
    }
    let metadata = |id: &str| Metadata {
        id: id.into(),
        ..Payload::trigger("run").metadata
    };
    let mut offer = |id| {
        let answer = bench.state.begin(metadata(id)).now_or_never();
        answer.expect("nothing to wait for").expect("no trap")
    };
    assert!(matches!(offer("a"), Ok(Offer::Accepted)));
    let error = offer("d").expect_err("one more than the limit");
    assert_eq!(error.kind, ErrorKind::DeniedByHost);
}

#[test]
fn metadata_that_is_too_large_is_an_invalid_setting_that_names_the_limit() {
    let error = Bench::new()
        .begin("a", &"x".repeat(2_000))
        .expect_err("twice as large as it may be");
    assert_eq!(error.kind, ErrorKind::InvalidSettings);
    assert!(error.message.contains("`metadata`"), "{}", error.message);
}

#[test]
fn errors_are_handed_on_as_they_came() {
    let mut bench = Bench::new();
    let came = Error {
        message: format!("two\nlines {}", "x".repeat(10_000)),
        code: Some("5\t30".into()),
        retry: Retry::AfterMs(7),
        effect: Effect::Partial,
        details: Some("{\n}".into()),
        ..Error::new(ErrorKind::Busy, "")
    };
    let writer = bench.begin("a", "a.csv").expect("no error");
    HostWriter::abort(&mut bench.state, writer, came.clone()).expect("no trap");
    Host::report(&mut bench.state, "b".into(), came.clone()).expect("no trap");
    let told = bench.problems()[0]["message"].clone();
    assert!(!told.as_str().unwrap_or_default().contains('\n'), "{told}");
    let exchange = bench.close();
    for kept in [&exchange.aborted[0].1, &exchange.reported[0].1] {
        assert_eq!(format!("{kept:?}"), format!("{came:?}"));
    }
}

#[test]
fn a_writer_of_an_earlier_call_traps_and_brings_nothing() {
    let mut bench = Bench::new();
    let writers = ["a", "b"].map(|id| bench.begin(id, id).expect("no error"));
    assert_eq!(bench.close().unfinished.len(), 2);
    let (_folder, spool) = {
        let folder = tempfile::tempdir().expect("a folder");
        let spool = Spool::create(folder.path(), None).expect("a spool");
        (folder, spool)
    };
    bench.state.desk.exchange = Some(Box::new(Exchange::new(spool, [])));
    let [finished, aborted] = writers;
    let finish = HostWriter::finish(&mut bench.state, finished).now_or_never();
    let trap = finish
        .expect("nothing to wait for")
        .expect_err("its call is over");
    assert!(trap.to_string().contains("outlived its call"), "{trap}");
    let reason = Error::new(ErrorKind::Data, "given up");
    HostWriter::abort(&mut bench.state, aborted, reason).expect_err("its call is over");
    let exchange = bench.close();
    assert_eq!((exchange.accepted.len(), exchange.aborted.len()), (0, 0));
}
