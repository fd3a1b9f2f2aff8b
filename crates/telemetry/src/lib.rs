//! Logs, traces and metrics of a process.
//!
//! **Cost.** At thousands of messages a second spans must be nearly free: sampling is decided at
//! the root of a trace, by ratio, and what is not sampled keeps its ids (for logs and for the next
//! service) but records nothing.

mod errors;
mod json;

use std::sync::{Mutex, OnceLock, PoisonError};

use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use opentelemetry::propagation::{Extractor, TextMapPropagator};
use opentelemetry::trace::{TraceContextExt as _, TracerProvider as _};
use opentelemetry_otlp::WithExportConfig as _;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::{Sampler, SdkTracerProvider};
use serde::Deserialize;
use settings::Secret;
use tracing::level_filters::LevelFilter;
use tracing::subscriber::Interest;
use tracing::{Metadata, Span, Subscriber};
use tracing_opentelemetry::OpenTelemetrySpanExt as _;
use tracing_subscriber::fmt::format::JsonFields;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer};

use crate::errors::ErrorReports;

/// Upper bounds in seconds of every histogram named `*_seconds`: fine around a message's goal of
/// some tens of milliseconds, coarse up to the deadline of a request.
pub const LATENCY_BUCKETS: [f64; 14] = [
    0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
];

/// Upper bounds of every histogram that counts things: those named `*_records`, `*_partitions` and
/// `*_frames`. Powers of two, up to the longest queue of a socket.
pub const COUNT_BUCKETS: [f64; 13] = [
    1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1_024.0, 2_048.0, 4_096.0,
];

/// Where an image says of which commit it is made.
const COMMIT_VARIABLE: &str = "PARLANCE_COMMIT";

/// How a process tells of itself.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TelemetrySettings {
    /// What is logged, in the syntax of `tracing_subscriber::EnvFilter`, such as
    /// `info,message=debug`.
    pub filter: String,
    /// Where spans are sent by OTLP over gRPC, such as `http://collector:4317`; none or empty:
    /// nowhere. Trace ids exist and are propagated all the same.
    #[serde(default)]
    pub otlp_endpoint: Option<String>,
    /// `json` for machines, `text` for people.
    #[serde(default)]
    pub log_format: LogFormat,
    /// Share of traces that begin here and are recorded, 0.0 to 1.0. Where the caller has decided,
    /// its decision holds.
    #[serde(default = "default_sample_ratio")]
    pub sample_ratio: f64,
    /// Where errors are reported, a project of Sentry such as `https://<key>@sentry.example/1`;
    /// none or empty: nowhere. Reports hold nothing about people.
    #[serde(default)]
    pub sentry_dsn: Option<Secret>,
}

const fn default_sample_ratio() -> f64 {
    0.01
}

impl Default for TelemetrySettings {
    /// For tests: warnings, for people.
    fn default() -> Self {
        Self {
            filter: "warn".to_owned(),
            otlp_endpoint: None,
            log_format: LogFormat::Text,
            sample_ratio: default_sample_ratio(),
            sentry_dsn: None,
        }
    }
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    #[default]
    Json,
    Text,
}

/// Keeps the exporter of this process; dropping it sends what is still held.
pub struct TelemetryGuard {
    provider: Option<SdkTracerProvider>,
    reports: Option<ErrorReports>,
    prometheus: PrometheusHandle,
}

impl TelemetryGuard {
    /// Renders the metrics of this process.
    #[must_use]
    pub fn prometheus(&self) -> PrometheusHandle {
        self.prometheus.clone()
    }
}

impl Drop for TelemetryGuard {
    fn drop(&mut self) {
        if let Some(provider) = self.provider.take() {
            // Sent, not shut down: another service of this process may go on. And the process ends;
            // nobody is left to be told of a failure.
            let _ = provider.force_flush();
        }
        if let Some(reports) = self.reports.take() {
            reports.flush();
        }
    }
}

static PROMETHEUS: OnceLock<PrometheusHandle> = OnceLock::new();
static SERVICE: OnceLock<&'static str> = OnceLock::new();
static INSTALLING: Mutex<()> = Mutex::new(());

