//! From a socket to the log.

use clock::Clock;
use events::{MoveMarks, SendMessage, log_record};
use ids::{ClientMessageId, ConversationId};
use proto::socket::{
    Change, Edit, Hide, MarkDelivered, MarkRead, MarkUnread, Ping, Refused, Send, change,
    client_frame, server_frame,
};

use crate::client::Client;
use crate::world::{Gateway, Somebody, log_of, servers};

fn conversation() -> ConversationId {
    ConversationId::generate(&Clock::system())
}

fn a_send(conversation: ConversationId, text: &str) -> Send {
    Send {
        client_message_id: ClientMessageId::generate(&Clock::system()).to_string(),
        conversation_id: conversation.to_string(),
        text: text.into(),
        attempt: 1,
        ..Send::default()
    }
}

async fn brokers() -> String {
    servers().await.kafka().brokers()
}

async fn sent_to(conversation: ConversationId, count: usize) -> Vec<SendMessage> {
    log_of(&brokers().await, conversation, count)
        .await
        .into_iter()
        .map(|record| match record.change {
            Some(log_record::Change::Send(send)) => send,
            other => panic!("not a send: {other:?}"),
        })
        .collect()
}

#[tokio::test]
async fn sends_reach_the_log_in_order() {
    let gateway = Gateway::start().await;
    let ann = Somebody::new();
    let mut client = Client::sign_in(&gateway, ann).await;
    let conversation = conversation();
    let sends: Vec<Send> = (0..100)
        .map(|n| a_send(conversation, &format!("message {n}")))
        .collect();
    for send in &sends {
        client.send(client_frame::Frame::Send(send.clone())).await;
    }
    let records = sent_to(conversation, sends.len()).await;
    for (record, send) in records.iter().zip(&sends) {
        assert_eq!(record.text, send.text);
        assert_eq!(record.sender, ann.user.to_vec());
        let id = ClientMessageId::from_slice(&record.client_message_id).unwrap();
        assert_eq!(id.to_string(), send.client_message_id);
        assert_eq!(record.message_id.len(), 16);
    }
    assert_eq!(
        client.heartbeat().await.frames_sent,
        0,
        "nothing is acknowledged here"
    );
    gateway.stop().await;
}

#[tokio::test]
async fn a_faulty_send_is_refused_for_good_and_closes_nothing() {
    let gateway = Gateway::start().await;
    let mut client = Client::sign_in(&gateway, Somebody::new()).await;
    let good = a_send(conversation(), "x");
    for (faulty, code) in [
        (
            Send {
                client_message_id: "1".into(),
                ..good.clone()
            },
            "client_message_id_invalid",
        ),
        (
            Send {
                conversation_id: "1".into(),
                ..good.clone()
            },
            "conversation_id_invalid",
        ),
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
    ] {
        client.send(client_frame::Frame::Send(faulty)).await;
        let refused = client.refused().await;
        assert_eq!((refused.code.as_str(), refused.retry), (code, false));
    }
    assert_eq!(client.heartbeat().await.frames_sent, 4);
    gateway.stop().await;
}

#[tokio::test]
async fn who_is_known_not_to_be_a_member_is_refused_but_a_retry_is_for_the_log() {
    let gateway = Gateway::start().await;
    let eve = Somebody::new();
    gateway
        .environment
        .peers
        .outsiders
        .lock()
        .unwrap()
        .push(eve.user);
    let mut client = Client::sign_in(&gateway, eve).await;
    let conversation = conversation();
    let send = a_send(conversation, "let me in");
    client.send(client_frame::Frame::Send(send.clone())).await;
    let refused = client.refused().await;
    assert_eq!(
        (refused.code.as_str(), refused.retry),
        ("not_a_member", false)
    );
    assert_eq!(refused.client_message_id, send.client_message_id);
    // A second attempt that was under way gets the same answer, though she has come in meanwhile.
    gateway.environment.peers.outsiders.lock().unwrap().clear();
    let again = Send { attempt: 2, ..send };
    client.send(client_frame::Frame::Send(again.clone())).await;
    let refused = client.refused().await;
    assert_eq!(
        (refused.code.as_str(), refused.retry),
        ("not_a_member", false)
    );
    // On another socket nobody knows what became of the first.
    let mut client = Client::sign_in(&gateway, eve).await;
    client.send(client_frame::Frame::Send(again)).await;
    assert_eq!(sent_to(conversation, 1).await[0].text, "let me in");
    gateway.stop().await;
}

/// Sends a frame and waits until it was handled.
async fn refusal(client: &mut Client, send: &Send) -> Option<Refused> {
    client.send(client_frame::Frame::Send(send.clone())).await;
    client.send(client_frame::Frame::Ping(Ping {})).await;
    match client.next_of_any_kind().await {
        server_frame::Frame::Heartbeat(_) => None,
        server_frame::Frame::Refused(refused) => {
            client.next_of_any_kind().await;
            Some(refused)
        }
        other => panic!("neither refused nor taken: {other:?}"),
    }
}

