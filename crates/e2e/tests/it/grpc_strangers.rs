//! Every gRPC method of every service, by the descriptors of `/proto`, as somebody who has no business there:
//! a method that is added is called too.

use std::collections::HashMap;

use local_stack::suite::{Service, Suite};
use prost::bytes::{Buf, BufMut};
use prost::encoding::{self, WireType};
use prost_types::field_descriptor_proto::{Label, Type};
use prost_types::{DescriptorProto, FieldDescriptorProto, FileDescriptorSet};
use proto::Message as _;
use proto::message::{SendMessageResponse, send_message_response};
use test_support::People;
use tonic::client::Grpc;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::codegen::http::uri::PathAndQuery;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request, Status};

use crate::people::{Stage, Turn, stage};
use crate::refusals::say;

/// What anybody may call on a public port, and what is asked of them instead of an access token.
const OPEN: &[(&str, &str)] = &[
    ("AccountService/Register", "it makes the account"),
    ("AccountService/SignIn", "the password"),
    ("AccountService/Refresh", "the refresh token"),
    (
        "AccountService/RequestRecovery",
        "nothing: the answer tells nothing, the rest is mailed",
    ),
    ("AccountService/Recover", "the mailed token"),
    ("AccountService/VerifyEmail", "the mailed token"),
];

/// Probes of Kubernetes have no token; health is no part of `/proto`.
const HEALTH: &str = "/grpc.health.v1.Health/Check";

/// Messages as they are on the wire.
struct Raw;

impl Codec for Raw {
    type Encode = Vec<u8>;
    type Decode = Vec<u8>;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for Raw {
    type Item = Vec<u8>;
    type Error = Status;

    fn encode(&mut self, item: Vec<u8>, into: &mut EncodeBuf<'_>) -> Result<(), Status> {
        into.put_slice(&item);
        Ok(())
    }
}

impl Decoder for Raw {
    type Item = Vec<u8>;
    type Error = Status;

    fn decode(&mut self, from: &mut DecodeBuf<'_>) -> Result<Option<Vec<u8>>, Status> {
        Ok(Some(from.copy_to_bytes(from.remaining()).to_vec()))
    }
}

/// How a call ends: with its first answer, or refused, with the code of the refusal.
type Outcome = Result<Vec<u8>, (Code, String)>;

/// A gRPC port.
struct Port(Channel);

impl Port {
    async fn connect(url: String) -> Self {
        let endpoint = Endpoint::from_shared(url).expect("a URL");
        Self(endpoint.connect().await.expect("the port is open"))
    }

