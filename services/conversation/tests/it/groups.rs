use futures_util::future::join_all;
use ids::{ConversationId, UserId};
use reqwest::StatusCode;
use serde_json::json;
use test_support::TestPerson;

use crate::suite::{Suite, code, id_of};

fn crowd(suite: &Suite, size: usize) -> Vec<TestPerson> {
    (0..size).map(|_| suite.people.person()).collect()
}

fn users(people: &[TestPerson]) -> Vec<UserId> {
    people.iter().map(|person| person.user).collect()
}

#[tokio::test]
async fn a_name_belongs_to_one_group_though_many_want_it_at_once() {
    let suite = Suite::start().await;
    let people = crowd(&suite, 12);
    let made = join_all(
        people
            .iter()
            .map(|person| suite.create(person, "the-one", &[])),
    )
    .await;
    let winners: Vec<_> = made
        .iter()
        .zip(&people)
        .filter(|((status, _), _)| *status == StatusCode::OK)
        .collect();
    assert_eq!(winners.len(), 1);
    for (status, body) in &made {
        if *status != StatusCode::OK {
            assert_eq!(
                (*status, code(body)),
                (StatusCode::CONFLICT, "group_name_taken")
            );
        }
    }

    let ((_, body), winner) = winners[0];
    let (status, again) = suite.create(winner, "the-one", &[]).await;
    assert_eq!(status, StatusCode::OK, "the same call by the same person");
    assert_eq!(id_of(&again), id_of(body));
    let (status, other) = suite
        .create(winner, "the-one", &[people[0].user, people[1].user])
        .await;
    assert_eq!(
        (status, code(&other)),
        (StatusCode::CONFLICT, "group_name_taken")
    );
    suite.stop().await;
}

#[tokio::test]
async fn everything_that_is_wrong_with_a_group_is_told_at_once() {
    let suite = Suite::start().await;
    let (a, gone) = (suite.people.person(), suite.people.person());
    let (status, body) = suite
        .post(
            &a,
            "/api/conversations/groups",
            json!({ "name": "No Good", "member_ids": [gone.user, "x", "y"] }),
        )
        .await;
    assert_eq!(
        (status, code(&body)),
        (StatusCode::BAD_REQUEST, "input_invalid")
    );
    let faults: Vec<_> = body["errors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|fault| {
            (
                fault["field"].as_str().unwrap(),
                fault["code"].as_str().unwrap(),
            )
        })
        .collect();
    assert_eq!(
        faults,
        [
            ("name", "group_name_invalid"),
            ("member_ids[1]", "user_id_invalid"),
            ("member_ids[2]", "user_id_invalid"),
        ]
    );

    suite.account.forget(gone.user);
    let (status, body) = suite.create(&a, "good", &[a.user, gone.user]).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert_eq!(body["errors"][0]["field"], "member_ids[1]");
    assert_eq!(body["errors"][0]["code"], "user_unknown");

    let many = users(&crowd(&suite, 101));
    let (status, body) = suite.create(&a, "good", &many).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert_eq!(body["errors"][0]["code"], "too_many_members");

    let (status, body) = suite
        .post(
            &a,
            "/api/conversations/groups",
            json!({ "name": "good", "owner": a.user }),
        )
        .await;
    assert_eq!(
        (status, code(&body)),
        (StatusCode::BAD_REQUEST, "body_invalid")
    );
    let (status, body) = suite.join(&a, "good").await;
    assert_eq!(
        (status, code(&body)),
        (StatusCode::NOT_FOUND, "group_unknown")
    );
    suite.stop().await;
}

#[tokio::test]
async fn versions_have_no_gap_while_many_join_and_leave_at_once() {
    let suite = Suite::start().await;
    let owner = suite.people.person();
    let first = crowd(&suite, 5);
    let (id, name) = suite.group(&owner, &users(&first)).await;
    let people = crowd(&suite, 12);

    join_all(people.iter().enumerate().map(|(n, person)| {
        let (suite, name) = (&suite, &name);
        async move {
            for round in 0..6 {
                // Odd ones repeat calls, which change nothing the second time.
                for _ in 0..=n % 2 {
                    let (status, body) = if round % 2 == 0 {
                        suite.join(person, name).await
                    } else {
                        suite.leave(person, id).await
                    };
                    assert!(status.is_success(), "{body}");
                    // Whoever got an answer finds it in the log.
                    assert_eq!(suite.log.members(id).contains(&person.user), round % 2 == 0);
                }
            }
        }
    }))
    .await;

    assert_eq!(suite.log.applied(id).len(), 1 + 12 * 6);
    assert_eq!(suite.log.members(id), suite.members(id).await);
    assert_eq!(suite.outbox_len().await, 0);
    let (version, count): (i64, i32) =
        sqlx::query_as("SELECT version, member_count FROM conversations WHERE id = $1")
            .bind(id.as_uuid())
            .fetch_one(&suite.pool)
            .await
            .unwrap();
    assert_eq!((version, count), (1 + 12 * 6, 6));
    suite.stop().await;
}

