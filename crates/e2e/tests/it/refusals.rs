//! What nobody may, by whatever interface; and what must not be left behind.

use std::time::Duration;

use client::wire::{Hello, MarkRead, Send, client_frame, server_frame};
use client::{
    Api, Client, Connection, Draft, Format, Incoming, Position, Session, SessionOptions, Update,
};
use ids::ConversationId;
use proto::message::message_service_client::MessageServiceClient;
use proto::message::{GetStatesRequest, ListEntriesRequest, SendMessageRequest};
use tonic::metadata::MetadataValue;

use crate::people::{PATIENCE, Stage, Turn, history, next, stage, text};

pub async fn say(
    person: &Client,
    conversation: ConversationId,
    words: &str,
) -> client::Result<u64> {
    person
        .send_message(
            conversation,
            person.new_client_message_id(),
            &Draft::text(words),
        )
        .await
        .map(|accepted| accepted.number)
}

pub fn code<T: std::fmt::Debug>(result: client::Result<T>) -> String {
    result
        .expect_err("it is refused")
        .code()
        .expect("a refusal has a code")
        .to_owned()
}

pub fn with_token<T>(body: T, person: &Client) -> tonic::Request<T> {
    let mut request = tonic::Request::new(body);
    let bearer = format!("Bearer {}", person.credentials().access_token);
    request
        .metadata_mut()
        .insert("authorization", MetadataValue::try_from(bearer).unwrap());
    request
}

fn grpc_code(status: &tonic::Status) -> &str {
    status
        .metadata()
        .get("x-parlance-code")
        .map_or("", |code| code.to_str().unwrap())
}

/// A socket that has said hello.
pub async fn greeted(stage: &Stage, person: &Client) -> Connection {
    greeted_at(&stage.suite.socket_url(), person).await
}

/// [`greeted`] by one gateway.
async fn greeted_at(url: &str, person: &Client) -> Connection {
    let mut socket = Connection::open(url, Format::Json, PATIENCE).await.unwrap();
    socket
        .send(client_frame::Frame::Hello(Hello {
            access_token: person.credentials().access_token,
            cursor: String::new(),
        }))
        .await
        .unwrap();
    answer(&mut socket, |frame| {
        matches!(frame, server_frame::Frame::Welcome(_)).then_some(())
    })
    .await;
    socket
}

pub async fn answer<T>(
    socket: &mut Connection,
    mut wanted: impl FnMut(server_frame::Frame) -> Option<T>,
) -> T {
    tokio::time::timeout(PATIENCE, async {
        loop {
            match socket.next().await {
                Incoming::Frame(frame) => {
                    if let Some(found) = wanted(frame) {
                        return found;
                    }
                }
                Incoming::Unknown => {}
                Incoming::Closed(reason) => panic!("closed: {reason:?}"),
            }
        }
    })
    .await
    .expect("it came in time")
}

