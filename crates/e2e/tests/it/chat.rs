//! What people do.

use client::{Draft, Format, Position, Update};
use proto::message::message_service_client::MessageServiceClient;
use proto::message::{SendMessageRequest, send_message_response};

use crate::people::{Turn, history, next, stage, text};

#[tokio::test]
async fn two_people_on_two_gateways_read_each_other_once_and_in_order() {
    let stage = stage(Turn::with_others().await).await;
    let (ada, ben) = (stage.person("ada").await, stage.person("ben").await);
    let conversation = ada
        .open_direct(ben.user_id())
        .await
        .unwrap()
        .conversation_id;
    let (from_ada, mut to_ada) = stage.session_on(0, Format::Json, &ada).await;
    let (from_ben, mut to_ben) = stage.session_on(1, Format::Protobuf, &ben).await;

    let mut said = Vec::new();
    for number in 0..20 {
        let (session, name) = if number % 2 == 0 {
            (&from_ada, "ada")
        } else {
            (&from_ben, "ben")
        };
        let words = format!("{name} says {number}");
        session
            .send(conversation, Draft::text(&words))
            .await
            .unwrap();
        said.push(words);
        // Each answers what they have just read.
        for updates in [&mut to_ada, &mut to_ben] {
            let shown = next(updates, |update| match update {
                Update::Shown { entry, .. } if text(&entry).is_some() => Some(entry),
                _ => None,
            })
            .await;
            assert_eq!(text(&shown), said.last().map(String::as_str));
        }
    }
    for person in [&ada, &ben] {
        let read: Vec<_> = history(person, conversation)
            .await
            .iter()
            .filter_map(|entry| text(entry).map(ToOwned::to_owned))
            .collect();
        assert_eq!(read, said);
    }
}

#[tokio::test]
async fn a_message_sent_again_by_any_interface_is_stored_once() {
    let stage = stage(Turn::with_others().await).await;
    let (ada, ben) = (stage.person("ada").await, stage.person("ben").await);
    let conversation = ada
        .open_direct(ben.user_id())
        .await
        .unwrap()
        .conversation_id;
    let id = ada.new_client_message_id();
    let draft = Draft::text("once");
    let (first, second) = tokio::join!(
        ada.send_message(conversation, id, &draft),
        ada.send_message(conversation, id, &draft)
    );
    let first = first.unwrap();
    assert_eq!(first, second.unwrap());

    let mut grpc = MessageServiceClient::connect(stage.suite.messages[0].grpc_url())
        .await
        .unwrap();
    let mut request = tonic::Request::new(SendMessageRequest {
        conversation_id: conversation.to_string(),
        client_message_id: id.to_string(),
        text: "once".to_owned(),
        ..SendMessageRequest::default()
    });
    let bearer = format!("Bearer {}", ada.credentials().access_token);
    request
        .metadata_mut()
        .insert("authorization", bearer.parse().unwrap());
    let outcome = grpc
        .send_message(request)
        .await
        .unwrap()
        .into_inner()
        .outcome;
    assert_eq!(
        outcome,
        Some(send_message_response::Outcome::Accepted(first.clone()))
    );

    let (from_ada, mut to_ada) = stage.session_on(0, Format::Json, &ada).await;
    from_ada.try_resend(conversation, id, draft, 1).unwrap();
    let number = next(&mut to_ada, |update| match update {
        Update::Acknowledged { number, .. } => Some(number),
        _ => None,
    })
    .await;
    assert_eq!(number, first.number);

    let conflict = ada
        .send_message(conversation, id, &Draft::text("something else"))
        .await
        .unwrap_err();
    assert_eq!(conflict.code(), Some("client_message_id_conflict"));
    let texts = history(&ben, conversation).await;
    assert_eq!(texts.iter().filter_map(text).collect::<Vec<_>>(), ["once"]);
}

#[tokio::test]
async fn there_is_one_conversation_for_two_people_also_when_both_open_it_at_once() {
    let stage = stage(Turn::with_others().await).await;
    let (ada, ben) = (stage.person("ada").await, stage.person("ben").await);
    let (one, other) = tokio::join!(
        ada.open_direct(ben.user_id()),
        ben.open_direct(ada.user_id())
    );
    assert_eq!(one.unwrap().conversation_id, other.unwrap().conversation_id);
    let list = ben.conversations(None, 10).await.unwrap();
    assert_eq!(list.items.len(), 1);
}

#[tokio::test]
async fn a_group_is_joined_by_name_and_shows_what_comes_after() {
    let stage = stage(Turn::with_others().await).await;
    let (ada, ben) = (stage.person("ada").await, stage.person("ben").await);
    let name = format!("group-{}", ada.user_id().as_uuid().simple());
    let group = ada.create_group(&name, &[]).await.unwrap().conversation_id;
    let say = async |words: &str| {
        ada.send_message(group, ada.new_client_message_id(), &Draft::text(words))
            .await
            .unwrap()
    };
    say("before").await;
    assert_eq!(ben.join_group(&name).await.unwrap().conversation_id, group);
    say("while").await;
    ben.leave(group).await.unwrap();
    say("between").await;
    ben.join_group(&name).await.unwrap();
    say("after").await;
    let read = history(&ben, group).await;
    assert_eq!(
        read.iter().filter_map(text).collect::<Vec<_>>(),
        ["while", "after"]
    );
}

