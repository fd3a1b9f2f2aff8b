use reqwest::StatusCode;
use serde_json::json;

use crate::service::{Answer, PASSWORD, Service, servers};

fn without_trace(answer: &Answer) -> serde_json::Value {
    let mut body = answer.body.clone();
    body.as_object_mut().unwrap().remove("trace_id");
    body
}

/// Each test's people are its own: the counters in Redis are everybody's.
fn somebody() -> String {
    format!("{}@example.org", uuid::Uuid::new_v4())
}

#[tokio::test]
async fn a_wrong_password_and_an_unknown_address_are_answered_alike() {
    let service = Service::start_strict().await;
    let email = somebody();
    service.register(&email).await;
    let wrong = service.sign_in(&email, "two old goats").await;
    let unknown = service.sign_in(&somebody(), "two old goats").await;
    assert_eq!(wrong.status, StatusCode::UNAUTHORIZED);
    assert_eq!(wrong.code(), "credentials_wrong");
    assert_eq!(without_trace(&wrong), without_trace(&unknown));
    assert_eq!(wrong.status, unknown.status);
    assert_eq!(
        service.sign_in(&email, PASSWORD).await.status,
        StatusCode::OK
    );
}

#[tokio::test]
async fn an_unknown_address_takes_as_long_as_a_wrong_password() {
    let service = Service::start_with(servers().await, |config| {
        config.limits.tries_per_account_and_address = 1_000;
    })
    .await;
    let email = somebody();
    service.register(&email).await;
    let (mut known, mut unknown) = (Vec::new(), Vec::new());
    // In turn, so that whatever else the machine does slows both.
    for _ in 0..40 {
        for (email, times) in [(&email, &mut known), (&somebody(), &mut unknown)] {
            let began = std::time::Instant::now();
            service.sign_in(email, "two old goats").await;
            times.push(began.elapsed());
        }
    }
    // The fastest of each: what the machine does besides only ever adds. A hash takes many times the difference.
    let (known, unknown) = (known.iter().min().unwrap(), unknown.iter().min().unwrap());
    println!("fastest with an account {known:?}, without {unknown:?}");
    assert!(known.abs_diff(*unknown).as_millis() < 5);
}

#[tokio::test]
async fn after_five_wrong_tries_one_must_wait() {
    let service = Service::start_strict().await;
    let email = somebody();
    service.register(&email).await;
    for _ in 0..5 {
        assert_eq!(
            service.sign_in(&email, "two old goats").await.code(),
            "credentials_wrong"
        );
    }
    // Neither the right password nor a header of one's own gets around it.
    let limited = service.sign_in(&email, PASSWORD).await;
    assert_eq!(
        (limited.status, limited.code()),
        (StatusCode::TOO_MANY_REQUESTS, "rate_limited")
    );
    let wait: u64 = limited.headers["retry-after"]
        .to_str()
        .unwrap()
        .parse()
        .unwrap();
    assert!((1..=60).contains(&wait), "{wait}");
    let name = r#""account-address""#;
    assert_eq!(limited.headers["ratelimit"], format!("{name};r=0;t={wait}"));
    assert_eq!(
        limited.headers["ratelimit-policy"],
        format!("{name};q=5;w=60")
    );
    let body = json!({"email": email, "password": PASSWORD});
    let spoofed = service
        .send(
            service
                .http
                .post(service.url("sign-in"))
                .header("x-forwarded-for", "203.0.113.9")
                .json(&body),
        )
        .await;
    assert_eq!(spoofed.code(), "rate_limited");
}

#[tokio::test]
async fn parallel_guesses_are_counted_too() {
    let service = Service::start_strict().await;
    let email = somebody();
    service.register(&email).await;
    let guesses = futures_util::future::join_all((0..40).map(|n| {
        service.post_owned(json!({"email": email, "password": format!("guess number {n}")}))
    }))
    .await;
    let tried = guesses
        .iter()
        .filter(|a| a.code() == "credentials_wrong")
        .count();
    assert_eq!(tried, 5);
}

#[tokio::test]
async fn an_attacker_elsewhere_does_not_lock_the_owner_out() {
    let service = Service::start_with(servers().await, |config| {
        config.limits.tries_per_account_and_address = 5;
        config.accounts.trusted_proxies = vec!["127.0.0.1".parse().unwrap()];
    })
    .await;
    let email = somebody();
    service.register(&email).await;
    let from = |address: &'static str, password: &'static str| {
        let body = json!({"email": email, "password": password});
        service.send(
            service
                .http
                .post(service.url("sign-in"))
                .header("x-forwarded-for", address)
                .json(&body),
        )
    };
    for _ in 0..5 {
        from("203.0.113.9", "two old goats").await;
    }
    assert_eq!(
        from("203.0.113.9", "two old goats").await.code(),
        "rate_limited"
    );
    assert_eq!(from("198.51.100.7", PASSWORD).await.status, StatusCode::OK);
}

#[tokio::test]
async fn who_knows_the_password_is_not_slowed_down() {
    let service = Service::start_strict().await;
    let email = somebody();
    service.register(&email).await;
    for _ in 0..12 {
        assert_eq!(
            service.sign_in(&email, PASSWORD).await.status,
            StatusCode::OK
        );
    }
}

#[tokio::test]
async fn registrations_from_one_address_are_limited() {
    let service = Service::start_with(servers().await, |config| {
        config.limits.tries_per_address = 3;
        config.limits.tries_per_account_and_address = 5;
        config.accounts.trusted_proxies = vec!["127.0.0.1".parse().unwrap()];
    })
    .await;
    let address = format!("2001:db8:{:x}:1::1", rand::random::<u16>());
    let mut codes = Vec::new();
    for _ in 0..4 {
        let body = json!({"email": somebody(), "password": PASSWORD});
        let request = service
            .http
            .post(service.url("register"))
            .header("x-forwarded-for", &address);
        codes.push(service.send(request.json(&body)).await.status.as_u16());
    }
    assert_eq!(codes, [200, 200, 200, 429]);
}

#[tokio::test]
async fn replicas_count_together() {
    let first = Service::start_strict().await;
    let second = Service::start_with(servers().await, |config| {
        config.limits.tries_per_account_and_address = 5;
        config.database = first.config.database.clone();
    })
    .await;
    let email = somebody();
    first.register(&email).await;
    for n in 0..6 {
        let replica = if n % 2 == 0 { &first } else { &second };
        let answer = replica.sign_in(&email, "two old goats").await;
        let wanted = if n < 5 {
            "credentials_wrong"
        } else {
            "rate_limited"
        };
        assert_eq!(answer.code(), wanted, "try {n}");
    }
}

impl Service {
    async fn post_owned(&self, body: serde_json::Value) -> Answer {
        self.post("sign-in", &body).await
    }
}
