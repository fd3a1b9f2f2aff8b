use std::collections::BTreeSet;
use std::time::Duration;

use events::DELIVERIES_TOPIC;
use futures_util::future::join_all;
use prost::Message as _;
use proto::event::{DeliveryBatch, delivery::Event};
use rdkafka::consumer::{Consumer as _, StreamConsumer};
use rdkafka::{Message as _, Offset, TopicPartitionList};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::service::{Answer, Person, Service, servers};

impl Service {
    pub async fn invite(&self, from: &Person, to: &Person) -> Answer {
        let body = json!({"user_id": to.user});
        self.call(Method::POST, "contacts", from, Some(body)).await
    }

    pub async fn accept(&self, who: &Person, from: &Person) -> Answer {
        let path = format!("contacts/{}/accept", from.user);
        self.call(Method::POST, &path, who, None).await
    }

    async fn decline(&self, who: &Person, from: &Person) -> Answer {
        let path = format!("contacts/{}/decline", from.user);
        self.call(Method::POST, &path, who, None).await
    }

    pub async fn remove(&self, who: &Person, whom: &Person) -> Answer {
        let path = format!("contacts/{}", whom.user);
        self.call(Method::DELETE, &path, who, None).await
    }

    /// Who is on somebody's list, and in which state.
    pub async fn list(&self, who: &Person) -> Vec<(String, String)> {
        let answer = self.get("contacts", &who.token).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
        states(&answer)
    }

    pub async fn make_contacts(&self, one: &Person, other: &Person) {
        assert_eq!(self.invite(one, other).await.status, StatusCode::OK);
        assert_eq!(self.accept(other, one).await.status, StatusCode::OK);
    }
}

fn states(answer: &Answer) -> Vec<(String, String)> {
    answer.body["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| {
            let text = |value: &Value| value.as_str().unwrap().to_owned();
            (text(&item["user"]["user_id"]), text(&item["state"]))
        })
        .collect()
}

fn only(person: &Person, state: &str) -> Vec<(String, String)> {
    vec![(person.user.clone(), state.to_owned())]
}

#[tokio::test]
async fn an_invitation_that_is_accepted_makes_contacts_of_both() {
    let service = Service::start().await;
    let (ada, ben) = (service.person("Ada").await, service.person("Ben").await);

    let invited = service.invite(&ada, &ben).await;
    assert_eq!(invited.body["state"], "invitation_sent");
    assert_eq!(invited.body["user"]["handle"], ben.handle);
    let again = service.invite(&ada, &ben).await;
    assert_eq!(again.body, invited.body, "the same call changes nothing");
    assert_eq!(service.list(&ada).await, only(&ben, "invitation_sent"));
    assert_eq!(service.list(&ben).await, only(&ada, "invitation_received"));

    for _ in 0..2 {
        let accepted = service.accept(&ben, &ada).await;
        assert_eq!(accepted.body["state"], "contact", "{}", accepted.body);
    }
    assert_eq!(service.list(&ada).await, only(&ben, "contact"));
    assert_eq!(service.list(&ben).await, only(&ada, "contact"));
    assert_eq!(service.invite(&ada, &ben).await.body["state"], "contact");

    for _ in 0..2 {
        let removed = service.remove(&ada, &ben).await;
        assert_eq!(removed.status, StatusCode::NO_CONTENT);
    }
    assert!(service.list(&ada).await.is_empty());
    assert!(service.list(&ben).await.is_empty());
}

#[tokio::test]
async fn two_who_invite_each_other_at_once_are_contacts() {
    let service = Service::start().await;
    for _ in 0..5 {
        let (ada, ben) = (service.person("Ada").await, service.person("Ben").await);
        let answers = join_all((0..6).map(|n| {
            let (from, to) = if n % 2 == 0 {
                (&ada, &ben)
            } else {
                (&ben, &ada)
            };
            service.invite(from, to)
        }))
        .await;
        for answer in &answers {
            // The third try of one side may be one too many for a day; none fails otherwise.
            assert!(
                answer.status == StatusCode::OK || answer.code() == "rate_limited",
                "{}",
                answer.body
            );
        }
        assert_eq!(service.list(&ada).await, only(&ben, "contact"));
        assert_eq!(service.list(&ben).await, only(&ada, "contact"));
    }
}

