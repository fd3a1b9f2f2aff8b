use reqwest::{Method, StatusCode};
use serde_json::json;

use crate::service::{Answer, Person, Service, servers};

impl Service {
    pub async fn search(&self, who: &Person, query: &str) -> Answer {
        let body = json!({"query": query});
        self.call(Method::POST, "users/search", who, Some(body))
            .await
    }

    /// Ids of those who are found, on all pages.
    pub async fn found(&self, who: &Person, query: &str) -> Vec<String> {
        let mut found = Vec::new();
        let mut cursor = String::new();
        loop {
            let body = json!({"query": query, "cursor": cursor, "limit": 2});
            let page = self
                .call(Method::POST, "users/search", who, Some(body))
                .await;
            assert_eq!(page.status, StatusCode::OK, "{}", page.body);
            let items = page.body["items"].as_array().unwrap();
            assert!(items.len() <= 2);
            found.extend(
                items
                    .iter()
                    .map(|item| item["user_id"].as_str().unwrap().to_owned()),
            );
            match page.body["next_cursor"].as_str() {
                Some(next) => cursor = next.to_owned(),
                None => return found,
            }
        }
    }
}

/// Enough searches for a test of many.
async fn service() -> Service {
    Service::start_with(servers().await, |config| {
        config.contacts.searches_per_minute = 1_000;
    })
    .await
}

#[tokio::test]
async fn people_are_found_by_the_beginning_of_any_word_of_their_name() {
    let service = service().await;
    let seeker = service.person("Seeker").await;
    let zoe = service.person("Zoë O'Brien-Lovelace").await;
    let han = service.person("李小龍").await;
    for query in [
        "zo",
        "ZOË",
        "zoe",
        "brien",
        "love",
        "lovelace",
        "zoe o'brien",
        "Zoë O'Brien-Lovelace",
    ] {
        assert_eq!(
            service.found(&seeker, query).await,
            [zoe.user.as_str()],
            "{query}"
        );
    }
    assert_eq!(service.found(&seeker, "李").await, [han.user.as_str()]);
    for query in ["oe", "ovelace", "zz", "lovelaces", "zo%", "z_e", "龍李"] {
        assert!(service.found(&seeker, query).await.is_empty(), "{query}");
    }
    for query in [
        &zoe.handle,
        &format!("@{}", zoe.handle),
        &zoe.handle[..8].to_owned(),
    ] {
        assert_eq!(
            service.found(&seeker, query).await,
            [zoe.user.as_str()],
            "{query}"
        );
    }
    assert!(service.found(&zoe, "zoe").await.is_empty(), "not oneself");
}

#[tokio::test]
async fn who_has_many_words_that_begin_alike_is_on_one_page_once() {
    let service = service().await;
    let seeker = service.person("Seeker").await;
    let mut people = Vec::new();
    for name in [
        "Kim Kimball",
        "Kimberley Kim Kimmel",
        "Kim Kim Kim",
        "Lee Kim",
        "kimono",
    ] {
        people.push(service.person(name).await.user);
    }
    let mut found = service.found(&seeker, "kim").await;
    found.sort();
    people.sort();
    assert_eq!(found, people);
}

#[tokio::test]
async fn a_name_that_is_long_when_it_is_spelled_out_is_one_too() {
    let service = service().await;
    let seeker = service.person("Seeker").await;
    // One character that stands for eighteen (NFKD), as often as a name may have it.
    let long = "\u{fdfa}".repeat(64);
    let person = service.person(&long).await;
    assert_eq!(service.found(&seeker, &long).await, [person.user.as_str()]);
    assert_eq!(service.found(&seeker, "\u{fdfa}").await, [person.user]);
}

#[tokio::test]
async fn a_new_name_is_found_and_the_old_one_is_not() {
    let service = service().await;
    let (seeker, ada) = (
        service.person("Seeker").await,
        service.person("Adalbert").await,
    );
    sqlx::query("UPDATE users SET display_name = 'Berengar' WHERE user_id = $1::uuid")
        .bind(&ada.user)
        .execute(&service.database().await)
        .await
        .unwrap();
    assert!(service.found(&seeker, "adalb").await.is_empty());
    assert_eq!(service.found(&seeker, "bereng").await, [ada.user]);
}

