//! What a collector of OpenTelemetry is told of a message.

use std::sync::Arc;

use client::{Draft, Format, Update};
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{
    TraceService, TraceServiceServer,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::{KeyValue, any_value};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::transport::Server;
use tonic::{Request, Response, Status};

use crate::people::{PATIENCE, Turn, next, own_stage, text};

/// A span as it was exported.
#[derive(Debug, Clone)]
struct Span {
    service: String,
    name: String,
    trace: Vec<u8>,
    id: Vec<u8>,
    parent: Vec<u8>,
    /// The client of Kafka that the span is of.
    kafka_client: String,
}

/// Keeps what services export.
struct Collector {
    spans: Arc<watch::Sender<Vec<Span>>>,
}

#[tonic::async_trait]
impl TraceService for Collector {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        for of_service in request.into_inner().resource_spans {
            let resource = of_service.resource.unwrap_or_default();
            let service = attribute(&resource.attributes, "service.name");
            let spans = of_service.scope_spans.into_iter().flat_map(|it| it.spans);
            let spans: Vec<_> = spans
                .map(|span| Span {
                    service: service.clone(),
                    kafka_client: attribute(&span.attributes, "messaging.client.id"),
                    name: span.name,
                    trace: span.trace_id,
                    id: span.span_id,
                    parent: span.parent_span_id,
                })
                .collect();
            self.spans.send_modify(|all| all.extend(spans));
        }
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

fn attribute(all: &[KeyValue], key: &str) -> String {
    let value = all.iter().find(|it| it.key == key);
    match value
        .and_then(|it| it.value.as_ref())
        .and_then(|it| it.value.as_ref())
    {
        Some(any_value::Value::StringValue(text)) => text.clone(),
        _ => String::new(),
    }
}

/// A collector and where it listens.
async fn collector() -> (Arc<watch::Sender<Vec<Span>>>, String) {
    let spans = Arc::new(watch::Sender::new(Vec::new()));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let service = TraceServiceServer::new(Collector {
        spans: spans.clone(),
    });
    tokio::spawn(
        Server::builder()
            .add_service(service)
            .serve_with_incoming(TcpListenerStream::new(listener)),
    );
    (spans, endpoint)
}

/// The spans from a gateway's `send` to another's `deliver to sockets`, each the child of the one
/// before.
fn way_of_a_message(spans: &[Span], from: &str, to: &str) -> Option<[Span; 3]> {
    let delivered = spans
        .iter()
        .filter(|span| span.name == "deliver to sockets" && span.kafka_client == to);
    for last in delivered {
        let before = |span: &Span| spans.iter().find(|it| it.id == span.parent).cloned();
        if let Some(applied) = before(last)
            && let Some(sent) = before(&applied)
            && sent.name == "send"
            && sent.kafka_client == from
        {
            return Some([sent, applied, last.clone()]);
        }
    }
    None
}

#[tokio::test]
async fn one_trace_goes_from_the_senders_socket_to_the_recipients() {
    let (spans, endpoint) = collector().await;
    let mut environment = Vec::new();
    for service in ["CHAT_GATEWAY", "MESSAGE"] {
        environment.push((
            format!("{service}__TELEMETRY__OTLP_ENDPOINT"),
            endpoint.clone(),
        ));
    }
    environment.push((
        "CHAT_GATEWAY__TELEMETRY__SAMPLE_RATIO".to_owned(),
        "1.0".to_owned(),
    ));
    // Whether a message is recorded is for its first service to say.
    environment.push((
        "MESSAGE__TELEMETRY__SAMPLE_RATIO".to_owned(),
        "0.0".to_owned(),
    ));
    let stage = own_stage(Turn::with_others().await, |options| {
        options.environment.extend(environment)
    })
    .await;
    let (ada, ben) = (stage.person("ada").await, stage.person("ben").await);
    let conversation = ada
        .open_direct(ben.user_id())
        .await
        .unwrap()
        .conversation_id;
    let (from_ada, _to_ada) = stage.session_on(0, Format::Json, &ada).await;
    let (_from_ben, mut to_ben) = stage.session_on(1, Format::Protobuf, &ben).await;
    from_ada
        .send(conversation, Draft::text("follow me"))
        .await
        .unwrap();
    next(&mut to_ben, |update| match update {
        Update::Shown { entry, .. } if text(&entry) == Some("follow me") => Some(()),
        _ => None,
    })
    .await;

    let mut told = spans.subscribe();
    let is_complete =
        |all: &Vec<Span>| way_of_a_message(all, "chat-gateway-0", "chat-gateway-1").is_some();
    let all = tokio::time::timeout(PATIENCE, told.wait_for(is_complete))
        .await
        .unwrap_or_else(|_| panic!("no such trace: {:#?}", spans.borrow()))
        .unwrap()
        .clone();
    let way = way_of_a_message(&all, "chat-gateway-0", "chat-gateway-1").unwrap();
    let services: Vec<_> = way.iter().map(|span| span.service.as_str()).collect();
    assert_eq!(services, ["chat-gateway", "message", "chat-gateway"]);
    assert_eq!(way[1].name, "process parlance.log");
    assert!(way.iter().all(|span| span.trace == way[0].trace));
}