#[tokio::test]
async fn one_who_accepts_while_the_other_withdraws_leaves_both_lists_alike() {
    let service = Service::start().await;
    for _ in 0..8 {
        let (ada, ben) = (service.person("Ada").await, service.person("Ben").await);
        service.invite(&ada, &ben).await;
        let (accepted, withdrawn) =
            tokio::join!(service.accept(&ben, &ada), service.remove(&ada, &ben));
        assert_eq!(withdrawn.status, StatusCode::NO_CONTENT);
        // Whichever came first, she wanted him off her list.
        assert!(
            accepted.status == StatusCode::OK || accepted.code() == "invitation_unknown",
            "{}",
            accepted.body
        );
        assert!(service.list(&ada).await.is_empty());
        assert!(service.list(&ben).await.is_empty());
    }
}

#[tokio::test]
async fn who_was_declined_waits_longer_each_time_and_the_third_time_for_good() {
    let service = Service::start_with(servers().await, |config| {
        // The other limit isn't what this is about.
        config.contacts.invitations_to_one_person_per_day = 100;
    })
    .await;
    let (ada, ben) = (service.person("Ada").await, service.person("Ben").await);
    let database = service.database().await;
    let pass_days = async |days: i64| {
        sqlx::query("UPDATE declined_invitations SET until_unix_ms = until_unix_ms - $1")
            .bind(days * 24 * 3_600_000)
            .execute(&database)
            .await
            .unwrap();
    };
    for days in [30, 90, 36_500] {
        assert_eq!(service.invite(&ada, &ben).await.status, StatusCode::OK);
        for _ in 0..2 {
            let declined = service.decline(&ben, &ada).await;
            assert_eq!(declined.status, StatusCode::NO_CONTENT);
        }
        assert!(service.list(&ada).await.is_empty());
        for waited in [0, days - 1] {
            pass_days(waited).await;
            service.invite(&ada, &ben).await.is(403, "not_allowed");
            assert!(
                service.list(&ben).await.is_empty(),
                "he hears nothing of it"
            );
        }
        pass_days(1).await;
    }
    service.invite(&ada, &ben).await.is(403, "not_allowed");
    // Ben may change his mind; then nothing is left of it.
    assert_eq!(service.invite(&ben, &ada).await.status, StatusCode::OK);
    assert_eq!(service.accept(&ada, &ben).await.body["state"], "contact");
    service.remove(&ben, &ada).await;
    assert_eq!(service.invite(&ada, &ben).await.status, StatusCode::OK);
}

#[tokio::test]
async fn to_withdraw_and_invite_again_is_no_way_to_pester() {
    let service = Service::start().await;
    let (ada, ben) = (service.person("Ada").await, service.person("Ben").await);
    for _ in 0..3 {
        assert_eq!(service.invite(&ada, &ben).await.status, StatusCode::OK);
        service.remove(&ada, &ben).await;
    }
    let limited = service.invite(&ada, &ben).await;
    limited.is(429, "rate_limited");
    assert!(limited.headers.contains_key("retry-after"));
    assert!(service.list(&ben).await.is_empty());
    // It is about these two only.
    let eve = service.person("Eve").await;
    assert_eq!(service.invite(&ada, &eve).await.status, StatusCode::OK);
}

#[tokio::test]
async fn invitations_to_many_are_limited_too() {
    let service = Service::start_with(servers().await, |config| {
        config.contacts.invitations_per_hour = 3;
    })
    .await;
    let ada = service.person("Ada").await;
    let mut codes = Vec::new();
    for n in 0..4 {
        let other = service.person(&format!("Other {n}")).await;
        codes.push(service.invite(&ada, &other).await.status.as_u16());
    }
    assert_eq!(codes, [200, 200, 200, 429]);
}

