//! What those who run the suite see of it.

use client::{Draft, Format, Update};
use local_stack::suite::Service;
use serde_json::Value;
use test_support::eventually;

use crate::people::{Turn, next, own_stage, stage, text};

pub async fn metrics(service: &Service) -> String {
    let url = format!("{}/metrics", service.ops_url());
    reqwest::get(url).await.unwrap().text().await.unwrap()
}

/// The sum of the series of a metric whose labels hold all of `labels`; none if there is no such.
pub fn value(metrics: &str, name: &str, labels: &[&str]) -> Option<f64> {
    let of_the_name = metrics
        .lines()
        .filter(|line| line.starts_with(name) && labels.iter().all(|label| line.contains(label)))
        .filter(|line| {
            [Some(b' '), Some(b'{')].contains(&line.as_bytes().get(name.len()).copied())
        });
    of_the_name
        .filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
        .reduce(|sum, value| sum + value)
}

/// Whether the pod may be given work, and what each of its checks says.
async fn readiness(service: &Service) -> Option<(bool, Value)> {
    let url = format!("{}/readyz", service.ops_url());
    let answer: Value = reqwest::get(url).await.ok()?.json().await.ok()?;
    Some((answer["ready"].as_bool()?, answer["checks"].clone()))
}

#[tokio::test]
async fn a_message_shows_in_the_metrics_of_its_way() {
    let stage = stage(Turn::alone().await).await;
    let (ada, ben) = (stage.person("ada").await, stage.person("ben").await);
    let conversation = ada
        .open_direct(ben.user_id())
        .await
        .unwrap()
        .conversation_id;
    let (from_ada, _to_ada) = stage.session_on(0, Format::Json, &ada).await;
    let (_from_ben, mut to_ben) = stage.session_on(1, Format::Protobuf, &ben).await;
    from_ada
        .send(conversation, Draft::text("count me"))
        .await
        .unwrap();
    next(&mut to_ben, |update| match update {
        Update::Shown { entry, .. } if text(&entry) == Some("count me") => Some(()),
        _ => None,
    })
    .await;

    let suite = &stage.suite;
    for service in suite.services() {
        let told = metrics(service).await;
        let version = concat!("version=\"", env!("CARGO_PKG_VERSION"), "\"");
        assert_eq!(
            value(&told, "parlance_build_info", &[version]),
            Some(1.0),
            "{}",
            service.name()
        );
    }
    let of_gateway = metrics(&suite.gateways[0]).await;
    assert!(value(&of_gateway, "gateway_send_to_ack_seconds_count", &[]) >= Some(1.0));
    assert_eq!(value(&of_gateway, "gateway_drain_seconds", &[]), Some(0.0));
    assert!(value(&of_gateway, "gateway_drain_limit_seconds", &[]) > Some(0.0));
    let check = "method=\"parlance.conversation.v1.ConversationInternalService/CheckMember\"";
    assert!(
        value(
            &of_gateway,
            "rpc_client_duration_seconds_count",
            &["peer=\"conversation\"", check, "code=\"ok\""],
        ) >= Some(1.0),
        "{of_gateway}"
    );

    // The end of the log is told every few seconds; by then everything is applied.
    let log = eventually(
        "every partition of the log is told of, and applied",
        async || {
            let told = metrics(&suite.messages[0]).await;
            let all = (0..4).all(|partition| {
                let label = format!("partition=\"{partition}\"");
                ["message_log_lag_records", "message_log_oldest_seconds"]
                    .iter()
                    .all(|name| value(&told, name, &[&label]) == Some(0.0))
            });
            all.then_some(told)
        },
    )
    .await;
    assert_eq!(value(&log, "message_log_partitions", &[]), Some(4.0));
    assert_eq!(value(&log, "message_partitions_owned", &[]), Some(4.0));
    assert!(value(&log, "message_batch_records_bucket", &["le=\"1\""]) >= Some(1.0));

    for service in [&suite.account, &suite.conversation, &suite.file_upload] {
        let told = metrics(service).await;
        assert!(value(&told, "postgres_pool_max_connections", &[]) >= Some(1.0));
        for state in ["state=\"busy\"", "state=\"idle\""] {
            assert!(value(&told, "postgres_pool_connections", &[state]).is_some());
        }
    }
}

#[tokio::test]
async fn a_message_pod_that_starts_is_ready_once_it_follows_the_log_and_stays_so_without_kafka() {
    let stage = own_stage(Turn::with_others().await, |options| {
        options.message_pods = 2
    })
    .await;
    let (stays, restarts) = (&stage.suite.messages[0], &stage.suite.messages[1]);
    for pod in [stays, restarts] {
        let (ready, checks) = readiness(pod).await.unwrap();
        assert!(ready && checks["log"] == true, "{checks}");
    }

    restarts.stop().await;
    stage.suite.kafka.kill9().await;
    restarts.spawn().unwrap();
    let checks = eventually("the pod that starts says what it waits for", async || {
        readiness(restarts)
            .await
            .filter(|(_, checks)| checks["dynamodb"] == true)
    })
    .await;
    assert_eq!((checks.0, &checks.1["log"]), (false, &Value::Bool(false)));
    // History is read from the store: nobody is sent away from here.
    let (ready, checks) = readiness(stays).await.unwrap();
    assert!(ready, "{checks}");

    stage.suite.kafka.start().await.unwrap();
    restarts.wait_ready().await.unwrap();
    let (_, checks) = readiness(restarts).await.unwrap();
    assert_eq!(checks["log"], true);
}
