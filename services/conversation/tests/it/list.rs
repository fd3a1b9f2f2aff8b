use std::collections::BTreeSet;

use ids::ConversationId;
use proto::conversation::ListConversationsRequest;
use reqwest::StatusCode;
use serde_json::Value;

use crate::suite::{Suite, code, id_of};

fn ids(body: &Value) -> Vec<ConversationId> {
    body["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(id_of)
        .collect()
}

#[tokio::test]
async fn the_list_is_newest_activity_first_and_paged_without_repetition() {
    let suite = Suite::start().await;
    let me = suite.people.person();
    let mut expected = Vec::new();
    for n in 0..11 {
        let other = suite.people.person();
        let id = if n % 2 == 0 {
            id_of(&suite.open_direct(&me, other.user).await.1)
        } else {
            suite.group(&other, &[me.user]).await.0
        };
        // Pairs have the same time, so that ids decide.
        suite.log.be_active(id, 1_000 + n / 2);
        expected.push((1_000 + n / 2, id));
    }
    expected.sort();
    expected.reverse();
    let expected: Vec<_> = expected.into_iter().map(|(_, id)| id).collect();

    let mut seen = Vec::new();
    let mut path = "/api/conversations?limit=4".to_owned();
    loop {
        let (status, body) = suite.get(&me, &path).await;
        assert_eq!(status, StatusCode::OK, "{body}");
        for item in body["items"].as_array().unwrap() {
            assert_eq!(item["state"]["unread_count"], 2);
            assert_eq!(item["state"]["head_number"], 7);
            assert_eq!(item["state"]["read_number"], 3);
            assert_eq!(item["last_entry"]["number"], 7);
        }
        seen.extend(ids(&body));
        match body["next_cursor"].as_str() {
            Some(cursor) => path = format!("/api/conversations?limit=4&cursor={cursor}"),
            None => break,
        }
    }
    assert_eq!(seen, expected);

    // The same by gRPC.
    let mut client = suite.grpc().await;
    let mut seen = Vec::new();
    let mut page_token = String::new();
    loop {
        let page = client
            .list_conversations(me.request(ListConversationsRequest {
                page_token,
                page_size: 5,
                filter: 0,
            }))
            .await
            .unwrap()
            .into_inner();
        seen.extend(page.conversations.iter().map(|line| {
            let conversation = line.conversation.as_ref().unwrap();
            conversation
                .conversation_id
                .parse::<ConversationId>()
                .unwrap()
        }));
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break;
        }
    }
    assert_eq!(seen, expected);
    suite.stop().await;
}

#[tokio::test]
async fn who_left_does_not_list_it_and_others_never_did() {
    let suite = Suite::start().await;
    let (a, b, outsider) = (
        suite.people.person(),
        suite.people.person(),
        suite.people.person(),
    );
    let (id, _) = suite.group(&a, &[b.user]).await;
    let (_, body) = suite.get(&b, "/api/conversations").await;
    assert_eq!(ids(&body), [id]);
    suite.leave(&b, id).await;
    for person in [&b, &outsider] {
        let (_, body) = suite.get(person, "/api/conversations").await;
        assert_eq!(ids(&body), []);
        assert!(body.get("next_cursor").is_none());
    }
    let (_, body) = suite.get(&a, "/api/conversations").await;
    assert_eq!(ids(&body), [id]);
    suite.stop().await;
}

#[tokio::test]
async fn a_list_longer_than_one_question_for_heads_is_whole() {
    let suite = Suite::start_with(|config| config.relay.batch = 1_000).await;
    let me = suite.people.person();
    // Straight into the store: the calls would take minutes.
    let store = conversation::store::conversations::Conversations::new(suite.pool.clone(), 10);
    let clock = clock::Clock::system();
    let mut expected = BTreeSet::new();
    for _ in 0..1_050 {
        let peer = ids::UserId::generate(&clock);
        let pair = conversation::domain::conversation::Pair::of(me.user, peer).unwrap();
        let id = ConversationId::generate(&clock);
        store.open_direct(pair, me.user, id, 1).await.unwrap();
        expected.insert(id);
    }
    let last = *expected.last().unwrap();
    test_support::eventually("the log has them", async || {
        (suite.outbox_len().await == 0 && !suite.log.records(last).is_empty()).then_some(())
    })
    .await;
    let mut seen = BTreeSet::new();
    let mut path = "/api/conversations?limit=100".to_owned();
    loop {
        let (_, body) = suite.get(&me, &path).await;
        for id in ids(&body) {
            assert!(seen.insert(id), "twice");
        }
        match body["next_cursor"].as_str() {
            Some(cursor) => path = format!("/api/conversations?limit=100&cursor={cursor}"),
            None => break,
        }
    }
    assert_eq!(seen, expected);
    suite.stop().await;
}

#[tokio::test]
async fn faulty_pages_are_refused_with_every_fault() {
    let suite = Suite::start().await;
    let me = suite.people.person();
    let (status, body) = suite
        .get(&me, "/api/conversations?limit=101&cursor=nonsense")
        .await;
    assert_eq!(
        (status, code(&body)),
        (StatusCode::BAD_REQUEST, "input_invalid")
    );
    let codes: Vec<_> = body["errors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|fault| fault["code"].as_str().unwrap())
        .collect();
    assert_eq!(codes, ["cursor_invalid", "limit_invalid"]);
    for query in ["limit=0", "limit=-1", "limit=1e3", "page=2"] {
        let (status, _) = suite.get(&me, &format!("/api/conversations?{query}")).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{query}");
    }
    suite.stop().await;
}
