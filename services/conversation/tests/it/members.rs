use std::collections::BTreeSet;

use ids::{ConversationId, UserId};
use proto::conversation::{GetConversationRequest, MemberRole};
use reqwest::StatusCode;
use serde_json::{Value, json};
use test_support::TestPerson;

use crate::suite::{Suite, code};

/// A page of members, and where the next one begins.
async fn page(
    suite: &Suite,
    person: &TestPerson,
    id: ConversationId,
    query: &str,
) -> (Vec<UserId>, Option<String>) {
    let path = format!("/api/conversations/{id}?{query}");
    let (status, body) = suite.get(person, &path).await;
    assert_eq!(status, StatusCode::OK, "{body}");
    (users(&body), next(&body))
}

fn users(body: &Value) -> Vec<UserId> {
    let members = body["members"].as_array().unwrap().iter();
    members
        .map(|member| member["user_id"].as_str().unwrap().parse().unwrap())
        .collect()
}

fn next(body: &Value) -> Option<String> {
    body["next_cursor"].as_str().map(str::to_owned)
}

/// A public group of so many people, in the order in which they joined.
async fn group(suite: &Suite, name: &str, count: usize) -> (ConversationId, Vec<TestPerson>) {
    let people: Vec<TestPerson> = (0..count).map(|_| suite.people.person()).collect();
    let made = json!({ "name": name, "member_ids": [] });
    let (status, body) = suite
        .post(&people[0], "/api/conversations/groups", made)
        .await;
    assert_eq!(status, StatusCode::OK, "{body}");
    let id = body["conversation"]["conversation_id"].as_str().unwrap();
    for person in &people[1..] {
        let path = format!("/api/conversations/groups/{name}/join");
        let (status, body) = suite.post(person, &path, json!({})).await;
        assert_eq!(status, StatusCode::OK, "{body}");
    }
    (id.parse().unwrap(), people)
}

#[tokio::test]
async fn pages_of_members_are_all_of_them_in_the_order_in_which_they_joined() {
    let suite = Suite::start().await;
    let (id, people) = group(&suite, "pages", 8).await;
    let joined: Vec<UserId> = people.iter().map(|person| person.user).collect();
    let asker = &people[7];
    for limit in [1, 3, 4, 7, 8, 100] {
        let mut seen = Vec::new();
        let mut cursor = None;
        loop {
            let after = cursor.map_or(String::new(), |cursor| format!("&cursor={cursor}"));
            let query = format!("limit={limit}{after}");
            let (users, next) = page(&suite, asker, id, &query).await;
            assert!(users.len() <= limit);
            assert!(!users.is_empty(), "an empty page after {seen:?}");
            seen.extend(users);
            cursor = next;
            if cursor.is_none() {
                break;
            }
        }
        assert_eq!(seen, joined, "by {limit}");
    }
    // Without a cursor the first page, by the short address too.
    let (status, body) = suite.get(asker, "/group/pages/members?limit=3").await;
    assert_eq!(status, StatusCode::OK, "{body}");
    assert_eq!(users(&body), joined[..3]);
    let cursor = next(&body).unwrap();
    let path = format!("/group/pages/members?cursor={cursor}");
    let (_, body) = suite.get(asker, &path).await;
    assert_eq!((users(&body), next(&body)), (joined[3..].to_vec(), None));
    suite.stop().await;
}

#[tokio::test]
async fn a_group_of_more_than_a_page_shows_fifty_members_to_who_asks_for_no_page() {
    let suite = Suite::start().await;
    let owner = suite.people.person();
    let members: Vec<TestPerson> = (0..60).map(|_| suite.people.person()).collect();
    let ids: Vec<UserId> = members.iter().map(|person| person.user).collect();
    let made = json!({ "name": "large", "member_ids": ids });
    let (status, body) = suite.post(&owner, "/api/conversations/groups", made).await;
    assert_eq!(status, StatusCode::OK, "{body}");
    let id: ConversationId = body["conversation"]["conversation_id"]
        .as_str()
        .unwrap()
        .parse()
        .unwrap();
    let (first, cursor) = page(&suite, &owner, id, "").await;
    assert_eq!(first.len(), 50);
    let (rest, end) = page(&suite, &owner, id, &format!("cursor={}", cursor.unwrap())).await;
    assert_eq!((rest.len(), end), (11, None));
    let all: BTreeSet<UserId> = first.into_iter().chain(rest).collect();
    assert_eq!(all.len(), 61);
    // One's own role doesn't hang on the page that one is on.
    let path = format!("/api/conversations/{id}?limit=1");
    for (person, role) in [
        (&owner, "owner"),
        (&members[59], "member"),
        (&members[0], "member"),
    ] {
        let (_, body) = suite.get(person, &path).await;
        assert_eq!(body["role"], role);
        assert_eq!(body["conversation"]["group"]["member_count"], 61);
    }
    suite.stop().await;
}

