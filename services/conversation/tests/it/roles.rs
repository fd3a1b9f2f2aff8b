//! Who may do what in a group: every cell of the table in `docs/groups.md`.

use futures_util::future::join_all;
use ids::{ConversationId, FileId, UserId};
use proto::conversation::{ChangeGroupRequest, MemberRole, SetRoleRequest};
use proto::event::Role;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use test_support::TestPerson;
use tonic::Code;

use crate::suite::{Suite, code};

/// A group with two of each role, somebody who was removed and somebody who never was in it.
struct Cast {
    id: ConversationId,
    name: String,
    owner: TestPerson,
    other_owner: TestPerson,
    admin: TestPerson,
    other_admin: TestPerson,
    member: TestPerson,
    other_member: TestPerson,
    removed: TestPerson,
    stranger: TestPerson,
    /// Of an open invitation.
    invitation: String,
}

impl Cast {
    async fn of(suite: &Suite) -> Self {
        let person = || suite.people.person();
        let (owner, other_owner, admin, other_admin) = (person(), person(), person(), person());
        let (member, other_member, removed, stranger) = (person(), person(), person(), person());
        let (id, name) = suite
            .group(
                &owner,
                &[
                    other_owner.user,
                    admin.user,
                    other_admin.user,
                    member.user,
                    other_member.user,
                    removed.user,
                ],
            )
            .await;
        for (user, role) in [
            (other_owner.user, "owner"),
            (admin.user, "admin"),
            (other_admin.user, "admin"),
        ] {
            let (status, body) = suite.set_role(&owner, id, user, role).await;
            assert_eq!(status, StatusCode::NO_CONTENT, "{body}");
        }
        suite.remove(&owner, id, removed.user).await;
        let (_, invitation) = suite.invitation(&owner, id, json!({})).await;
        Self {
            id,
            name,
            owner,
            other_owner,
            admin,
            other_admin,
            member,
            other_member,
            removed,
            stranger,
            invitation,
        }
    }