#[tokio::test]
async fn who_does_not_want_to_be_found_is_not() {
    let service = service().await;
    let (seeker, ada) = (
        service.person("Seeker").await,
        service.person("Adeltrud").await,
    );
    let by_handle = format!("users/by-handle/{}", ada.handle);
    let status = async |path: &str| service.get(path, &seeker.token).await.status;

    service.allow(&ada, json!({"found_by_name": false})).await;
    assert!(service.found(&seeker, "adeltr").await.is_empty());
    assert!(service.found(&seeker, &ada.handle[..8]).await.is_empty());
    assert_eq!(
        service.found(&seeker, &ada.handle).await,
        [ada.user.as_str()]
    );
    assert_eq!(
        service.found(&seeker, &ada.email).await,
        [ada.user.as_str()]
    );
    assert_eq!(status(&by_handle).await, StatusCode::OK);

    service.allow(&ada, json!({"found_by_handle": false})).await;
    assert!(service.found(&seeker, &ada.handle).await.is_empty());
    assert_eq!(status(&by_handle).await, StatusCode::NOT_FOUND);

    service.allow(&ada, json!({"found_by_email": false})).await;
    assert!(service.found(&seeker, &ada.email).await.is_empty());
    // She finds herself.
    assert_eq!(service.found(&ada, &ada.email).await, [ada.user.as_str()]);
    assert_eq!(
        service.get(&by_handle, &ada.token).await.status,
        StatusCode::OK
    );
}

#[tokio::test]
async fn who_has_left_is_not_found() {
    let service = service().await;
    let (seeker, gone) = (
        service.person("Seeker").await,
        service.person("Gundula").await,
    );
    service.make_contacts(&gone, &seeker).await;
    // What the account is left as: the id and a name for it.
    sqlx::query("UPDATE users SET deleted_unix_ms = 1 WHERE user_id = $1::uuid")
        .bind(&gone.user)
        .execute(&service.database().await)
        .await
        .unwrap();
    for query in ["gundula", &gone.handle, &gone.email] {
        assert!(service.found(&seeker, query).await.is_empty());
    }
    service
        .get(&format!("users/by-handle/{}", gone.handle), &seeker.token)
        .await
        .is(404, "user_unknown");
    assert!(service.list(&seeker).await.is_empty());
    service.invite(&seeker, &gone).await.is(404, "user_unknown");
    service.block(&seeker, &gone).await.is(404, "user_unknown");
}

#[tokio::test]
async fn what_is_no_search_is_refused_with_all_that_is_wrong() {
    let service = Service::start().await;
    let ada = service.person("Ada").await;
    for (query, code) in [
        ("", "query_too_short"),
        ("a", "query_too_short"),
        ("@a", "query_too_short"),
        ("a\u{0}b", "query_invalid"),
        (&"a".repeat(255), "query_invalid"),
    ] {
        let body = json!({"query": query, "cursor": "!", "limit": 21});
        let answer = service
            .call(Method::POST, "users/search", &ada, Some(body))
            .await;
        answer.is(400, "input_invalid");
        let codes: Vec<_> = answer.body["errors"]
            .as_array()
            .unwrap()
            .iter()
            .map(|error| error["code"].as_str().unwrap())
            .collect();
        assert_eq!(codes, [code, "cursor_invalid", "limit_invalid"]);
    }
}

/// Searches until it is refused; how many were answered.
async fn until_refused(service: &Service, who: &Person, tries: usize) -> usize {
    for n in 0..tries {
        let answer = match n % 3 {
            0 => service.search(who, "somebody").await,
            1 => service.search(who, "nobody@example.org").await,
            _ => service.get("users/by-handle/somebody", &who.token).await,
        };
        if answer.code() == "rate_limited" {
            assert!(answer.headers.contains_key("retry-after"));
            return n;
        }
    }
    tries
}

#[tokio::test]
async fn one_person_does_not_read_the_directory_with_redis_or_without() {
    for redis in [None, Some("redis://127.0.0.1:1")] {
        let service = Service::start_with(servers().await, |config| {
            config.contacts.searches_per_day = 10;
            if let Some(redis) = redis {
                config.redis.url = redis.into();
            }
        })
        .await;
        let (ada, ben) = (service.person("Ada").await, service.person("Ben").await);
        assert_eq!(until_refused(&service, &ada, 20).await, 10);
        assert_eq!(until_refused(&service, &ben, 3).await, 3);
    }
}

#[tokio::test]
async fn a_minute_has_a_limit_of_its_own() {
    let service = Service::start_with(servers().await, |config| {
        config.contacts.searches_per_minute = 7;
    })
    .await;
    let ada = service.person("Ada").await;
    assert_eq!(until_refused(&service, &ada, 20).await, 7);
}

#[tokio::test]
async fn many_accounts_at_one_address_do_not_either() {
    let service = Service::start_with(servers().await, |config| {
        config.contacts.searches_per_address_and_minute = 6;
        // The counters in Redis are every test's, and so is the address.
        config.redis.url = "redis://127.0.0.1:1".into();
    })
    .await;
    let mut people = Vec::new();
    for _ in 0..6 {
        people.push(service.person("One of many").await);
    }
    let mut answered = 0;
    for person in &people {
        answered += until_refused(&service, person, 3).await;
    }
    // One more for each ten seconds that this takes.
    assert!((6..=9).contains(&answered), "{answered}");
}
