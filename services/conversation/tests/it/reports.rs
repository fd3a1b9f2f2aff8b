//! What is written reaches the report once, whatever the log repeats and whoever counts.

use std::time::Duration;

use ids::{ClientMessageId, ConversationId, MessageId};
use proto::Message as _;
use proto::conversation::{ReportMetric, ReportTopGroupsRequest};
use proto::event::{LogRecord, SendMessage, log_record};
use rdkafka::producer::FutureRecord;
use rdkafka::util::Timeout;
use reqwest::StatusCode;
use serde_json::{Value, json};
use test_support::{TestPerson, eventually};

use crate::suite::{Suite, code, own_servers, run};

struct Writer {
    producer: kafka::Producer,
    clock: clock::Clock,
}

impl Writer {
    fn new(suite: &Suite) -> Self {
        Self {
            producer: kafka::producer(&suite.config.kafka, "test", Duration::from_secs(30))
                .unwrap(),
            clock: clock::Clock::system(),
        }
    }

    /// Puts messages into the log, each `copies` times, as clients do that ask again.
    async fn write(&self, id: ConversationId, sender: &TestPerson, messages: usize, copies: usize) {
        for _ in 0..messages {
            let record = LogRecord {
                origin: None,
                change: Some(log_record::Change::Send(SendMessage {
                    sender: sender.user.to_vec(),
                    client_message_id: ClientMessageId::generate(&self.clock).as_bytes().to_vec(),
                    message_id: MessageId::generate(&self.clock).to_vec(),
                    text: "x".into(),
                    ..SendMessage::default()
                })),
            }
            .encode_to_vec();
            for _ in 0..copies {
                let record = FutureRecord::to(events::LOG_TOPIC)
                    .key(id.as_bytes().as_slice())
                    .payload(&record);
                let timeout = Timeout::After(Duration::from_secs(30));
                self.producer
                    .send(record, timeout)
                    .await
                    .map_err(|(error, _)| error)
                    .unwrap();
            }
        }
    }
}

async fn report(suite: &Suite, person: &TestPerson, query: &str) -> Value {
    let (status, body) = suite
        .get(
            person,
            &format!("/api/conversations/reports/top-groups?{query}"),
        )
        .await;
    assert_eq!(status, StatusCode::OK, "{body}");
    body
}

/// Id, people who wrote, messages.
fn figures(report: &Value) -> Vec<(String, u64, u64)> {
    report["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| {
            (
                item["group"]["conversation_id"]
                    .as_str()
                    .unwrap()
                    .to_owned(),
                item["active_users"].as_u64().unwrap(),
                item["messages"].as_u64().unwrap(),
            )
        })
        .collect()
}

async fn total(suite: &Suite) -> i64 {
    sqlx::query_scalar("SELECT coalesce(sum(messages), 0)::bigint FROM activity")
        .fetch_one(&suite.pool)
        .await
        .unwrap()
}

#[tokio::test]
async fn each_message_is_counted_once_though_it_comes_twice_and_two_count() {
    // On servers of its own: the replicas of other tests would be of the same consumer group.
    let servers = own_servers().await;
    let suite = Box::pin(Suite::start_on(&servers, |_| {})).await;
    let (a, b, outsider) = (
        suite.people.person(),
        suite.people.person(),
        suite.people.person(),
    );
    let (busy, _) = suite.group(&a, &[b.user]).await;
    let (calm, _) = suite.group(&a, &[b.user]).await;
    let direct = suite.open_direct(&a, b.user).await.1;
    let writer = Writer::new(&suite);
    // A second replica counts the same groups.
    let (second, _) = run(&suite.config).await;
    writer.write(busy, &a, 7, 2).await;
    writer.write(calm, &a, 1, 1).await;
    writer.write(calm, &b, 2, 1).await;
    // Refused: not a member.
    writer.write(calm, &outsider, 3, 1).await;
    writer.write(crate::suite::id_of(&direct), &a, 5, 1).await;

    eventually("everything is counted", async || {
        (total(&suite).await == 10).then_some(())
    })
    .await;
    second.stop();
    second.run_until_stopped(crate::suite::GRACE).await.unwrap();
    writer.write(busy, &b, 1, 3).await;
    eventually("the rest too", async || {
        let left: i64 = sqlx::query_scalar("SELECT count(*) FROM activity_pending")
            .fetch_one(&suite.pool)
            .await
            .unwrap();
        (total(&suite).await == 11 && left == 0).then_some(())
    })
    .await;

    let messages = report(&suite, &a, "by=messages").await;
    assert_eq!(
        figures(&messages),
        [(busy.to_string(), 2, 8), (calm.to_string(), 2, 3)]
    );
    // A direct conversation is in no report.
    assert_eq!(figures(&report(&suite, &a, "by=members").await).len(), 2);
    suite.stop().await;
}