    /// Whatever the method streams, one message goes there and the first one back decides.
    async fn call(
        &self,
        path: &str,
        message: Vec<u8>,
        metadata: &[(&'static str, String)],
    ) -> Outcome {
        let mut grpc = Grpc::new(self.0.clone());
        grpc.ready().await.expect("the port takes calls");
        let mut request = Request::new(tokio_stream::once(message));
        for (name, value) in metadata {
            let value = value.parse().expect("a token is a header value");
            request.metadata_mut().insert(*name, value);
        }
        let path: PathAndQuery = path.parse().expect("a path");
        let answered = async {
            let answers = grpc.streaming(request, path, Raw).await?;
            answers.into_inner().message().await
        };
        answered
            .await
            .map(Option::unwrap_or_default)
            .map_err(|status| {
                let code = status.metadata().get("x-parlance-code");
                let code = code.and_then(|code| code.to_str().ok());
                (status.code(), code.unwrap_or_default().to_owned())
            })
    }
}

/// A method as `/proto` has it.
struct Method {
    /// `parlance.account.v1`.
    package: String,
    /// `AccountService`.
    service: String,
    name: String,
    /// Full name of the request, with a leading dot.
    input: String,
}

impl Method {
    fn path(&self) -> String {
        format!("/{}.{}/{}", self.package, self.service, self.name)
    }

    /// `AccountService/SignIn`.
    fn short(&self) -> String {
        format!("{}/{}", self.service, self.name)
    }

    /// Whether it is for peers only.
    fn is_internal(&self) -> bool {
        self.service.ends_with("InternalService")
    }
}

struct Protos {
    methods: Vec<Method>,
    /// By full name, with a leading dot.
    messages: HashMap<String, DescriptorProto>,
}

impl Protos {
    fn read() -> Self {
        let set = FileDescriptorSet::decode(proto::FILE_DESCRIPTOR_SET).expect("descriptors");
        let mut methods = Vec::new();
        let mut messages = HashMap::new();
        for file in set.file {
            let package = file.package().to_owned();
            for service in &file.service {
                methods.extend(service.method.iter().map(|method| Method {
                    package: package.clone(),
                    service: service.name().to_owned(),
                    name: method.name().to_owned(),
                    input: method.input_type().to_owned(),
                }));
            }
            for message in file.message_type {
                messages.insert(format!(".{package}.{}", message.name()), message);
            }
        }
        assert!(methods.len() > 70, "descriptors without methods");
        Self { methods, messages }
    }

    /// Whether a request, or a message in it, has one of these fields.
    fn names_any(&self, message: &str, fields: &[(&str, String)]) -> bool {
        let known = self.messages.get(message);
        known
            .into_iter()
            .flat_map(|known| &known.field)
            .any(|field| {
                fields.iter().any(|(name, _)| *name == field.name())
                    || (field.r#type() == Type::Message
                        && self.names_any(field.type_name(), fields))
            })
    }

    /// A message with a value in every field, in the first one of a oneof: that of `fields` by the field's
    /// name, or anything.
    fn filled(&self, message: &str, fields: &[(&str, String)]) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut oneofs = Vec::new();
        for field in self
            .messages
            .get(message)
            .into_iter()
            .flat_map(|known| &known.field)
        {
            if let Some(oneof) = field.oneof_index.filter(|_| !field.proto3_optional()) {
                if oneofs.contains(&oneof) {
                    continue;
                }
                oneofs.push(oneof);
            }
            self.fill(field, fields, &mut bytes);
        }
        bytes
    }

    fn fill(&self, field: &FieldDescriptorProto, fields: &[(&str, String)], bytes: &mut Vec<u8>) {
        let tag = u32::try_from(field.number()).expect("tags are positive");
        let value = fields.iter().find(|(name, _)| *name == field.name());
        let value = value.map(|(_, value)| value.as_str());
        let put = |content: &[u8], bytes: &mut Vec<u8>| {
            encoding::encode_key(tag, WireType::LengthDelimited, bytes);
            encoding::encode_varint(content.len() as u64, bytes);
            bytes.extend_from_slice(content);
        };
        match field.r#type() {
            Type::String | Type::Bytes => put(value.unwrap_or("anything").as_bytes(), bytes),
            Type::Message => put(&self.filled(field.type_name(), fields), bytes),
            _ => {
                let number = value.map_or(1, |value| value.parse().expect("a number"));
                if field.label() == Label::Repeated {
                    let mut packed = Vec::new();
                    encoding::encode_varint(number, &mut packed);
                    put(&packed, bytes);
                } else {
                    encoding::encode_key(tag, WireType::Varint, bytes);
                    encoding::encode_varint(number, bytes);
                }
            }
        }
    }
}

/// The service that serves a package.
fn served_by<'s>(suite: &'s Suite, package: &str) -> &'s Service {
    match package {
        "parlance.account.v1" => &suite.account,
        "parlance.conversation.v1" => &suite.conversation,
        "parlance.file.v1" => &suite.file_upload,
        "parlance.gateway.v1" => &suite.gateways[0],
        "parlance.message.v1" => &suite.messages[0],
        unknown => panic!("the test doesn't know who serves `{unknown}`"),
    }
}