/// Installs logs, traces and metrics for this process. The first call of a process decides;
/// further ones (tests that start several services) share what it installed.
///
/// Call it inside the runtime: the exporter needs it. A faulty filter or endpoint is logged, and
/// the process goes on without it: what is said about chats must not stop them.
pub fn init(service: &'static str, settings: &TelemetrySettings) -> TelemetryGuard {
    let _one_at_a_time = INSTALLING.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(prometheus) = PROMETHEUS.get() {
        return TelemetryGuard {
            provider: None,
            reports: None,
            prometheus: prometheus.clone(),
        };
    }
    let mut builder = PrometheusBuilder::new();
    for (suffix, buckets) in [
        ("_seconds", LATENCY_BUCKETS.as_slice()),
        ("_records", &COUNT_BUCKETS),
        ("_partitions", &COUNT_BUCKETS),
        ("_frames", &COUNT_BUCKETS),
    ] {
        builder = builder
            .set_buckets_for_metric(Matcher::Suffix(suffix.to_owned()), buckets)
            .expect("the buckets are not empty");
    }
    let recorder = builder.build_recorder();
    let prometheus = recorder.handle();
    let _ = PROMETHEUS.set(prometheus.clone());
    let _ = SERVICE.set(service);
    let foreign_recorder = metrics::set_global_recorder(recorder).is_err();
    tell_build(service);

    let (filter, filter_error) = match EnvFilter::try_new(&settings.filter) {
        Ok(filter) => (filter, None),
        Err(error) => (EnvFilter::new("info"), Some(error)),
    };
    let (provider, export_error) = tracer_provider(service, settings);
    let tracer = provider.tracer("parlance");
    let spans = tracing_opentelemetry::layer()
        .with_tracer(tracer)
        // Where code is and which thread ran it costs attributes on every span, and says little.
        .with_location(false)
        .with_threads(false)
        .with_tracked_inactivity(false)
        .with_filter(LevelFilter::INFO);
    let logs = match settings.log_format {
        LogFormat::Json => tracing_subscriber::fmt::layer()
            .fmt_fields(JsonFields::new())
            .event_format(json::JsonEvents { service })
            .with_filter(filter)
            .boxed(),
        LogFormat::Text => tracing_subscriber::fmt::layer().with_filter(filter).boxed(),
    };
    let dsn = settings.sentry_dsn.as_ref().filter(|dsn| !dsn.is_empty());
    let (reports, dsn_error) = match dsn.map(|dsn| ErrorReports::new(service, dsn.expose())) {
        None => (None, None),
        Some(Ok(reports)) => (Some(reports), None),
        Some(Err(error)) => (None, Some(error)),
    };
    let installed = tracing_subscriber::registry()
        .with(spans)
        .with(logs)
        .with(reports.clone())
        .with(AskEachTime)
        .try_init()
        .is_ok();
    log_panics();
    if let Some(error) = filter_error {
        tracing::error!(error = %error, "the log filter is faulty; logging at `info`");
    }
    if let Some(error) = export_error {
        tracing::error!(error = %error, "spans can't be exported; going on without");
    }
    if let Some(error) = dsn_error {
        tracing::error!(error = %error, "errors can't be reported; going on without");
    }
    if foreign_recorder || !installed {
        tracing::debug!("somebody else's recorder or subscriber stays in place");
    }
    TelemetryGuard {
        provider: Some(provider),
        reports,
        prometheus,
    }
}

/// The service that this process is: the label `service` of its metrics.
#[must_use]
pub fn service() -> &'static str {
    SERVICE.get().copied().unwrap_or("unknown")
}

/// `parlance_build_info{service,version,commit}`, always 1: what runs where, and since when.
fn tell_build(service: &'static str) {
    metrics::describe_gauge!(
        "parlance_build_info",
        "Always 1; the labels say which version runs, and of which commit"
    );
    let commit = std::env::var(COMMIT_VARIABLE).ok();
    metrics::gauge!(
        "parlance_build_info",
        "service" => service,
        "version" => env!("CARGO_PKG_VERSION"),
        "commit" => commit.filter(|it| !it.is_empty()).unwrap_or_else(|| "unknown".to_owned()),
    )
    .set(1.0);
}

/// Lets nothing be known as always wanted, so that the filters are asked before each span and line.
///
/// Filters of layers keep their answer per thread until the span or line comes. Of what is always
/// wanted nobody asks them, and then the answer to somebody else's question still stands there: after
/// a library has asked for a level that one layer wants and another doesn't, the next line is lost
/// (tokio-rs/tracing issue 2519).
struct AskEachTime;

impl<S: Subscriber> Layer<S> for AskEachTime {
    fn register_callsite(&self, _: &'static Metadata<'static>) -> Interest {
        Interest::sometimes()
    }

    /// Wants nothing itself: the others' levels decide.
    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(LevelFilter::OFF)
    }
}

/// A panic is one line like any other, with its place.
fn log_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string);
        let message = panic.payload_as_str().unwrap_or("not a text");
        tracing::error!(place, panic.message = message, "panic");
    }));
}

