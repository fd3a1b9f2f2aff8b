//! Lines of level ERROR, told to Sentry.
//!
//! **Invariant.** A report holds what stands in our source (the message, its module and line) and
//! the id of the trace. Never a field, never a text of a library: they may be about a person.
//! Whoever needs them finds the line in the logs, by its trace.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use opentelemetry::Context as TraceContext;
use opentelemetry::trace::TraceContextExt as _;
use sentry::protocol::Event as Report;
use sentry::transports::DefaultTransportFactory;
use sentry::types::{Dsn, ParseDsnError};
use sentry::{Client, ClientOptions, Level};
use tracing::field::{Field, Visit};
use tracing::{Event, Metadata, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::Context;

/// How long the end of a process waits for reports that are on their way.
const PATIENCE: Duration = Duration::from_secs(2);

/// Sends reports. Its queue is bounded (30 reports); what doesn't fit is dropped.
#[derive(Clone)]
pub struct ErrorReports {
    client: Arc<Client>,
    service: &'static str,
}

impl ErrorReports {
    /// `dsn` is a project's address, `https://<key>@<host>/<project>`.
    ///
    /// # Errors
    /// When it is none.
    pub fn new(service: &'static str, dsn: &str) -> Result<Self, ParseDsnError> {
        let dsn: Dsn = dsn.parse()?;
        let mut options = ClientOptions::new();
        options.dsn = Some(dsn);
        options.release = Some(concat!("parlance@", env!("CARGO_PKG_VERSION")).into());
        options.transport = Some(Arc::new(DefaultTransportFactory));
        options.default_integrations = false;
        Ok(Self {
            client: Arc::new(Client::with_options(options)),
            service,
        })
    }

    /// Waits a little until what was reported is sent.
    pub fn flush(&self) {
        self.client.flush(Some(PATIENCE));
    }
}

impl<S: Subscriber> Layer<S> for ErrorReports {
    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(LevelFilter::ERROR)
    }

    fn on_event(&self, event: &Event<'_>, _context: Context<'_, S>) {
        let metadata = event.metadata();
        if *metadata.level() != tracing::Level::ERROR {
            return;
        }
        let place = place(metadata);
        let mut message = Message(None);
        if is_ours(metadata) {
            event.record(&mut message);
        }
        let mut report = Report {
            level: Level::Error,
            logger: Some(metadata.target().to_owned()),
            message: Some(message.0.unwrap_or_else(|| place.clone())),
            // Two lines of code are two faults, whatever they say.
            fingerprint: Cow::Owned(vec![self.service.into(), place.clone().into()]),
            ..Report::default()
        };
        report.tags.insert("service".into(), self.service.into());
        report.tags.insert("place".into(), place);
        TraceContext::map_current(|current| {
            let span = current.span();
            let ids = span.span_context();
            if ids.is_valid() {
                report
                    .tags
                    .insert("trace_id".into(), ids.trace_id().to_string());
            }
        });
        self.client.capture_event(report, None);
    }
}

/// Cargo names the files of a workspace by their path within it, and those of libraries by that on
/// the machine that built them.
fn is_ours(metadata: &Metadata<'_>) -> bool {
    metadata.file().is_some_and(|file| !file.starts_with('/'))
}

fn place(metadata: &Metadata<'_>) -> String {
    match (metadata.file(), metadata.line()) {
        (Some(file), Some(line)) if is_ours(metadata) => format!("{file}:{line}"),
        _ => metadata.target().to_owned(),
    }
}

/// What an event says, without its fields.
struct Message(Option<String>);

impl Visit for Message {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            self.0 = Some(format!("{value:?}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::TcpListener;
    use std::thread;

    use tracing_subscriber::layer::SubscriberExt as _;

    use super::*;

    /// Takes one request, answers it, and returns it.
    fn sentry() -> (String, thread::JoinHandle<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let dsn = format!("http://key@{}/7", listener.local_addr().unwrap());
        let taken = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            stream.set_read_timeout(Some(PATIENCE)).unwrap();
            let mut request = String::new();
            let mut buffer = [0; 4096];
            // An envelope's last line is the report, an object.
            while !request.ends_with("}\n") && !request.ends_with('}') {
                let length = stream.read(&mut buffer).unwrap();
                assert_ne!(length, 0, "{request}");
                request.push_str(std::str::from_utf8(&buffer[..length]).unwrap());
            }
            stream
                .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}")
                .unwrap();
            request
        });
        (dsn, taken)
    }

    #[test]
    fn an_error_is_reported_without_anything_about_people() {
        let (dsn, taken) = sentry();
        let reports = ErrorReports::new("test", &dsn).unwrap();
        let subscriber = tracing_subscriber::registry().with(reports.clone());
        tracing::subscriber::with_default(subscriber, || {
            let _span = tracing::info_span!("request", user.id = "ada-7").entered();
            tracing::warn!("only a warning");
            tracing::error!(
                error = "no row for ada@example.org",
                text = "meet me at eight",
                "write failed"
            );
        });
        reports.flush();
        let request = taken.join().unwrap();
        assert!(request.starts_with("POST /api/7/envelope/"), "{request}");
        let report: serde_json::Value =
            serde_json::from_str(request.trim_end().lines().last().unwrap()).unwrap();
        assert_eq!(report["message"], "write failed");
        assert_eq!(report["tags"]["service"], "test");
        assert!(
            report["tags"]["place"]
                .as_str()
                .unwrap()
                .starts_with("crates/telemetry/src/errors.rs:"),
            "{report}"
        );
        for secret in ["ada", "eight", "warning", "server_name"] {
            assert!(!request.contains(secret), "{secret}: {request}");
        }
    }

    #[test]
    fn what_is_no_address_is_refused() {
        assert!(ErrorReports::new("test", "sentry.example.org").is_err());
    }
}
