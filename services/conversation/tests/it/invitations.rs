use futures_util::future::join_all;
use proto::conversation::{
    CreateInvitationRequest, JoinByInvitationRequest, PreviewInvitationRequest,
};
use reqwest::StatusCode;
use serde_json::{Value, json};
use tonic::Code;

use crate::suite::{Suite, code, id_of};

const UNKNOWN: (StatusCode, &str) = (StatusCode::NOT_FOUND, "invitation_unknown");

async fn private_group(suite: &Suite, owner: &test_support::TestPerson) -> ids::ConversationId {
    let (id, _) = suite.group(owner, &[]).await;
    let (status, body) = suite
        .change(owner, id, json!({ "visibility": "private" }))
        .await;
    assert_eq!(status, StatusCode::OK, "{body}");
    id
}

async fn preview(
    suite: &Suite,
    person: &test_support::TestPerson,
    token: &str,
) -> (StatusCode, Value) {
    suite
        .post(
            person,
            "/api/conversations/invitations/preview",
            json!({ "token": token }),
        )
        .await
}

#[tokio::test]
async fn a_token_opens_a_private_group_that_no_name_opens() {
    let suite = Suite::start().await;
    let (owner, guest, other) = (
        suite.people.person(),
        suite.people.person(),
        suite.people.person(),
    );
    let (id, name) = suite.group(&owner, &[]).await;
    suite
        .change(&owner, id, json!({ "visibility": "private" }))
        .await;
    let (status, body) = suite.join(&guest, &name).await;
    assert_eq!(
        (status, code(&body)),
        (StatusCode::NOT_FOUND, "group_unknown")
    );
    let (token, _) = suite.invitation(&owner, id, json!({ "max_uses": 2 })).await;

    let (status, body) = preview(&suite, &guest, &token).await;
    assert_eq!(status, StatusCode::OK, "{body}");
    assert_eq!(body["group"]["name"], name.as_str());
    assert_eq!(body["group"]["member_count"], 1);
    assert!(body["group"]["role"].is_null());

    for _ in 0..2 {
        let (status, body) = suite.join_by(&guest, &token).await;
        assert_eq!(status, StatusCode::OK, "{body}");
        assert_eq!(id_of(&body), id);
    }
    assert!(suite.log.members(id).contains(&guest.user));
    // The second call used nothing up.
    assert_eq!(suite.join_by(&other, &token).await.0, StatusCode::OK);
    let last = suite.people.person();
    for (status, body) in [
        suite.join_by(&last, &token).await,
        preview(&suite, &last, &token).await,
    ] {
        assert_eq!((status, code(&body)), UNKNOWN, "used up");
    }
    // Who is in it by now can still call again.
    assert_eq!(suite.join_by(&guest, &token).await.0, StatusCode::OK);

    // In the table there is nothing that lets anybody in.
    let rows: Vec<String> = sqlx::query_scalar("SELECT i::text FROM invitations i")
        .fetch_all(&suite.pool)
        .await
        .unwrap();
    assert!(rows.iter().all(|row| !row.contains(&token)));
    suite.stop().await;
}

#[tokio::test]
async fn of_many_at_once_as_many_come_in_as_the_invitation_says() {
    let suite = Suite::start().await;
    let owner = suite.people.person();
    let id = private_group(&suite, &owner).await;
    let (token, invitation) = suite.invitation(&owner, id, json!({ "max_uses": 5 })).await;
    let crowd: Vec<_> = (0..12).map(|_| suite.people.person()).collect();
    let joined = join_all(crowd.iter().map(|person| suite.join_by(person, &token))).await;
    let let_in = joined
        .iter()
        .filter(|(status, _)| *status == StatusCode::OK)
        .count();
    assert_eq!(let_in, 5);
    for (status, body) in &joined {
        if *status != StatusCode::OK {
            assert_eq!((*status, code(body)), UNKNOWN);
        }
    }
    assert_eq!(suite.members(id).await.len(), 6);
    let uses: i32 = sqlx::query_scalar("SELECT uses FROM invitations WHERE id = $1::uuid")
        .bind(&invitation)
        .fetch_one(&suite.pool)
        .await
        .unwrap();
    assert_eq!(uses, 5);
    suite.stop().await;
}