#[tokio::test]
async fn what_was_withdrawn_can_not_be_accepted() {
    let service = Service::start().await;
    let (ada, ben) = (service.person("Ada").await, service.person("Ben").await);
    service.invite(&ada, &ben).await;
    service.remove(&ada, &ben).await;
    service
        .accept(&ben, &ada)
        .await
        .is(404, "invitation_unknown");
    // Nor does one accept what one sent oneself.
    service.invite(&ada, &ben).await;
    service
        .accept(&ada, &ben)
        .await
        .is(404, "invitation_unknown");
    assert_eq!(service.list(&ada).await, only(&ben, "invitation_sent"));
    assert_eq!(
        service.decline(&ada, &ben).await.status,
        StatusCode::NO_CONTENT
    );
    assert_eq!(service.list(&ada).await, only(&ben, "invitation_sent"));
}

#[tokio::test]
async fn a_stranger_changes_nothing_between_two_others() {
    let service = Service::start().await;
    let (ada, ben) = (service.person("Ada").await, service.person("Ben").await);
    let eve = service.person("Eve").await;
    service.invite(&ada, &ben).await;
    for whom in [&ada, &ben] {
        service
            .accept(&eve, whom)
            .await
            .is(404, "invitation_unknown");
        service.decline(&eve, whom).await;
        service.remove(&eve, whom).await;
    }
    assert_eq!(service.list(&ada).await, only(&ben, "invitation_sent"));
    assert_eq!(service.list(&ben).await, only(&ada, "invitation_received"));
    assert!(service.list(&eve).await.is_empty());
}

#[tokio::test]
async fn pages_hold_each_once_and_the_latest_first() {
    let service = Service::start().await;
    let ada = service.person("Ada").await;
    let mut expected = Vec::new();
    for n in 0..7 {
        let other = service.person(&format!("Other {n}")).await;
        service.invite(&other, &ada).await;
        if n % 2 == 0 {
            service.accept(&ada, &other).await;
            expected.insert(0, (other.user, "contact".to_owned()));
        } else {
            expected.insert(0, (other.user, "invitation_received".to_owned()));
        }
    }
    for state in ["", "contact", "invitation_received", "invitation_sent"] {
        let expected: Vec<_> = expected
            .iter()
            .filter(|(_, of)| state.is_empty() || of == state)
            .cloned()
            .collect();
        let mut seen = Vec::new();
        let mut cursor = String::new();
        loop {
            let filter = if state.is_empty() {
                String::new()
            } else {
                format!("&state={state}")
            };
            let path = format!("contacts?limit=3&cursor={cursor}{filter}");
            let page = service.get(&path, &ada.token).await;
            assert_eq!(page.status, StatusCode::OK, "{}", page.body);
            let items = states(&page);
            assert!(items.len() <= 3);
            seen.extend(items);
            match page.body["next_cursor"].as_str() {
                Some(next) => cursor = next.to_owned(),
                None => break,
            }
        }
        assert_eq!(seen, expected, "{state}");
    }
}

#[tokio::test]
async fn what_is_no_page_is_refused_with_all_that_is_wrong() {
    let service = Service::start().await;
    let ada = service.person("Ada").await;
    for path in ["contacts", "blocks"] {
        for limit in ["0", "101"] {
            let answer = service
                .get(
                    &format!("{path}?limit={limit}&cursor=nonsense!"),
                    &ada.token,
                )
                .await;
            answer.is(400, "input_invalid");
            let codes: Vec<_> = answer.body["errors"]
                .as_array()
                .unwrap()
                .iter()
                .map(|error| error["code"].as_str().unwrap())
                .collect();
            assert_eq!(codes, ["cursor_invalid", "limit_invalid"]);
        }
        let answer = service.get(&format!("{path}?owner_id=x"), &ada.token).await;
        answer.is(400, "query_invalid");
    }
    let answer = service.get("contacts?state=blocked", &ada.token).await;
    answer.is(400, "query_invalid");
}

