//! People whose accounts were deleted.

use std::collections::{BTreeMap, BTreeSet};

use ids::{ConversationId, UserId};
use proto::conversation::person_internal_service_client::PersonInternalServiceClient;
use proto::conversation::{RemovePersonRequest, RemovePersonResponse};
use proto::event::Role;
use reqwest::StatusCode;
use serde_json::json;
use test_support::{TestPerson, eventually};
use tonic::{Code, Status};

use crate::suite::{Suite, code, id_of};

impl Suite {
    async fn remove_person(
        &self,
        caller: &'static str,
        user_id: &str,
    ) -> Result<RemovePersonResponse, Status> {
        let peer = self.peer(caller);
        let request = RemovePersonRequest {
            user_id: user_id.to_owned(),
        };
        PersonInternalServiceClient::new(peer.channel())
            .remove_person(peer.request(request, None))
            .await
            .map(tonic::Response::into_inner)
    }

    /// Calls until nothing is left to do; how often that was.
    async fn depart(&self, person: &TestPerson) -> u32 {
        let mut calls = 1;
        while self
            .remove_person("account", &person.user.to_string())
            .await
            .unwrap()
            .more
        {
            calls += 1;
        }
        calls
    }

    /// Waits until the log has these members, and nobody else.
    async fn log_has(&self, id: ConversationId, members: &[UserId]) {
        let members: BTreeSet<UserId> = members.iter().copied().collect();
        eventually("the log has these members", async || {
            (self.log.members(id) == members).then_some(())
        })
        .await;
        assert_eq!(self.members(id).await, members);
    }
}

#[tokio::test]
async fn who_has_no_account_any_more_is_in_no_conversation() {
    let suite = Suite::start().await;
    let (a, b, c) = (
        suite.people.person(),
        suite.people.person(),
        suite.people.person(),
    );
    let (owned, _) = suite.group(&a, &[b.user, c.user]).await;
    suite.make_admin(&a, owned, c.user).await;
    let (joined, _) = suite.group(&b, &[a.user]).await;
    let (alone, alone_name) = suite.group(&a, &[]).await;
    let (private, _) = suite.group(&a, &[]).await;
    let (status, body) = suite
        .change(&a, private, json!({"visibility": "private"}))
        .await;
    assert_eq!(status, StatusCode::OK, "{body}");
    let direct = id_of(&suite.open_direct(&a, b.user).await.1);

    assert_eq!(suite.depart(&a).await, 1);
    suite.log_has(owned, &[b.user, c.user]).await;
    suite.log_has(joined, &[b.user]).await;
    suite.log_has(alone, &[]).await;
    suite.log_has(private, &[]).await;
    suite.log_has(direct, &[b.user]).await;
    // The admin became owner, whoever has been in it longer.
    eventually("the log has another owner", async || {
        (suite.log.roles(owned).get(&c.user) == Some(&Role::Owner)).then_some(())
    })
    .await;
    let roles: BTreeMap<UserId, String> = suite.roles(&b, owned).await.into_iter().collect();
    assert_eq!(
        roles,
        BTreeMap::from([(b.user, "member".to_owned()), (c.user, "owner".to_owned())])
    );
    // An empty group goes on as after any leave: a public one can be joined, a private one is gone.
    let (status, body) = suite.join(&b, &alone_name).await;
    assert_eq!(status, StatusCode::OK, "{body}");
    assert_eq!(suite.roles(&b, alone).await, [(b.user, "owner".to_owned())]);
    let gone: bool = sqlx::query_scalar(
        "SELECT deleted_at_unix_ms IS NOT NULL FROM conversations WHERE id = $1",
    )
    .bind(private.as_uuid())
    .fetch_one(&suite.pool)
    .await
    .unwrap();
    assert!(gone);
    // The one-to-one is there for the other, and the same when it is opened again.
    assert_eq!(
        suite.roles(&b, direct).await,
        [(b.user, "member".to_owned())]
    );
    assert_eq!(id_of(&suite.open_direct(&b, a.user).await.1), direct);

    // Once more changes nothing.
    eventually("nothing is on its way", async || {
        (suite.outbox_len().await == 0).then_some(())
    })
    .await;
    assert_eq!(suite.depart(&a).await, 1);
    assert_eq!(suite.outbox_len().await, 0);
    suite.stop().await;
}