#[tokio::test]
async fn what_has_ended_lets_nobody_in_and_says_no_more_than_a_guess() {
    let suite = Suite::start().await;
    let (owner, guest) = (suite.people.person(), suite.people.person());
    let id = private_group(&suite, &owner).await;
    let (revoked, revoked_id) = suite.invitation(&owner, id, json!({})).await;
    let (expired, expired_id) = suite
        .invitation(&owner, id, json!({ "expires_in_seconds": 60 }))
        .await;
    let (of_deleted, _) = {
        let gone = private_group(&suite, &owner).await;
        let invitation = suite.invitation(&owner, gone, json!({})).await;
        let (status, _) = suite
            .delete(&owner, &format!("/api/conversations/{gone}"))
            .await;
        assert_eq!(status, StatusCode::NO_CONTENT);
        invitation
    };
    for _ in 0..2 {
        let path = format!("/api/conversations/{id}/invitations/{revoked_id}");
        assert_eq!(suite.delete(&owner, &path).await.0, StatusCode::NO_CONTENT);
    }
    // A minute would be long to wait.
    sqlx::query("UPDATE invitations SET expires_at_unix_ms = 1 WHERE id = $1::uuid")
        .bind(&expired_id)
        .execute(&suite.pool)
        .await
        .unwrap();
    let guess = conversation::domain::invitation::InvitationToken::generate().reveal();
    let mut answers = Vec::new();
    for token in [
        &revoked,
        &expired,
        &of_deleted,
        &guess,
        "",
        "x",
        &guess[1..],
    ] {
        for (status, mut body) in [
            suite.join_by(&guest, token).await,
            preview(&suite, &guest, token).await,
        ] {
            assert_eq!((status, code(&body)), UNKNOWN, "{token}");
            body.as_object_mut().unwrap().remove("trace_id");
            answers.push(body);
        }
    }
    assert!(answers.iter().all(|answer| *answer == answers[0]));
    assert_eq!(suite.members(id).await.len(), 1);
    let (_, body) = suite
        .get(&owner, &format!("/api/conversations/{id}/invitations"))
        .await;
    assert_eq!(body["items"], json!([]));
    suite.stop().await;
}

#[tokio::test]
async fn who_was_removed_comes_back_by_a_newer_invitation_only() {
    let suite = Suite::start().await;
    let (owner, guest) = (suite.people.person(), suite.people.person());
    let id = private_group(&suite, &owner).await;
    let (token, _) = suite.invitation(&owner, id, json!({})).await;
    suite.join_by(&guest, &token).await;
    // Leaving is no reason to be kept out.
    suite.leave(&guest, id).await;
    assert_eq!(suite.join_by(&guest, &token).await.0, StatusCode::OK);
    suite.remove(&owner, id, guest.user).await;
    for (status, body) in [
        suite.join_by(&guest, &token).await,
        preview(&suite, &guest, &token).await,
    ] {
        assert_eq!((status, code(&body)), UNKNOWN);
    }
    let (newer, _) = suite.invitation(&owner, id, json!({})).await;
    assert_eq!(suite.join_by(&guest, &newer).await.0, StatusCode::OK);
    suite.stop().await;
}

#[tokio::test]
async fn invitations_have_bounds_and_a_group_not_too_many() {
    let suite = Suite::start().await;
    let owner = suite.people.person();
    let id = private_group(&suite, &owner).await;
    let path = format!("/api/conversations/{id}/invitations");
    let (status, body) = suite
        .post(
            &owner,
            &path,
            json!({ "expires_in_seconds": 59, "max_uses": 10_001 }),
        )
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
    assert_eq!(codes, ["expires_in_seconds_invalid", "max_uses_invalid"]);
    for _ in 0..50 {
        suite.invitation(&owner, id, json!({})).await;
    }
    let (status, body) = suite.post(&owner, &path, json!({})).await;
    assert_eq!(
        (status, code(&body)),
        (StatusCode::CONFLICT, "too_many_invitations")
    );
    let (_, body) = suite.get(&owner, &path).await;
    assert_eq!(body["items"].as_array().unwrap().len(), 50);
    assert!(!body.to_string().contains("token"));
    suite.stop().await;
}

#[tokio::test]
async fn invitations_work_by_grpc_too() {
    let suite = Suite::start().await;
    let (owner, guest) = (suite.people.person(), suite.people.person());
    let id = private_group(&suite, &owner).await;
    let mut grpc = suite.grpc().await;
    let made = grpc
        .create_invitation(owner.request(CreateInvitationRequest {
            conversation_id: id.to_string(),
            expires_in_seconds: 0,
            max_uses: 1,
        }))
        .await
        .unwrap()
        .into_inner();
    let invitation = made.invitation.unwrap();
    let days = (invitation.expires_at_unix_ms - invitation.created_at_unix_ms) / 86_400_000;
    assert_eq!(days, 7);
    let seen = grpc
        .preview_invitation(guest.request(PreviewInvitationRequest {
            token: made.token.clone(),
        }))
        .await
        .unwrap()
        .into_inner();
    assert_eq!(seen.group.unwrap().conversation_id, id.to_string());
    let join = || JoinByInvitationRequest {
        token: made.token.clone(),
    };
    grpc.join_by_invitation(guest.request(join()))
        .await
        .unwrap();
    let refused = grpc
        .join_by_invitation(suite.people.person().request(join()))
        .await
        .unwrap_err();
    assert_eq!(refused.code(), Code::NotFound);
    suite.stop().await;
}