#[tokio::test]
async fn a_stranger_gets_nothing_by_any_interface() {
    let stage = stage(Turn::with_others().await).await;
    let (ada, ben, eve) = (
        stage.person("ada").await,
        stage.person("ben").await,
        stage.person("eve").await,
    );
    let conversation = ada
        .open_direct(ben.user_id())
        .await
        .unwrap()
        .conversation_id;
    say(&ada, conversation, "between us").await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("between-us.txt");
    std::fs::write(&path, b"between us").unwrap();
    let file = ada.upload(conversation, &path, "text/plain").await.unwrap();
    let (_eves, mut to_eve) = Session::start(
        &eve,
        SessionOptions {
            socket_url: Some(stage.suite.socket_url()),
            ..SessionOptions::default()
        },
    );

    // REST.
    let unknown = "conversation_unknown";
    assert_eq!(
        code(eve.entries(conversation, Position::Latest, 10).await),
        unknown
    );
    assert_eq!(code(say(&eve, conversation, "hello").await), unknown);
    assert_eq!(code(eve.mark_read(conversation, 1).await), unknown);
    assert_eq!(code(eve.conversation(conversation).await), unknown);
    assert!(eve.states(&[conversation]).await.unwrap().is_empty());
    assert!(eve.all_conversations().await.unwrap().is_empty());
    let refused = code(eve.download_url(file.file_id).await.map(drop));
    assert!(["file_unknown", unknown, "not_a_member"].contains(&refused.as_str()));
    assert!(eve.upload(conversation, &path, "text/plain").await.is_err());

    // gRPC.
    let mut grpc = MessageServiceClient::connect(stage.suite.messages[0].grpc_url())
        .await
        .unwrap();
    let read = ListEntriesRequest {
        conversation_id: conversation.to_string(),
        ..ListEntriesRequest::default()
    };
    let status = grpc.list_entries(with_token(read, &eve)).await.unwrap_err();
    assert_eq!(grpc_code(&status), unknown);
    let send = SendMessageRequest {
        conversation_id: conversation.to_string(),
        client_message_id: eve.new_client_message_id().to_string(),
        text: "hello".to_owned(),
        ..SendMessageRequest::default()
    };
    let status = grpc.send_message(with_token(send, &eve)).await.unwrap_err();
    assert_eq!(grpc_code(&status), unknown);
    let ask = GetStatesRequest {
        conversation_ids: vec![conversation.to_string()],
    };
    let states = grpc.get_states(with_token(ask, &eve)).await.unwrap();
    assert!(states.into_inner().states.is_empty());

    // The socket, also as a second attempt, which no gateway refuses: the log does.
    let mut socket = greeted(&stage, &eve).await;
    for attempt in [1, 2] {
        socket
            .send(client_frame::Frame::Send(Send {
                client_message_id: eve.new_client_message_id().to_string(),
                conversation_id: conversation.to_string(),
                text: "hello".to_owned(),
                attempt,
                ..Send::default()
            }))
            .await
            .unwrap();
        let refused = answer(&mut socket, |frame| match frame {
            server_frame::Frame::Refused(refused) => Some(refused),
            _ => None,
        })
        .await;
        assert_eq!(
            (refused.code.as_str(), refused.retry),
            ("not_a_member", false)
        );
    }
    socket
        .send(client_frame::Frame::MarkRead(MarkRead {
            conversation_id: conversation.to_string(),
            number: 2,
        }))
        .await
        .unwrap();

    // Events: what is said now reaches Ben, and not Eve, whose next event is of her own.
    say(&ada, conversation, "still between us").await.unwrap();
    let own = eve
        .open_direct(ada.user_id())
        .await
        .unwrap()
        .conversation_id;
    say(&ada, own, "hello Eve").await.unwrap();
    next(&mut to_eve, |update| match update {
        Update::Shown {
            conversation: of,
            entry,
            ..
        } => {
            assert_eq!(of, own);
            (text(&entry) == Some("hello Eve")).then_some(())
        }
        Update::State {
            conversation: of, ..
        } => {
            assert_eq!(of, own);
            None
        }
        _ => None,
    })
    .await;
    assert_eq!(
        history(&ben, conversation)
            .await
            .iter()
            .filter_map(text)
            .count(),
        2
    );
}

#[tokio::test]
async fn who_was_removed_neither_writes_nor_reads_what_came_after() {
    let stage = stage(Turn::with_others().await).await;
    let (ada, ben) = (stage.person("ada").await, stage.person("ben").await);
    let name = format!("removed-{}", ada.user_id().as_uuid().simple());
    let group = ada
        .create_group(&name, &[ben.user_id()])
        .await
        .unwrap()
        .conversation_id;
    say(&ada, group, "together").await.unwrap();
    let path = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(path.path(), b"for members").unwrap();
    let file = ada.upload(group, path.path(), "text/plain").await.unwrap();
    let (bens, mut to_ben) = stage.session_on(1, Format::Json, &ben).await;
    bens.send(group, Draft::text("I am here")).await.unwrap();
    next(&mut to_ben, |update| {
        matches!(update, Update::Acknowledged { .. }).then_some(())
    })
    .await;

    ada.remove_member(group, ben.user_id()).await.unwrap();
    say(&ada, group, "without Ben").await.unwrap();

    assert_eq!(code(say(&ben, group, "may I?").await), "not_a_member");
    bens.send(group, Draft::text("may I?")).await.unwrap();
    let refused = next(&mut to_ben, |update| match update {
        Update::Refused { code, .. } => Some(code),
        Update::Shown { entry, .. } => {
            assert_ne!(text(&entry), Some("without Ben"));
            None
        }
        _ => None,
    })
    .await;
    assert_eq!(refused, "not_a_member");
    let read = history(&ben, group).await;
    assert_eq!(
        read.iter().filter_map(text).collect::<Vec<_>>(),
        ["together", "I am here"]
    );
    assert!(ben.download_url(file.file_id).await.is_err());
    assert!(ben.upload(group, path.path(), "text/plain").await.is_err());
    let listed = ben.all_conversations().await.unwrap();
    assert!(
        listed
            .iter()
            .all(|item| { item.last_entry.as_ref().and_then(text) != Some("without Ben") })
    );
}

