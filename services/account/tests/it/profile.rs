use reqwest::StatusCode;
use serde_json::json;

use crate::service::{PASSWORD, Service, eventually};
use crate::sessions::{every_gateway_was_told, session_of};

#[tokio::test]
async fn a_profile_is_changed_field_by_field() {
    let service = Service::start().await;
    let ada = service.register("ada@example.org").await;
    let token = ada.text("access_token");
    let changed = service
        .patch(
            &token,
            &json!({"display_name": " Ada L. ", "handle": "Countess", "status_text": "on the way",
                    "picture": "default:fox", "metadata": {"theme": "dark", "size": 2}}),
        )
        .await;
    assert_eq!(changed.status, StatusCode::OK, "{}", changed.body);
    assert_eq!(changed.body["user"]["display_name"], "Ada L.");
    assert_eq!(changed.body["user"]["handle"], "countess");
    let changed = service
        .patch(
            &token,
            &json!({"status_text": "", "metadata": {"size": null}}),
        )
        .await;
    let me = service.get("me", &token).await;
    assert_eq!(me.body, changed.body);
    assert_eq!(me.body["user"]["status_text"], "");
    assert_eq!(me.body["user"]["picture"], "default:fox");
    assert_eq!(me.body["metadata"], json!({"theme": "dark"}));

    // Others read the same, and nothing that is not theirs.
    let ben = service.register("ben@example.org").await;
    let seen = service
        .get("users/by-handle/countess", &ben.text("access_token"))
        .await;
    assert_eq!(seen.body, me.body["user"]);
    for private in ["email", "metadata", "password"] {
        assert!(!seen.body.to_string().contains(private), "{}", seen.body);
    }
}

