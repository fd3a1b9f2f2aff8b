//! The log loses its end, and is put right as `docs/deploy-eks.md` says.

use std::time::Duration;

use client::MemberRole;
use client::wire::entry::Change;
use local_stack::suite::Suite;
use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions};
use rdkafka::client::DefaultClientContext;
use reqwest::Method;
use test_support::eventually;

use crate::blocks::call;
use crate::people::{Turn, history, own_stage, texts};
use crate::refusals::{code, say};

async fn publish_memberships(suite: &Suite) -> String {
    let printed = suite.conversation.run_command("publish-memberships").await;
    printed.unwrap()
}

/// The topic goes, with all that is in it.
async fn lose_the_log(brokers: &str) {
    let admin: AdminClient<DefaultClientContext> = ClientConfig::new()
        .set("bootstrap.servers", brokers)
        .create()
        .unwrap();
    let options = AdminOptions::new().operation_timeout(Some(Duration::from_secs(20)));
    let deleted = admin.delete_topics(&[events::LOG_TOPIC], &options).await;
    deleted.unwrap().pop().unwrap().unwrap();
}

#[tokio::test]
async fn after_a_lost_log_everybody_is_where_they_were_put_and_nowhere_else() {
    let stage = own_stage(Turn::alone().await, |options| {
        let name = "CONVERSATION__MEMBERSHIP__APPLY_TIMEOUT_MS".to_owned();
        options.environment.push((name, "1000".to_owned()));
    })
    .await;
    let suite = &stage.suite;
    let (ada, ben, cy) = (
        stage.person("ada").await,
        stage.person("ben").await,
        stage.person("cy").await,
    );
    let (dan, eve) = (stage.person("dan").await, stage.person("eve").await);
    let group = ada
        .create_group("lost-log", &[ben.user_id(), cy.user_id()])
        .await
        .unwrap()
        .conversation_id;
    let direct = eve
        .open_direct(ada.user_id())
        .await
        .unwrap()
        .conversation_id;
    say(&ada, group, "before").await.unwrap();
    say(&eve, direct, "before").await.unwrap();

    // From here on the log takes everything, and nobody applies it.
    suite.messages[0].kill9().await;
    let pending = async |outcome| assert_eq!(code::<()>(outcome), "membership_pending");
    pending(ada.remove_member(group, ben.user_id()).await).await;
    pending(ada.add_members(group, &[dan.user_id()]).await).await;
    pending(
        ada.set_role(group, cy.user_id(), MemberRole::Admin)
            .await
            .map(|_| ()),
    )
    .await;
    pending(
        ada.create_group("born-lost", &[cy.user_id()])
            .await
            .map(|_| ()),
    )
    .await;
    let blocks = format!("blocks/{}", eve.user_id());
    call(&stage, &ada, Method::PUT, &blocks, None).await;

    for gateway in &suite.gateways {
        gateway.stop().await;
    }
    suite.conversation.stop().await;
    lose_the_log(&suite.kafka.brokers()).await;
    eventually("the topic is made anew", async || {
        suite.messages[0].run_command("migrate").await.ok()
    })
    .await;
    let epoch = suite.messages[0].run_command("begin-epoch").await.unwrap();
    assert_eq!(epoch, "epoch 2\n");
    suite.messages[0].start().await.unwrap();
    suite.conversation.start().await.unwrap();
    for gateway in &suite.gateways {
        gateway.start().await.unwrap();
    }

    // What was acknowledged is there, and what was lost with the log is a hole in who is who.
    assert_eq!(texts(&ada, group).await, ["before"]);
    say(&ben, group, "still in").await.unwrap();
    let never_in = code(say(&dan, group, "not yet in").await);
    assert_eq!(never_in, "conversation_unknown");
    say(&eve, direct, "not yet blocked").await.unwrap();

    let said = publish_memberships(suite).await;
    assert!(said.contains("lacked something of 3 (5 changes)"), "{said}");
    assert_eq!(code(say(&ben, group, "out").await), "not_a_member");
    say(&dan, group, "in").await.unwrap();
    assert_eq!(code(say(&eve, direct, "blocked").await), "not_allowed");
    assert_eq!(texts(&ada, group).await, ["before", "still in", "in"]);
    assert_eq!(texts(&dan, group).await, ["in"]);
    assert_eq!(texts(&ben, group).await, ["before", "still in"]);
    let entries = history(&ada, group).await;
    let numbers: Vec<u64> = entries.iter().map(|entry| entry.number).collect();
    assert_eq!(numbers, (1..=entries.len() as u64).collect::<Vec<_>>());
    let promoted = entries.iter().any(|entry| match &entry.change {
        Some(Change::RoleChanged(changed)) => {
            changed.user_id == cy.user_id().to_string() && changed.role == "admin"
        }
        _ => false,
    });
    assert!(promoted, "{entries:?}");
    let born = cy.conversations(None, 10).await.unwrap().items;
    let born = born
        .iter()
        .find(|line| line.conversation.name.as_deref() == Some("born-lost"))
        .expect("it is in the list")
        .conversation
        .conversation_id;
    say(&cy, born, "alive").await.unwrap();
    assert_eq!(texts(&ada, born).await, ["alive"]);

    // The changes that follow find no gap, and a second look finds nothing to do.
    ada.remove_member(group, dan.user_id()).await.unwrap();
    let said = publish_memberships(suite).await;
    assert!(said.contains("lacked something of 0"), "{said}");
}
