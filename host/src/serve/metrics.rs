//! Numbers for Prometheus, in the text format of `OpenMetrics`.

use prometheus_client::encoding::{EncodeLabelSet, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};
use std::fmt;
use std::time::Duration;

/// How a run ended, as a label.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// Nothing failed.
    Ok,
    /// Nothing failed, and a run that only looked for files found none.
    Empty,
    /// Something failed, or the run could not begin.
    Failed,
    /// It was asked to end, and goes on later.
    Interrupted,
    /// It did not begin: another process runs the flow.
    Skipped,
}

impl Status {
    /// The word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Empty => "empty",
            Self::Failed => "failed",
            Self::Interrupted => "interrupted",
            Self::Skipped => "skipped",
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct FlowLabel {
    flow: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RunLabel {
    flow: String,
    status: &'static str,
}

/// The numbers, by flow.
pub struct Metrics {
    registry: Registry,
    runs: Family<RunLabel, Counter>,
    duration: Family<FlowLabel, Histogram>,
    payloads: Family<FlowLabel, Counter>,
    bytes: Family<FlowLabel, Counter>,
    failed: Family<FlowLabel, Counter>,
    running: Family<FlowLabel, Gauge>,
    last_success: Family<FlowLabel, Gauge>,
    reload_failures: Family<FlowLabel, Counter>,
    broken: Family<FlowLabel, Gauge>,
    leader: Family<FlowLabel, Gauge>,
}

impl fmt::Debug for Metrics {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Metrics")
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

/// From a tenth of a second to half an hour: most runs are seconds, and few are hours.
fn duration_buckets() -> Histogram {
    Histogram::new(exponential_buckets(0.1, 2.7, 11))
}

impl Metrics {
    /// All at nothing.
    #[must_use]
    pub fn new() -> Self {
        let mut metrics = Self {
            registry: Registry::with_prefix("flowhost"),
            runs: Family::default(),
            duration: Family::new_with_constructor(duration_buckets),
            payloads: Family::default(),
            bytes: Family::default(),
            failed: Family::default(),
            running: Family::default(),
            last_success: Family::default(),
            reload_failures: Family::default(),
            broken: Family::default(),
            leader: Family::default(),
        };
        metrics.register();
        metrics
    }

    fn register(&mut self) {
        let registry = &mut self.registry;
        registry.register(
            "runs",
            "Runs that have ended, by how they ended",
            self.runs.clone(),
        );
        registry.register_with_unit(
            "run_duration",
            "From the start of a run to its end",
            Unit::Seconds,
            self.duration.clone(),
        );
        registry.register("payloads", "Payloads that runs have made", self.payloads.clone());
        registry.register_with_unit(
            "payload",
            "Bytes of the payloads that runs have made",
            Unit::Bytes,
            self.bytes.clone(),
        );
        registry.register(
            "failed_payloads",
            "Payloads and steps that failed, and problems with payloads that did not",
            self.failed.clone(),
        );
        registry.register("runs_running", "Runs that are going", self.running.clone());
        registry.register_with_unit(
            "last_success_timestamp",
            "When a run has last ended without a failure, in seconds since 1970; 0 for never",
            Unit::Seconds,
            self.last_success.clone(),
        );
        registry.register(
            "reload_failures",
            "How often a changed flow file was wrong",
            self.reload_failures.clone(),
        );
        registry.register(
            "flow_broken",
            "1 while the flow's file is wrong; what was loaded before is served",
            self.broken.clone(),
        );
        registry.register(
            "leader",
            "1 while this process runs the flow",
            self.leader.clone(),
        );
    }

    /// A flow is served from now on: its numbers are there before anything has happened.
    pub fn add(&self, flow: &str) {
        for status in [Status::Ok, Status::Empty, Status::Failed] {
            let _ = self.runs.get_or_create(&run_label(flow, status));
        }
        let label = label(flow);
        let _ = self.duration.get_or_create(&label);
        let _ = self.last_success.get_or_create(&label);
        for counter in [&self.payloads, &self.bytes, &self.failed, &self.reload_failures] {
            let _ = counter.get_or_create(&label);
        }
        for gauge in [&self.running, &self.broken, &self.leader] {
            let _ = gauge.get_or_create(&label);
        }
    }

    /// A flow is not served any more.
    pub fn remove(&self, flow: &str) {
        for status in [Status::Ok, Status::Empty, Status::Failed] {
            self.runs.remove(&run_label(flow, status));
        }
        let label = label(flow);
        self.duration.remove(&label);
        for counter in [&self.payloads, &self.bytes, &self.failed, &self.reload_failures] {
            counter.remove(&label);
        }
        for gauge in [&self.running, &self.broken, &self.leader, &self.last_success] {
            gauge.remove(&label);
        }
    }

    /// So many runs of a flow are going.
    pub fn running(&self, flow: &str, runs: usize) {
        let runs = i64::try_from(runs).unwrap_or(i64::MAX);
        self.running.get_or_create(&label(flow)).set(runs);
    }

    /// Whether this process runs a flow.
    pub fn leading(&self, flow: &str, leading: bool) {
        self.leader.get_or_create(&label(flow)).set(leading.into());
    }

    /// Whether a flow's file is wrong.
    pub fn broken(&self, flow: &str, broken: bool) {
        self.broken.get_or_create(&label(flow)).set(broken.into());
    }

    /// A changed file of a flow was wrong.
    pub fn reload_failed(&self, flow: &str) {
        self.reload_failures.get_or_create(&label(flow)).inc();
    }

    /// A run has ended.
    pub fn ended(&self, flow: &str, status: Status, took: Duration) {
        self.runs.get_or_create(&run_label(flow, status)).inc();
        self.duration
            .get_or_create(&label(flow))
            .observe(took.as_secs_f64());
        if status != Status::Failed {
            let now = jiff::Timestamp::now().as_second();
            self.last_success.get_or_create(&label(flow)).set(now);
        }
    }

    /// What a run has moved.
    pub fn moved(&self, flow: &str, payloads: u64, bytes: u64, failed: u64) {
        let label = label(flow);
        self.payloads.get_or_create(&label).inc_by(payloads);
        self.bytes.get_or_create(&label).inc_by(bytes);
        self.failed.get_or_create(&label).inc_by(failed);
    }

    /// All of them as text.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = String::new();
        // A string takes everything.
        let _ = text::encode(&mut text, &self.registry);
        text
    }
}

fn label(flow: &str) -> FlowLabel {
    FlowLabel {
        flow: flow.to_owned(),
    }
}

fn run_label(flow: &str, status: Status) -> RunLabel {
    RunLabel {
        flow: flow.to_owned(),
        status: status.as_str(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flow_has_its_numbers_from_the_start_and_until_it_goes() {
        let metrics = Metrics::new();
        metrics.add("orders");
        let text = metrics.text();
        for line in [
            "flowhost_runs_total{flow=\"orders\",status=\"ok\"} 0",
            "flowhost_run_duration_seconds_count{flow=\"orders\"} 0",
            "flowhost_payloads_total{flow=\"orders\"} 0",
            "flowhost_payload_bytes_total{flow=\"orders\"} 0",
            "flowhost_failed_payloads_total{flow=\"orders\"} 0",
            "flowhost_runs_running{flow=\"orders\"} 0",
            "flowhost_last_success_timestamp_seconds{flow=\"orders\"} 0",
            "flowhost_reload_failures_total{flow=\"orders\"} 0",
            "flowhost_flow_broken{flow=\"orders\"} 0",
            "flowhost_leader{flow=\"orders\"} 0",
        ] {
            assert!(text.lines().any(|one| one == line), "{line}\n{text}");
        }
        assert!(text.ends_with("# EOF\n"));
        metrics.remove("orders");
        assert!(!metrics.text().contains("orders"), "{}", metrics.text());
    }

    #[test]
    fn a_failed_run_is_no_success() {
        let metrics = Metrics::new();
        metrics.ended("a", Status::Failed, Duration::from_secs(1));
        assert!(!metrics.text().contains("last_success_timestamp_seconds{"));
        metrics.ended("a", Status::Ok, Duration::from_secs(1));
        assert!(
            metrics
                .text()
                .contains("last_success_timestamp_seconds{flow=\"a\"} 1")
        );
    }
}
