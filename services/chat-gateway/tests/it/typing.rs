//! Who types, told to those who may know.

use std::sync::atomic::Ordering;

use chat_gateway::domain::frame::Format;
use clock::Clock;
use events::{Delivery, delivery, pack_users};
use ids::ConversationId;
use proto::socket::{Entry, Joined, Left, MemberTyping, entry};

use crate::client::Client;
use crate::world::{Gateway, Somebody, eventually};

fn conversation() -> ConversationId {
    ConversationId::generate(&Clock::system())
}

fn member_typing(conversation: ConversationId, who: Somebody, state: &str) -> MemberTyping {
    MemberTyping {
        conversation_id: conversation.to_string(),
        user_id: who.user.to_string(),
        state: state.into(),
        expires_in_ms: if state == "started" { 6_000 } else { 0 },
    }
}

#[tokio::test]
async fn the_other_members_are_told_on_all_their_devices_and_gateways() {
    let here = Gateway::start().await;
    let there = Gateway::start_beside(&here, &[]).await;
    let [ann, bob, eve] = [(); 3].map(|()| Somebody::new());
    let talk = conversation();
    here.environment.peers.set_members(talk, &[ann, bob]);

    let mut anns = Client::sign_in(&here, ann).await;
    let mut anns_other = Client::sign_in(&here, ann).await;
    let mut bobs_phone = Client::sign_in(&here, bob).await;
    let (mut bobs_laptop, _) = Client::sign_in_as(&there, bob, Format::Protobuf).await;
    let mut eves = Client::sign_in(&there, eve).await;
    for state in ["started", "stopped"] {
        anns.types(talk, state).await;
        for device in [&mut bobs_phone, &mut bobs_laptop] {
            assert_eq!(device.typing().await, member_typing(talk, ann, state));
            assert_eq!(device.heartbeat().await.frames_sent, 0, "in no count");
        }
    }
    // Nothing to those who need not know, and nothing again.
    anns.types(talk, "stopped").await;
    for other in [&mut eves, &mut anns_other, &mut anns, &mut bobs_phone] {
        other.heartbeat().await;
    }
    here.stop().await;
    there.stop().await;
}

#[tokio::test]
async fn a_keyboard_is_merged() {
    let gateway = Gateway::start().await;
    let [ann, bob] = [(); 2].map(|()| Somebody::new());
    let talk = conversation();
    gateway.environment.peers.set_members(talk, &[ann, bob]);
    let mut anns = Client::sign_in(&gateway, ann).await;
    let mut bobs = Client::sign_in(&gateway, bob).await;
    for _ in 0..50 {
        anns.types(talk, "started").await;
    }
    anns.types(talk, "stopped").await;
    assert_eq!(bobs.typing().await.state, "started");
    assert_eq!(bobs.typing().await.state, "stopped");
    anns.heartbeat().await;
    let metrics = gateway.metrics().await;
    assert!(metrics.contains("gateway_frames_in_total{frame=\"typing\"}"));
    gateway.stop().await;
}

#[tokio::test]
async fn strangers_blocked_people_and_crowds_are_told_nothing() {
    let gateway = Gateway::start().await;
    let [ann, bob, cy, eve] = [(); 4].map(|()| Somebody::new());
    let (talk, crowd) = (conversation(), conversation());
    let peers = &gateway.environment.peers;
    peers.set_members(talk, &[ann, bob, cy]);
    peers.blocks.lock().unwrap().push([cy.user, ann.user]);
    let others = std::iter::repeat_with(Somebody::new).take(99);
    let everybody: Vec<Somebody> = [ann, bob].into_iter().chain(others).collect();
    peers.set_members(crowd, &everybody);

    let mut anns = Client::sign_in(&gateway, ann).await;
    let mut bobs = Client::sign_in(&gateway, bob).await;
    let mut cys = Client::sign_in(&gateway, cy).await;
    let mut eves = Client::sign_in(&gateway, eve).await;

    eves.types(talk, "started").await;
    let error = eves.error().await;
    assert_eq!(
        (error.code.as_str(), error.frame.as_str()),
        ("conversation_unknown", "typing")
    );
    anns.types(crowd, "started").await;
    anns.types(talk, "started").await;
    // One after the other through the same way, so what comes first is all there was before.
    assert_eq!(
        bobs.typing().await,
        member_typing(talk, ann, "started"),
        "not in the crowd, and not from a stranger"
    );
    // Cy is told of Bob, and was not of Ann.
    bobs.types(talk, "started").await;
    assert_eq!(cys.typing().await, member_typing(talk, bob, "started"));
    gateway.stop().await;
}