#[tokio::test]
async fn bad_input_is_told_by_its_code_and_closes_nothing() {
    let stage = stage(Turn::with_others().await).await;
    let (ada, ben) = (stage.person("ada").await, stage.person("ben").await);
    let conversation = ada
        .open_direct(ben.user_id())
        .await
        .unwrap()
        .conversation_id;
    let mut socket = greeted(&stage, &ada).await;
    let good = Send {
        conversation_id: conversation.to_string(),
        client_message_id: ada.new_client_message_id().to_string(),
        text: "good".to_owned(),
        attempt: 1,
        ..Send::default()
    };
    let nowhere = ConversationId::generate(&clock::Clock::system()).to_string();
    let faulty = [
        (
            Send {
                text: String::new(),
                ..good.clone()
            },
            "text_empty",
        ),
        (
            Send {
                text: "x".repeat(8_193),
                ..good.clone()
            },
            "text_too_long",
        ),
        (
            Send {
                client_message_id: "7".to_owned(),
                ..good.clone()
            },
            "client_message_id_invalid",
        ),
        (
            Send {
                conversation_id: "here".to_owned(),
                ..good.clone()
            },
            "conversation_id_invalid",
        ),
        (
            Send {
                conversation_id: nowhere.clone(),
                attempt: 2,
                ..good.clone()
            },
            "conversation_unknown",
        ),
        (
            Send {
                attachment_ids: vec!["a file".to_owned()],
                ..good.clone()
            },
            "attachment_invalid",
        ),
        (
            Send {
                reply_to_number: 1_000,
                client_message_id: ada.new_client_message_id().to_string(),
                ..good.clone()
            },
            "reply_to_invalid",
        ),
    ];
    for (send, expected) in faulty {
        socket.send(client_frame::Frame::Send(send)).await.unwrap();
        let refused = answer(&mut socket, |frame| match frame {
            server_frame::Frame::Refused(refused) => Some(refused),
            _ => None,
        })
        .await;
        assert_eq!((refused.code.as_str(), refused.retry), (expected, false));
    }
    for raw in ["{", "[]", r#"{"shout": {}}"#, "\"hello\""] {
        socket.send_raw(raw.to_owned().into()).await.unwrap();
        let told = answer(&mut socket, |frame| match frame {
            server_frame::Frame::Error(error) => Some(error.code),
            _ => None,
        })
        .await;
        assert_eq!(told, "frame_malformed");
    }
    // After all that the socket still works, and so does the id that nothing was stored under.
    socket
        .send(client_frame::Frame::Send(good.clone()))
        .await
        .unwrap();
    let number = answer(&mut socket, |frame| match frame {
        server_frame::Frame::Entry(entry) if text(&entry) == Some("good") => Some(entry.number),
        _ => None,
    })
    .await;
    let other = Send {
        text: "something else".to_owned(),
        attempt: 2,
        ..good
    };
    socket.send(client_frame::Frame::Send(other)).await.unwrap();
    let refused = answer(&mut socket, |frame| match frame {
        server_frame::Frame::Refused(refused) => Some(refused.code),
        _ => None,
    })
    .await;
    assert_eq!(refused, "client_message_id_conflict");
    let entries = history(&ben, conversation).await;
    assert_eq!(entries.last().map(|entry| entry.number), Some(number));

    let id = ada.new_client_message_id();
    let too_long = Draft::text("x".repeat(8_193));
    assert_eq!(
        code(ada.send_message(conversation, id, &too_long).await),
        "text_too_long"
    );
}