#[tokio::test]
async fn who_stays_is_met_once_while_others_come_and_go() {
    let suite = Suite::start().await;
    let (id, people) = group(&suite, "changing", 6).await;
    let (first, cursor) = page(&suite, &people[0], id, "limit=3").await;
    assert_eq!(first, [people[0].user, people[1].user, people[2].user]);
    let cursor = cursor.unwrap();
    // One that was met leaves and comes back, one that wasn't leaves, one is new. The last of the page, which
    // the cursor names, leaves as well.
    let late = suite.people.person();
    for person in [&people[1], &people[2], &people[4]] {
        let path = format!("/api/conversations/{id}/leave");
        let (status, body) = suite.post(person, &path, json!({})).await;
        assert_eq!(status, StatusCode::NO_CONTENT, "{body}");
    }
    for person in [&late, &people[1]] {
        let path = "/api/conversations/groups/changing/join";
        let (status, body) = suite.post(person, path, json!({})).await;
        assert_eq!(status, StatusCode::OK, "{body}");
    }
    let (rest, end) = page(&suite, &people[0], id, &format!("cursor={cursor}")).await;
    assert_eq!(end, None);
    assert_eq!(
        rest,
        [people[3].user, people[5].user, late.user, people[1].user]
    );
    suite.stop().await;
}

#[tokio::test]
async fn pages_of_members_have_bounds_and_are_for_members() {
    let suite = Suite::start().await;
    let (id, people) = group(&suite, "bounds", 3).await;
    for (query, expected) in [
        ("limit=0", "limit_invalid"),
        ("limit=101", "limit_invalid"),
        ("cursor=nonsense!", "cursor_invalid"),
        ("cursor=AAAA", "cursor_invalid"),
    ] {
        let path = format!("/api/conversations/{id}?{query}");
        let (status, body) = suite.get(&people[0], &path).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{body}");
        assert_eq!(body["errors"][0]["code"], expected);
    }
    // A cursor is a place in an order, never an access.
    let (_, cursor) = page(&suite, &people[0], id, "limit=1").await;
    let stranger = suite.people.person();
    let path = format!("/api/conversations/{id}?cursor={}", cursor.unwrap());
    let (status, body) = suite.get(&stranger, &path).await;
    assert_eq!(
        (status, code(&body)),
        (StatusCode::NOT_FOUND, "conversation_unknown")
    );
    suite.stop().await;
}

#[tokio::test]
async fn members_are_paged_by_grpc_too() {
    let suite = Suite::start().await;
    let (id, people) = group(&suite, "by-grpc", 5).await;
    let mut grpc = suite.grpc().await;
    let mut seen = Vec::new();
    let mut page_token = String::new();
    loop {
        let request = GetConversationRequest {
            conversation_id: id.to_string(),
            page_token,
            page_size: 2,
        };
        let page = grpc
            .get_conversation(people[4].request(request))
            .await
            .unwrap()
            .into_inner();
        assert_eq!(page.role(), MemberRole::Member);
        seen.extend(page.members.iter().map(|member| member.user_id.clone()));
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break;
        }
    }
    let joined: Vec<String> = people.iter().map(|one| one.user.to_string()).collect();
    assert_eq!(seen, joined);
    let refused = grpc
        .get_conversation(people[0].request(GetConversationRequest {
            conversation_id: id.to_string(),
            page_token: "x".to_owned(),
            page_size: 0,
        }))
        .await
        .unwrap_err();
    assert_eq!(refused.code(), tonic::Code::InvalidArgument);
    suite.stop().await;
}
