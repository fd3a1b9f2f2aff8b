use reqwest::StatusCode;
use serde_json::json;
use test_support::eventually;

use crate::service::{Answer, PASSWORD, Service};
use crate::sessions::{every_gateway_was_told, session_of};

const NEW: &str = "three new ships";

async fn recover(service: &Service, token: &str, password: &str) -> Answer {
    service
        .post(
            "recovery/complete",
            &json!({"token": token, "new_password": password}),
        )
        .await
}

async fn request_recovery(service: &Service, email: &str) -> Answer {
    service.post("recovery", &json!({"email": email})).await
}

#[tokio::test]
async fn a_mailed_link_proves_the_address_once() {
    let service = Service::start().await;
    let token = service
        .register("ada@example.org")
        .await
        .text("access_token");
    let me = service.get("me", &token).await;
    assert_eq!(me.body["email_verified"], false);
    let link = service
        .mailed_token("ada@example.org", "verify-email", None)
        .await;
    let verify = async || service.post("email/verify", &json!({"token": link})).await;
    assert_eq!(verify().await.status, StatusCode::NO_CONTENT);
    let me = service.get("me", &token).await;
    assert_eq!(me.body["email_verified"], true);
    assert_eq!(verify().await.code(), "link_invalid");
    // Nothing more to prove, and nothing more sent.
    let again = service.post_as("email/send-link", &token, &json!({})).await;
    assert_eq!(again.status, StatusCode::ACCEPTED);
    assert_eq!(service.mails.mails(Some("ada@example.org")).len(), 1);
}

#[tokio::test]
async fn recovery_sets_a_password_once_and_ends_all_sessions() {
    let service = Service::start().await;
    let ada = service.register("ada@example.org").await;
    let session = session_of(&service, &ada).await;
    assert_eq!(
        request_recovery(&service, "Ada@Example.org").await.status,
        StatusCode::ACCEPTED
    );
    let link = service
        .mailed_token("ada@example.org", "recover", None)
        .await;

    let weak = recover(&service, &link, "password1").await;
    assert_eq!(weak.body["errors"][0]["code"], "password_too_common");
    assert_eq!(
        recover(&service, &link, NEW).await.status,
        StatusCode::NO_CONTENT
    );
    assert_eq!(
        recover(&service, &link, "four late trains").await.code(),
        "link_invalid"
    );
    assert_eq!(
        service.get("me", &ada.text("access_token")).await.code(),
        "session_ended"
    );
    every_gateway_was_told(&service, session).await;
    assert_eq!(
        service.sign_in("ada@example.org", PASSWORD).await.code(),
        "credentials_wrong"
    );
    let signed_in = service.sign_in("ada@example.org", NEW).await;
    let me = service.get("me", &signed_in.text("access_token")).await;
    assert_eq!(me.body["email_verified"], true);
    let events = service.events(&signed_in.text("access_token")).await;
    for kind in ["recovery_mailed", "recovered"] {
        assert!(events.contains(&kind.to_owned()), "{events:?}");
    }
}

#[tokio::test]
async fn links_are_stored_by_hash_and_run_out() {
    let service = Service::start().await;
    service.register("ada@example.org").await;
    request_recovery(&service, "ada@example.org").await;
    let link = service
        .mailed_token("ada@example.org", "recover", None)
        .await;
    assert_eq!(link.len(), 43, "256 bits");
    let database = service.database().await;
    let stored: Vec<Vec<u8>> = sqlx::query_scalar("SELECT token_hash FROM one_time_links")
        .fetch_all(&database)
        .await
        .unwrap();
    assert_eq!(stored.len(), 2);
    assert!(stored.iter().all(|hash| hash.len() == 32));
    sqlx::query("UPDATE one_time_links SET expires_unix_ms = 1")
        .execute(&database)
        .await
        .unwrap();
    assert_eq!(recover(&service, &link, NEW).await.code(), "link_invalid");
    // A link for one purpose is good for no other.
    request_recovery(&service, "ada@example.org").await;
    let link = service
        .mailed_token("ada@example.org", "recover", Some(&link))
        .await;
    let misused = service.post("email/verify", &json!({"token": link})).await;
    assert_eq!(misused.code(), "link_invalid");
    for token in ["", "x", &"A".repeat(43)] {
        assert_eq!(recover(&service, token, NEW).await.code(), "link_invalid");
    }
    assert_eq!(
        recover(&service, &link, NEW).await.status,
        StatusCode::NO_CONTENT
    );
}

#[tokio::test]
async fn a_change_of_the_password_withdraws_mailed_links() {
    let service = Service::start().await;
    let token = service
        .register("ada@example.org")
        .await
        .text("access_token");
    request_recovery(&service, "ada@example.org").await;
    let link = service
        .mailed_token("ada@example.org", "recover", None)
        .await;
    let body = json!({"current_password": PASSWORD, "new_password": NEW});
    service.post_as("password", &token, &body).await;
    assert_eq!(
        recover(&service, &link, "four late trains").await.code(),
        "link_invalid"
    );
}