#[tokio::test]
async fn without_a_token_there_is_nothing() {
    let stage = stage(Turn::with_others().await).await;
    let http = reqwest::Client::new();
    let origin = stage.suite.origin();
    let somebody = stage.person("ada").await;
    let id = somebody.user_id();
    let routes = [
        ("GET", "/api/account/me".to_owned()),
        ("GET", format!("/api/account/users?ids={id}")),
        ("GET", "/api/conversations".to_owned()),
        ("GET", format!("/api/conversations/{id}")),
        ("POST", "/api/conversations/direct".to_owned()),
        ("POST", "/api/conversations/groups".to_owned()),
        ("GET", format!("/api/messages/conversations/{id}/entries")),
        ("POST", format!("/api/messages/conversations/{id}/messages")),
        ("POST", format!("/api/messages/conversations/{id}/read")),
        ("GET", format!("/api/messages/states?ids={id}")),
        ("POST", "/api/files".to_owned()),
        ("GET", format!("/api/files/{id}/download")),
        ("GET", "/api/gateway/connections".to_owned()),
    ];
    for (method, path) in routes {
        let method = reqwest::Method::from_bytes(method.as_bytes()).unwrap();
        // A bare user id is no identity.
        let asked = http
            .request(method.clone(), format!("{origin}{path}"))
            .header("x-user-id", id.to_string())
            .json(&serde_json::json!({}))
            .send()
            .await
            .unwrap();
        assert_eq!(asked.status(), 401, "{method} {path}");
        assert_eq!(
            asked.headers()["content-type"],
            "application/problem+json",
            "{method} {path}"
        );
        let body: serde_json::Value = asked.json().await.unwrap();
        assert_eq!(body["code"], "token_missing", "{method} {path}");
        let forged = http
            .request(method.clone(), format!("{origin}{path}"))
            .bearer_auth("eyJhbGciOiJub25lIn0.eyJzdWIiOiJhZGEifQ.")
            .json(&serde_json::json!({}))
            .send()
            .await
            .unwrap();
        assert_eq!(forged.status(), 401, "{method} {path}");
    }
    for path in ["/metrics", "/readyz", "/api/account/../metrics"] {
        let answer = http.get(format!("{origin}{path}")).send().await.unwrap();
        let body = answer.text().await.unwrap();
        assert!(!body.contains("# TYPE"), "{path} is not for everybody");
    }
}

#[tokio::test]
async fn peers_alone_reach_the_internal_port() {
    use proto::message::GetHeadsRequest;
    use proto::message::message_internal_service_client::MessageInternalServiceClient;
    let stage = stage(Turn::with_others().await).await;
    let ada = stage.person("ada").await;
    let url = stage.suite.messages[0].internal_url();
    let mut internal = MessageInternalServiceClient::connect(url.clone())
        .await
        .unwrap();
    let status = internal
        .get_heads(with_token(GetHeadsRequest::default(), &ada))
        .await
        .unwrap_err();
    assert_eq!(status.code(), tonic::Code::Unauthenticated);
    let mut bare = with_token(GetHeadsRequest::default(), &ada);
    bare.metadata_mut()
        .insert("x-user-id", ada.user_id().to_string().parse().unwrap());
    let status = internal.get_heads(bare).await.unwrap_err();
    assert_eq!(status.code(), tonic::Code::Unauthenticated);
    let mut public = MessageServiceClient::connect(url).await.unwrap();
    let status = public
        .get_states(with_token(GetStatesRequest::default(), &ada))
        .await
        .unwrap_err();
    assert_eq!(status.code(), tonic::Code::Unauthenticated);
}