#[tokio::test]
async fn only_those_above_remove_and_a_removal_names_its_actor() {
    let suite = Suite::start().await;
    let (owner, admin, other_admin, member, outsider) = (
        suite.people.person(),
        suite.people.person(),
        suite.people.person(),
        suite.people.person(),
        suite.people.person(),
    );
    let (id, _) = suite
        .group(&owner, &[admin.user, other_admin.user, member.user])
        .await;
    suite.make_admin(id, admin.user).await;
    suite.make_admin(id, other_admin.user).await;

    for (actor, target) in [
        (&member, &owner),
        (&member, &admin),
        (&admin, &owner),
        (&admin, &other_admin),
        // Nothing is learnt about who is in it either.
        (&member, &outsider),
    ] {
        let (status, body) = suite.remove(actor, id, target.user).await;
        assert_eq!(
            (status, code(&body)),
            (StatusCode::FORBIDDEN, "role_insufficient")
        );
    }
    assert_eq!(suite.members(id).await.len(), 4);

    for _ in 0..2 {
        let (status, _) = suite.remove(&admin, id, member.user).await;
        assert_eq!(status, StatusCode::NO_CONTENT);
    }
    assert_eq!(
        suite.remove(&owner, id, admin.user).await.0,
        StatusCode::NO_CONTENT
    );
    assert_eq!(
        suite.remove(&owner, id, outsider.user).await.0,
        StatusCode::NO_CONTENT
    );
    assert_eq!(suite.log.members(id), [owner.user, other_admin.user].into());
    let actors: Vec<_> = suite
        .log
        .applied(id)
        .iter()
        .map(|change| change.actor.clone())
        .collect();
    assert_eq!(
        actors,
        [owner.user, admin.user, owner.user].map(|user| user.to_vec())
    );

    let (status, body) = suite.view(&member, id).await;
    assert_eq!(
        (status, code(&body)),
        (StatusCode::NOT_FOUND, "conversation_unknown")
    );
    suite.stop().await;
}

#[tokio::test]
async fn a_group_always_has_an_owner_until_it_is_empty() {
    let suite = Suite::start().await;
    let people = crowd(&suite, 4);
    let [owner, early, admin, late] = &people[..] else {
        unreachable!()
    };
    let (id, name) = suite.group(owner, &[early.user]).await;
    suite.join(admin, &name).await;
    suite.join(late, &name).await;
    suite.make_admin(id, admin.user).await;

    let owner_of = async |viewer: &TestPerson| {
        let roles = suite.roles(viewer, id).await;
        let owners: Vec<_> = roles
            .iter()
            .filter(|(_, role)| role == "owner")
            .map(|(user, _)| *user)
            .collect();
        assert_eq!(owners.len(), 1);
        owners[0]
    };
    assert_eq!(owner_of(owner).await, owner.user);
    assert_eq!(suite.leave(owner, id).await.0, StatusCode::NO_CONTENT);
    assert_eq!(owner_of(late).await, admin.user, "an admin before a member");
    assert_eq!(
        suite.remove(admin, id, admin.user).await.0,
        StatusCode::NO_CONTENT
    );
    assert_eq!(
        owner_of(late).await,
        early.user,
        "the one who is longest in it"
    );

    // Who comes back is a plain member.
    suite.join(owner, &name).await;
    assert_eq!(owner_of(owner).await, early.user);
    for person in [early, late, owner] {
        for _ in 0..2 {
            assert_eq!(suite.leave(person, id).await.0, StatusCode::NO_CONTENT);
        }
    }
    assert!(suite.members(id).await.is_empty());

    let (status, body) = suite.join(late, &name).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(id_of(&body), id, "its name is still its own");
    assert_eq!(owner_of(late).await, late.user);
    assert_eq!(suite.log.members(id), [late.user].into());
    suite.stop().await;
}

#[tokio::test]
async fn a_full_group_takes_nobody_more_though_many_come_at_once() {
    let suite = Suite::start_with(|config| config.membership.max_group_members = 5).await;
    let owner = suite.people.person();
    let (id, name) = suite.group(&owner, &[]).await;
    let people = crowd(&suite, 9);
    let joined = join_all(people.iter().map(|person| suite.join(person, &name))).await;
    let refused = joined
        .iter()
        .filter(|(status, body)| *status == StatusCode::CONFLICT && code(body) == "group_full")
        .count();
    assert_eq!(refused, 5);
    assert_eq!(suite.members(id).await.len(), 5);
    // Who is in it already may call again.
    let (_, body) = suite.join(&owner, &name).await;
    assert_eq!(id_of(&body), id);
    suite.stop().await;
}

#[tokio::test]
async fn a_stranger_can_not_tell_a_conversation_from_none() {
    let suite = Suite::start().await;
    let (owner, stranger) = (suite.people.person(), suite.people.person());
    let (id, _) = suite.group(&owner, &[]).await;
    let direct = id_of(
        &suite
            .open_direct(&owner, suite.people.person().user)
            .await
            .1,
    );
    let none = ConversationId::generate(&clock::Clock::system());

    let mut answers = Vec::new();
    for id in [id, direct, none] {
        for (status, mut body) in [
            suite.view(&stranger, id).await,
            suite.leave(&stranger, id).await,
            suite.remove(&stranger, id, owner.user).await,
            suite.remove(&stranger, id, stranger.user).await,
        ] {
            body.as_object_mut().unwrap().remove("trace_id");
            answers.push((status, body));
        }
    }
    assert_eq!(answers[0].0, StatusCode::NOT_FOUND);
    assert_eq!(code(&answers[0].1), "conversation_unknown");
    assert!(
        answers.iter().all(|answer| *answer == answers[0]),
        "{answers:#?}"
    );
    suite.stop().await;
}
