//! Every route that the service's own document names, tried by those who have no business there: a route
//! that is added is tried too.

use ids::{ConversationId, InvitationId, SessionId};
use reqwest::{Client, Method, StatusCode};
use serde_json::{Value, json};
use test_support::TestPerson;

use crate::suite::{Suite, code, id_of};

/// A route with a method.
struct Operation {
    method: Method,
    path: String,
}

impl Operation {
    fn name(&self) -> String {
        format!("{} {}", self.method, self.path)
    }

    /// Whether it is about an object that belongs to somebody.
    fn is_about_something(&self) -> bool {
        self.path.contains('{')
    }
}

async fn operations(suite: &Suite) -> Vec<Operation> {
    let url = format!(
        "http://{}/api/conversations/openapi.json",
        suite.addresses.http
    );
    let document: Value = reqwest::get(url).await.unwrap().json().await.unwrap();
    // Who has no token has no business anywhere here.
    assert_eq!(document["security"], json!([{ "access_token": [] }]));
    let mut operations = Vec::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            assert!(operation["security"].is_null(), "{method} {path}");
            operations.push(Operation {
                method: method.to_uppercase().parse().unwrap(),
                path: path.clone(),
            });
        }
    }
    operations
}

/// A body that would be accepted from somebody who may.
fn body(operation: &Operation, person: &TestPerson) -> Option<Value> {
    let path = operation.path.as_str();
    if !matches!(operation.method, Method::POST | Method::PUT | Method::PATCH) {
        return None;
    }
    Some(match path {
        _ if path.ends_with("/role") => json!({ "role": "member" }),
        _ if path.ends_with("/history") => json!({ "from_number": 1 }),
        _ if path.ends_with("/members") => json!({ "user_ids": [person.user] }),
        _ if path.ends_with("/settings") => json!({ "archived": true }),
        _ if operation.method == Method::PATCH => json!({ "description": "mine" }),
        _ => json!({}),
    })
}

/// What stands in braces, for objects of somebody else.
struct Objects {
    conversation: String,
    name: String,
    user: String,
    invitation: String,
}

impl Objects {
    fn fill(&self, operation: &Operation) -> String {
        let path = operation
            .path
            .replace("{conversation_id}", &self.conversation)
            .replace("{name}", &self.name)
            .replace("{user_id}", &self.user)
            .replace("{invitation_id}", &self.invitation);
        assert!(!path.contains('{'), "the test doesn't know all of {path}");
        path
    }
}

