use auth::{TokenSettings, TokenVerifier};
use reqwest::StatusCode;
use serde_json::json;

use crate::service::{Answer, PASSWORD, Service, servers};

#[tokio::test]
async fn who_registers_is_signed_in_and_their_token_is_good_at_every_service() {
    let service = Service::start().await;
    let answer = service.register("Ada.Lovelace@example.org").await;
    assert_eq!(answer.body["created"], true);
    assert_eq!(answer.body["expires_in_seconds"], 600);
    assert_eq!(answer.body["user"]["handle"], "ada.lovelace");
    assert_eq!(answer.body["user"]["display_name"], "ada lovelace");
    assert_eq!(answer.headers["cache-control"], "no-store");

    let elsewhere = TokenVerifier::new(TokenSettings {
        issuer: "parlance".into(),
        audience: "parlance".into(),
        jwks_url: service.url(".well-known/jwks.json"),
    });
    let person = elsewhere
        .verify(&answer.text("access_token"))
        .await
        .unwrap();
    assert_eq!(answer.body["user"]["user_id"], person.user.to_string());

    let me = service.get("me", &answer.text("access_token")).await;
    assert_eq!(me.body["email"], "ada.lovelace@example.org");
    assert_eq!(me.body["session_id"], person.session.to_string());
}

#[tokio::test]
async fn an_address_and_a_handle_are_somebodys_once() {
    let service = Service::start().await;
    service.register("ada@example.org").await;
    let body =
        |email: &str, handle: &str| json!({"email": email, "handle": handle, "password": PASSWORD});
    let again = service
        .post("register", &body(" ADA@example.org", "other"))
        .await;
    assert_eq!(
        (again.status, again.code()),
        (StatusCode::CONFLICT, "email_taken")
    );
    let same = service
        .post("register", &body("bob@example.org", "Ada"))
        .await;
    assert_eq!(
        (same.status, same.code()),
        (StatusCode::CONFLICT, "handle_taken")
    );
    // A made handle gives way.
    let made = service.register("ada@example.net").await;
    let handle = made.body["user"]["handle"].as_str().unwrap();
    assert!(handle.starts_with("ada") && handle.len() > 3, "{handle}");
}

#[tokio::test]
async fn eight_who_register_one_address_at_once_make_one_account() {
    let service = Service::start().await;
    let tries = (0..8).map(|_| {
        let body = json!({"email": "ada@example.org", "password": PASSWORD});
        service.send(service.http.post(service.url("register")).json(&body))
    });
    let answers = futures_util::future::join_all(tries).await;
    let mut codes: Vec<_> = answers.iter().map(Answer::code).collect();
    codes.sort_unstable();
    let mut wanted = ["email_taken"; 8];
    wanted[0] = "";
    assert_eq!(codes, wanted);
}

#[tokio::test]
async fn all_faulty_fields_are_named_at_once() {
    let service = Service::start().await;
    let body = json!({"email": "nobody", "password": "short", "handle": "!", "display_name": "x"});
    let answer = service.post("register", &body).await;
    assert_eq!(
        (answer.status, answer.code()),
        (StatusCode::BAD_REQUEST, "input_invalid")
    );
    let codes: Vec<_> = answer.body["errors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|error| {
            (
                error["field"].as_str().unwrap(),
                error["code"].as_str().unwrap(),
            )
        })
        .collect();
    assert_eq!(
        codes,
        [
            ("email", "email_invalid"),
            ("password", "password_too_short"),
            ("handle", "handle_invalid")
        ]
    );
    for (password, code) in [
        ("Password123!", "password_too_common"),
        ("x".repeat(129).as_str(), "password_too_long"),
    ] {
        let body = json!({"email": "ada@example.org", "password": password});
        let answer = service.post("register", &body).await;
        assert_eq!(answer.body["errors"][0]["code"], code);
    }
}

#[tokio::test]
async fn nobody_can_give_themselves_more_than_the_form_has() {
    let service = Service::start().await;
    for extra in ["user_id", "role", "verified", "password_hash"] {
        let body = json!({"email": "ada@example.org", "password": PASSWORD, extra: "x"});
        let answer = service.post("register", &body).await;
        assert_eq!(
            (answer.status, answer.code()),
            (StatusCode::BAD_REQUEST, "body_invalid")
        );
    }
}

