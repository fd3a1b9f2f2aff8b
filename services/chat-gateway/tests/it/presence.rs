//! Who is online, and who may know.

use std::time::Duration;

use chat_gateway::domain::frame::Format;
use clock::Clock;
use events::redis_keys;
use ids::ConversationId;
use local_stack::servers::{Server, TestServers};
use proto::gateway::gateway_service_client::GatewayServiceClient;
use proto::gateway::{GetPresenceRequest, ListOnlineRequest};
use tokio::time::{Instant, timeout};

use crate::client::Client;
use crate::process::Process;
use crate::world::{Environment, Gateway, Somebody, eventually};

/// Changes reach watchers within this.
const TOLD_WITHIN: Duration = Duration::from_secs(2);

fn put_together(gateway: &Gateway, people: &[Somebody]) {
    let conversation = ConversationId::generate(&Clock::system());
    gateway.environment.peers.set_members(conversation, people);
}

async fn told_in_time(client: &mut Client) -> (String, String, i64) {
    let presence = timeout(TOLD_WITHIN, client.presence())
        .await
        .expect("told in time");
    (presence.user_id, presence.state, presence.last_seen_unix_ms)
}

async fn expect(client: &mut Client, who: Somebody, state: &str) -> i64 {
    let (user, told, last_seen) = told_in_time(client).await;
    assert_eq!((user, told.as_str()), (who.user.to_string(), state));
    last_seen
}

#[tokio::test]
async fn a_person_is_online_while_any_device_is_on_any_gateway() {
    let here = Gateway::start().await;
    let there = Gateway::start_beside(&here, &[]).await;
    let [ann, bob] = [(); 2].map(|()| Somebody::new());
    put_together(&here, &[ann, bob]);
    let mut anns = Client::sign_in(&here, ann).await;
    anns.watch(&[bob]).await;
    assert_eq!(expect(&mut anns, bob, "offline").await, 0, "never seen");

    let phone = Client::sign_in(&there, bob).await;
    assert_eq!(expect(&mut anns, bob, "online").await, 0);
    let (laptop, _) = Client::sign_in_as(&here, bob, Format::Protobuf).await;
    drop(phone);
    let before_ms = Clock::system().unix_ms() as i64;
    drop(laptop);
    // Had the phone's end been told, this would not be the next.
    let last_seen = expect(&mut anns, bob, "offline").await;
    assert!((last_seen - before_ms).abs() < 5_000, "{last_seen}");
    assert_eq!(anns.heartbeat().await.frames_sent, 0, "in no count");

    let mut elsewhere = Client::sign_in(&there, ann).await;
    elsewhere.watch(&[bob, ann]).await;
    let mut answers = [
        told_in_time(&mut elsewhere).await,
        told_in_time(&mut elsewhere).await,
    ];
    answers.sort_unstable();
    let mut expected = [
        (bob.user.to_string(), "offline".to_owned(), last_seen),
        (ann.user.to_string(), "online".to_owned(), 0),
    ];
    expected.sort_unstable();
    assert_eq!(answers, expected, "the same on every gateway");
    here.stop().await;
    there.stop().await;
}

