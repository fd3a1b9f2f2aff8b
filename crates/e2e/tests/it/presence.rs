//! Typing and presence through all services.

use client::wire::{
    Hello, MemberTyping, Presence, Typing, WatchPresence, client_frame, server_frame,
};
use client::{Client, Connection, Format, Incoming, Typing as Typed, Update, Updates};

use crate::people::{self, PATIENCE, Stage, Turn, stage};

/// A socket on one of the gateways that has said hello.
async fn open(stage: &Stage, gateway: usize, person: &Client) -> Connection {
    let url = stage.suite.gateways[gateway].socket_url();
    let mut socket = Connection::open(&url, Format::Json, PATIENCE)
        .await
        .unwrap();
    let hello = Hello {
        access_token: person.credentials().access_token,
        cursor: String::new(),
    };
    socket
        .send(client_frame::Frame::Hello(hello))
        .await
        .unwrap();
    next(&mut socket, |frame| {
        matches!(frame, server_frame::Frame::Welcome(_)).then_some(())
    })
    .await;
    socket
}

async fn next<T>(
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

async fn typing(socket: &mut Connection) -> MemberTyping {
    next(socket, |frame| match frame {
        server_frame::Frame::Typing(typing) => Some(typing),
        _ => None,
    })
    .await
}

async fn presence(socket: &mut Connection) -> Presence {
    next(socket, |frame| match frame {
        server_frame::Frame::Presence(presence) => Some(presence),
        _ => None,
    })
    .await
}

#[tokio::test]
async fn people_who_talk_see_each_other_type_come_and_go_and_strangers_see_nothing() {
    let stage = stage(Turn::with_others().await).await;
    let (ada, ben) = (stage.person("ada").await, stage.person("ben").await);
    let eve = stage.person("eve").await;
    let conversation = ada.open_direct(ben.user_id()).await.unwrap();
    let conversation_id = conversation.conversation_id.to_string();
    let mut adas = open(&stage, 0, &ada).await;
    let mut bens = open(&stage, 1, &ben).await;
    let mut eves = open(&stage, 1, &eve).await;
    let ids = |people: &[&Client]| WatchPresence {
        user_ids: people
            .iter()
            .map(|person| person.user_id().to_string())
            .collect(),
    };
    let watch = client_frame::Frame::WatchPresence(ids(&[&ben]));
    adas.send(watch.clone()).await.unwrap();
    assert_eq!(presence(&mut adas).await.state, "online");
    eves.send(watch).await.unwrap();
    assert_eq!(presence(&mut eves).await.state, "hidden");

    for state in ["started", "stopped"] {
        let frame = client_frame::Frame::Typing(Typing {
            conversation_id: conversation_id.clone(),
            state: state.to_owned(),
        });
        bens.send(frame.clone()).await.unwrap();
        let told = typing(&mut adas).await;
        assert_eq!(
            (told.user_id, told.conversation_id, told.state.as_str()),
            (ben.user_id().to_string(), conversation_id.clone(), state)
        );
        eves.send(frame).await.unwrap();
    }
    bens.close().await;
    let told = presence(&mut adas).await;
    assert_eq!(told.state, "offline");
    assert!(told.last_seen_unix_ms > 0);
}

#[tokio::test]
async fn a_session_tells_who_types_and_who_is_there() {
    let stage = stage(Turn::with_others().await).await;
    let (ada, ben) = (stage.person("ada").await, stage.person("ben").await);
    let conversation = ada
        .open_direct(ben.user_id())
        .await
        .unwrap()
        .conversation_id;
    let (adas, mut to_ada) = stage.session_on(0, Format::Json, &ada).await;
    let (bens, to_ben) = stage.session_on(1, Format::Protobuf, &ben).await;
    let presence = async |to_ada: &mut Updates| {
        people::next(to_ada, |update| match update {
            Update::Presence { user, presence } => Some((user, presence)),
            _ => None,
        })
        .await
    };
    adas.watch_presence([ben.user_id()]).unwrap();
    let online = client::Presence::Online;
    assert_eq!(presence(&mut to_ada).await, (ben.user_id(), online));

    let typing = async |to_ada: &mut Updates| {
        people::next(to_ada, |update| match update {
            Update::Typing {
                conversation,
                user,
                typing,
            } => Some((conversation, user, typing)),
            _ => None,
        })
        .await
    };
    bens.typing(conversation);
    let (there, who, started) = typing(&mut to_ada).await;
    assert_eq!((there, who), (conversation, ben.user_id()));
    assert!(matches!(started, Typed::Started { expires_in_ms: 1.. }));
    bens.stopped_typing(conversation);
    assert_eq!(typing(&mut to_ada).await.2, Typed::Stopped);

    drop((bens, to_ben));
    let (_, offline) = presence(&mut to_ada).await;
    assert!(
        matches!(
            offline,
            client::Presence::Offline {
                last_seen_unix_ms: Some(_)
            }
        ),
        "{offline:?}"
    );
}