#[tokio::test]
async fn what_could_not_be_counted_is_counted_later() {
    let servers = own_servers().await;
    let suite = Box::pin(Suite::start_on(&servers, |_| {})).await;
    let a = suite.people.person();
    let (id, _) = suite.group(&a, &[]).await;
    let writer = Writer::new(&suite);
    suite.message_link.cut();
    writer.write(id, &a, 4, 1).await;
    eventually("it is noted", async || {
        let noted: i64 = sqlx::query_scalar("SELECT count(*) FROM activity_pending")
            .fetch_one(&suite.pool)
            .await
            .unwrap();
        (noted == 1).then_some(())
    })
    .await;
    suite.postgres_link.cut();
    writer.write(id, &a, 3, 1).await;
    suite.message_link.mend();
    suite.postgres_link.mend();
    eventually("everything is counted", async || {
        (total(&suite).await == 7).then_some(())
    })
    .await;
    suite.stop().await;
}

#[tokio::test]
async fn a_report_is_of_its_period_and_has_only_what_one_may_see() {
    let suite = Suite::start_with(|config| config.limits.reports.tries = 10_000).await;
    let (a, b) = (suite.people.person(), suite.people.person());
    let (open, _) = suite.group(&a, &[]).await;
    let (closed, _) = suite.group(&a, &[]).await;
    suite
        .change(&a, closed, json!({ "visibility": "private" }))
        .await;
    // 2024-02-28 to 2024-03-01, three people, straight into the counts.
    for (id, day, user, messages) in [
        (open, 19_781, 1_u8, 5_i64),
        (open, 19_782, 1, 1),
        (open, 19_783, 2, 1),
        (closed, 19_782, 3, 100),
    ] {
        sqlx::query("INSERT INTO activity VALUES ($1, $2, $3, $4)")
            .bind(id.as_uuid())
            .bind(day)
            .bind(uuid::Uuid::from_bytes([user; 16]))
            .bind(messages)
            .execute(&suite.pool)
            .await
            .unwrap();
    }
    let whole = "from=2024-02-28&to=2024-03-01";
    let of = |id: ConversationId, active, messages| (id.to_string(), active, messages);
    let by_messages = report(&suite, &a, &format!("by=messages&{whole}")).await;
    assert_eq!(figures(&by_messages), [of(closed, 1, 100), of(open, 2, 7)]);
    let by_people = report(&suite, &a, &format!("by=active_users&{whole}")).await;
    assert_eq!(figures(&by_people), [of(open, 2, 7), of(closed, 1, 100)]);
    // Who isn't in the private group sees nothing of it.
    let others = report(&suite, &b, &format!("by=messages&{whole}")).await;
    assert_eq!(figures(&others), [of(open, 2, 7)]);
    let one_day = report(&suite, &b, "by=messages&from=2024-02-29&to=2024-02-29").await;
    assert_eq!(figures(&one_day), [of(open, 1, 1)]);
    let nothing = report(&suite, &b, "by=messages&from=2023-01-01&to=2023-12-31").await;
    assert_eq!(figures(&nothing), []);
    let members = report(&suite, &b, "by=members").await;
    assert_eq!(figures(&members), [of(open, 0, 0)]);

    let mut grpc = suite.grpc().await;
    let same = grpc
        .report_top_groups(a.request(ReportTopGroupsRequest {
            metric: ReportMetric::Messages.into(),
            from: "2024-02-28".into(),
            to: "2024-03-01".into(),
        }))
        .await
        .unwrap()
        .into_inner();
    let figures: Vec<_> = same
        .groups
        .iter()
        .map(|group| (group.active_users, group.messages))
        .collect();
    assert_eq!(figures, [(1, 100), (2, 7)]);

    for (query, fault) in [
        ("by=messages&from=2024-02-30", "day_invalid"),
        (
            "by=messages&from=2024-03-02&to=2024-03-01",
            "period_invalid",
        ),
        (
            "by=messages&from=2023-01-01&to=2024-03-01",
            "period_invalid",
        ),
    ] {
        let (status, body) = suite
            .get(
                &a,
                &format!("/api/conversations/reports/top-groups?{query}"),
            )
            .await;
        assert_eq!(status, StatusCode::BAD_REQUEST);
        assert_eq!(body["errors"][0]["code"], fault, "{query}");
    }
    for query in ["", "by=karma", "by=messages&limit=100"] {
        let (status, body) = suite
            .get(
                &a,
                &format!("/api/conversations/reports/top-groups?{query}"),
            )
            .await;
        assert_eq!(
            (status, code(&body)),
            (StatusCode::BAD_REQUEST, "query_invalid")
        );
    }
    suite.stop().await;
}

#[tokio::test]
async fn a_report_has_ten_groups_and_not_one_more() {
    let suite = Suite::start().await;
    let a = suite.people.person();
    for n in 0..12 {
        let (id, _) = suite.group(&a, &[]).await;
        sqlx::query("UPDATE conversations SET member_count = $2 WHERE id = $1")
            .bind(id.as_uuid())
            .bind(100 + n)
            .execute(&suite.pool)
            .await
            .unwrap();
    }
    let members = report(&suite, &a, "by=members").await;
    let counts: Vec<_> = members["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| item["group"]["member_count"].as_u64().unwrap())
        .collect();
    assert_eq!(counts, (102..=111).rev().collect::<Vec<u64>>());
    suite.stop().await;
}
