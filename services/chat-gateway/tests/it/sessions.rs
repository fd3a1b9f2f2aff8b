//! From the upgrade to the close.

use chat_gateway::domain::frame::Format;
use events::{Delivery, delivery, redis_keys};
use ids::{BootId, ConnectionId, ConversationId};
use proto::event::EndSession;
use proto::gateway::gateway_internal_service_client::GatewayInternalServiceClient;
use proto::gateway::gateway_service_client::GatewayServiceClient;
use proto::gateway::{DisconnectRequest, ListMyConnectionsRequest};
use proto::socket::{ConversationState, Ping, client_frame, server_frame};
use tokio_tungstenite::connect_async;
use tokio_tungstenite::tungstenite::{self, Message};

use crate::client::{Client, request};
use crate::world::{Gateway, Somebody, eventually, servers};

async fn leases(somebody: Somebody) -> Vec<(String, u64)> {
    let url = servers().await.redis().url();
    let mut redis = redis::Client::open(url)
        .unwrap()
        .get_multiplexed_async_connection()
        .await
        .unwrap();
    redis::cmd("HGETALL")
        .arg(redis_keys::sockets(somebody.user))
        .query_async(&mut redis)
        .await
        .unwrap()
}

#[tokio::test]
async fn whoever_is_welcomed_is_registered() {
    let gateway = Gateway::start().await;
    for format in [Format::Json, Format::Protobuf] {
        let ann = Somebody::new();
        let (client, welcome) = Client::sign_in_as(&gateway, ann, format).await;
        assert_eq!(welcome.user_id, ann.user.to_string());
        ConnectionId::parse(&welcome.connection_id).unwrap();
        assert_eq!(welcome.heartbeat_interval_ms, 15_000);
        let registered_ms: u64 = welcome.cursor.parse().unwrap();

        let leases_of_ann = leases(ann).await;
        let (field, until) = &leases_of_ann[0];
        let (partition, boot) = field.split_once(':').unwrap();
        assert_eq!(partition, gateway.environment.ordinal.to_string());
        BootId::parse(boot).unwrap();
        assert_eq!(*until, registered_ms + 30_000);

        drop(client);
        eventually("the lease goes with the last socket", async || {
            leases(ann).await.is_empty()
        })
        .await;
    }
    gateway.stop().await;
}