#[tokio::test]
async fn malformed_ids_oneself_and_nobody_are_refused_by_name() {
    let service = Service::start().await;
    let ada = service.person("Ada").await;
    let routes = [
        (Method::POST, "contacts/{}/accept"),
        (Method::POST, "contacts/{}/decline"),
        (Method::DELETE, "contacts/{}"),
        (Method::PUT, "blocks/{}"),
        (Method::DELETE, "blocks/{}"),
    ];
    for bad in [
        "x",
        "0",
        "%00",
        "..%2f..%2fme",
        "urn:uuid:01900000-0000-7000-8000-000000000000",
    ] {
        for (method, route) in &routes {
            let path = route.replace("{}", bad);
            let answer = service.call(method.clone(), &path, &ada, None).await;
            answer.is(400, "input_invalid");
            assert_eq!(answer.body["errors"][0]["code"], "user_id_invalid");
        }
        let body = json!({"user_id": bad});
        let answer = service
            .call(Method::POST, "contacts", &ada, Some(body))
            .await;
        assert_eq!(answer.body["errors"][0]["code"], "user_id_invalid");
    }
    let nobody = Person {
        user: "01900000-0000-7000-8000-000000000000".into(),
        ..ada.clone()
    };
    service.invite(&ada, &nobody).await.is(404, "user_unknown");
    service.block(&ada, &nobody).await.is(404, "user_unknown");
    service
        .accept(&ada, &nobody)
        .await
        .is(404, "invitation_unknown");
    for answer in [
        service.decline(&ada, &nobody).await,
        service.remove(&ada, &nobody).await,
        service.unblock(&ada, &nobody).await,
    ] {
        assert_eq!(answer.status, StatusCode::NO_CONTENT);
    }
    service.invite(&ada, &ada).await.is(400, "not_yourself");
    service.block(&ada, &ada).await.is(400, "not_yourself");
}

#[tokio::test]
async fn nobody_writes_into_fields_that_are_not_theirs() {
    let service = Service::start().await;
    let (ada, ben) = (service.person("Ada").await, service.person("Ben").await);
    for extra in [
        json!({"state": "contact"}),
        json!({"owner_id": ben.user}),
        json!({"since": "2020-01-01T00:00:00Z"}),
    ] {
        let mut body = json!({"user_id": ben.user});
        body.as_object_mut()
            .unwrap()
            .extend(extra.as_object().unwrap().clone());
        let answer = service
            .call(Method::POST, "contacts", &ada, Some(body))
            .await;
        answer.is(400, "body_invalid");
    }
    for body in [
        json!({"user_id": ben.user}),
        json!({"may_write": "nobody"}),
        json!({"presence_visibility": "everybody"}),
        json!({"found_by_email": "yes"}),
    ] {
        let answer = service
            .call(Method::PATCH, "privacy", &ada, Some(body))
            .await;
        answer.is(400, "body_invalid");
    }
    let body = json!({"query": "ada", "seeker_id": ben.user});
    let answer = service
        .call(Method::POST, "users/search", &ada, Some(body))
        .await;
    answer.is(400, "body_invalid");
    assert!(service.list(&ada).await.is_empty());
}

/// Every route of the document that asks for an access token, called without one, with nonsense, and
/// with that of a login that has ended.
#[tokio::test]
async fn every_route_that_asks_for_a_token_refuses_who_has_none() {
    let service = Service::start().await;
    let ada = service.person("Ada").await;
    let ended = service.person("Ben").await;
    service.call(Method::POST, "log-out", &ended, None).await;
    let url = format!("http://{}/api/account/openapi.json", service.at.http);
    let document: Value = service
        .http
        .get(url)
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    let mut called = 0;
    for (path, operations) in document["paths"].as_object().unwrap() {
        for (method, operation) in operations.as_object().unwrap() {
            let Some(security) = operation["security"].as_array() else {
                continue;
            };
            if security
                .iter()
                .any(|one| one.as_object().unwrap().is_empty())
            {
                continue;
            }
            called += 1;
            let path = path
                .replace("{user_id}", &ada.user)
                .replace("{handle}", &ada.handle);
            let method: Method = method.to_uppercase().parse().unwrap();
            let request = || {
                service
                    .http
                    .request(method.clone(), format!("http://{}{path}", service.at.http))
                    .json(&json!({"user_id": ada.user, "query": "ada"}))
            };
            for (request, code) in [
                (request(), "token_missing"),
                (request().header("x-user-id", &ada.user), "token_missing"),
                (request().bearer_auth("nonsense"), "token_invalid"),
                (request().bearer_auth(&ended.token), "session_ended"),
            ] {
                let answer = service.send(request).await;
                // A query or a body may be read before the login is looked up.
                if answer.status != StatusCode::BAD_REQUEST {
                    answer.is(401, code);
                } else {
                    assert_eq!(code, "session_ended", "{method} {path}: {}", answer.body);
                }
            }
        }
    }
    assert!(called >= 13, "{called}");
}