#[tokio::test]
async fn recovery_tells_nobody_who_has_an_account() {
    let service = Service::start().await;
    service.register("ada@example.org").await;
    let (mut known, mut unknown) = (Vec::new(), Vec::new());
    for n in 0..25 {
        let nobody = format!("nobody-{n}@example.org");
        for (email, times) in [("ada@example.org", &mut known), (&*nobody, &mut unknown)] {
            let began = std::time::Instant::now();
            let answer = request_recovery(&service, email).await;
            times.push(began.elapsed());
            assert_eq!(answer.status, StatusCode::ACCEPTED);
            assert!(answer.body.is_null());
        }
    }
    known.sort_unstable();
    unknown.sort_unstable();
    let (known, unknown) = (known[12], unknown[12]);
    println!("median for an account {known:?}, for none {unknown:?}");
    assert!(known.abs_diff(unknown).as_millis() < 10);
    // Nobody else gets a mail.
    eventually("the outbox is empty", async || {
        let left: i64 = sqlx::query_scalar("SELECT count(*) FROM mail_outbox")
            .fetch_one(&service.database().await)
            .await
            .unwrap();
        (left == 0).then_some(())
    })
    .await;
    for mail in service.mails.mails(None) {
        assert_eq!(mail.to, ["ada@example.org"]);
    }
}

#[tokio::test]
async fn a_mail_server_that_is_away_loses_no_mail_and_fails_no_request() {
    let mut service = Service::start().await;
    service.mail_link.cut();
    service.register("ada@example.org").await;
    assert_eq!(
        request_recovery(&service, "ada@example.org").await.status,
        StatusCode::ACCEPTED
    );
    eventually("a first try", async || {
        let tries: Option<i32> = sqlx::query_scalar("SELECT max(tries) FROM mail_outbox")
            .fetch_one(&service.database().await)
            .await
            .unwrap();
        tries.filter(|tries| *tries > 0)
    })
    .await;
    // Also over a restart.
    service.restart().await;
    assert!(service.mails.mails(None).is_empty());
    service.mail_link.mend();
    let link = service
        .mailed_token("ada@example.org", "recover", None)
        .await;
    assert_eq!(
        recover(&service, &link, NEW).await.status,
        StatusCode::NO_CONTENT
    );
}

#[tokio::test]
async fn mails_to_one_address_are_limited_whether_somebody_has_it_or_not() {
    let service = Service::start_with(crate::service::servers().await, |config| {
        config.limits.mails_per_recipient = 3;
    })
    .await;
    let (known, unknown) = (uuid::Uuid::new_v4(), uuid::Uuid::new_v4());
    let known = format!("{known}@example.org");
    service.register(&known).await;
    // The mail of the registration counts.
    for (email, wanted) in [
        (known, [202, 202, 429]),
        (format!("{unknown}@example.org"), [202, 202, 202]),
    ] {
        let mut codes = Vec::new();
        for _ in 0..3 {
            codes.push(request_recovery(&service, &email).await.status.as_u16());
        }
        assert_eq!(codes, wanted);
    }
}

#[tokio::test]
async fn a_full_outbox_takes_no_more() {
    let service = Service::start_with(crate::service::servers().await, |config| {
        config.mail.outbox_limit = 1;
    })
    .await;
    service.mail_link.cut();
    // Its mail waits; the registration itself needs none.
    service.register("ada@example.org").await;
    for email in ["ada@example.org", "nobody@example.org"] {
        let full = request_recovery(&service, email).await;
        assert_eq!(
            (full.status, full.code()),
            (StatusCode::SERVICE_UNAVAILABLE, "mails_waiting")
        );
        assert!(full.headers.contains_key("retry-after"));
    }
}

#[tokio::test]
async fn another_address_counts_once_its_mailbox_is_proved() {
    let service = Service::start().await;
    let token = service
        .register("ada@example.org")
        .await
        .text("access_token");
    service.register("ben@example.org").await;
    let change = async |email: &str| {
        service
            .post_as("email", &token, &json!({"email": email}))
            .await
    };
    assert_eq!(change("nothing").await.code(), "input_invalid");
    assert_eq!(
        change("ada.l@example.org").await.status,
        StatusCode::ACCEPTED
    );
    let link = service
        .mailed_token("ada.l@example.org", "verify-email", None)
        .await;
    assert_eq!(
        service.get("me", &token).await.text("email"),
        "ada@example.org"
    );
    let verify = async |token: &str| service.post("email/verify", &json!({"token": token})).await;
    assert_eq!(verify(&link).await.status, StatusCode::NO_CONTENT);
    let me = service.get("me", &token).await;
    assert_eq!(me.text("email"), "ada.l@example.org");
    assert_eq!(me.body["email_verified"], true);
    assert_eq!(
        service.sign_in("ada.l@example.org", PASSWORD).await.status,
        StatusCode::OK
    );
    assert_eq!(
        service.sign_in("ada@example.org", PASSWORD).await.code(),
        "credentials_wrong"
    );
    // An address that somebody has: the same answer, and only its owner learns.
    let known = service
        .mailed_token("ben@example.org", "verify-email", None)
        .await;
    assert_eq!(change("ben@example.org").await.status, StatusCode::ACCEPTED);
    let link = service
        .mailed_token("ben@example.org", "verify-email", Some(&known))
        .await;
    assert_eq!(verify(&link).await.code(), "email_taken");
}

#[tokio::test]
async fn without_a_mail_server_one_is_told_so() {
    let service = Service::start_with(crate::service::servers().await, |config| {
        config.mail.smtp_url = "".into();
    })
    .await;
    let token = service
        .register("ada@example.org")
        .await
        .text("access_token");
    for answer in [
        request_recovery(&service, "ada@example.org").await,
        request_recovery(&service, "nobody@example.org").await,
        service.post_as("email/send-link", &token, &json!({})).await,
    ] {
        assert_eq!(
            (answer.status, answer.code()),
            (StatusCode::CONFLICT, "mails_off")
        );
    }
}