#[tokio::test]
async fn a_faulty_hint_gets_an_error_and_too_many_are_refused() {
    let gateway = Gateway::start().await;
    let ann = Somebody::new();
    let mut anns = Client::sign_in(&gateway, ann).await;
    let talk = conversation();
    anns.types(talk, "thinking").await;
    assert_eq!(anns.error().await.code, "typing_state_invalid");
    anns.send_raw(r#"{"typing":{"conversation_id":"x","state":"started"}}"#.into())
        .await;
    assert_eq!(anns.error().await.code, "conversation_id_invalid");
    for _ in 0..60 {
        let own = conversation();
        gateway.environment.peers.set_members(own, &[ann]);
        anns.types(own, "started").await;
    }
    let error = anns.error().await;
    assert_eq!(
        (error.code.as_str(), error.frame.as_str()),
        ("rate_limited", "typing")
    );
    gateway.stop().await;
}

/// Tells the gateway, as the sequencer does, that a membership has changed.
async fn tell(gateway: &Gateway, talk: ConversationId, to: Somebody, change: entry::Change) {
    gateway
        .deliver(vec![Delivery {
            users: pack_users([&to.user]),
            origin: None,
            event: Some(delivery::Event::Entry(Entry {
                conversation_id: talk.to_string(),
                number: 9,
                change: Some(change),
                ..Entry::default()
            })),
        }])
        .await;
}

#[tokio::test]
async fn who_left_is_told_nothing_from_that_entry_on_and_who_came_back_is() {
    let gateway = Gateway::start().await;
    let [ann, bob, cy] = [(); 3].map(|()| Somebody::new());
    let talk = conversation();
    let peers = gateway.environment.peers.clone();
    peers.set_members(talk, &[ann, bob, cy]);
    let mut anns = Client::sign_in(&gateway, ann).await;
    let mut bobs = Client::sign_in(&gateway, bob).await;
    let mut cys = Client::sign_in(&gateway, cy).await;
    anns.types(talk, "started").await;
    assert_eq!(bobs.typing().await.user_id, ann.user.to_string());
    assert_eq!(cys.typing().await.user_id, ann.user.to_string());
    assert_eq!(peers.audiences_asked.load(Ordering::Relaxed), 1);

    peers.set_members(talk, &[ann, cy]);
    let user_id = bob.user.to_string();
    let left = entry::Change::Left(Left {
        user_id: user_id.clone(),
    });
    tell(&gateway, talk, ann, left).await;
    anns.next().await;
    // A hint that was on its way when Bob left, from a gateway that didn't know yet.
    let late = Delivery {
        users: pack_users([&bob.user, &cy.user]),
        origin: None,
        event: Some(delivery::Event::Typing(member_typing(talk, ann, "stopped"))),
    };
    gateway.deliver(vec![late]).await;
    assert_eq!(cys.typing().await.state, "stopped");
    cys.types(talk, "started").await;
    assert_eq!(anns.typing().await.user_id, cy.user.to_string());
    assert_eq!(peers.audiences_asked.load(Ordering::Relaxed), 2);
    bobs.heartbeat().await;
    bobs.types(talk, "started").await;
    assert_eq!(bobs.error().await.code, "conversation_unknown");

    peers.set_members(talk, &[ann, bob, cy]);
    let joined = entry::Change::Joined(Joined { user_id });
    tell(&gateway, talk, ann, joined).await;
    anns.next().await;
    eventually("Bob is told again", async || {
        anns.types(talk, "stopped").await;
        anns.types(talk, "started").await;
        bobs.heartbeat_or_typing().await
    })
    .await;
    gateway.stop().await;
}
