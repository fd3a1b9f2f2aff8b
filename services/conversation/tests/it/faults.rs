//! Each dependency is taken away and given back.

use std::time::Duration;

use reqwest::StatusCode;
use test_support::eventually;

use crate::suite::{Suite, code, id_of, own_servers};

#[tokio::test]
async fn without_postgres_calls_are_refused_and_with_it_they_work_again() {
    let suite = Suite::start().await;
    let (a, b) = (suite.people.person(), suite.people.person());
    suite.group(&a, &[b.user]).await;
    let ready = format!("http://{}/readyz", suite.addresses.ops);
    assert_eq!(reqwest::get(&ready).await.unwrap().status(), StatusCode::OK);

    suite.postgres_link.cut();
    let (status, body) = suite.get(&a, "/api/conversations").await;
    assert_eq!(
        (status, code(&body)),
        (StatusCode::SERVICE_UNAVAILABLE, "unavailable")
    );
    assert!(!body.to_string().to_lowercase().contains("sql"), "{body}");
    let unready = reqwest::get(&ready).await.unwrap().status();
    assert_eq!(unready, StatusCode::SERVICE_UNAVAILABLE);

    suite.postgres_link.mend();
    eventually("the list is there again", async || {
        let (status, _) = suite.get(&a, "/api/conversations").await;
        (status == StatusCode::OK).then_some(())
    })
    .await;
    suite.group(&a, &[b.user]).await;
    suite.stop().await;
}

#[tokio::test]
async fn without_the_account_service_nobody_new_is_reached_but_the_rest_works() {
    let suite = Suite::start().await;
    let (a, b) = (suite.people.person(), suite.people.person());
    let (_, name) = suite.group(&a, &[]).await;
    suite.account_link.cut();
    let (status, body) = suite.open_direct(&a, b.user).await;
    assert_eq!(
        (status, code(&body)),
        (StatusCode::SERVICE_UNAVAILABLE, "unavailable")
    );
    assert_eq!(suite.join(&b, &name).await.0, StatusCode::OK);

    suite.account_link.mend();
    eventually("it can be opened again", async || {
        let (status, _) = suite.open_direct(&a, b.user).await;
        (status == StatusCode::OK).then_some(())
    })
    .await;
    suite.stop().await;
}

#[tokio::test]
async fn without_the_message_service_a_change_stands_and_is_confirmed_later() {
    let suite = Suite::start_with(|config| config.membership.apply_timeout_ms = 1_000).await;
    let (a, b) = (suite.people.person(), suite.people.person());
    let (id, name) = suite.group(&a, &[]).await;
    suite.message_link.cut();
    let (status, body) = suite.join(&b, &name).await;
    assert_eq!(
        (status, code(&body)),
        (StatusCode::SERVICE_UNAVAILABLE, "membership_pending")
    );
    assert!(suite.members(id).await.contains(&b.user));

    suite.message_link.mend();
    eventually("the same call is confirmed", async || {
        let (status, _) = suite.join(&b, &name).await;
        (status == StatusCode::OK).then_some(())
    })
    .await;
    assert_eq!(suite.log.records(id).len(), 2);
    suite.stop().await;
}

#[tokio::test]
async fn while_kafka_stands_still_changes_wait_and_reads_go_on() {
    let servers = own_servers().await;
    let suite = Box::pin(Suite::start_on(&servers, |config| {
        config.membership.apply_timeout_ms = 1_000;
        config.database.max_connections = 4;
    }))
    .await;
    let (a, b) = (suite.people.person(), suite.people.person());
    let mut groups = Vec::new();
    for n in 0..6 {
        let name = format!("still-{n}");
        // A new broker is busy with its first consumer group, at times for longer than a change waits.
        let id = eventually("a group is made", async || {
            let (status, body) = suite.create(&a, &name, &[]).await;
            (status == StatusCode::OK).then(|| id_of(&body))
        })
        .await;
        groups.push((id, name));
    }
    let kafka = servers.kafka();
    kafka.pause().unwrap();
    // More at once than there are connections.
    let joined =
        futures_util::future::join_all(groups.iter().map(|(_, name)| suite.join(&b, name)));
    let (joined, listed) = tokio::join!(joined, async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        suite.get(&a, "/api/conversations").await
    });
    kafka.resume().unwrap();
    assert_eq!(listed.0, StatusCode::OK, "{}", listed.1);
    for (status, body) in joined {
        assert_eq!(
            (status, code(&body)),
            (StatusCode::SERVICE_UNAVAILABLE, "membership_pending")
        );
    }
    for (id, name) in &groups {
        eventually("the change is applied", async || {
            let (status, _) = suite.join(&b, name).await;
            (status == StatusCode::OK).then_some(())
        })
        .await;
        assert_eq!(suite.log.applied(*id).len(), 2);
        assert_eq!(suite.log.members(*id), [a.user, b.user].into());
    }
    suite.stop().await;
}

#[tokio::test]
async fn a_stopping_service_finishes_what_it_holds() {
    let suite = Suite::start().await;
    let (a, b) = (suite.people.person(), suite.people.person());
    let (id, name) = suite.group(&a, &[]).await;
    suite.log.answer(false);
    let joining = suite.join(&b, &name);
    tokio::pin!(joining);
    let early = tokio::time::timeout(Duration::from_millis(300), &mut joining).await;
    assert!(early.is_err());
    suite.service.stop();
    let (answer, ()) = tokio::join!(joining, async {
        suite.log.answer(true);
        suite
            .service
            .run_until_stopped(crate::suite::GRACE)
            .await
            .unwrap();
    });
    assert_eq!(answer.0, StatusCode::OK, "{}", answer.1);
    assert!(suite.log.members(id).contains(&b.user));
}