#[tokio::test]
async fn a_log_out_ends_the_sockets_of_that_login_everywhere() {
    let stage = stage(Turn::with_others().await).await;
    let ada = stage.person("ada").await;
    let mut socket = greeted(&stage, &ada).await;
    ada.log_out().await.unwrap();
    let closed = tokio::time::timeout(Duration::from_secs(5), async {
        loop {
            if let Incoming::Closed(reason) = socket.next().await {
                return reason.code;
            }
        }
    })
    .await
    .unwrap();
    assert_eq!(closed, Some(4001));
}

#[tokio::test]
async fn a_device_that_is_revoked_from_another_loses_its_sockets_on_every_gateway() {
    let stage = stage(Turn::with_others().await).await;
    let (email, password) = ("many.devices@example.org", "a very particular passphrase");
    let api = Api::new(&stage.suite.origin()).unwrap();
    let registration = client::Registration {
        email: email.to_owned(),
        password: password.to_owned(),
        display_name: "Ada".to_owned(),
        handle: None,
        device_name: "phone".to_owned(),
    };
    let phone = api.register(&registration).await.unwrap();
    let laptop = api.sign_in(email, password, "laptop").await.unwrap();
    let mut sockets = Vec::new();
    for gateway in &stage.suite.gateways {
        sockets.push(greeted_at(&gateway.socket_url(), &laptop).await);
    }
    let mut stays = greeted(&stage, &phone).await;

    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let revoked = http
        .post(format!(
            "{}/api/account/log-out-others",
            stage.suite.account.http_url()
        ))
        .bearer_auth(phone.credentials().access_token)
        .send()
        .await
        .unwrap();
    assert_eq!(revoked.status(), 200);
    let begun = std::time::Instant::now();
    for mut socket in sockets {
        let closed = tokio::time::timeout(Duration::from_secs(5), async {
            loop {
                if let Incoming::Closed(reason) = socket.next().await {
                    return reason.code;
                }
            }
        })
        .await
        .unwrap();
        assert_eq!(closed, Some(4001));
    }
    println!("all sockets closed after {:?}", begun.elapsed());
    assert_eq!(code(laptop.me().await), "session_ended");
    // The device that did it goes on.
    phone.me().await.unwrap();
    let quiet = tokio::time::timeout(Duration::from_millis(200), async {
        while let Incoming::Frame(_) = stays.next().await {}
    });
    assert!(quiet.await.is_err(), "the wrong socket was closed");
}

#[tokio::test]
async fn no_log_holds_a_secret_a_token_or_what_was_said() {
    let stage = stage(Turn::with_others().await).await;
    let password = "a very particular passphrase";
    let words = "these very particular words";
    let api = Api::new(&stage.suite.origin()).unwrap();
    let ada = api
        .register(&client::Registration {
            email: "very.particular@example.org".to_owned(),
            password: password.to_owned(),
            display_name: "Ada".to_owned(),
            handle: None,
            device_name: "test".to_owned(),
        })
        .await
        .unwrap();
    assert!(
        api.sign_in(
            "very.particular@example.org",
            "wrong but particular",
            "test"
        )
        .await
        .is_err()
    );
    let ben = stage.person("ben").await;
    let conversation = ada
        .open_direct(ben.user_id())
        .await
        .unwrap()
        .conversation_id;
    say(&ada, conversation, words).await.unwrap();
    let (session, mut updates) = stage.session_on(0, Format::Json, &ada).await;
    session
        .send(conversation, Draft::text(words))
        .await
        .unwrap();
    next(&mut updates, |update| {
        matches!(update, Update::Acknowledged { .. }).then_some(())
    })
    .await;
    let mut socket = greeted(&stage, &ada).await;
    socket
        .send_raw(format!("{{\"send\": \"{words}").into())
        .await
        .unwrap();
    let token = ada.credentials().access_token;
    let secrets = [
        password,
        "wrong but particular",
        words,
        "very.particular@example.org",
        token.as_str(),
        "BEGIN PRIVATE KEY",
    ];
    let mut lines = 0;
    for service in stage.suite.services() {
        let log = std::fs::read_to_string(service.log()).unwrap();
        lines += log.lines().count();
        for secret in secrets {
            assert!(!log.contains(secret), "{} logged {secret}", service.name());
        }
    }
    assert!(lines > 0, "something is logged");
}
