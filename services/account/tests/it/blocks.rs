use reqwest::{Method, StatusCode};
use serde_json::json;

use crate::service::{Answer, Person, Service, eventually, servers};

impl Service {
    pub async fn block(&self, who: &Person, whom: &Person) -> Answer {
        let path = format!("blocks/{}", whom.user);
        self.call(Method::PUT, &path, who, None).await
    }

    pub async fn unblock(&self, who: &Person, whom: &Person) -> Answer {
        let path = format!("blocks/{}", whom.user);
        self.call(Method::DELETE, &path, who, None).await
    }

    async fn blocked_by(&self, who: &Person) -> Vec<String> {
        let answer = self.get("blocks", &who.token).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
        answer.body["items"]
            .as_array()
            .unwrap()
            .iter()
            .map(|item| item["user"]["user_id"].as_str().unwrap().to_owned())
            .collect()
    }

    /// Versions and states (1 blocked, 2 not) as the conversation service was told.
    fn told(&self, who: &Person, whom: &Person) -> Vec<(u64, i32)> {
        self.conversation
            .told()
            .into_iter()
            .filter(|told| told.blocker_id == who.user && told.blocked_id == whom.user)
            .map(|told| (told.version, told.state))
            .collect()
    }
}

#[tokio::test]
async fn a_block_ends_a_contact_and_lets_nobody_invite_or_find() {
    let service = Service::start().await;
    let (ada, ben) = (service.person("Ada").await, service.person("Ben").await);
    service.make_contacts(&ada, &ben).await;

    for _ in 0..2 {
        let blocked = service.block(&ada, &ben).await;
        assert_eq!(blocked.status, StatusCode::NO_CONTENT, "{}", blocked.body);
    }
    assert_eq!(service.blocked_by(&ada).await, [ben.user.as_str()]);
    assert!(service.blocked_by(&ben).await.is_empty(), "he isn't told");
    for (from, to) in [(&ada, &ben), (&ben, &ada)] {
        assert!(service.list(from).await.is_empty());
        service.invite(from, to).await.is(403, "not_allowed");
        let unknown = service
            .get("users/by-handle/nobody.at.all", &from.token)
            .await;
        let hidden = service
            .get(&format!("users/by-handle/{}", to.handle), &from.token)
            .await;
        hidden.is(404, "user_unknown");
        assert_eq!(hidden.without_trace(), unknown.without_trace());
        for query in [&to.handle, &to.email] {
            assert!(service.found(from, query).await.is_empty());
        }
    }

    for _ in 0..2 {
        let unblocked = service.unblock(&ada, &ben).await;
        assert_eq!(unblocked.status, StatusCode::NO_CONTENT);
    }
    assert!(service.blocked_by(&ada).await.is_empty());
    assert_eq!(service.found(&ben, &ada.handle).await, [ada.user.as_str()]);
    assert_eq!(service.invite(&ben, &ada).await.status, StatusCode::OK);
}

#[tokio::test]
async fn blocked_declined_and_unwanted_look_the_same() {
    let service = Service::start().await;
    let eve = service.person("Eve").await;
    let (ada, ben) = (service.person("Ada").await, service.person("Ben").await);
    service.block(&ada, &eve).await;
    service.invite(&eve, &ben).await;
    service.remove(&ben, &eve).await;
    let (blocked, declined) = (
        service.invite(&eve, &ada).await,
        service.invite(&eve, &ben).await,
    );
    blocked.is(403, "not_allowed");
    assert_eq!(blocked.without_trace(), declined.without_trace());
    assert_eq!(blocked.headers.get("retry-after"), None);
    assert_eq!(declined.headers.get("retry-after"), None);
}

#[tokio::test]
async fn a_block_while_an_invitation_is_under_way_leaves_no_invitation() {
    let service = Service::start().await;
    for _ in 0..8 {
        let (ada, ben) = (service.person("Ada").await, service.person("Ben").await);
        let (invited, blocked) =
            tokio::join!(service.invite(&ben, &ada), service.block(&ada, &ben));
        assert_eq!(blocked.status, StatusCode::NO_CONTENT);
        assert!(
            invited.status == StatusCode::OK || invited.code() == "not_allowed",
            "{}",
            invited.body
        );
        assert!(service.list(&ada).await.is_empty());
        assert!(service.list(&ben).await.is_empty());
    }
}

#[tokio::test]
async fn the_conversation_service_is_told_each_change_under_the_next_version() {
    let service = Service::start().await;
    let (ada, ben) = (service.person("Ada").await, service.person("Ben").await);
    // Nothing to end.
    assert_eq!(
        service.unblock(&ada, &ben).await.status,
        StatusCode::NO_CONTENT
    );
    assert!(service.conversation.told().is_empty());
    service.block(&ada, &ben).await;
    service.block(&ada, &ben).await;
    service.unblock(&ada, &ben).await;
    service.block(&ben, &ada).await;
    service.block(&ada, &ben).await;
    assert_eq!(service.told(&ada, &ben), [(1, 1), (2, 2), (3, 1)]);
    assert_eq!(service.told(&ben, &ada), [(1, 1)]);
}

#[tokio::test]
async fn a_block_that_can_not_be_told_stands_and_is_told_later() {
    let mut service = Service::start().await;
    let (ada, ben) = (service.person("Ada").await, service.person("Ben").await);
    let eve = service.person("Eve").await;
    service.conversation.be_away(true);
    for whom in [&ben, &eve] {
        let pending = service.block(&ada, whom).await;
        pending.is(503, "block_pending");
        assert!(pending.headers.contains_key("retry-after"));
    }
    // It stands at once for all that is decided here.
    service.invite(&ben, &ada).await.is(403, "not_allowed");
    assert!(service.found(&ben, &ada.handle).await.is_empty());
    service.unblock(&ada, &eve).await.is(503, "block_pending");

    service.conversation.be_away(false);
    // The same call waits for it; what nobody asks for again is told all the same, after a restart too.
    let again = service.block(&ada, &ben).await;
    assert_eq!(again.status, StatusCode::NO_CONTENT);
    assert_eq!(service.told(&ada, &ben), [(1, 1)]);
    service.restart().await;
    eventually("the end of the other block is told", || async {
        service.told(&ada, &eve) == [(2, 2)]
    })
    .await;
}

#[tokio::test]
async fn blocks_are_paged_and_limited() {
    let service = Service::start_with(servers().await, |config| {
        config.contacts.block_changes_per_minute = 5;
    })
    .await;
    let ada = service.person("Ada").await;
    let mut expected = Vec::new();
    for n in 0..5 {
        let other = service.person(&format!("Other {n}")).await;
        service.block(&ada, &other).await;
        expected.insert(0, other.user);
    }
    let first = service.get("blocks?limit=3", &ada.token).await;
    let cursor = first.text("next_cursor");
    let second = service
        .get(&format!("blocks?limit=3&cursor={cursor}"), &ada.token)
        .await;
    let seen: Vec<String> = [&first, &second]
        .iter()
        .flat_map(|page| page.body["items"].as_array().unwrap())
        .map(|item| item["user"]["user_id"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(seen, expected);
    assert_eq!(second.body.get("next_cursor"), None);
    let other = service.person("One too many").await;
    service.block(&ada, &other).await.is(429, "rate_limited");
    let body = json!({"query": other.handle});
    let found = service
        .call(Method::POST, "users/search", &ada, Some(body))
        .await;
    assert_eq!(found.body["items"][0]["user_id"], other.user);
}
