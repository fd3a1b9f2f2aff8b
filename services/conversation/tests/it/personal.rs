use ids::ConversationId;
use proto::conversation::{
    ChangeSettingsRequest, GetSettingsRequest, ListConversationsRequest, Mute,
};
use proto::event::membership_change::Change;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use test_support::TestPerson;

use crate::suite::{Suite, code, id_of};

async fn listed(suite: &Suite, person: &TestPerson, filter: &str) -> Vec<ConversationId> {
    let (status, body) = suite
        .get(person, &format!("/api/conversations?filter={filter}"))
        .await;
    assert_eq!(status, StatusCode::OK, "{body}");
    body["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(id_of)
        .collect()
}

async fn order(suite: &Suite, person: &TestPerson, ids: &[ConversationId]) -> (StatusCode, Value) {
    suite
        .call(
            person,
            Method::PUT,
            "/api/conversations/pins",
            Some(json!({ "conversation_ids": ids })),
        )
        .await
}

/// Versions of somebody's settings that the log told.
fn told(suite: &Suite, id: ConversationId, person: &TestPerson) -> Vec<u64> {
    suite
        .log
        .applied(id)
        .into_iter()
        .filter_map(|change| match change.change {
            Some(Change::SettingsChanged(changed)) => {
                assert_eq!(changed.user, person.user.to_vec());
                Some(changed.settings_version)
            }
            _ => None,
        })
        .collect()
}

#[tokio::test]
async fn settings_are_ones_own_and_each_change_is_told_once() {
    let suite = Suite::start().await;
    let (a, b) = (suite.people.person(), suite.people.person());
    let id = id_of(&suite.open_direct(&a, b.user).await.1);
    let (_, body) = suite
        .get(&a, &format!("/api/conversations/{id}/settings"))
        .await;
    assert_eq!(
        body,
        json!({ "version": 0, "mute": "off", "archived": false })
    );

    let (status, body) = suite
        .settings(&a, id, json!({ "mute": "forever", "archived": true }))
        .await;
    assert_eq!(status, StatusCode::OK, "{body}");
    let expected = json!({ "version": 1, "mute": "forever", "archived": true });
    assert_eq!(body, expected);
    // The same again changes nothing and tells nobody.
    let (_, body) = suite.settings(&a, id, json!({ "archived": true })).await;
    assert_eq!(body, expected);
    let until = "2100-01-02T03:04:05Z";
    let (_, body) = suite
        .settings(&a, id, json!({ "mute": "until", "muted_until": until }))
        .await;
    assert_eq!(body["muted_until"], until);
    assert_eq!(body["archived"], true, "what isn't given stays");
    assert_eq!(told(&suite, id, &a), [1, 2]);

    for person in [&a, &b] {
        let (_, view) = suite.view(person, id).await;
        let version = if person.user == a.user { 2 } else { 0 };
        assert_eq!(view["settings"]["version"], version);
    }
    suite.stop().await;
}

#[tokio::test]
async fn a_mute_without_a_sense_is_refused() {
    let suite = Suite::start().await;
    let (a, b) = (suite.people.person(), suite.people.person());
    let id = id_of(&suite.open_direct(&a, b.user).await.1);
    for faulty in [
        json!({ "mute": "until" }),
        json!({ "mute": "until", "muted_until": "2001-01-01T00:00:00Z" }),
        json!({ "mute": "off", "muted_until": "2100-01-01T00:00:00Z" }),
        json!({ "muted_until": "2100-01-01T00:00:00Z" }),
    ] {
        let (status, body) = suite.settings(&a, id, faulty.clone()).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{faulty}");
        assert_eq!(body["errors"][0]["code"], "muted_until_invalid", "{faulty}");
    }
    for faulty in [
        json!({ "mute": "sometimes" }),
        json!({ "mute": "until", "muted_until": "soon" }),
        json!({ "color": "red" }),
    ] {
        let (status, body) = suite.settings(&a, id, faulty.clone()).await;
        assert_eq!(
            (status, code(&body)),
            (StatusCode::BAD_REQUEST, "body_invalid")
        );
    }
    assert!(told(&suite, id, &a).is_empty());
    suite.stop().await;
}

#[tokio::test]
async fn the_list_shows_what_is_asked_for() {
    let suite = Suite::start().await;
    let me = suite.people.person();
    let mut ids = Vec::new();
    for n in 0..4 {
        let other = suite.people.person();
        let id = id_of(&suite.open_direct(&me, other.user).await.1);
        suite.log.be_active(id, 100 - n);
        ids.push(id);
    }
    let [first, second, third, fourth] = ids[..] else {
        unreachable!()
    };
    suite
        .settings(&me, second, json!({ "archived": true }))
        .await;
    // The older one was pinned first.
    suite.settings(&me, fourth, json!({ "pinned": true })).await;
    suite.settings(&me, first, json!({ "pinned": true })).await;

    assert_eq!(listed(&suite, &me, "all").await, ids);
    assert_eq!(listed(&suite, &me, "active").await, [first, third, fourth]);
    assert_eq!(listed(&suite, &me, "archived").await, [second]);
    assert_eq!(listed(&suite, &me, "pinned").await, [fourth, first]);
    assert_eq!(
        order(&suite, &me, &[first, fourth]).await.0,
        StatusCode::NO_CONTENT
    );
    assert_eq!(listed(&suite, &me, "pinned").await, [first, fourth]);
    assert_eq!(told(&suite, first, &me), [1, 2]);

    // Others than those that are pinned: somebody was faster on another device.
    for wrong in [
        vec![first],
        vec![first, third],
        vec![first, fourth, third],
        vec![first, first],
    ] {
        let (status, body) = order(&suite, &me, &wrong).await;
        assert_eq!(
            (status, code(&body)),
            (StatusCode::CONFLICT, "pins_changed"),
            "{wrong:?}"
        );
    }
    suite.settings(&me, first, json!({ "pinned": false })).await;
    assert_eq!(listed(&suite, &me, "pinned").await, [fourth]);

    let mut grpc = suite.grpc().await;
    let archived = grpc
        .list_conversations(me.request(ListConversationsRequest {
            filter: 2,
            ..ListConversationsRequest::default()
        }))
        .await
        .unwrap()
        .into_inner()
        .conversations;
    assert_eq!(archived.len(), 1);
    assert!(archived[0].settings.as_ref().unwrap().archived);
    suite.stop().await;
}

#[tokio::test]
async fn pins_have_a_bound_that_many_devices_at_once_keep_too() {
    let suite = Suite::start().await;
    let me = suite.people.person();
    let mut ids = Vec::new();
    for _ in 0..53 {
        let other = suite.people.person();
        ids.push(id_of(&suite.open_direct(&me, other.user).await.1));
    }
    let mut pinned = Vec::new();
    for id in &ids[..48] {
        pinned.push(suite.settings(&me, *id, json!({ "pinned": true })).await);
    }
    pinned.extend(
        futures_util::future::join_all(
            ids[48..]
                .iter()
                .map(|id| suite.settings(&me, *id, json!({ "pinned": true }))),
        )
        .await,
    );
    let refused: Vec<_> = pinned
        .iter()
        .filter(|(status, _)| *status != StatusCode::OK)
        .map(|(status, body)| (*status, code(body).to_owned()))
        .collect();
    assert_eq!(
        refused,
        vec![(StatusCode::CONFLICT, "too_many_pins".to_owned()); 3]
    );
    let mut places: Vec<u64> = pinned
        .iter()
        .filter_map(|(_, body)| body["pin_position"].as_u64())
        .collect();
    places.sort_unstable();
    assert_eq!(places, (1..=50).collect::<Vec<_>>(), "no place twice");
    suite.stop().await;
}

#[tokio::test]
async fn settings_work_by_grpc_too() {
    let suite = Suite::start().await;
    let (a, b) = (suite.people.person(), suite.people.person());
    let id = id_of(&suite.open_direct(&a, b.user).await.1);
    let mut grpc = suite.grpc().await;
    let changed = grpc
        .change_settings(a.request(ChangeSettingsRequest {
            conversation_id: id.to_string(),
            mute: Mute::Until.into(),
            muted_until_unix_ms: 4_000_000_000_000,
            archived: None,
            pinned: Some(true),
        }))
        .await
        .unwrap()
        .into_inner()
        .settings;
    let read = grpc
        .get_settings(a.request(GetSettingsRequest {
            conversation_id: id.to_string(),
        }))
        .await
        .unwrap()
        .into_inner()
        .settings;
    assert_eq!(changed, read);
    let read = read.unwrap();
    assert_eq!(
        (read.version, read.pin_position, read.archived),
        (1, 1, false)
    );
    assert_eq!(read.muted_until_unix_ms, 4_000_000_000_000);
    suite.stop().await;
}
