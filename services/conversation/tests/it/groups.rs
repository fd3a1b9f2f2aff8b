use futures_util::future::join_all;
use ids::{ConversationId, UserId};
use proto::event::membership_change::Change;
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
    suite.make_admin(&owner, id, admin.user).await;
    suite.make_admin(&owner, id, other_admin.user).await;

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
        // Created, made two admins, removed two.
        [owner.user, owner.user, owner.user, admin.user, owner.user].map(|user| user.to_vec())
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
    suite.make_admin(owner, id, admin.user).await;

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

#[tokio::test]
async fn public_groups_are_found_by_the_beginning_of_their_names() {
    let suite = Suite::start().await;
    let (a, b) = (suite.people.person(), suite.people.person());
    let names = [
        "rust", "rust-2", "rust.x", "rust_y", "rusty", "ruby", "ocaml",
    ];
    for name in names {
        assert_eq!(suite.create(&a, name, &[]).await.0, StatusCode::OK);
    }
    let (_, hidden) = suite
        .post(
            &a,
            "/api/conversations/groups",
            json!({ "name": "rust-secret", "visibility": "private", "description": " Ours. " }),
        )
        .await;
    assert_eq!(hidden["conversation"]["group"]["visibility"], "private");
    assert_eq!(hidden["conversation"]["group"]["description"], "Ours.");

    let find = async |person: &TestPerson, prefix: &str| {
        let mut found = Vec::new();
        let mut cursor = String::new();
        loop {
            let path = format!("/api/conversations/groups?prefix={prefix}&limit=2&cursor={cursor}");
            let (status, body) = suite.get(person, &path).await;
            assert_eq!(status, StatusCode::OK, "{body}");
            for group in body["items"].as_array().unwrap() {
                assert_eq!(group["role"] == "owner", person.user == a.user);
                found.push(group["name"].as_str().unwrap().to_owned());
            }
            match body["next_cursor"].as_str() {
                Some(next) => cursor = next.to_owned(),
                None => return found,
            }
        }
    };
    // In the order of bytes.
    assert_eq!(
        find(&b, "rust").await,
        ["rust", "rust-2", "rust.x", "rust_y", "rusty"]
    );
    assert_eq!(find(&a, "rust-").await, ["rust-2"], "not even one's own");
    assert_eq!(find(&b, "").await.len(), names.len());
    assert_eq!(find(&b, "zz").await, [""; 0]);

    let (status, body) = suite
        .get(&b, "/api/conversations/groups?prefix=R%25&limit=0&cursor=x")
        .await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    let codes: Vec<_> = body["errors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|fault| fault["code"].as_str().unwrap())
        .collect();
    assert_eq!(codes, ["prefix_invalid", "cursor_invalid", "limit_invalid"]);

    // By its whole name a private one is found by its members only.
    let path = "/api/conversations/groups/rust-secret";
    assert_eq!(suite.get(&a, path).await.0, StatusCode::OK);
    let (status, body) = suite.get(&b, path).await;
    assert_eq!(
        (status, code(&body)),
        (StatusCode::NOT_FOUND, "group_unknown")
    );
    suite.stop().await;
}

#[tokio::test]
async fn a_renamed_group_frees_its_name_and_two_never_share_one() {
    let suite = Suite::start().await;
    let people = crowd(&suite, 8);
    let mut groups = Vec::new();
    for person in &people {
        groups.push(suite.group(person, &[]).await);
    }
    let renamed = join_all(
        people
            .iter()
            .zip(&groups)
            .map(|(person, (id, _))| suite.change(person, *id, json!({ "name": "wanted" }))),
    )
    .await;
    let winners: Vec<_> = renamed
        .iter()
        .enumerate()
        .filter(|(_, (status, _))| *status == StatusCode::OK)
        .map(|(n, _)| n)
        .collect();
    let [winner] = winners[..] else {
        panic!("{renamed:?}")
    };
    for (status, body) in &renamed {
        if *status != StatusCode::OK {
            assert_eq!(
                (*status, code(body)),
                (StatusCode::CONFLICT, "group_name_taken")
            );
        }
    }
    let (id, old) = &groups[winner];
    // The same again takes no version.
    suite
        .change(&people[winner], *id, json!({ "name": "wanted" }))
        .await;
    assert_eq!(suite.log.applied(*id).len(), 2);
    let (_, body) = suite.join(&people[0], "wanted").await;
    assert_eq!(id_of(&body), *id);
    let (status, body) = suite.create(&people[1], old, &[]).await;
    assert_eq!(status, StatusCode::OK, "the old name is free");
    assert_ne!(id_of(&body), *id);
    suite.stop().await;
}

#[tokio::test]
async fn what_a_group_says_of_itself_is_changed_together_or_not_at_all() {
    let suite = Suite::start().await;
    let owner = suite.people.person();
    let (id, name) = suite.group(&owner, &[]).await;
    let picture = ids::FileId::from_bytes([9; 16]);
    let (status, body) = suite
        .change(
            &owner,
            id,
            json!({ "description": "All about it", "picture_id": picture, "visibility": "private" }),
        )
        .await;
    assert_eq!(status, StatusCode::OK, "{body}");
    let group = &body["conversation"]["group"];
    assert_eq!(group["description"], "All about it");
    assert_eq!(group["picture_id"], picture.to_string());
    assert_eq!(body["conversation"]["name"], name.as_str());

    let (status, body) = suite
        .change(
            &owner,
            id,
            json!({ "name": "No", "description": "x".repeat(501), "picture_id": "y" }),
        )
        .await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    let codes: Vec<_> = body["errors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|fault| fault["code"].as_str().unwrap())
        .collect();
    assert_eq!(
        codes,
        [
            "group_name_invalid",
            "description_invalid",
            "file_id_invalid"
        ]
    );
    // A taken name takes the rest with it.
    let (_, other) = suite.group(&owner, &[]).await;
    let (status, _) = suite
        .change(&owner, id, json!({ "name": other, "picture_id": "" }))
        .await;
    assert_eq!(status, StatusCode::CONFLICT);
    let (_, view) = suite.view(&owner, id).await;
    assert_eq!(
        view["conversation"]["group"]["picture_id"],
        picture.to_string()
    );
    let (_, body) = suite.change(&owner, id, json!({ "picture_id": "" })).await;
    assert!(body["conversation"]["group"]["picture_id"].is_null());

    let direct = id_of(
        &suite
            .open_direct(&owner, suite.people.person().user)
            .await
            .1,
    );
    let (status, body) = suite
        .change(&owner, direct, json!({ "name": "us-two" }))
        .await;
    assert_eq!(
        (status, code(&body)),
        (StatusCode::CONFLICT, "direct_conversation_fixed")
    );
    suite.stop().await;
}

#[tokio::test]
async fn people_are_added_all_or_none_and_again_without_effect() {
    let suite = Suite::start_with(|config| config.membership.max_group_members = 5).await;
    let owner = suite.people.person();
    let (id, _) = suite.group(&owner, &[]).await;
    let crowd = users(&crowd(&suite, 5));
    let add = async |who: &[UserId]| {
        suite
            .post(
                &owner,
                &format!("/api/conversations/{id}/members"),
                json!({ "user_ids": who }),
            )
            .await
    };
    let (status, body) = add(&crowd).await;
    assert_eq!((status, code(&body)), (StatusCode::CONFLICT, "group_full"));
    assert_eq!(suite.members(id).await.len(), 1, "none");
    for _ in 0..2 {
        assert_eq!(add(&crowd[..4]).await.0, StatusCode::NO_CONTENT);
    }
    assert_eq!(suite.log.members(id).len(), 5);
    assert_eq!(suite.log.applied(id).len(), 5);

    suite.account.forget(crowd[4]);
    let (status, body) = add(&[crowd[0], crowd[4]]).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert_eq!(body["errors"][0]["field"], "user_ids[1]");
    assert_eq!(body["errors"][0]["code"], "user_unknown");
    suite.stop().await;
}

#[tokio::test]
async fn a_deleted_group_is_gone_for_everybody_and_its_name_is_free() {
    let suite = Suite::start().await;
    let (owner, member) = (suite.people.person(), suite.people.person());
    let (id, name) = suite.group(&owner, &[member.user]).await;
    let path = format!("/api/conversations/{id}");
    for _ in 0..2 {
        assert_eq!(suite.delete(&owner, &path).await.0, StatusCode::NO_CONTENT);
    }
    assert!(suite.log.members(id).is_empty());
    assert_eq!(suite.log.applied(id).len(), 2);
    for person in [&owner, &member] {
        let (status, body) = suite.view(person, id).await;
        assert_eq!(
            (status, code(&body)),
            (StatusCode::NOT_FOUND, "conversation_unknown")
        );
        let (_, body) = suite.get(person, "/api/conversations").await;
        assert_eq!(body["items"], json!([]));
        assert_eq!(suite.join(person, &name).await.0, StatusCode::NOT_FOUND);
    }
    let (_, body) = suite.create(&member, &name, &[]).await;
    assert_ne!(id_of(&body), id);

    // A private group that nobody is left in is gone as well: nobody could find it.
    let (private, name) = suite.group(&owner, &[]).await;
    suite
        .change(&owner, private, json!({ "visibility": "private" }))
        .await;
    suite.leave(&owner, private).await;
    let (status, body) = suite.create(&member, &name, &[]).await;
    assert_eq!(status, StatusCode::OK, "{body}");
    suite.stop().await;
}

#[tokio::test]
async fn history_once_opened_stays_open_until_one_leaves() {
    let suite = Suite::start().await;
    let (owner, member) = (suite.people.person(), suite.people.person());
    let (id, name) = suite.group(&owner, &[member.user]).await;
    let open = async |from: u64| {
        suite
            .call(
                &owner,
                reqwest::Method::PUT,
                &format!("/api/conversations/{id}/members/{}/history", member.user),
                Some(json!({ "from_number": from })),
            )
            .await
    };
    let opened = || -> Vec<u64> {
        suite
            .log
            .applied(id)
            .into_iter()
            .filter_map(|change| match change.change {
                Some(Change::HistoryOpened(opened)) => Some(opened.from_number),
                _ => None,
            })
            .collect()
    };
    for from in [7, 7, 9, 3] {
        assert_eq!(open(from).await.0, StatusCode::NO_CONTENT);
    }
    assert_eq!(opened(), [7, 3], "only what opens more is told");
    let (status, body) = open(0).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert_eq!(body["errors"][0]["code"], "from_number_invalid");
    suite.leave(&member, id).await;
    suite.join(&member, &name).await;
    open(8).await;
    assert_eq!(opened(), [7, 3, 8], "it was closed by leaving");
    suite.stop().await;
}

#[tokio::test]
async fn short_addresses_do_the_same() {
    let suite = Suite::start().await;
    let (a, b, c) = (
        suite.people.person(),
        suite.people.person(),
        suite.people.person(),
    );
    let (status, made) = suite
        .post(
            &a,
            "/group",
            json!({ "name": "short", "member_ids": [b.user] }),
        )
        .await;
    assert_eq!(status, StatusCode::OK, "{made}");
    let id = id_of(&made);
    assert_eq!(
        suite.post(&c, "/group/short/join", json!({})).await.0,
        StatusCode::OK
    );
    let (_, body) = suite.get(&c, "/group/short").await;
    assert_eq!(body["group"]["role"], "member");
    let (_, body) = suite.get(&c, "/group/short/members").await;
    assert_eq!(body["members"].as_array().unwrap().len(), 3);
    assert_eq!(
        suite.post(&c, "/group/short/leave", json!({})).await.0,
        StatusCode::NO_CONTENT
    );
    let (status, body) = suite
        .post(&b, "/group/short/members", json!({ "user_ids": [c.user] }))
        .await;
    assert_eq!(
        (status, code(&body)),
        (StatusCode::FORBIDDEN, "role_insufficient")
    );
    suite
        .post(&a, "/group/short/members", json!({ "user_ids": [c.user] }))
        .await;
    let path = format!("/group/short/members/{}", b.user);
    assert_eq!(suite.delete(&a, &path).await.0, StatusCode::NO_CONTENT);
    assert_eq!(suite.log.members(id), [a.user, c.user].into());

    let direct = id_of(&suite.open_direct(&a, c.user).await.1);
    let (_, groups) = suite.get(&a, "/group").await;
    assert_eq!(groups["items"].as_array().unwrap().len(), 1);
    assert_eq!(id_of(&groups["items"][0]), id);
    let (_, people) = suite.get(&a, "/chat/users").await;
    assert_eq!(
        people["items"],
        json!([{ "user_id": c.user, "conversation_id": direct, "unread_count": 2 }])
    );
    suite.stop().await;
}