#[tokio::test]
async fn all_faulty_fields_are_named_at_once() {
    let service = Service::start().await;
    let token = service
        .register("ada@example.org")
        .await
        .text("access_token");
    let refused = service
        .patch(
            &token,
            &json!({"display_name": "", "handle": "a", "status_text": "x".repeat(141),
                    "picture": "http://evil.example/x.png", "metadata": {"a": {"b": 1}}}),
        )
        .await;
    assert_eq!(
        (refused.status, refused.code()),
        (StatusCode::BAD_REQUEST, "input_invalid")
    );
    let codes: Vec<_> = refused.body["errors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|error| error["code"].as_str().unwrap())
        .collect();
    assert_eq!(
        codes,
        [
            "display_name_invalid",
            "handle_invalid",
            "status_text_invalid",
            "picture_invalid",
            "metadata_invalid"
        ]
    );
}

#[tokio::test]
async fn what_is_not_a_persons_to_set_is_refused() {
    let service = Service::start().await;
    let ada = service.register("ada@example.org").await;
    let token = ada.text("access_token");
    for field in [
        "role",
        "id",
        "user_id",
        "email",
        "email_verified",
        "verified",
        "tenant_id",
        "version",
        "deleted",
        "password_hash",
        "has_password",
        "created_at",
    ] {
        let answer = service.patch(&token, &json!({field: "x"})).await;
        assert_eq!(
            (answer.status, answer.code()),
            (StatusCode::BAD_REQUEST, "body_invalid"),
            "{field}"
        );
        let mut body = json!({"email": "eve@example.org", "password": PASSWORD});
        body[field] = json!("x");
        if field != "email" {
            let answer = service.post("register", &body).await;
            assert_eq!(answer.code(), "body_invalid", "{field}");
        }
    }
    let me = service.get("me", &token).await;
    assert_eq!(me.body["email_verified"], false);
    assert_eq!(me.body["user"], ada.body["user"]);
}

#[tokio::test]
async fn a_change_of_what_has_changed_is_refused() {
    let service = Service::start().await;
    let token = service
        .register("ada@example.org")
        .await
        .text("access_token");
    let me = service.get("me", &token).await;
    let etag = me.headers["etag"].to_str().unwrap().to_owned();
    let change = |etag: &str, text: &str| {
        service.send(
            service
                .http
                .patch(service.url("me"))
                .bearer_auth(&token)
                .header("if-match", etag)
                .json(&json!({"status_text": text})),
        )
    };
    let first = change(&etag, "first").await;
    assert_eq!(first.status, StatusCode::OK);
    assert_ne!(first.headers["etag"], etag.as_str());
    let second = change(&etag, "second").await;
    assert_eq!(
        (second.status, second.code()),
        (StatusCode::PRECONDITION_FAILED, "version_conflict")
    );
    let faulty = change("W/x", "third").await;
    assert_eq!(faulty.body["errors"][0]["code"], "etag_invalid");
    let unchanged = service
        .send(
            service
                .http
                .get(service.url("me"))
                .bearer_auth(&token)
                .header("if-none-match", &first.headers["etag"]),
        )
        .await;
    assert_eq!(unchanged.status, StatusCode::NOT_MODIFIED);
    // Without a condition, changes at once come one after the other.
    let (first, second) = (json!({"status_text": "a"}), json!({"display_name": "B"}));
    let (a, b) = tokio::join!(
        service.patch(&token, &first),
        service.patch(&token, &second)
    );
    assert_eq!((a.status, b.status), (StatusCode::OK, StatusCode::OK));
    let me = service.get("me", &token).await;
    assert_eq!(me.body["user"]["status_text"], "a");
    assert_eq!(me.body["user"]["display_name"], "B");
}

#[tokio::test]
async fn a_handle_that_was_given_up_is_nobodys_for_a_while() {
    let service = Service::start_with(crate::service::servers().await, |config| {
        config.limits.handle_changes = 3;
    })
    .await;
    let ada = service
        .register("ada@example.org")
        .await
        .text("access_token");
    let ben = service
        .register("ben@example.org")
        .await
        .text("access_token");
    let take = async |token: &str, handle: &str| {
        let answer = service.patch(token, &json!({"handle": handle})).await;
        if answer.status == StatusCode::OK {
            "taken".to_owned()
        } else {
            answer.code().to_owned()
        }
    };
    assert_eq!(take(&ben, "ada").await, "handle_taken");
    assert_eq!(take(&ada, "countess").await, "taken");
    assert_eq!(take(&ben, "ada").await, "handle_taken");
    let register = service
        .post(
            "register",
            &json!({"email": "eve@example.org", "password": PASSWORD, "handle": "ada"}),
        )
        .await;
    assert_eq!(register.code(), "handle_taken");
    // Its owner may come back to it.
    assert_eq!(take(&ada, "ada").await, "taken");
    assert_eq!(take(&ada, "lovelace").await, "taken");
    assert_eq!(take(&ada, "byron").await, "rate_limited");
    // No change of the handle, no count.
    assert_eq!(take(&ada, "lovelace").await, "taken");
    sqlx::query("UPDATE retired_handles SET until_unix_ms = 1")
        .execute(&service.database().await)
        .await
        .unwrap();
    assert_eq!(take(&ben, "ada").await, "taken");
}

#[tokio::test]
async fn shipped_pictures_are_served_as_pictures() {
    let service = Service::start().await;
    let list = service
        .send(service.http.get(service.url("pictures")))
        .await;
    let names = list.body["names"].as_array().unwrap().clone();
    assert_eq!(names.len(), 8);
    for name in names {
        let url = service.url(&format!("pictures/{}", name.as_str().unwrap()));
        let picture = service.http.get(url).send().await.unwrap();
        assert_eq!(picture.headers()["content-type"], "image/svg+xml");
        assert_eq!(picture.headers()["x-content-type-options"], "nosniff");
    }
    let unknown = service
        .send(service.http.get(service.url("pictures/dog")))
        .await;
    assert_eq!(unknown.code(), "picture_unknown");
}

#[tokio::test]
async fn a_deleted_account_is_a_tombstone() {
    let service = Service::start().await;
    let ada = service.register("ada@example.org").await;
    let ben = service
        .register("ben@example.org")
        .await
        .text("access_token");
    let token = ada.text("access_token");
    let session = session_of(&service, &ada).await;
    let user = ada.body["user"]["user_id"].as_str().unwrap().to_owned();
    service
        .patch(
            &token,
            &json!({"status_text": "secret plans", "metadata": {"k": "secret plans"}}),
        )
        .await;

    let deleted = service.delete("me", &token).await;
    assert_eq!(deleted.status, StatusCode::NO_CONTENT, "{}", deleted.body);
    assert_eq!(service.get("me", &token).await.code(), "session_ended");
    assert_eq!(
        service.refresh(&ada.text("refresh_token")).await.code(),
        "session_ended"
    );
    every_gateway_was_told(&service, session).await;
    assert_eq!(
        service.sign_in("ada@example.org", PASSWORD).await.code(),
        "credentials_wrong"
    );
    let seen = service.get(&format!("users?ids={user}"), &ben).await;
    assert_eq!(
        seen.body["users"][0],
        json!({"user_id": user, "display_name": "Deleted account", "status_text": "",
               "handle": format!("deleted-{}", user.replace('-', "")), "picture": "",
               "deleted": true})
    );
    let gone = service.get("users/by-handle/ada", &ben).await;
    assert_eq!(gone.code(), "user_unknown");

    // Nothing of the person is left in any table, but the handle that is kept from others.
    let database = service.database().await;
    let tables: Vec<String> = sqlx::query_scalar(
        "SELECT table_name::text FROM information_schema.tables
         WHERE table_schema = 'public' AND table_name <> '_sqlx_migrations'",
    )
    .fetch_all(&database)
    .await
    .unwrap();
    assert!(tables.len() >= 9, "{tables:?}");
    for table in tables {
        let rows: Vec<String> = sqlx::query_scalar(sqlx::AssertSqlSafe(format!(
            "SELECT t::text FROM {table} t"
        )))
        .fetch_all(&database)
        .await
        .unwrap();
        for row in rows {
            for personal in ["ada@example", "secret plans"] {
                assert!(!row.contains(personal), "{table}: {row}");
            }
        }
    }
    // The address is free, the handle is not.
    let again = service.register("ada@example.org").await;
    assert_ne!(again.body["user"]["user_id"], user.as_str());
    assert_ne!(again.body["user"]["handle"], "ada");
}

#[tokio::test]
async fn people_take_their_data_along() {
    let service = Service::start().await;
    let token = service
        .register("ada@example.org")
        .await
        .text("access_token");
    service
        .patch(&token, &json!({"metadata": {"theme": "dark"}}))
        .await;
    let export = service.get("export", &token).await;
    assert!(
        export.headers["content-disposition"]
            .to_str()
            .unwrap()
            .starts_with("attachment")
    );
    assert_eq!(export.body["account"]["email"], "ada@example.org");
    assert_eq!(export.body["account"]["metadata"], json!({"theme": "dark"}));
    assert_eq!(export.body["sessions"].as_array().unwrap().len(), 1);
    assert_eq!(export.body["security_events"][0]["kind"], "signed_in");
    // No secret goes along, nor what could be one.
    for secret in ["argon2", "hash", "token"] {
        assert!(!export.body.to_string().contains(secret), "{}", export.body);
    }
    assert_eq!(service.events(&token).await[0], "data_exported");
}

#[tokio::test]
async fn who_deletes_their_account_is_taken_out_of_their_conversations_sooner_or_later() {
    let mut service = Service::start().await;
    let (ada, ben) = (service.person("Ada").await, service.person("Ben").await);
    service.conversation.be_away(true);
    for person in [&ada, &ben] {
        let deleted = service.delete("me", &person.token).await;
        assert_eq!(deleted.status, StatusCode::NO_CONTENT, "{}", deleted.body);
    }
    // A restart forgets nothing.
    service.restart().await;
    assert_eq!(service.conversation.removals(&ada.user), 0);
    service.conversation.be_away(false);
    for person in [&ada, &ben] {
        // Once more when the answer was that there is more.
        eventually("the conversation service is told", || async {
            service.conversation.removals(&person.user) == 2
        })
        .await;
    }
    let database = service.database().await;
    eventually("nothing is left to tell", || async {
        let left: i64 = sqlx::query_scalar("SELECT count(*) FROM departures")
            .fetch_one(&database)
            .await
            .unwrap();
        left == 0
    })
    .await;
}