#[tokio::test]
async fn after_a_refusal_with_retry_nothing_overtakes() {
    let gateway = Gateway::start_with(&[
        ("GATEWAY__FRAMES_PER_SECOND", "5"),
        ("GATEWAY__FRAMES_BURST", "2"),
    ])
    .await;
    let mut client = Client::sign_in(&gateway, Somebody::new()).await;
    let conversation = conversation();
    let sends: Vec<Send> = (0..4)
        .map(|n| a_send(conversation, &n.to_string()))
        .collect();
    for send in &sends[..2] {
        assert_eq!(refusal(&mut client, send).await, None);
    }
    let refused = refusal(&mut client, &sends[2]).await.unwrap();
    assert_eq!(
        (refused.code.as_str(), refused.retry),
        ("rate_limited", true)
    );
    assert!((1..=1_000).contains(&refused.retry_after_ms));
    assert_eq!(refused.client_message_id, sends[2].client_message_id);

    // When the rate is fine again, the third has still not been sent anew.
    let refused = loop {
        let refused = refusal(&mut client, &sends[3]).await.unwrap();
        if refused.code != "rate_limited" {
            break refused;
        }
    };
    assert_eq!((refused.code.as_str(), refused.retry), ("retry", true));
    assert_eq!(refused.client_message_id, sends[3].client_message_id);

    for (n, send) in sends[2..].iter().enumerate() {
        let again = Send {
            attempt: 2,
            outbox_restart: n == 0,
            ..send.clone()
        };
        // Whoever is refused by the rate starts again as well.
        let restart = Send {
            outbox_restart: true,
            ..again.clone()
        };
        if refusal(&mut client, &again).await.is_some() {
            while refusal(&mut client, &restart).await.is_some() {}
        }
    }
    let texts: Vec<String> = sent_to(conversation, 4)
        .await
        .into_iter()
        .map(|send| send.text)
        .collect();
    assert_eq!(texts, ["0", "1", "2", "3"]);
    gateway.stop().await;
}

#[tokio::test]
async fn read_marks_are_merged_before_the_log() {
    let gateway = Gateway::start().await;
    let ann = Somebody::new();
    let mut client = Client::sign_in(&gateway, ann).await;
    let conversation = conversation();
    for number in [3, 5, 20, 11] {
        client
            .send(client_frame::Frame::MarkRead(MarkRead {
                conversation_id: conversation.to_string(),
                number,
            }))
            .await;
    }
    let marks: Vec<MoveMarks> = log_of(&brokers().await, conversation, 2)
        .await
        .into_iter()
        .map(|record| match record.change {
            Some(log_record::Change::Marks(mark)) => mark,
            other => panic!("not a mark: {other:?}"),
        })
        .collect();
    let mark = |number| MoveMarks {
        reader: ann.user.to_vec(),
        read_number: number,
        delivered_number: 0,
    };
    assert_eq!(marks, [mark(3), mark(20)]);

    client
        .send(client_frame::Frame::MarkRead(MarkRead {
            conversation_id: "nonsense".into(),
            number: 1,
        }))
        .await;
    let error = client.error().await;
    assert_eq!(error.code, "conversation_id_invalid");
    assert_eq!(error.frame, "mark_read");
    gateway.stop().await;
}

#[tokio::test]
async fn changes_of_messages_go_the_way_of_messages() {
    let gateway = Gateway::start().await;
    let ann = Somebody::new();
    let mut client = Client::sign_in(&gateway, ann).await;
    let conversation = conversation();
    let change = |asked| Change {
        client_message_id: ClientMessageId::generate(&Clock::system()).to_string(),
        conversation_id: conversation.to_string(),
        number: 7,
        change: Some(asked),
        attempt: 1,
        ..Change::default()
    };
    let edit = |text: &str| change::Change::Edit(Edit { text: text.into() });
    client
        .send(client_frame::Frame::Change(change(edit(""))))
        .await;
    let refused = client.refused().await;
    assert_eq!(
        (refused.code.as_str(), refused.retry),
        ("text_empty", false)
    );

    let asked = change(edit("better"));
    client
        .send(client_frame::Frame::Change(asked.clone()))
        .await;
    client
        .send(client_frame::Frame::Send(a_send(conversation, "after it")))
        .await;
    let records = log_of(&brokers().await, conversation, 2).await;
    match &records[0].change {
        Some(log_record::Change::ChangeMessage(record)) => {
            assert_eq!(record.number, 7);
            assert_eq!(record.sender, ann.user.to_vec());
            assert_eq!(record.change_id.len(), 16);
            let id = ClientMessageId::from_slice(&record.client_message_id).unwrap();
            assert_eq!(id.to_string(), asked.client_message_id);
        }
        other => panic!("not a change: {other:?}"),
    }
    assert!(matches!(
        records[1].change,
        Some(log_record::Change::Send(_))
    ));
    gateway.stop().await;
}

#[tokio::test]
async fn what_was_read_goes_to_the_log_before_it_is_marked_as_unread() {
    let gateway = Gateway::start().await;
    let mut client = Client::sign_in(&gateway, Somebody::new()).await;
    let conversation = conversation();
    let conversation_id = conversation.to_string();
    for number in [3, 9] {
        client
            .send(client_frame::Frame::MarkRead(MarkRead {
                conversation_id: conversation_id.clone(),
                number,
            }))
            .await;
    }
    client
        .send(client_frame::Frame::MarkDelivered(MarkDelivered {
            conversation_id: conversation_id.clone(),
            number: 12,
        }))
        .await;
    client
        .send(client_frame::Frame::MarkUnread(MarkUnread {
            conversation_id: conversation_id.clone(),
        }))
        .await;
    client
        .send(client_frame::Frame::Hide(Hide {
            conversation_id,
            number: 4,
        }))
        .await;
    let kinds: Vec<String> = log_of(&brokers().await, conversation, 4)
        .await
        .into_iter()
        .map(|record| match record.change {
            Some(log_record::Change::Marks(marks)) => {
                format!("read {}, got {}", marks.read_number, marks.delivered_number)
            }
            Some(log_record::Change::MarkUnread(_)) => "unread".to_owned(),
            Some(log_record::Change::Hide(hide)) => format!("hide {}", hide.number),
            other => panic!("something else: {other:?}"),
        })
        .collect();
    assert_eq!(
        kinds,
        ["read 3, got 0", "read 9, got 12", "unread", "hide 4"]
    );
    gateway.stop().await;
}