/// The public and the internal port of the service of each package.
async fn ports(stage: &Stage, protos: &Protos) -> HashMap<String, (Port, Port)> {
    let mut ports = HashMap::new();
    for method in &protos.methods {
        if !ports.contains_key(&method.package) {
            let service = served_by(&stage.suite, &method.package);
            let public = Port::connect(service.grpc_url()).await;
            let internal = Port::connect(service.internal_url()).await;
            ports.insert(method.package.clone(), (public, internal));
        }
    }
    assert_eq!(ports.len(), 5, "each service has a package");
    ports
}

fn bearer(token: &str) -> (&'static str, String) {
    ("authorization", format!("Bearer {token}"))
}

/// Whether a call is refused, by this code where there is one.
fn is_refused(outcome: &Outcome, status: Code, code: &str) -> bool {
    matches!(outcome, Err((got, with)) if *got == status && with == code)
}

/// Whether a port doesn't know the method.
const fn is_absent(outcome: &Outcome) -> bool {
    matches!(outcome, Err((Code::Unimplemented, _)))
}

/// Whether a call on somebody else's objects gave nothing away and did nothing.
fn gave_nothing(method: &Method, outcome: &Outcome) -> bool {
    match (outcome, &*method.short()) {
        (Err((Code::NotFound | Code::PermissionDenied, _)), _) => true,
        // The pins are the caller's own, and these aren't among them.
        (Err((_, code)), "ConversationService/OrderPins") => code == "pins_changed",
        // What isn't the caller's is left out.
        (Ok(answer), "MessageService/GetStates") => answer.is_empty(),
        // What the log decides is part of the answer; both have the same shape.
        (Ok(answer), "MessageService/SendMessage" | "MessageService/ChangeMessage") => {
            let answer = SendMessageResponse::decode(&answer[..]).expect("an answer");
            matches!(answer.outcome, Some(send_message_response::Outcome::Refused(refused))
                if refused.code == "conversation_unknown")
        }
        _ => false,
    }
}

