//! Every route, as somebody who has no business there.

use serde_json::Value;
use test_support::{People, Surface};

use crate::service::{Service, servers};
use crate::sessions::session_of;

/// What anybody may call.
const PUBLIC: &[&str] = &[
    "GET /api/account/.well-known/jwks.json",
    "GET /api/account/oidc/providers",
    "GET /api/account/oidc/{provider}/callback",
    "GET /api/account/pictures",
    "GET /api/account/pictures/{name}",
    "POST /api/account/email/verify",
    "POST /api/account/recovery",
    "POST /api/account/recovery/complete",
    "POST /api/account/refresh",
    "POST /api/account/register",
    "POST /api/account/sign-in",
    "POST /users/refresh",
    "POST /users/signin",
];

async fn surface(service: &Service) -> Surface {
    let document = service
        .send(service.http.get(service.url("openapi.json")))
        .await;
    Surface::new(format!("http://{}", service.at.http), &document.body)
}

#[tokio::test]
async fn no_route_is_open_to_strangers() {
    let service = Service::start().await;
    let surface = surface(&service).await;
    assert!(surface.operations().len() >= 30);
    // Of another deployment of the same suite.
    let elsewhere = Service::start_with(servers().await, |_| {}).await;
    let token = elsewhere
        .register("eve@example.org")
        .await
        .text("access_token");
    // Of a person who is only said to exist.
    let people = People::start().await;
    surface
        .refuses_strangers(
            PUBLIC,
            &[
                ("a token of another deployment", token),
                ("a token of another signer", people.person().token),
            ],
        )
        .await;
}

#[tokio::test]
async fn no_route_gives_what_is_somebody_elses() {
    let service = Service::start().await;
    let ada = service.register("ada@example.org").await;
    let session = session_of(&service, &ada).await.to_string();
    let eve = service
        .register("eve@example.org")
        .await
        .text("access_token");
    surface(&service)
        .await
        .refuses_others_objects(
            &eve,
            &[("session_id", &session), ("provider", "test")],
            &[
                // What everybody who is signed in may read.
                "GET /api/account/users/by-handle/{handle}",
                "GET /api/account/pictures/{name}",
                // A browser's way back, which has no token.
                "GET /api/account/oidc/{provider}/callback",
                // The person's own lists, whomever they name.
                "DELETE /api/account/blocks/{user_id}",
                "PUT /api/account/blocks/{user_id}",
                "DELETE /api/account/contacts/{user_id}",
                "POST /api/account/contacts/{user_id}/accept",
                "POST /api/account/contacts/{user_id}/decline",
            ],
            |_| Value::Object(serde_json::Map::new()),
        )
        .await;
}

#[tokio::test]
async fn the_familiar_routes_are_the_same() {
    let service = Service::start().await;
    let registered = service.register("ada@example.org").await;
    let at = |path: &str| format!("http://{}/users/{path}", service.at.http);
    let body =
        serde_json::json!({"email": "ada@example.org", "password": crate::service::PASSWORD});
    let signed_in = service
        .send(service.http.post(at("signin")).json(&body))
        .await;
    assert_eq!(signed_in.body["user"], registered.body["user"]);
    let next = service
        .send(
            service
                .http
                .post(at("refresh"))
                .json(&serde_json::json!({"refresh_token": signed_in.text("refresh_token")})),
        )
        .await;
    let me = service
        .send(
            service
                .http
                .get(at("me"))
                .bearer_auth(next.text("access_token")),
        )
        .await;
    assert_eq!(me.body["user"], registered.body["user"]);
    assert_eq!(me.text("email"), "ada@example.org");
}
