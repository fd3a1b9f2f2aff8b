use rate_limit::Rate;
use reqwest::StatusCode;
use serde_json::json;

use crate::suite::{Suite, code, own_servers, run};

const LIMITED: (StatusCode, &str) = (StatusCode::TOO_MANY_REQUESTS, "rate_limited");

const fn rate(tries: u32) -> Rate {
    Rate {
        tries,
        window_seconds: 3_600,
    }
}

#[tokio::test]
async fn nobody_opens_conversations_without_end_and_people_weigh() {
    let suite = Suite::start_with(|config| {
        config.limits.new_conversations = rate(4);
        config.limits.added_members = rate(10);
    })
    .await;
    let (a, b) = (suite.people.person(), suite.people.person());
    let crowd: Vec<_> = (0..6).map(|_| suite.people.person().user).collect();
    let (first, _) = suite.group(&a, &crowd).await;
    // Six of ten are used up; others are not to be brought in at once.
    let path = format!("/api/conversations/{first}/members");
    let more: Vec<_> = (0..5).map(|_| suite.people.person().user).collect();
    let (status, body) = suite.post(&a, &path, json!({ "user_ids": more })).await;
    assert_eq!((status, code(&body)), LIMITED);
    assert_eq!(suite.members(first).await.len(), 7);
    for _ in 0..3 {
        suite.open_direct(&a, b.user).await;
    }
    let (status, body) = suite.open_direct(&a, b.user).await;
    assert_eq!((status, code(&body)), LIMITED);
    // Others aren't concerned.
    assert_eq!(suite.open_direct(&b, a.user).await.0, StatusCode::OK);
    suite.stop().await;
}

#[tokio::test]
async fn guesses_are_limited_on_each_way_and_by_grpc_as_by_rest() {
    let suite = Suite::start_with(|config| config.limits.searches = rate(4)).await;
    let a = suite.people.person();
    suite.join(&a, "no-such-group").await;
    suite.join_by(&a, "no-such-token").await;
    suite
        .get(&a, "/api/conversations/groups/no-such-group")
        .await;
    suite.get(&a, "/group/no-such-group").await;
    let mut grpc = suite.grpc().await;
    let refused = grpc
        .list_public_groups(a.request(proto::conversation::ListPublicGroupsRequest::default()))
        .await
        .unwrap_err();
    assert_eq!(refused.code(), tonic::Code::ResourceExhausted);
    let (status, body) = suite.join(&a, "no-such-group").await;
    assert_eq!((status, code(&body)), LIMITED);
    suite.stop().await;
}

#[tokio::test]
async fn replicas_count_together_and_without_redis_each_counts_alone() {
    let servers = own_servers().await;
    let suite = Box::pin(Suite::start_on(&servers, |config| {
        config.limits.reads = rate(6);
    }))
    .await;
    let (second, addresses) = run(&suite.config).await;
    let other = format!("http://{}/api/conversations", addresses.http);
    let http = reqwest::Client::new();
    let a = suite.people.person();
    let there = async || {
        let answer = http.get(&other).bearer_auth(&a.token).send().await.unwrap();
        answer.status()
    };
    for _ in 0..3 {
        assert_eq!(suite.get(&a, "/api/conversations").await.0, StatusCode::OK);
        assert_eq!(there().await, StatusCode::OK);
    }
    assert_eq!(there().await, StatusCode::TOO_MANY_REQUESTS);

    servers.redis().kill9().await;
    let b = suite.people.person();
    let mut passed = 0;
    for _ in 0..10 {
        let (status, body) = suite.get(&b, "/api/conversations").await;
        if status == StatusCode::OK {
            passed += 1;
        } else {
            assert_eq!((status, code(&body)), LIMITED);
        }
    }
    assert_eq!(passed, 6, "limited though Redis is away");
    second.stop();
    second.run_until_stopped(crate::suite::GRACE).await.unwrap();
    suite.stop().await;
}