#[tokio::test]
async fn without_a_good_token_every_route_is_closed() {
    let suite = Suite::start().await;
    let owner = suite.people.person();
    let (id, name) = suite.group(&owner, &[]).await;
    let objects = Objects {
        conversation: id.to_string(),
        name,
        user: owner.user.to_string(),
        invitation: InvitationId::from_bytes([1; 16]).to_string(),
    };
    let expired = suite.people.token(
        owner.user,
        SessionId::from_bytes([1; 16]),
        std::time::Duration::ZERO,
    );
    // Well signed, by a key of another deployment.
    let elsewhere = test_support::People::start().await.token(
        owner.user,
        owner.session,
        std::time::Duration::from_secs(600),
    );
    let http = Client::new();
    let mut faults = Vec::new();
    for operation in operations(&suite).await {
        let url = format!(
            "http://{}{}",
            suite.addresses.http,
            objects.fill(&operation)
        );
        for (token, expected) in [
            (None, "token_missing"),
            (Some("nonsense"), "token_invalid"),
            (Some(&*expired), "token_expired"),
            (Some(&*elsewhere), "token_invalid"),
        ] {
            let mut request = http.request(operation.method.clone(), &url);
            if let Some(token) = token {
                request = request.bearer_auth(token);
            }
            if let Some(body) = body(&operation, &owner) {
                request = request.json(&body);
            }
            let response = request.send().await.unwrap();
            let status = response.status();
            let answer: Value = response.json().await.unwrap();
            if (status, code(&answer)) != (StatusCode::UNAUTHORIZED, expected) {
                faults.push(format!(
                    "{} with {token:?}: {status} {answer}",
                    operation.name()
                ));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    suite.stop().await;
}

#[tokio::test]
async fn on_what_is_not_theirs_nobody_gets_more_than_on_what_is_not_there() {
    let suite = Suite::start_with(|config| config.limits.changes.tries = 10_000).await;
    let (owner, member) = (suite.people.person(), suite.people.person());
    let (stranger, removed) = (suite.people.person(), suite.people.person());
    let (group, name) = suite.group(&owner, &[member.user, removed.user]).await;
    suite
        .change(&owner, group, json!({ "visibility": "private" }))
        .await;
    let (_, invitation) = suite.invitation(&owner, group, json!({})).await;
    suite.remove(&owner, group, removed.user).await;
    let direct = id_of(&suite.open_direct(&owner, member.user).await.1);
    let (deleted, _) = suite.group(&owner, &[]).await;
    let path = format!("/api/conversations/{deleted}");
    assert_eq!(suite.delete(&owner, &path).await.0, StatusCode::NO_CONTENT);

    let objects = |conversation: ConversationId, name: &str| Objects {
        conversation: conversation.to_string(),
        name: name.to_owned(),
        user: member.user.to_string(),
        invitation: invitation.clone(),
    };
    let none = ConversationId::generate(&clock::Clock::system());
    let nothing = objects(none, "no-such-group");
    let before = suite.log.records(group).len();
    let mut faults = Vec::new();
    for operation in operations(&suite).await {
        if !operation.is_about_something() {
            continue;
        }
        for who in [&stranger, &removed] {
            let expected = answer(&suite, who, &operation, &nothing).await;
            if expected.0 != StatusCode::NOT_FOUND {
                faults.push(format!("{}: {expected:?}", operation.name()));
            }
            for conversation in [group, direct, deleted] {
                let objects = objects(conversation, &name);
                let actual = answer(&suite, who, &operation, &objects).await;
                // Who was removed may leave again, and gets the answer of then.
                let left_before = who.user == removed.user
                    && conversation == group
                    && operation.path == "/api/conversations/{conversation_id}/leave"
                    && actual.0 == StatusCode::NO_CONTENT;
                if actual != expected && !left_before {
                    faults.push(format!("{}: {actual:?}", operation.name()));
                }
            }
        }
        for malformed in [
            "x",
            "00000000-0000-0000-0000-00000000000G",
            "%00",
            "..%2f..",
        ] {
            let objects = Objects {
                conversation: malformed.to_owned(),
                name: malformed.to_owned(),
                user: malformed.to_owned(),
                invitation: malformed.to_owned(),
            };
            let (status, _) = answer(&suite, &stranger, &operation, &objects).await;
            if status != StatusCode::BAD_REQUEST {
                faults.push(format!("{} for {malformed:?}: {status}", operation.name()));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    assert_eq!(suite.log.records(group).len(), before, "nothing was done");
    assert_eq!(suite.members(group).await.len(), 2);
    suite.stop().await;
}

/// Without what differs from call to call.
async fn answer(
    suite: &Suite,
    person: &TestPerson,
    operation: &Operation,
    objects: &Objects,
) -> (StatusCode, Value) {
    let (status, mut answer) = suite
        .call(
            person,
            operation.method.clone(),
            &objects.fill(operation),
            body(operation, person),
        )
        .await;
    if let Some(answer) = answer.as_object_mut() {
        answer.remove("trace_id");
    }
    (status, answer)
}

#[tokio::test]
async fn a_cursor_of_somebody_else_opens_nothing() {
    let suite = Suite::start().await;
    let (a, b) = (suite.people.person(), suite.people.person());
    for _ in 0..3 {
        suite.group(&a, &[]).await;
    }
    let (_, page) = suite.get(&a, "/api/conversations?limit=1").await;
    let cursor = page["next_cursor"].as_str().unwrap();
    let (status, body) = suite
        .get(&b, &format!("/api/conversations?cursor={cursor}"))
        .await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(body["items"], json!([]), "a place in an order, no access");
    // A cursor of another list.
    let (_, groups) = suite.get(&a, "/api/conversations/groups?limit=1").await;
    let other = groups["next_cursor"].as_str().unwrap();
    for (path, cursor) in [
        ("/api/conversations", other.to_owned()),
        ("/api/conversations/groups", cursor.to_owned()),
        ("/api/conversations", format!("{cursor}AA")),
        ("/api/conversations", cursor[..10].to_owned()),
    ] {
        let (status, body) = suite.get(&a, &format!("{path}?cursor={cursor}")).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{path} {cursor}");
        assert_eq!(body["errors"][0]["code"], "cursor_invalid");
    }
    suite.stop().await;
}
