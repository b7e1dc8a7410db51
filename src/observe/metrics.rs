//! Every metric, declared once. Names and labels are the contract with dashboards; no label can grow without bound:
//! each is an upstream's name, a status, or one of a fixed set of words.

use std::time::Duration;

use super::servers::{ServerState, Servers};
use prometheus::{
    Encoder, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, Opts, Registry, TextEncoder,
};

/// The `upstream` label of our own endpoints.
pub const OWN: &str = "portcullis";

/// The metrics of one process.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    /// `portcullis_requests_total{upstream,method,status}`.
    pub requests: IntCounterVec,
    /// `portcullis_request_duration_seconds{upstream}`.
    pub request_duration: HistogramVec,
    /// `portcullis_decisions_total{upstream,decision,reason}`.
    pub decisions: IntCounterVec,
    /// `portcullis_auth_duration_seconds`: time that the decision took.
    pub auth_duration: Histogram,
    /// `portcullis_token_requests_total{result}`: `ok` or the RFC 6749 error.
    pub token_requests: IntCounterVec,
    /// `portcullis_tokens_issued_total`.
    pub tokens_issued: IntCounter,
    /// `portcullis_tokens_revoked_total`: revoked one by one in this process.
    pub tokens_revoked: IntCounter,
    /// `portcullis_tokens_live`: unexpired tokens in the store, counted every few seconds.
    pub tokens_live: IntGauge,
    /// `portcullis_token_cache_requests_total{result="hit"}`.
    pub token_cache_hits: IntCounter,
    /// `portcullis_token_cache_requests_total{result="miss"}`.
    pub token_cache_misses: IntCounter,
    /// `portcullis_argon2_queue_depth`: password computations that wait or run.
    pub argon2_queue_depth: IntGauge,
    /// `portcullis_upstream_failures_total{upstream,kind}`.
    pub upstream_failures: IntCounterVec,
    /// `portcullis_rate_limited_total{upstream}`: answered with 429.
    pub rate_limited: IntCounterVec,
    /// `portcullis_config_reloads_total{result}`: `ok` or `error`.
    pub config_reloads: IntCounterVec,
    /// `portcullis_config_last_reload_success_timestamp_seconds`.
    pub config_last_reload: IntGauge,
    /// `portcullis_store_operations_total{operation,result}`.
    pub store_operations: IntCounterVec,
    /// `portcullis_store_operation_duration_seconds{operation}`.
    pub store_duration: HistogramVec,
    /// `portcullis_connections`: open at the public door.
    pub connections: IntGauge,
    /// `portcullis_connections_refused_total`: closed at once, being too many.
    pub connections_refused: IntCounter,
}

/// Bounds for requests, in seconds.
const REQUEST_BUCKETS: &[f64] =
    &[0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];
/// Bounds for the decision and the store, in seconds.
const SHORT_BUCKETS: &[f64] =
    &[0.000_005, 0.000_01, 0.000_025, 0.000_05, 0.000_1, 0.000_25, 0.001, 0.005, 0.02, 0.1, 0.5, 1.0];

impl Metrics {
    /// All metrics, at zero.
    ///
    /// # Errors
    /// [`prometheus::Error`] if two were declared under one name.
    pub fn new() -> Result<Self, prometheus::Error> {
        let registry = Registry::new();
        let declare = Declare(&registry);
        let cache =
            declare.counters("token_cache_requests_total", "Bearer look-ups by where they ended.", &["result"])?;
        let config_reloads = declare.counters("config_reloads_total", "Reloads by result.", &["result"])?;
        // Both stand at zero from the start, so that the first failure is seen as an increase.
        let _zero = ["ok", "error"].map(|result| config_reloads.with_label_values(&[result]));
        let build = declare.gauges("build_info", "The version that runs.", &["version"])?;
        build.with_label_values(&[env!("CARGO_PKG_VERSION")]).set(1);
        registry.register(Box::new(prometheus::process_collector::ProcessCollector::for_self()))?;
        Ok(Self {
            requests: declare.counters(
                "requests_total",
                "Requests answered, by upstream (`portcullis`: our own endpoints), method and status.",
                &["upstream", "method", "status"],
            )?,
            request_duration: declare.histograms(
                "request_duration_seconds",
                "Time from a request's head to the end of its answer.",
                &["upstream"],
                REQUEST_BUCKETS,
            )?,
            decisions: declare.counters(
                "decisions_total",
                "Decisions by upstream, decision and reason.",
                &["upstream", "decision", "reason"],
            )?,
            auth_duration: declare.histogram("auth_duration_seconds", "Time that the decision took.")?,
            token_requests: declare.counters("token_requests_total", "Token requests by result.", &["result"])?,
            tokens_issued: declare.counter("tokens_issued_total", "Tokens issued.")?,
            tokens_revoked: declare.counter("tokens_revoked_total", "Tokens revoked one by one.")?,
            tokens_live: declare.gauge("tokens_live", "Unexpired tokens in the store, counted every few seconds.")?,
            token_cache_hits: cache.with_label_values(&["hit"]),
            token_cache_misses: cache.with_label_values(&["miss"]),
            argon2_queue_depth: declare.gauge("argon2_queue_depth", "Password computations that wait or run.")?,
            upstream_failures: declare.counters(
                "upstream_failures_total",
                "Requests that an upstream did not answer, by kind.",
                &["upstream", "kind"],
            )?,
            rate_limited: declare.counters("rate_limited_total", "Answers of 429, by upstream.", &["upstream"])?,
            config_reloads,
            config_last_reload: declare
                .gauge("config_last_reload_success_timestamp_seconds", "When the configuration in force was read.")?,
            store_operations: declare.counters(
                "store_operations_total",
                "Operations on the store by result.",
                &["operation", "result"],
            )?,
            store_duration: declare.histograms(
                "store_operation_duration_seconds",
                "Time that an operation on the store took, waiting included.",
                &["operation"],
                SHORT_BUCKETS,
            )?,
            connections: declare.gauge("connections", "Open connections at the public door.")?,
            connections_refused: declare.counter("connections_refused_total", "Connections closed as too many.")?,
            registry,
        })
    }

