use std::time::Duration;

use conversation::domain::conversation::Visibility;
use conversation::domain::description::Description;
use conversation::domain::group_name::GroupName;
use conversation::events::publish::{ACK_TIMEOUT, Attempt, Publisher};
use conversation::store::conversations::{Conversations, NewGroup};
use conversation::store::outbox::Outbox;
use ids::{ConversationId, UserId};
use reqwest::StatusCode;
use test_support::eventually;

use crate::suite::{GRACE, Suite, code, run};

/// Changes a group as a request does that dies right after its commit.
async fn change_and_die(suite: &Suite, changes: usize) -> (ConversationId, UserId) {
    let store = Conversations::new(suite.pool.clone(), 1_000);
    let clock = clock::Clock::system();
    let owner = UserId::generate(&clock);
    let name = GroupName::parse(&format!("g-{owner}")).unwrap();
    let id = ConversationId::generate(&clock);
    let group = NewGroup {
        name: name.clone(),
        visibility: Visibility::Public,
        description: Description::default(),
        members: Vec::new(),
    };
    store.create_group(&group, owner, id, 1).await.unwrap();
    for _ in 1..changes {
        let user = UserId::generate(&clock);
        store.join(&name, user, 1).await.unwrap();
    }
    (id, owner)
}

fn publisher(suite: &Suite) -> Publisher {
    Publisher::new(
        Outbox::new(suite.pool.clone()),
        kafka::producer(&suite.config.kafka, "test", ACK_TIMEOUT).unwrap(),
        4,
    )
}

#[tokio::test]
async fn what_a_request_left_behind_is_published_in_order() {
    let suite = Suite::start().await;
    // More than one batch of a publication.
    let (id, _) = change_and_die(&suite, 130).await;
    eventually("everything is published", async || {
        (suite.outbox_len().await == 0).then_some(())
    })
    .await;
    eventually("the log has it", async || {
        (suite.log.records(id).len() >= 130).then_some(())
    })
    .await;
    let versions: Vec<_> = suite
        .log
        .records(id)
        .iter()
        .map(|record| record.version)
        .collect();
    assert_eq!(versions, (1..=130).collect::<Vec<_>>());
    assert_eq!(suite.log.members(id), suite.members(id).await);
    suite.stop().await;
}

#[tokio::test]
async fn a_publisher_that_dies_between_kafka_and_postgres_leaves_only_repetitions() {
    let suite = Suite::start_with(|config| config.relay.overdue_after_ms = 600_000).await;
    let (id, _) = change_and_die(&suite, 5).await;

    // Publishes two, and dies before it deletes them: the transaction ends with the connection.
    let outbox = Outbox::new(suite.pool.clone());
    let mut publication = outbox.try_publication(id).await.unwrap().unwrap();
    let producer = kafka::producer(&suite.config.kafka, "test", ACK_TIMEOUT).unwrap();
    for pending in publication.oldest(2).await.unwrap() {
        let record = rdkafka::producer::FutureRecord::to(events::LOG_TOPIC)
            .key(id.as_bytes().as_slice())
            .payload(&pending.record);
        producer
            .send(record, rdkafka::util::Timeout::Never)
            .await
            .unwrap();
        publication.acknowledged(pending.version()).await.unwrap();
    }
    drop(publication);

    // The next one begins at the oldest row again.
    assert_eq!(
        publisher(&suite).publish(id).await.unwrap(),
        Attempt::Published
    );
    eventually("the log has it", async || {
        (suite.log.applied(id).len() == 5).then_some(())
    })
    .await;
    let versions: Vec<_> = suite
        .log
        .records(id)
        .iter()
        .map(|record| record.version)
        .collect();
    assert_eq!(versions, [1, 2, 1, 2, 3, 4, 5]);
    assert_eq!(suite.outbox_len().await, 0);
    suite.stop().await;
}

