//! Kafka, Redis and Postgres take nobody but by TLS, and the first two ask for a password.

use std::path::Path;
use std::time::Duration;

use kafka::{KafkaSettings, Security, create_topics};
use local_stack::servers::{Durability, Kafka, RunsFor, Server, ServerPorts, Servers, Tls};
use local_stack::suite::Transport;
use redis_client::RedisSettings;

use crate::people::{Turn, own_stage};
use crate::steady_chat::steady_chat;

fn kafka_settings(kafka: &Kafka, ca: &Path, password: &str) -> KafkaSettings {
    KafkaSettings {
        brokers: kafka.brokers(),
        log_partitions: 4,
        deliveries_partitions: 16,
        message_partition_base: 8,
        replication_factor: 1,
        min_insync_replicas: 1,
        security: Security::SaslTls,
        ca: std::fs::read_to_string(ca).unwrap(),
        username: Tls::USERNAME.to_owned(),
        password: password.into(),
    }
}

async fn reaches_redis(url: &str, ca: &Path) -> bool {
    let settings = RedisSettings {
        url: url.into(),
        ca: std::fs::read_to_string(ca).unwrap(),
    };
    let client = settings.client().unwrap();
    client.get_multiplexed_async_connection().await.is_ok()
}

#[tokio::test]
async fn by_tls_too_nothing_is_lost_when_the_servers_die() {
    let stage = own_stage(Turn::with_others().await, |options| {
        options.transport = Transport::Tls;
    })
    .await;
    let suite = &stage.suite;
    let outcome = steady_chat(&stage, Duration::from_secs(30), async {
        for server in [&*suite.redis, &*suite.postgres, &*suite.kafka] {
            tokio::time::sleep(Duration::from_secs(4)).await;
            server.kill9().await;
            server.start().await.unwrap();
        }
    })
    .await;
    println!(
        "{} acknowledged, the slowest after {:?}",
        outcome.acknowledged, outcome.longest
    );
    assert!(outcome.acknowledged >= 1_400);
}

#[tokio::test]
async fn a_server_of_another_authority_and_a_wrong_password_are_refused() {
    let _turn = Turn::with_others().await;
    let (here, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let tls = Tls::prepare(here.path()).unwrap();
    let (own, other) = (&tls.ca, &Tls::prepare(elsewhere.path()).unwrap().ca);
    let servers = Servers::start(
        &[Server::Kafka, Server::Redis],
        here.path(),
        ServerPorts::free().unwrap(),
        &[],
        Durability::Kill,
        RunsFor::Minutes,
        Some(&tls),
    )
    .await
    .unwrap();
    let (kafka, redis) = (servers.kafka.unwrap(), servers.redis.unwrap());

    let right = kafka_settings(&kafka, own, Tls::PASSWORD);
    let of_another = kafka_settings(&kafka, other, Tls::PASSWORD);
    let wrong_password = kafka_settings(&kafka, own, "amber-orchard-18");
    let plaintext = KafkaSettings {
        security: Security::Plaintext,
        ..right.clone()
    };
    let (by_right, by_another, by_wrong, by_plaintext) = tokio::join!(
        create_topics(&right),
        create_topics(&of_another),
        create_topics(&wrong_password),
        create_topics(&plaintext),
    );
    by_right.unwrap();
    assert!(by_plaintext.is_err());
    // Who looks at it learns why.
    let (by_another, by_wrong) = (by_another.unwrap_err(), by_wrong.unwrap_err());
    let (by_another, by_wrong) = (by_another.to_string(), by_wrong.to_string());
    assert!(
        by_another.contains("certificate verify failed"),
        "{by_another}"
    );
    assert!(by_wrong.contains("Authentication failed"), "{by_wrong}");

    let url = redis.url();
    assert!(reaches_redis(&url, own).await);
    assert!(!reaches_redis(&url, other).await);
    let wrong_password = url.replace(Tls::PASSWORD, "amber-orchard-18");
    assert!(!reaches_redis(&wrong_password, own).await);
}