    /// Tells of upstreams' servers, as they are whenever the metrics are read:
    /// `portcullis_upstream_healthy{upstream,server}`.
    ///
    /// # Errors
    /// [`prometheus::Error`] if that is told already.
    pub fn observe_servers(
        &self,
        states: impl Fn() -> Vec<ServerState> + Send + Sync + 'static,
    ) -> Result<(), prometheus::Error> {
        self.registry.register(Box::new(Servers::new(states)?))
    }

    /// Counts a reload.
    pub fn count_reload(&self, ok: bool) {
        self.config_reloads.with_label_values(&[if ok { "ok" } else { "error" }]).inc();
    }

    /// Counts a connection at the public door until the guard is dropped.
    #[must_use]
    pub fn open_connection(&self) -> OpenConnection {
        self.connections.inc();
        OpenConnection(self.connections.clone())
    }

    /// Counts an operation on the store.
    pub fn count_store_operation(&self, operation: &str, ok: bool, took: Duration) {
        let result = if ok { "ok" } else { "error" };
        self.store_operations.with_label_values(&[operation, result]).inc();
        self.store_duration.with_label_values(&[operation]).observe(took.as_secs_f64());
    }

    /// The text that Prometheus scrapes.
    ///
    /// # Errors
    /// [`prometheus::Error`] if a metric cannot be written.
    pub fn encode(&self) -> Result<Vec<u8>, prometheus::Error> {
        let mut text = Vec::new();
        TextEncoder::new().encode(&self.registry.gather(), &mut text)?;
        Ok(text)
    }
}

/// A connection that is counted as open.
#[derive(Debug)]
pub struct OpenConnection(IntGauge);

impl Drop for OpenConnection {
    fn drop(&mut self) {
        self.0.dec();
    }
}

/// The label of a method: a caller cannot make a new one.
#[must_use]
pub fn method_label(method: &http::Method) -> &'static str {
    match method.as_str() {
        "GET" => "GET",
        "HEAD" => "HEAD",
        "POST" => "POST",
        "PUT" => "PUT",
        "PATCH" => "PATCH",
        "DELETE" => "DELETE",
        "OPTIONS" => "OPTIONS",
        _ => "other",
    }
}

/// Makes and registers in one step.
struct Declare<'a>(&'a Registry);

impl Declare<'_> {
    fn counters(&self, name: &str, help: &str, labels: &[&str]) -> Result<IntCounterVec, prometheus::Error> {
        let metric = IntCounterVec::new(options(name, help), labels)?;
        self.0.register(Box::new(metric.clone()))?;
        Ok(metric)
    }

    fn counter(&self, name: &str, help: &str) -> Result<IntCounter, prometheus::Error> {
        let metric = IntCounter::with_opts(options(name, help))?;
        self.0.register(Box::new(metric.clone()))?;
        Ok(metric)
    }

    fn gauges(&self, name: &str, help: &str, labels: &[&str]) -> Result<prometheus::IntGaugeVec, prometheus::Error> {
        let metric = prometheus::IntGaugeVec::new(options(name, help), labels)?;
        self.0.register(Box::new(metric.clone()))?;
        Ok(metric)
    }

    fn gauge(&self, name: &str, help: &str) -> Result<IntGauge, prometheus::Error> {
        let metric = IntGauge::with_opts(options(name, help))?;
        self.0.register(Box::new(metric.clone()))?;
        Ok(metric)
    }

    fn histograms(
        &self,
        name: &str,
        help: &str,
        labels: &[&str],
        buckets: &[f64],
    ) -> Result<HistogramVec, prometheus::Error> {
        let options = HistogramOpts::from(options(name, help)).buckets(buckets.to_vec());
        let metric = HistogramVec::new(options, labels)?;
        self.0.register(Box::new(metric.clone()))?;
        Ok(metric)
    }

    fn histogram(&self, name: &str, help: &str) -> Result<Histogram, prometheus::Error> {
        let options = HistogramOpts::from(options(name, help)).buckets(SHORT_BUCKETS.to_vec());
        let metric = Histogram::with_opts(options)?;
        self.0.register(Box::new(metric.clone()))?;
        Ok(metric)
    }
}

pub(super) fn options(name: &str, help: &str) -> Opts {
    Opts::new(format!("portcullis_{name}"), help)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_has_our_families_and_the_process_metrics() {
        let metrics = Metrics::new().unwrap();
        metrics.count_reload(true);
        metrics.count_store_operation("insert_token", true, Duration::from_micros(80));
        let text = String::from_utf8(metrics.encode().unwrap()).unwrap();
        for line in [
            r#"portcullis_config_reloads_total{result="ok"} 1"#,
            r#"portcullis_store_operations_total{operation="insert_token",result="ok"} 1"#,
            "portcullis_tokens_issued_total 0",
            r#"portcullis_token_cache_requests_total{result="hit"} 0"#,
            "process_resident_memory_bytes",
        ] {
            assert!(text.contains(line), "{line} is missing in\n{text}");
        }
    }

    #[test]
    fn an_unusual_method_makes_no_label() {
        assert_eq!(method_label(&http::Method::from_bytes(b"BREW").unwrap()), "other");
    }
}