/// What a gateway is told of some people's contacts.
struct Hints {
    consumer: StreamConsumer,
    of: BTreeSet<String>,
}

impl Hints {
    /// The topic is everybody's: other tests' people are left out.
    fn of(service: &Service, people: &[&Person]) -> Self {
        let kafka = &service.config.kafka;
        let consumer: StreamConsumer = kafka::deliveries_consumer(kafka, "test").create().unwrap();
        let mut partition = TopicPartitionList::new();
        partition
            .add_partition_offset(DELIVERIES_TOPIC, 0, Offset::Beginning)
            .unwrap();
        consumer.assign(&partition).unwrap();
        Self {
            consumer,
            of: people.iter().map(|person| person.user.clone()).collect(),
        }
    }

    /// Whom the next one is for.
    async fn next(&self) -> BTreeSet<String> {
        let told = async {
            loop {
                let record = self.consumer.recv().await.unwrap();
                let batch = DeliveryBatch::decode(record.payload().unwrap()).unwrap();
                for delivery in batch.deliveries {
                    let users: BTreeSet<String> = events::unpack_users(&delivery.users)
                        .map(|user| user.to_string())
                        .filter(|user| self.of.contains(user))
                        .collect();
                    if matches!(delivery.event, Some(Event::ContactsChanged(_)))
                        && !users.is_empty()
                    {
                        return users;
                    }
                }
            }
        };
        tokio::time::timeout(Duration::from_secs(30), told)
            .await
            .expect("they are told")
    }
}

#[tokio::test]
async fn every_change_of_contacts_is_told_to_both_and_to_nobody_else() {
    let service = Service::start().await;
    let (ada, ben) = (service.person("Ada").await, service.person("Ben").await);
    let eve = service.person("Eve").await;
    let hints = Hints::of(&service, &[&ada, &ben, &eve]);
    let both = BTreeSet::from([ada.user.clone(), ben.user.clone()]);

    service.invite(&ada, &ben).await;
    assert_eq!(hints.next().await, both);
    service.invite(&ada, &ben).await; // nothing new
    service.remove(&ada, &ben).await; // withdrawn
    assert_eq!(hints.next().await, both);
    service.invite(&ada, &ben).await;
    assert_eq!(hints.next().await, both);
    service.decline(&ben, &ada).await;
    assert_eq!(hints.next().await, both);
    service.invite(&ben, &ada).await;
    assert_eq!(hints.next().await, both);
    service.accept(&ada, &ben).await;
    assert_eq!(hints.next().await, both);
    service.remove(&ada, &ben).await;
    assert_eq!(hints.next().await, both);
    service.invite(&ben, &ada).await;
    assert_eq!(hints.next().await, both);
    service.block(&ada, &ben).await;
    assert_eq!(hints.next().await, both);
    service.unblock(&ada, &ben).await; // they aren't contacts again
    service.invite(&ada, &eve).await;
    let with_eve = BTreeSet::from([ada.user.clone(), eve.user.clone()]);
    assert_eq!(hints.next().await, with_eve);
    // Who deletes their account goes from the lists of others.
    service.delete("me", &eve.token).await;
    assert!(hints.next().await.contains(&ada.user));
}