#[tokio::test]
async fn nobody_brings_them_into_a_conversation_nor_do_they_come_back() {
    let suite = Suite::start().await;
    let (a, b) = (suite.people.person(), suite.people.person());
    let (group, name) = suite.group(&b, &[]).await;
    let (token, _) = suite.invitation(&b, group, json!({})).await;
    suite.depart(&a).await;

    // The account service stood in for here still says that they can be reached, as it may have a moment
    // before; and their access token is still good.
    assert_eq!(code(&suite.open_direct(&b, a.user).await.1), "user_unknown");
    assert_eq!(code(&suite.open_direct(&a, b.user).await.1), "user_unknown");
    let (_, body) = suite.create(&b, &format!("g-{}", b.user), &[a.user]).await;
    assert_eq!(code(&body), "user_unknown");
    let (_, body) = suite.create(&a, &format!("g-{}", a.user), &[]).await;
    assert_eq!(code(&body), "user_unknown");
    let path = format!("/api/conversations/{group}/members");
    let (_, body) = suite.post(&b, &path, json!({"user_ids": [a.user]})).await;
    assert_eq!(code(&body), "user_unknown");
    assert_eq!(code(&suite.join(&a, &name).await.1), "group_unknown");
    assert_eq!(
        code(&suite.join_by(&a, &token).await.1),
        "invitation_unknown"
    );
    suite.log_has(group, &[b.user]).await;
    suite.stop().await;
}

#[tokio::test]
async fn who_is_brought_in_at_that_moment_is_in_nothing_afterwards() {
    let suite = Suite::start().await;
    let b = suite.people.person();
    let (group, _) = suite.group(&b, &[]).await;
    let path = format!("/api/conversations/{group}/members");
    for _ in 0..8 {
        let a = suite.people.person();
        let added = json!({"user_ids": [a.user]});
        let (added, opened, _) = tokio::join!(
            suite.post(&b, &path, added),
            suite.open_direct(&b, a.user),
            suite.depart(&a),
        );
        for (status, body) in [added, opened] {
            assert!(
                status.is_success() || code(&body) == "user_unknown",
                "{body}"
            );
        }
        let left: i64 = sqlx::query_scalar(
            "SELECT count(*) FROM members WHERE user_id = $1 AND left_version IS NULL",
        )
        .bind(a.user.as_uuid())
        .fetch_one(&suite.pool)
        .await
        .unwrap();
        assert_eq!(left, 0);
    }
    suite.log_has(group, &[b.user]).await;
    suite.stop().await;
}

#[tokio::test]
async fn somebody_in_many_conversations_leaves_them_call_by_call() {
    let suite = Suite::start().await;
    let a = suite.people.person();
    // Rows of a hundred groups that the log knows nothing of: it is told of the departure alone.
    sqlx::query(
        "INSERT INTO conversations (id, name, version, member_count, created_by, created_with,
                                    created_at_unix_ms)
         SELECT gen_random_uuid(), 'many-' || n, 1, 1, $1, '{}', 0 FROM generate_series(1, 100) AS n",
    )
    .bind(a.user.as_uuid())
    .execute(&suite.pool)
    .await
    .unwrap();
    sqlx::query(
        "INSERT INTO members (conversation_id, user_id, role, joined_at_unix_ms, joined_version)
         SELECT id, $1, 'owner', 0, 1 FROM conversations WHERE created_by = $1",
    )
    .bind(a.user.as_uuid())
    .execute(&suite.pool)
    .await
    .unwrap();
    assert!(suite.depart(&a).await >= 3, "50, 50, and nothing is left");
    let left: i64 = sqlx::query_scalar(
        "SELECT count(*) FROM members WHERE user_id = $1 AND left_version IS NULL",
    )
    .bind(a.user.as_uuid())
    .fetch_one(&suite.pool)
    .await
    .unwrap();
    assert_eq!(left, 0);
    suite.stop().await;
}

#[tokio::test]
async fn only_the_account_service_says_whose_account_was_deleted() {
    let suite = Suite::start().await;
    let a = suite.people.person();
    let (group, _) = suite.group(&a, &[]).await;
    for caller in ["message", "chat-gateway", "file-upload"] {
        let refused = suite
            .remove_person(caller, &a.user.to_string())
            .await
            .unwrap_err();
        assert_eq!(refused.code(), Code::PermissionDenied, "{caller}");
    }
    let refused = suite.remove_person("account", "nobody").await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
    suite.log_has(group, &[a.user]).await;
    suite.stop().await;
}