#[tokio::test]
async fn only_who_is_in_a_conversation_with_somebody_and_may_sees_their_presence() {
    let gateway = Gateway::start().await;
    let [ann, bob, shy, foe, eve] = [(); 5].map(|()| Somebody::new());
    put_together(&gateway, &[ann, bob, shy, foe]);
    let peers = &gateway.environment.peers;
    peers.private.lock().unwrap().push(shy.user);
    peers.blocks.lock().unwrap().push([foe.user, ann.user]);
    let everybody = [ann, bob, shy, foe, eve];
    let mut sockets = Vec::new();
    for somebody in everybody {
        sockets.push(Client::sign_in(&gateway, somebody).await);
    }
    let stranger = Somebody::new();

    let expected: std::collections::BTreeMap<String, &str> = [
        (ann, "online"),
        (bob, "online"),
        (shy, "hidden"),
        (foe, "hidden"),
        (eve, "hidden"),
        (stranger, "hidden"),
    ]
    .map(|(who, state)| (who.user.to_string(), state))
    .into();
    let asked = [&everybody[..], &[stranger]].concat();
    sockets[0].watch(&asked).await;
    for _ in &asked {
        let (user, state, last_seen) = told_in_time(&mut sockets[0]).await;
        assert_eq!((state.as_str(), last_seen), (expected[&user], 0), "{user}");
    }

    // The same by REST and gRPC.
    let ids: Vec<String> = asked.iter().map(|one| one.user.to_string()).collect();
    let base = format!("http://{}/api/gateway/presence", gateway.addresses.http);
    let get = async |path: String| {
        let request = reqwest::Client::new().get(format!("{base}{path}"));
        let answer = request.bearer_auth(ann.token()).send().await.unwrap();
        let status = answer.status().as_u16();
        let body: serde_json::Value = answer.json().await.unwrap();
        (status, body)
    };
    let (status, body) = get(format!("?user_ids={}", ids.join(","))).await;
    assert_eq!(status, 200);
    let items = body["items"].as_array().unwrap();
    for (item, id) in items.iter().zip(&ids) {
        assert_eq!(item["user_id"], **id);
        assert_eq!(item["state"], expected[id]);
        assert!(item["last_seen_at"].is_null());
    }
    let (_, body) = get("/online".into()).await;
    assert_eq!(body["user_ids"], serde_json::json!([ids[1]]), "{body}");
    assert!(body.get("next_cursor").is_none());
    let (status, body) = get("?user_ids=x".into()).await;
    assert_eq!(
        (status, body["errors"][0]["code"].as_str()),
        (400, Some("user_id_invalid"))
    );
    let (status, body) = get(format!("?user_ids={}", vec![&*ids[0]; 101].join(","))).await;
    assert_eq!((status, body["code"].as_str()), (400, Some("too_many_ids")));
    let (status, body) = get("/online?cursor=x".into()).await;
    assert_eq!(
        (status, body["errors"][0]["code"].as_str()),
        (400, Some("cursor_invalid"))
    );

    let mut grpc = GatewayServiceClient::connect(format!("http://{}", gateway.addresses.grpc))
        .await
        .unwrap();
    fn with_token<T>(body: T, who: Somebody) -> tonic::Request<T> {
        let mut request = tonic::Request::new(body);
        let bearer = format!("Bearer {}", who.token()).parse().unwrap();
        request.metadata_mut().insert("authorization", bearer);
        request
    }
    let question = GetPresenceRequest {
        user_ids: ids.clone(),
    };
    assert!(grpc.get_presence(question.clone()).await.is_err());
    let answer = grpc.get_presence(with_token(question, ann)).await.unwrap();
    for (presence, id) in answer.get_ref().presences.iter().zip(&ids) {
        assert_eq!(
            (&presence.user_id, presence.state.as_str()),
            (id, expected[id])
        );
    }
    let question = with_token(ListOnlineRequest::default(), bob);
    let answer = grpc.list_online(question).await.unwrap().into_inner();
    let mut online = answer.user_ids;
    online.sort_unstable();
    let mut expected = vec![ids[0].clone(), ids[3].clone()];
    expected.sort_unstable();
    assert_eq!(online, expected, "Ann and the foe, who blocks only Ann");
    gateway.stop().await;
}