#[tokio::test]
async fn a_first_sign_in_signs_up_where_the_settings_say_so() {
    let service = Service::start().await;
    let refused = service.sign_in("new@example.org", PASSWORD).await;
    assert_eq!(refused.code(), "credentials_wrong");

    let open = Service::start_with(servers().await, |config| {
        config.accounts.sign_up_on_first_use = true;
    })
    .await;
    let first = open.sign_in("new@example.org", PASSWORD).await;
    assert_eq!(first.body["created"], true, "{}", first.body);
    let second = open.sign_in("new@example.org", PASSWORD).await;
    assert_eq!(second.body["created"], false);
    assert_eq!(first.body["user"], second.body["user"]);
    let wrong = open.sign_in("new@example.org", "two old goats").await;
    assert_eq!(wrong.code(), "credentials_wrong");
    let weak = open.sign_in("newer@example.org", "password").await;
    assert_eq!(weak.body["errors"][0]["code"], "password_too_common");
}

#[tokio::test]
async fn secrets_are_stored_as_hashes_only() {
    let service = Service::start().await;
    let answer = service.register("ada@example.org").await;
    let database = service.database().await;
    let hash: String = sqlx::query_scalar("SELECT password_hash FROM users")
        .fetch_one(&database)
        .await
        .unwrap();
    assert!(
        hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"),
        "{hash}"
    );
    let tokens: Vec<Vec<u8>> = sqlx::query_scalar("SELECT token_hash FROM refresh_tokens")
        .fetch_all(&database)
        .await
        .unwrap();
    assert_eq!(tokens.len(), 1);
    assert_eq!(tokens[0].len(), 32);
    assert_ne!(tokens[0], answer.text("refresh_token").into_bytes());
}

#[tokio::test]
async fn people_are_found_by_id_and_by_handle_by_who_is_signed_in() {
    let service = Service::start().await;
    let ada = service.register("ada@example.org").await;
    let bob = service.register("bob@example.org").await;
    let token = ada.text("access_token");
    let id = |answer: &Answer| answer.body["user"]["user_id"].as_str().unwrap().to_owned();
    let unknown = "01900000-0000-7000-8000-000000000000";
    let found = service
        .get(
            &format!("users?ids={},{unknown},{}", id(&ada), id(&bob)),
            &token,
        )
        .await;
    assert_eq!(found.body["users"].as_array().unwrap().len(), 2);
    let handle = service.get("users/by-handle/bob", &token).await;
    assert_eq!(handle.body["user_id"], id(&bob));
    assert!(handle.body.get("email").is_none());
    let nobody = service.get("users/by-handle/carol", &token).await;
    assert_eq!(
        (nobody.status, nobody.code()),
        (StatusCode::NOT_FOUND, "user_unknown")
    );
    let bad = service.get("users?ids=1", &token).await;
    assert_eq!(bad.body["errors"][0]["code"], "user_id_invalid");
    let stranger = service
        .send(service.http.get(service.url("users/by-handle/bob")))
        .await;
    assert_eq!(
        (stranger.status, stranger.code()),
        (StatusCode::UNAUTHORIZED, "token_missing")
    );
    let bare = service
        .send(
            service
                .http
                .get(service.url("me"))
                .header("x-user-id", id(&ada)),
        )
        .await;
    assert_eq!(bare.code(), "token_missing");
}

#[tokio::test]
async fn the_document_and_its_page_are_served() {
    let service = Service::start().await;
    let document = service
        .send(service.http.get(service.url("openapi.json")))
        .await;
    assert_eq!(document.body["openapi"], "3.1.0");
    assert_eq!(
        document.body["paths"]["/api/account/sign-in"]["post"]["operationId"],
        "signIn"
    );
    let page = service
        .http
        .get(format!("http://{}/", service.at.http))
        .send()
        .await
        .unwrap();
    assert!(page.text().await.unwrap().contains("swagger-ui"));
    let unknown = service.send(service.http.get(service.url("nothing"))).await;
    assert_eq!(
        (unknown.status, unknown.code()),
        (StatusCode::NOT_FOUND, "route_unknown")
    );
}

#[tokio::test]
async fn a_refusal_names_the_trace_that_its_caller_began() {
    let service = Service::start().await;
    let trace = "0af7651916cd43dd8448eb211c80319c";
    let answer = service
        .send(
            service
                .http
                .get(service.url("me"))
                .header("traceparent", format!("00-{trace}-b7ad6b7169203331-01")),
        )
        .await;
    assert_eq!(answer.body["trace_id"], trace);
}