fn tracer_provider(
    service: &'static str,
    settings: &TelemetrySettings,
) -> (
    SdkTracerProvider,
    Option<opentelemetry_otlp::ExporterBuildError>,
) {
    let builder = SdkTracerProvider::builder()
        .with_sampler(Sampler::ParentBased(Box::new(Sampler::TraceIdRatioBased(
            settings.sample_ratio,
        ))))
        .with_resource(
            opentelemetry_sdk::Resource::builder()
                .with_service_name(service)
                .build(),
        );
    let Some(endpoint) = settings.otlp_endpoint.as_deref().filter(|e| !e.is_empty()) else {
        return (builder.build(), None);
    };
    match opentelemetry_otlp::SpanExporter::builder()
        .with_tonic()
        .with_endpoint(endpoint)
        .build()
    {
        Ok(exporter) => (builder.with_batch_exporter(exporter).build(), None),
        Err(error) => (builder.build(), Some(error)),
    }
}

/// The W3C `traceparent` (Trace Context, level 1) of the current span, to send along.
#[must_use]
pub fn current_traceparent() -> Option<String> {
    traceparent_of(&Span::current())
}

/// The W3C `traceparent` of a span, to send along.
#[must_use]
pub fn traceparent_of(span: &Span) -> Option<String> {
    let context = span.context();
    let span = context.span();
    let ids = span.span_context();
    ids.is_valid().then(|| {
        format!(
            "00-{}-{}-{:02x}",
            ids.trace_id(),
            ids.span_id(),
            ids.trace_flags().to_u8()
        )
    })
}

/// Makes `span` a child of the caller's span. Call it before the span is entered; a faulty
/// `traceparent` is ignored, as the recommendation asks.
pub fn set_parent(span: &Span, traceparent: &str) {
    struct One<'a>(&'a str);
    impl Extractor for One<'_> {
        fn get(&self, key: &str) -> Option<&str> {
            (key == "traceparent").then_some(self.0)
        }
        fn keys(&self) -> Vec<&str> {
            vec!["traceparent"]
        }
    }
    let context = TraceContextPropagator::new().extract(&One(traceparent));
    if context.span().span_context().is_valid() {
        // Fails only for a span that has begun or is off; then it stays without a parent.
        let _ = span.set_parent(context);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn installed() -> TelemetryGuard {
        init("test", &TelemetrySettings::default())
    }

    #[test]
    fn a_trace_goes_on_from_the_caller_without_any_exporter() {
        let _guard = installed();
        let span = tracing::info_span!("child");
        set_parent(
            &span,
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        );
        let sent = span.in_scope(|| current_traceparent().unwrap());
        assert!(sent.starts_with("00-0af7651916cd43dd8448eb211c80319c-"));
        assert!(!sent.contains("b7ad6b7169203331"));
    }

    #[test]
    fn a_root_span_has_a_trace_id_though_it_is_not_sampled() {
        let _guard = installed();
        let sent = tracing::info_span!("root").in_scope(|| current_traceparent().unwrap());
        assert_eq!(sent.len(), 55);
    }

    #[test]
    fn a_faulty_traceparent_is_ignored() {
        let _guard = installed();
        let span = tracing::info_span!("root");
        set_parent(&span, "00-nonsense");
        assert!(span.in_scope(|| current_traceparent().is_some()));
    }

    #[test]
    fn latencies_are_rendered_in_buckets() {
        let guard = installed();
        metrics::histogram!("try_seconds").record(0.003);
        let text = guard.prometheus().render();
        assert!(
            text.contains("try_seconds_bucket{le=\"0.005\"} 1"),
            "{text}"
        );
    }

    #[test]
    fn counts_are_rendered_in_buckets() {
        let guard = installed();
        for name in ["try_records", "try_partitions", "try_frames"] {
            metrics::histogram!(name).record(300.0);
            let text = guard.prometheus().render();
            assert!(
                text.contains(&format!("{name}_bucket{{le=\"256\"}} 0"))
                    && text.contains(&format!("{name}_bucket{{le=\"512\"}} 1")),
                "{text}"
            );
        }
    }

    #[test]
    fn every_process_says_what_it_was_built_from() {
        let text = installed().prometheus().render();
        let version = env!("CARGO_PKG_VERSION");
        let told = text
            .lines()
            .find(|line| line.starts_with("parlance_build_info{"))
            .unwrap();
        assert!(told.contains(&format!("version=\"{version}\"")), "{told}");
        assert!(
            told.contains("commit=\"") && told.contains("service=\""),
            "{told}"
        );
        assert!(told.ends_with(" 1"), "{told}");
    }
}