#[tokio::test]
async fn a_session_that_comes_back_shows_what_it_missed() {
    let stage = stage(Turn::with_others().await).await;
    let (ada, ben) = (stage.person("ada").await, stage.person("ben").await);
    let conversation = ada
        .open_direct(ben.user_id())
        .await
        .unwrap()
        .conversation_id;
    let say = async |words: String| {
        ada.send_message(
            conversation,
            ada.new_client_message_id(),
            &Draft::text(words),
        )
        .await
        .unwrap()
        .number
    };
    let held = say("seen".to_owned()).await;
    for number in 0..250 {
        say(format!("missed {number}")).await;
    }
    let mut options = client::SessionOptions {
        socket_url: Some(stage.suite.socket_url()),
        ..client::SessionOptions::default()
    };
    options.engine.held.insert(conversation, held);
    let (_session, mut to_ben) = client::Session::start(&ben, options);
    for number in 0..250 {
        let shown = next(&mut to_ben, |update| match update {
            Update::Shown { entry, .. } => Some(entry),
            _ => None,
        })
        .await;
        assert_eq!(text(&shown), Some(format!("missed {number}").as_str()));
    }
}

#[tokio::test]
async fn the_badge_is_the_same_on_every_device_and_never_counts_ones_own() {
    let stage = stage(Turn::with_others().await).await;
    let (ada, ben) = (stage.person("ada").await, stage.person("ben").await);
    let conversation = ada
        .open_direct(ben.user_id())
        .await
        .unwrap()
        .conversation_id;
    let (_phone, mut to_phone) = stage.session_on(0, Format::Json, &ben).await;
    let (laptop, mut to_laptop) = stage.session_on(1, Format::Protobuf, &ben).await;
    let mut last = 0;
    for words in ["one", "two", "three"] {
        let id = ada.new_client_message_id();
        last = ada
            .send_message(conversation, id, &Draft::text(words))
            .await
            .unwrap()
            .number;
    }
    let own = ben
        .send_message(
            conversation,
            ben.new_client_message_id(),
            &Draft::text("hm"),
        )
        .await
        .unwrap();
    let state = ben.states(&[conversation]).await.unwrap().remove(0);
    assert_eq!((state.head_number, state.unread_count), (own.number, 3));

    laptop.mark_read(conversation, last - 1);
    for updates in [&mut to_phone, &mut to_laptop] {
        let standing = next(updates, |update| match update {
            Update::State { standing, .. } if standing.read > 0 => Some(standing),
            _ => None,
        })
        .await;
        assert_eq!((standing.read, standing.unread), (last - 1, 1));
    }
    let state = ben.mark_read(conversation, own.number).await.unwrap();
    assert_eq!((state.read_number, state.unread_count), (own.number, 0));
    let lower = ben.mark_read(conversation, 1).await.unwrap();
    assert_eq!(lower.read_number, own.number);
}

#[tokio::test]
async fn the_list_has_the_newest_first_with_its_last_message_and_count() {
    let stage = stage(Turn::with_others().await).await;
    let (ada, ben, cleo) = (
        stage.person("ada").await,
        stage.person("ben").await,
        stage.person("cleo").await,
    );
    let mut conversations = Vec::new();
    for other in [&ben, &cleo] {
        let id = ada
            .open_direct(other.user_id())
            .await
            .unwrap()
            .conversation_id;
        other
            .send_message(id, other.new_client_message_id(), &Draft::text("hello"))
            .await
            .unwrap();
        conversations.push(id);
    }
    conversations.reverse();
    let first = ada.conversations(None, 1).await.unwrap();
    let second = ada
        .conversations(first.next_cursor.as_deref(), 1)
        .await
        .unwrap();
    let listed: Vec<_> = first.items.iter().chain(&second.items).collect();
    assert_eq!(
        listed
            .iter()
            .map(|item| item.conversation.conversation_id)
            .collect::<Vec<_>>(),
        conversations
    );
    for item in listed {
        assert_eq!(item.last_entry.as_ref().and_then(text), Some("hello"));
        assert_eq!(item.state.unread_count, 1);
    }
}

#[tokio::test]
async fn an_attachment_comes_back_as_it_went() {
    let stage = stage(Turn::with_others().await).await;
    let (ada, ben) = (stage.person("ada").await, stage.person("ben").await);
    let conversation = ada
        .open_direct(ben.user_id())
        .await
        .unwrap()
        .conversation_id;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notes.txt");
    std::fs::write(&path, b"what was written").unwrap();
    let file = ada.upload(conversation, &path, "text/plain").await.unwrap();
    ada.send_message(
        conversation,
        ada.new_client_message_id(),
        &Draft {
            attachments: vec![file.file_id],
            ..Draft::default()
        },
    )
    .await
    .unwrap();
    let page = ben
        .entries(conversation, Position::Latest, 1)
        .await
        .unwrap();
    let Some(client::wire::entry::Change::Message(message)) = &page.entries[0].change else {
        panic!("a message");
    };
    assert_eq!(message.attachment_ids, [file.file_id.to_string()]);
    let copy = folder.path().join("copy.txt");
    ben.download(file.file_id, &copy).await.unwrap();
    assert_eq!(std::fs::read(&copy).unwrap(), b"what was written");
}