    /// All that a call could have changed.
    async fn state(&self, suite: &Suite) -> (String, i64, Vec<(uuid::Uuid, String, Option<i64>)>) {
        let group: String = sqlx::query_scalar(
            "SELECT concat_ws(' ', version, name, visibility, description, picture_id, member_count,
                              deleted_at_unix_ms)
             FROM conversations WHERE id = $1",
        )
        .bind(self.id.as_uuid())
        .fetch_one(&suite.pool)
        .await
        .unwrap();
        let invitations: i64 =
            sqlx::query_scalar("SELECT count(*) FROM invitations WHERE conversation_id = $1")
                .bind(self.id.as_uuid())
                .fetch_one(&suite.pool)
                .await
                .unwrap();
        let members = sqlx::query_as(
            "SELECT user_id, role, coalesce(left_version, history_from) FROM members
             WHERE conversation_id = $1 ORDER BY user_id",
        )
        .bind(self.id.as_uuid())
        .fetch_all(&suite.pool)
        .await
        .unwrap();
        (group, invitations, members)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Who {
    Owner,
    Admin,
    Member,
    Removed,
    Stranger,
}

const EVERYBODY: [Who; 5] = [
    Who::Owner,
    Who::Admin,
    Who::Member,
    Who::Removed,
    Who::Stranger,
];

/// What is done, by whom it may be, and how.
type Row = (
    &'static str,
    &'static [Who],
    fn(&Cast, UserId) -> (Method, String, Option<Value>),
);

const OWNERS: &[Who] = &[Who::Owner];
const ADMINS: &[Who] = &[Who::Owner, Who::Admin];
const MEMBERS: &[Who] = &[Who::Owner, Who::Admin, Who::Member];

fn at(cast: &Cast, rest: &str) -> String {
    format!("/api/conversations/{}{rest}", cast.id)
}

fn of(cast: &Cast, user: UserId, rest: &str) -> String {
    at(cast, &format!("/members/{user}{rest}"))
}

const TABLE: &[Row] = &[
    ("see it and its members", MEMBERS, |cast, _| {
        (Method::GET, at(cast, ""), None)
    }),
    ("have settings of one's own", MEMBERS, |cast, _| {
        let body = json!({ "archived": true });
        (Method::PATCH, at(cast, "/settings"), Some(body))
    }),
    ("rename", ADMINS, |cast, _| {
        let body = json!({ "name": format!("{}.new", cast.name) });
        (Method::PATCH, at(cast, ""), Some(body))
    }),
    ("describe", ADMINS, |cast, _| {
        let body = json!({ "description": "new" });
        (Method::PATCH, at(cast, ""), Some(body))
    }),
    ("change the picture", ADMINS, |cast, _| {
        let body = json!({ "picture_id": FileId::from_bytes([7; 16]) });
        (Method::PATCH, at(cast, ""), Some(body))
    }),
    ("change the visibility", OWNERS, |cast, _| {
        let body = json!({ "visibility": "private" });
        (Method::PATCH, at(cast, ""), Some(body))
    }),
    ("add members", ADMINS, |cast, _| {
        let body = json!({ "user_ids": [cast.stranger.user] });
        (Method::POST, at(cast, "/members"), Some(body))
    }),
    ("make an invitation", ADMINS, |cast, _| {
        (Method::POST, at(cast, "/invitations"), Some(json!({})))
    }),
    ("list invitations", ADMINS, |cast, _| {
        (Method::GET, at(cast, "/invitations"), None)
    }),
    ("revoke an invitation", ADMINS, |cast, _| {
        let path = at(cast, &format!("/invitations/{}", cast.invitation));
        (Method::DELETE, path, None)
    }),
    ("remove a member", ADMINS, |cast, _| {
        (Method::DELETE, of(cast, cast.other_member.user, ""), None)
    }),
    ("remove an admin", OWNERS, |cast, _| {
        (Method::DELETE, of(cast, cast.other_admin.user, ""), None)
    }),
    ("remove an owner", OWNERS, |cast, _| {
        (Method::DELETE, of(cast, cast.other_owner.user, ""), None)
    }),
    ("make a member an admin", OWNERS, |cast, _| {
        let path = of(cast, cast.other_member.user, "/role");
        (Method::PUT, path, Some(json!({ "role": "admin" })))
    }),
    ("make a member an owner", OWNERS, |cast, _| {
        let path = of(cast, cast.other_member.user, "/role");
        (Method::PUT, path, Some(json!({ "role": "owner" })))
    }),
    ("make an admin a member", OWNERS, |cast, _| {
        let path = of(cast, cast.other_admin.user, "/role");
        (Method::PUT, path, Some(json!({ "role": "member" })))
    }),
    ("make an owner a member", OWNERS, |cast, _| {
        let path = of(cast, cast.other_owner.user, "/role");
        (Method::PUT, path, Some(json!({ "role": "member" })))
    }),
    ("make oneself an owner", OWNERS, |cast, actor| {
        let path = of(cast, actor, "/role");
        (Method::PUT, path, Some(json!({ "role": "owner" })))
    }),
    ("step down", MEMBERS, |cast, actor| {
        let path = of(cast, actor, "/role");
        (Method::PUT, path, Some(json!({ "role": "member" })))
    }),
    ("open the history", OWNERS, |cast, _| {
        let path = of(cast, cast.other_member.user, "/history");
        (Method::PUT, path, Some(json!({ "from_number": 1 })))
    }),
    ("open the history to oneself", OWNERS, |cast, actor| {
        let path = of(cast, actor, "/history");
        (Method::PUT, path, Some(json!({ "from_number": 1 })))
    }),
    ("leave", MEMBERS, |cast, _| {
        (Method::POST, at(cast, "/leave"), None)
    }),
    ("delete the group", OWNERS, |cast, _| {
        (Method::DELETE, at(cast, ""), None)
    }),
];

/// What is wrong with a cell.
async fn cell(suite: &Suite, (what, allowed, call): &Row, who: Who) -> Option<String> {
    let cast = Cast::of(suite).await;
    let actor = match who {
        Who::Owner => &cast.owner,
        Who::Admin => &cast.admin,
        Who::Member => &cast.member,
        Who::Removed => &cast.removed,
        Who::Stranger => &cast.stranger,
    };
    let (method, path, body) = call(&cast, actor.user);
    let before = cast.state(suite).await;
    let (status, answer) = suite.call(actor, method, &path, body).await;
    let expected = match who {
        _ if allowed.contains(&who) => None,
        // Whoever left gets the answer of then.
        Who::Removed if *what == "leave" => None,
        Who::Removed | Who::Stranger => Some((StatusCode::NOT_FOUND, "conversation_unknown")),
        _ => Some((StatusCode::FORBIDDEN, "role_insufficient")),
    };
    let right = match expected {
        None => status.is_success(),
        Some(refusal) => (status, code(&answer)) == refusal && cast.state(suite).await == before,
    };
    (!right).then(|| format!("{who:?}: {what}: {status} {answer}"))
}

#[tokio::test]
async fn every_role_may_what_the_table_says_and_nothing_else() {
    let suite = Suite::start().await;
    let mut faults = Vec::new();
    for row in TABLE {
        let cells = EVERYBODY.map(|who| cell(&suite, row, who));
        faults.extend(join_all(cells).await.into_iter().flatten());
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    suite.stop().await;
}

#[tokio::test]
async fn the_same_rules_hold_by_grpc() {
    let suite = Suite::start().await;
    let cast = Cast::of(&suite).await;
    let mut grpc = suite.grpc().await;
    let rename = |name: &str| ChangeGroupRequest {
        conversation_id: cast.id.to_string(),
        name: Some(name.to_owned()),
        ..ChangeGroupRequest::default()
    };
    let name = format!("{}.grpc", cast.name);
    let refused = grpc
        .change_group(cast.member.request(rename(&name)))
        .await
        .unwrap_err();
    assert_eq!(refused.code(), Code::PermissionDenied);
    let renamed = grpc
        .change_group(cast.admin.request(rename(&name)))
        .await
        .unwrap()
        .into_inner();
    assert_eq!(renamed.conversation.unwrap().name, name);

    let promote = |role: i32| SetRoleRequest {
        conversation_id: cast.id.to_string(),
        user_id: cast.member.user.to_string(),
        role,
    };
    for unknown in [0, 77] {
        let refused = grpc
            .set_role(cast.owner.request(promote(unknown)))
            .await
            .unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument);
    }
    grpc.set_role(cast.owner.request(promote(MemberRole::Admin.into())))
        .await
        .unwrap();
    assert_eq!(suite.log.roles(cast.id)[&cast.member.user], Role::Admin);
    suite.stop().await;
}

#[tokio::test]
async fn the_last_owner_stays_one_until_there_is_another() {
    let suite = Suite::start().await;
    let (owner, admin, member) = (
        suite.people.person(),
        suite.people.person(),
        suite.people.person(),
    );
    let (id, _) = suite.group(&owner, &[admin.user, member.user]).await;
    suite.make_admin(&owner, id, admin.user).await;
    let (status, body) = suite.set_role(&owner, id, owner.user, "member").await;
    assert_eq!(
        (status, code(&body)),
        (StatusCode::CONFLICT, "owner_required")
    );
    // Of two owners who both step down at once, one stays.
    suite.set_role(&owner, id, member.user, "owner").await;
    let (one, two) = tokio::join!(
        suite.set_role(&owner, id, owner.user, "member"),
        suite.set_role(&member, id, member.user, "admin"),
    );
    let mut codes = [one.0, two.0];
    codes.sort();
    assert_eq!(codes, [StatusCode::NO_CONTENT, StatusCode::CONFLICT]);

    // Who leaves as the last owner is followed by an admin, and the log knows.
    let roles = suite.log.roles(id);
    let last = [&owner, &member]
        .into_iter()
        .find(|person| roles[&person.user] == Role::Owner)
        .unwrap();
    suite.leave(last, id).await;
    let roles = suite.log.roles(id);
    assert_eq!(
        roles.values().filter(|role| **role == Role::Owner).count(),
        1
    );
    assert_eq!(roles.len(), 2);

    let stranger = suite.people.person();
    let heir = [&owner, &admin, &member]
        .into_iter()
        .find(|person| roles.get(&person.user) == Some(&Role::Owner))
        .unwrap();
    let (status, body) = suite.set_role(heir, id, stranger.user, "admin").await;
    assert_eq!(
        (status, code(&body)),
        (StatusCode::NOT_FOUND, "member_unknown")
    );
    suite.stop().await;
}