#[tokio::test]
async fn one_publishes_at_a_time_and_the_others_wait_for_it() {
    let suite = Suite::start_with(|config| config.relay.overdue_after_ms = 600_000).await;
    let (owner, member) = (suite.people.person(), suite.people.person());
    let (id, name) = suite.group(&owner, &[]).await;

    let outbox = Outbox::new(suite.pool.clone());
    let held = outbox.try_publication(id).await.unwrap().unwrap();
    assert_eq!(
        publisher(&suite).publish(id).await.unwrap(),
        Attempt::HeldElsewhere
    );
    let joining = suite.join(&member, &name);
    tokio::pin!(joining);
    let early = tokio::time::timeout(Duration::from_millis(300), &mut joining).await;
    assert!(early.is_err(), "it must wait: {early:?}");
    // Another conversation is nobody's business.
    suite.group(&owner, &[member.user]).await;
    drop(held);
    let (status, body) = joining.await;
    assert_eq!(status, StatusCode::OK, "{body}");
    assert_eq!(suite.log.members(id), [owner.user, member.user].into());
    suite.stop().await;
}

#[tokio::test]
async fn a_change_that_is_not_applied_yet_is_pending_and_the_same_call_waits_for_it() {
    let suite = Suite::start_with(|config| config.membership.apply_timeout_ms = 700).await;
    let (owner, member) = (suite.people.person(), suite.people.person());
    let (id, name) = suite.group(&owner, &[]).await;

    suite.log.answer(false);
    for _ in 0..2 {
        let (status, body) = suite.join(&member, &name).await;
        assert_eq!(
            (status, code(&body)),
            (StatusCode::SERVICE_UNAVAILABLE, "membership_pending")
        );
    }
    let (status, body) = suite.view(&member, id).await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE, "{body}");
    let (_, listed) = suite.get(&member, "/api/conversations").await;
    assert_eq!(
        listed["items"].as_array().unwrap().len(),
        0,
        "nobody sees it before"
    );

    suite.log.answer(true);
    let (status, body) = suite.join(&member, &name).await;
    assert_eq!(status, StatusCode::OK, "{body}");
    assert_eq!(
        suite.log.records(id).len(),
        2,
        "it was one change all the time"
    );
    suite.stop().await;
}

#[tokio::test]
async fn replicas_publish_each_change_once_and_in_order() {
    let suite = Suite::start().await;
    let (second, _) = run(&suite.config).await;
    let mut groups = Vec::new();
    for _ in 0..6 {
        groups.push(change_and_die(&suite, 20).await.0);
    }
    for id in groups {
        eventually("the log has it", async || {
            (suite.log.records(id).len() >= 20).then_some(())
        })
        .await;
        let versions: Vec<_> = suite
            .log
            .records(id)
            .iter()
            .map(|record| record.version)
            .collect();
        assert_eq!(versions, (1..=20).collect::<Vec<_>>());
    }
    second.stop();
    second.run_until_stopped(GRACE).await.unwrap();
    suite.stop().await;
}

#[tokio::test]
async fn a_record_carries_the_trace_of_the_call_that_made_the_change() {
    let suite = Suite::start().await;
    let owner = suite.people.person();
    let trace = "0af7651916cd43dd8448eb211c80319c";
    let response = reqwest::Client::new()
        .post(format!(
            "http://{}/api/conversations/groups",
            suite.addresses.http
        ))
        .bearer_auth(&owner.token)
        .header("traceparent", format!("00-{trace}-b7ad6b7169203331-01"))
        .json(&serde_json::json!({ "name": format!("g-{}", owner.user) }))
        .send()
        .await
        .unwrap();
    let body: serde_json::Value = response.json().await.unwrap();
    let traceparents = suite.log.traceparents(crate::suite::id_of(&body));
    assert!(
        traceparents[0].as_ref().unwrap().contains(trace),
        "{traceparents:?}"
    );
    suite.stop().await;
}