#[tokio::test]
async fn a_faulty_question_gets_an_error_and_too_many_are_refused() {
    let gateway = Gateway::start().await;
    let ann = Somebody::new();
    let mut anns = Client::sign_in(&gateway, ann).await;
    anns.watch(&vec![ann; 101]).await;
    assert_eq!(anns.error().await.code, "too_many_ids");
    anns.send_raw(r#"{"watch_presence":{"user_ids":["x"]}}"#.into())
        .await;
    assert_eq!(anns.error().await.code, "user_id_invalid");
    for _ in 0..30 {
        anns.watch(&[]).await;
    }
    let error = anns.error().await;
    assert_eq!(
        (error.code.as_str(), error.frame.as_str()),
        ("rate_limited", "watch_presence")
    );
    gateway.stop().await;
}

#[tokio::test]
async fn nobody_stays_online_for_longer_than_a_lease_after_their_gateway_was_killed() {
    const LEASE: Duration = Duration::from_millis(3_000);
    let gateway = Gateway::start().await;
    let [ann, bob] = [(); 2].map(|()| Somebody::new());
    put_together(&gateway, &[ann, bob]);
    let environment = Environment::beside(gateway.environment.peers.clone()).await;
    let lease_ms = LEASE.as_millis().to_string();
    let variables = [("CHAT_GATEWAY__GATEWAY__LEASE_MS", lease_ms.as_str())];
    let process = Process::start(&environment, &variables).await;
    let mut bobs = Client::open_at(environment.addresses().http, Format::Json).await;
    bobs.hello(&bob.token(), "").await;
    bobs.welcome().await;

    let mut anns = Client::sign_in(&gateway, ann).await;
    anns.watch(&[bob]).await;
    expect(&mut anns, bob, "online").await;
    process.signal("KILL");
    let killed = Instant::now();
    let (_, state, last_seen) = {
        let presence = timeout(LEASE + TOLD_WITHIN, anns.presence()).await.unwrap();
        (presence.user_id, presence.state, presence.last_seen_unix_ms)
    };
    let took = killed.elapsed();
    println!("told {took:?} after the kill");
    assert_eq!(state, "offline");
    assert!(took < LEASE + Duration::from_secs(1), "{took:?}");
    // Seen until the last refresh at least.
    let ago = Clock::system().unix_ms() as i64 - last_seen;
    assert!(ago < 2 * LEASE.as_millis() as i64, "{ago} ms ago");
    gateway.stop().await;
}

#[tokio::test]
async fn presence_survives_the_loss_of_all_that_redis_holds() {
    let own = TestServers::start(&[Server::Redis]).await.unwrap();
    let url = own.redis().url();
    let settings = [("REDIS__URL", url.as_str()), ("GATEWAY__LEASE_MS", "1500")];
    let here = Gateway::start_with(&settings).await;
    let there = Gateway::start_beside(&here, &settings).await;
    let [ann, bob, cy] = [(); 3].map(|()| Somebody::new());
    put_together(&here, &[ann, bob, cy]);
    let cys = Client::sign_in(&there, cy).await;
    let bobs = Client::sign_in(&there, bob).await;
    let mut anns = Client::sign_in(&here, ann).await;
    drop(cys);
    let peers = here.environment.peers.clone();
    let kept = || peers.last_seen.lock().unwrap().get(&cy.user).cloned();
    eventually("it is kept that Cy was here", async || kept().is_some()).await;
    let kept = *kept().unwrap().iter().max().unwrap();

    let mut redis = redis::Client::open(url)
        .unwrap()
        .get_multiplexed_async_connection()
        .await
        .unwrap();
    redis::cmd("FLUSHALL").exec_async(&mut redis).await.unwrap();
    eventually("Bob is registered again", async || {
        let leases: u32 = redis::cmd("HLEN")
            .arg(redis_keys::sockets(bob.user))
            .query_async(&mut redis)
            .await
            .unwrap();
        leases == 1
    })
    .await;
    anns.watch(&[bob, cy]).await;
    let mut seen = std::collections::BTreeMap::new();
    while seen.len() < 2 {
        if let proto::socket::server_frame::Frame::Presence(presence) = anns.next().await {
            seen.insert(presence.user_id.clone(), presence);
        }
    }
    assert_eq!(seen[&bob.user.to_string()].state, "online");
    let cys = &seen[&cy.user.to_string()];
    assert_eq!(
        (cys.state.as_str(), cys.last_seen_unix_ms),
        ("offline", kept)
    );
    // Redis has also lost that this gateway watches Bob: it says so again with its next look.
    redis::cmd("FLUSHALL").exec_async(&mut redis).await.unwrap();
    drop(bobs);
    loop {
        if let proto::socket::server_frame::Frame::Presence(presence) = anns.next().await {
            assert_eq!(presence.user_id, bob.user.to_string());
            assert_eq!(presence.state, "offline");
            break;
        }
    }
    here.stop().await;
    there.stop().await;
}

#[tokio::test]
async fn presence_costs_what_is_watched() {
    let own = TestServers::start(&[Server::Redis]).await.unwrap();
    let url = own.redis().url();
    let settings = [("REDIS__URL", url.as_str()), ("GATEWAY__LEASE_MS", "1500")];
    let gateway = Gateway::start_with(&settings).await;
    let people: Vec<Somebody> = (0..40).map(|_| Somebody::new()).collect();
    put_together(&gateway, &people);
    let mut sockets = Vec::new();
    for somebody in &people {
        sockets.push(Client::sign_in(&gateway, *somebody).await);
    }
    let mut redis = redis::Client::open(url)
        .unwrap()
        .get_multiplexed_async_connection()
        .await
        .unwrap();
    let watched: Vec<String> = redis::cmd("KEYS")
        .arg("*:watchers")
        .query_async(&mut redis)
        .await
        .unwrap();
    assert!(watched.is_empty(), "nobody is watched: {watched:?}");
    sockets[0].watch(&people[1..3]).await;
    for _ in 0..2 {
        assert_eq!(told_in_time(&mut sockets[0]).await.1, "online");
    }
    let mut watched: Vec<String> = redis::cmd("KEYS")
        .arg("*:watchers")
        .query_async(&mut redis)
        .await
        .unwrap();
    watched.sort_unstable();
    let mut expected = [people[1], people[2]].map(|one| redis_keys::watchers(one.user));
    expected.sort_unstable();
    assert_eq!(watched, expected);
    drop(sockets.remove(0));
    eventually("the watch is given back with the socket", async || {
        let left: Vec<String> = redis::cmd("KEYS")
            .arg("*:watchers")
            .query_async(&mut redis)
            .await
            .unwrap();
        left.is_empty()
    })
    .await;
    gateway.stop().await;
}

#[tokio::test]
async fn what_is_kept_of_a_person_is_one_time_a_minute_and_the_last() {
    let gateway = Gateway::start().await;
    let ann = Somebody::new();
    for _ in 0..5 {
        drop(Client::sign_in(&gateway, ann).await);
    }
    let peers = gateway.environment.peers.clone();
    let kept = || {
        peers
            .last_seen
            .lock()
            .unwrap()
            .get(&ann.user)
            .cloned()
            .unwrap_or_default()
    };
    eventually("the first is kept", async || kept().len() == 1).await;
    let client = Client::sign_in(&gateway, ann).await;
    drop(client);
    let before_ms = Clock::system().unix_ms() as i64;
    gateway.stop().await;
    let kept = kept();
    assert_eq!(kept.len(), 2, "the second when the gateway stops");
    assert!((kept[1] - before_ms).abs() < 5_000);
}