#[tokio::test]
async fn a_bad_frame_gets_an_error_and_the_socket_stays_open() {
    let gateway = Gateway::start().await;
    let text = |text: &str| Message::text(text.to_owned());
    for (format, bad, code) in [
        (Format::Json, text("{"), "frame_malformed"),
        (Format::Json, text("[[[[[[[["), "frame_malformed"),
        (Format::Json, text(r#"{"nonsense":{}}"#), "frame_malformed"),
        (
            Format::Json,
            Message::binary(vec![0xff, 0x00]),
            "frame_malformed",
        ),
        (Format::Json, text(&"x".repeat(70_000)), "frame_too_large"),
        (
            Format::Protobuf,
            Message::binary(vec![0xff; 40]),
            "frame_malformed",
        ),
        (Format::Protobuf, Message::binary(vec![]), "frame_malformed"),
        (Format::Protobuf, text("{}"), "frame_malformed"),
        (
            Format::Protobuf,
            Message::binary(vec![0; 70_000]),
            "frame_too_large",
        ),
    ] {
        let (mut client, _) = Client::sign_in_as(&gateway, Somebody::new(), format).await;
        client.send_raw(bad).await;
        assert_eq!(client.error().await.code, code);
        let counted = client.heartbeat().await.frames_sent;
        assert_eq!(counted, 1, "it stays open, and the error counts");
    }
    gateway.stop().await;
}

#[tokio::test]
async fn what_is_far_too_large_is_not_even_read() {
    let gateway = Gateway::start().await;
    let mut client = Client::sign_in(&gateway, Somebody::new()).await;
    client.send_raw(Message::text("x".repeat(300_000))).await;
    assert_eq!(client.closed().await, 1009);
    gateway.stop().await;
}

#[tokio::test]
async fn nothing_is_accepted_before_hello() {
    let gateway = Gateway::start_with(&[("GATEWAY__HELLO_TIMEOUT_MS", "700")]).await;
    let mut client = Client::open(&gateway, Format::Json).await;
    client.send(client_frame::Frame::Ping(Ping {})).await;
    assert_eq!(client.error().await.code, "hello_required");
    client.send_raw(Message::text("{")).await;
    assert_eq!(client.error().await.code, "frame_malformed");
    assert_eq!(client.closed().await, 4002);
    gateway.stop().await;
}

#[tokio::test]
async fn a_token_that_is_not_good_closes_the_socket() {
    let gateway = Gateway::start().await;
    let expired = Somebody::new().token_for(-60);
    for (token, code) in [
        ("nonsense", "token_invalid"),
        ("", "token_invalid"),
        (expired.as_str(), "token_expired"),
    ] {
        let mut client = Client::open(&gateway, Format::Json).await;
        client.hello(token, "").await;
        assert_eq!(client.error().await.code, code);
        assert_eq!(client.closed().await, 4003);
    }
    gateway.stop().await;
}

#[tokio::test]
async fn a_socket_ends_with_its_token_unless_that_is_renewed() {
    let gateway = Gateway::start_with(&[
        ("GATEWAY__HEARTBEAT_INTERVAL_MS", "200"),
        ("GATEWAY__TOKEN_GRACE_MS", "0"),
    ])
    .await;
    let (ann, bob) = (Somebody::new(), Somebody::new());
    let mut renewed = Client::open(&gateway, Format::Json).await;
    renewed.hello(&bob.token_for(2), "").await;
    renewed.welcome().await;
    renewed.hello(&bob.token(), "").await;
    renewed.hello(&ann.token(), "").await;
    assert_eq!(
        renewed.error().await.code,
        "token_invalid",
        "another person's"
    );
    let elsewhere = Somebody {
        session: Somebody::new().session,
        ..bob
    };
    renewed.hello(&elsewhere.token(), "").await;
    assert_eq!(
        renewed.error().await.code,
        "token_invalid",
        "another login's"
    );

    let mut old = Client::open(&gateway, Format::Json).await;
    old.hello(&ann.token_for(2), "").await;
    old.welcome().await;
    let (closed, ()) = tokio::join!(old.closed(), async {
        // Three seconds of heartbeats: Bob's first token has expired as well by then.
        for _ in 0..15 {
            renewed.next_of_any_kind().await;
        }
    });
    assert_eq!(closed, 4003);
    gateway.stop().await;
}

#[tokio::test]
async fn a_session_that_ended_is_closed_and_stays_out() {
    let gateway = Gateway::start().await;
    let (ann, bob) = (Somebody::new(), Somebody::new());
    let mut socket = Client::sign_in(&gateway, ann).await;
    let mut other = Client::sign_in(&gateway, bob).await;
    gateway
        .deliver(vec![Delivery {
            event: Some(delivery::Event::EndSession(EndSession {
                session_id: ann.session.to_vec(),
            })),
            ..Delivery::default()
        }])
        .await;
    assert_eq!(socket.closed().await, 4001);
    let mut again = Client::open(&gateway, Format::Json).await;
    again.hello(&ann.token(), "").await;
    assert_eq!(again.closed().await, 4001, "though the token is still good");
    other.heartbeat().await;
    gateway.stop().await;
}

#[tokio::test]
async fn the_account_service_is_asked_whether_a_session_is_over() {
    let gateway = Gateway::start().await;
    let ann = Somebody::new();
    gateway
        .environment
        .peers
        .ended
        .lock()
        .unwrap()
        .push(ann.session);
    let mut client = Client::open(&gateway, Format::Json).await;
    client.hello(&ann.token(), "").await;
    assert_eq!(client.closed().await, 4001);
    gateway.stop().await;
}

#[tokio::test]
async fn a_verified_token_is_enough_while_peers_are_away() {
    let nowhere = "http://127.0.0.1:1";
    let gateway = Gateway::start_with(&[
        ("PEERS__ACCOUNT", nowhere),
        ("PEERS__CONVERSATION", nowhere),
        ("PEERS__MESSAGE", nowhere),
    ])
    .await;
    let mut client = Client::open(&gateway, Format::Json).await;
    client
        .hello(&Somebody::new().token(), "1700000000000")
        .await;
    client.welcome().await;
    match client.next().await {
        server_frame::Frame::Resumed(resumed) => {
            assert!(!resumed.complete, "a reset, never something between");
            assert!(!resumed.cursor.is_empty());
        }
        other => panic!("not resumed: {other:?}"),
    }
    gateway.stop().await;
}

#[tokio::test]
async fn a_cursor_is_answered_by_what_changed() {
    let gateway = Gateway::start().await;
    let changed = ConversationState {
        conversation_id: ConversationId::from_bytes([3; 16]).to_string(),
        head_number: 9,
        ..ConversationState::default()
    };
    *gateway.environment.peers.changed.lock().unwrap() = Some(vec![changed.clone()]);
    let mut client = Client::open(&gateway, Format::Protobuf).await;
    client
        .hello(&Somebody::new().token(), "1700000000000")
        .await;
    let welcome = client.welcome().await;
    match client.next().await {
        server_frame::Frame::Resumed(resumed) => {
            assert!(resumed.complete);
            assert_eq!(resumed.changed, [changed]);
            assert_eq!(resumed.cursor, welcome.cursor);
        }
        other => panic!("not resumed: {other:?}"),
    }
    gateway.stop().await;
}

#[tokio::test]
async fn only_the_account_service_may_disconnect() {
    let gateway = Gateway::start().await;
    let ann = Somebody::new();
    let mut socket = Client::sign_in(&gateway, ann).await;
    let url = format!("http://{}", gateway.addresses.internal);
    let mut stranger = GatewayInternalServiceClient::connect(url.clone())
        .await
        .unwrap();
    let request = || DisconnectRequest {
        session_id: ann.session.to_string(),
    };
    let refused = stranger.disconnect(request()).await.unwrap_err();
    assert_eq!(refused.code(), tonic::Code::Unauthenticated);
    let mut bare = tonic::Request::new(request());
    bare.metadata_mut()
        .insert("x-user-id", ann.user.to_string().parse().unwrap());
    bare.metadata_mut().insert(
        "authorization",
        format!("Bearer {}", ann.token()).parse().unwrap(),
    );
    assert!(stranger.disconnect(bare).await.is_err());

    let account = auth::PeerChannel::new(
        "chat-gateway",
        &url,
        gateway.environment.identities.identity("account"),
    )
    .unwrap();
    let mut client = GatewayInternalServiceClient::new(account.channel());
    for closed in [1, 0] {
        let answer = client
            .disconnect(account.request(request(), None))
            .await
            .unwrap();
        assert_eq!(answer.get_ref().closed_sockets, closed);
    }
    assert_eq!(socket.closed().await, 4001);
    gateway.stop().await;
}

#[tokio::test]
async fn people_see_their_own_sockets() {
    let (here, there) = (Gateway::start().await, Gateway::start().await);
    let (ann, bob) = (Somebody::new(), Somebody::new());
    let (_first, welcome) = Client::sign_in_as(&here, ann, Format::Protobuf).await;
    let _second = Client::sign_in(&here, ann).await;
    let _elsewhere = Client::sign_in(&there, ann).await;
    let _bobs = Client::sign_in(&here, bob).await;

    let url = format!("http://{}/api/gateway/connections", here.addresses.http);
    let http = reqwest::Client::new();
    let answer = http
        .get(&url)
        .bearer_auth(ann.token())
        .send()
        .await
        .unwrap();
    let answer: serde_json::Value = answer.json().await.unwrap();
    assert_eq!(answer["items"].as_array().unwrap().len(), 2);
    assert_eq!(answer["items"][0]["connection_id"], welcome.connection_id);
    assert_eq!(answer["items"][0]["format"], "protobuf");
    assert_eq!(answer["other_gateways"], 1);
    let refused = http.get(&url).send().await.unwrap();
    assert_eq!(refused.status(), 401);

    let mut client = GatewayServiceClient::connect(format!("http://{}", here.addresses.grpc))
        .await
        .unwrap();
    let mut request = tonic::Request::new(ListMyConnectionsRequest {});
    assert!(
        client
            .list_my_connections(ListMyConnectionsRequest {})
            .await
            .is_err()
    );
    request.metadata_mut().insert(
        "authorization",
        format!("Bearer {}", ann.token()).parse().unwrap(),
    );
    let answer = client.list_my_connections(request).await.unwrap();
    assert_eq!(answer.get_ref().open_sockets, 2);
    assert_eq!(answer.get_ref().other_gateways, 1);
    here.stop().await;
    there.stop().await;
}

#[tokio::test]
async fn the_upgrade_is_refused_with_a_reason() {
    let gateway = Gateway::start_with(&[
        ("GATEWAY__ALLOWED_ORIGINS", "https://chat.example"),
        ("GATEWAY__MAX_SOCKETS", "1"),
    ])
    .await;
    let address = gateway.socket_address();
    let refused = |request| async move {
        match connect_async(request).await {
            Err(tungstenite::Error::Http(response)) => {
                let body = response.body().clone().unwrap_or_default();
                let body: serde_json::Value = serde_json::from_slice(&body).unwrap_or_default();
                (
                    response.status().as_u16(),
                    body["code"].as_str().unwrap_or_default().to_owned(),
                )
            }
            other => panic!("not refused: {other:?}"),
        }
    };
    let mut foreign = request(address, "parlance.v1.json");
    foreign
        .headers_mut()
        .insert("origin", "https://evil.example".parse().unwrap());
    assert_eq!(refused(foreign).await, (403, "origin_not_allowed".into()));
    assert_eq!(
        refused(request(address, "graphql-ws")).await,
        (400, "subprotocol_unknown".into())
    );
    let plain = reqwest::get(format!("http://{address}/socket"))
        .await
        .unwrap();
    assert_eq!(plain.status(), 400);

    let mut ours = request(address, "parlance.v1.json");
    ours.headers_mut()
        .insert("origin", "https://chat.example".parse().unwrap());
    let _open = connect_async(ours).await.unwrap();
    assert_eq!(
        refused(request(address, "parlance.v1.json")).await,
        (503, "too_many_sockets".into())
    );
    gateway.stop().await;
}

#[tokio::test]
async fn a_client_that_is_gone_is_noticed() {
    let gateway = Gateway::start_with(&[("GATEWAY__HEARTBEAT_INTERVAL_MS", "200")]).await;
    let ann = Somebody::new();
    // It doesn't read, so it doesn't answer pings either.
    let mut gone = Client::sign_in(&gateway, ann).await;
    eventually("its lease is given back", async || {
        leases(ann).await.is_empty()
    })
    .await;
    assert_eq!(gone.closed().await, 1001);
    gateway.stop().await;
}

#[tokio::test]
async fn sockets_move_away_before_the_gateway_stops() {
    let gateway = Gateway::start().await;
    let people: Vec<Somebody> = (0..5).map(|_| Somebody::new()).collect();
    let mut clients = Vec::new();
    for somebody in &people {
        clients.push(Client::sign_in(&gateway, *somebody).await);
    }
    gateway.lifecycle.stop();
    assert!(!gateway.is_ready().await);
    for client in &mut clients {
        match client.next().await {
            server_frame::Frame::Closing(closing) => assert!(closing.reconnect_after_ms <= 200),
            other => panic!("not closing: {other:?}"),
        }
        assert_eq!(client.closed().await, 4012);
    }
    gateway.stop().await;
    for somebody in people {
        assert!(leases(somebody).await.is_empty());
    }
}

#[tokio::test]
async fn a_person_and_an_address_have_only_so_many_sockets() {
    let gateway = Gateway::start_with(&[
        ("GATEWAY__MAX_SOCKETS_PER_PERSON", "2"),
        ("GATEWAY__MAX_SOCKETS_PER_ADDRESS", "9"),
        ("GATEWAY__TRUSTED_PROXIES", "[\"127.0.0.1\"]"),
    ])
    .await;
    let (ann, bob) = (Somebody::new(), Somebody::new());
    let mut first = Client::sign_in(&gateway, ann).await;
    let mut second = Client::sign_in(&gateway, ann).await;
    let mut third = Client::open(&gateway, Format::Json).await;
    third.hello(&ann.token(), "").await;
    assert_eq!(third.closed().await, 4013);
    drop(third);
    for open in [&mut first, &mut second] {
        open.heartbeat().await;
    }
    drop(second);
    eventually("a place is free again", async || {
        let mut again = Client::open(&gateway, Format::Json).await;
        again.hello(&ann.token(), "").await;
        matches!(
            again.next_or_close().await,
            Ok(server_frame::Frame::Welcome(_))
        )
    })
    .await;

    let _bobs = Client::sign_in(&gateway, bob).await;
    let from = |address: &str| {
        let mut request = request(gateway.socket_address(), "parlance.v1.json");
        let value = address.parse().unwrap();
        request.headers_mut().insert("x-forwarded-for", value);
        request
    };
    let mut open = Vec::new();
    for _ in 0..9 {
        open.push(connect_async(from("192.0.2.7")).await.unwrap());
    }
    match connect_async(from("192.0.2.7")).await {
        Err(tungstenite::Error::Http(response)) => {
            assert_eq!(response.status(), 429);
            assert_eq!(response.headers()["retry-after"], "1");
        }
        other => panic!("not refused: {other:?}"),
    }
    // Somebody else's address, and the same one again when a place is free.
    connect_async(from("192.0.2.8")).await.unwrap();
    open.pop();
    eventually("a place is free again", async || {
        connect_async(from("192.0.2.7")).await.is_ok()
    })
    .await;
    let metrics = gateway.metrics().await;
    assert!(metrics.contains("gateway_sockets_refused_total{code=\"rate_limited\"}"));
    assert!(metrics.contains("gateway_sockets_closed_total{code=\"4013\"}"));
    gateway.stop().await;
}