fn assert_none(faults: &[String]) {
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[tokio::test]
async fn no_method_is_open_to_strangers() {
    let stage = stage(Turn::with_others().await).await;
    let protos = Protos::read();
    let ports = ports(&stage, &protos).await;
    // Of a person who is only said to exist.
    let foreign = People::start().await.person().token;
    let mut faults = Vec::new();
    for method in &protos.methods {
        let (public, _) = &ports[&method.package];
        let open = OPEN.iter().any(|(name, _)| *name == method.short());
        for (who, metadata, code) in [
            ("nobody", vec![], "token_missing"),
            ("nonsense", vec![bearer("no.such.token")], "token_invalid"),
            (
                "a token of another signer",
                vec![bearer(&foreign)],
                "token_invalid",
            ),
        ] {
            let got = public.call(&method.path(), Vec::new(), &metadata).await;
            let as_should_be = if method.is_internal() {
                is_absent(&got)
            } else if open {
                // Not for want of a token, though an empty request is no good one.
                match &got {
                    Ok(_) => true,
                    Err((Code::Unimplemented | Code::Internal | Code::Unknown, _)) => false,
                    Err((_, code)) => !code.starts_with("token_"),
                }
            } else {
                // And nothing else: INVALID_ARGUMENT would be work before the question who asks.
                is_refused(&got, Code::Unauthenticated, code)
            };
            if !as_should_be {
                faults.push(format!("{} with {who}: {got:?}", method.path()));
            }
        }
    }
    for (name, _) in OPEN {
        if !protos.methods.iter().any(|method| method.short() == *name) {
            faults.push(format!("there is no {name}"));
        }
    }
    assert_none(&faults);
}

#[tokio::test]
async fn no_method_for_peers_is_open_to_people() {
    let stage = stage(Turn::with_others().await).await;
    let protos = Protos::read();
    let ports = ports(&stage, &protos).await;
    let token = stage.person("ada").await.credentials().access_token;
    let as_identity = ("x-parlance-identity", token.clone());
    let mut faults = Vec::new();
    for method in &protos.methods {
        let (_, internal) = &ports[&method.package];
        for (who, metadata, code) in [
            ("nothing", vec![], "identity_missing"),
            ("a person's token", vec![bearer(&token)], "identity_missing"),
            (
                "a person's token as an identity",
                vec![bearer(&token), as_identity.clone()],
                "identity_invalid",
            ),
        ] {
            let got = internal.call(&method.path(), Vec::new(), &metadata).await;
            // What is for people need not be served to peers.
            let absent = !method.is_internal() && is_absent(&got);
            if !is_refused(&got, Code::Unauthenticated, code) && !absent {
                faults.push(format!("{} with {who}: {got:?}", method.path()));
            }
        }
    }
    assert_none(&faults);
}

#[tokio::test]
async fn health_is_open_on_both_ports() {
    let stage = stage(Turn::with_others().await).await;
    for service in stage.suite.services() {
        for url in [service.grpc_url(), service.internal_url()] {
            let got = Port::connect(url).await.call(HEALTH, Vec::new(), &[]).await;
            assert!(got.is_ok(), "{got:?}");
        }
    }
}

/// Beside the same test of REST, whose handlers call the same functions: a handler of gRPC could still read
/// its person or its ids wrongly. Requests are filled by the names of their fields, not one by one.
#[tokio::test]
async fn no_method_gives_what_is_somebody_elses() {
    let stage = stage(Turn::with_others().await).await;
    let (ada, ben) = (stage.person("ada").await, stage.person("ben").await);
    let eve = stage.person("eve").await;
    let protos = Protos::read();
    let ports = ports(&stage, &protos).await;
    let group = ada
        .create_group(&format!("between-us-{}", ada.user_id()), &[ben.user_id()])
        .await
        .unwrap()
        .conversation_id;
    let number = say(&ada, group, "between us").await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("between-us.txt");
    std::fs::write(&path, b"between us").unwrap();
    let file = ada.upload(group, &path, "text/plain").await.unwrap();
    let session = ada.me().await.unwrap().session_id;
    // What belongs to Ada and Ben.
    let objects = [
        ("conversation_id", group.to_string()),
        ("conversation_ids", group.to_string()),
        ("file_id", file.file_id.to_string()),
        ("session_id", session.to_string()),
    ];
    let mut faults = Vec::new();
    let mut called = 0;
    for method in &protos.methods {
        if method.is_internal() || !protos.names_any(&method.input, &objects) {
            continue;
        }
        called += 1;
        // What would be taken from a member.
        let mut fields = objects.to_vec();
        fields.extend([
            ("user_id", ben.user_id().to_string()),
            ("user_ids", ben.user_id().to_string()),
            ("client_message_id", eve.new_client_message_id().to_string()),
            ("number", number.to_string()),
            ("reply_to_number", "0".to_owned()),
            ("attachment_ids", file.file_id.to_string()),
            ("picture_id", file.file_id.to_string()),
            // None that there is.
            ("invitation_id", group.to_string()),
            ("expires_in_seconds", "60".to_owned()),
            ("muted_until_unix_ms", "0".to_owned()),
            ("content_type", "text/plain".to_owned()),
            ("sha256_base64", format!("{}=", "A".repeat(43))),
            ("page_token", String::new()),
            ("after_user_id", String::new()),
        ]);
        let message = protos.filled(&method.input, &fields);
        let token = bearer(&eve.credentials().access_token);
        let (public, _) = &ports[&method.package];
        let got = public.call(&method.path(), message, &[token]).await;
        if !gave_nothing(method, &got) {
            faults.push(format!("{}: {got:?}", method.path()));
        }
    }
    assert!(called > 25, "{called} methods name an object");
    assert_none(&faults);
}
