use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::provider::{Browser, NAME, Provider};
use crate::service::{PASSWORD, Service, servers};

struct Setting {
    service: Service,
    provider: Provider,
}

async fn setting() -> Setting {
    setting_with(|_| {}).await
}

async fn setting_with(change: impl FnOnce(&mut account::config::Config)) -> Setting {
    let defaults: account::config::Config =
        settings::load_from("account", account::config::DEFAULTS, []).unwrap();
    let provider = Provider::start(&defaults.accounts.public_url).await;
    let settings = provider.settings();
    let service = Service::start_with(servers().await, |config| {
        config.oidc.providers.insert(NAME.to_owned(), settings);
        change(config);
    })
    .await;
    Setting { service, provider }
}

impl Setting {
    fn public_url(&self) -> &str {
        &self.service.config.accounts.public_url
    }

    /// The same address at the service itself: nothing is in front of it here.
    fn here(&self, url: &str) -> String {
        url.replace(
            self.public_url(),
            &format!("http://{}", self.service.at.http),
        )
    }

    async fn start(
        &self,
        browser: &mut Browser,
        token: Option<&str>,
        body: &Value,
    ) -> (StatusCode, Value) {
        let url = self.service.url(&format!("oidc/{NAME}/start"));
        let answer = browser
            .send(
                &url,
                |request| match token {
                    Some(token) => request.bearer_auth(token).json(body),
                    None => request.json(body),
                },
                Method::POST,
            )
            .await;
        (answer.status(), answer.json().await.unwrap())
    }

    /// To the provider and back, up to the address that the provider sends the browser to.
    async fn go(
        &self,
        browser: &mut Browser,
        login: &str,
        token: Option<&str>,
        body: &Value,
    ) -> String {
        let (status, answer) = self.start(browser, token, body).await;
        assert_eq!(status, StatusCode::OK, "{answer}");
        let url = answer["authorization_url"].as_str().unwrap();
        let back = browser
            .sign_in_at_provider(url, login, self.public_url())
            .await;
        self.here(&back)
    }

    /// Where the service sends the browser.
    async fn arrive(&self, browser: &mut Browser, url: &str) -> String {
        let answer = browser.get(url).await;
        assert_eq!(answer.status(), StatusCode::SEE_OTHER);
        let location = answer.headers()["location"].to_str().unwrap();
        location
            .strip_prefix(self.public_url())
            .expect("it is in the web client")
            .to_owned()
    }

    async fn sign_in(&self, browser: &mut Browser, login: &str) -> String {
        let body = json!({"return_to": "/in", "device_name": "browser"});
        let back = self.go(browser, login, None, &body).await;
        self.arrive(browser, &back).await
    }

    /// What the web client does when it is loaded: the cookie becomes an access token.
    async fn token(&self, browser: &mut Browser) -> String {
        let url = self.service.url("refresh");
        let answer = browser
            .send(
                &url,
                |request| request.header("sec-fetch-site", "same-origin"),
                Method::POST,
            )
            .await;
        assert_eq!(answer.status(), StatusCode::OK);
        let body: Value = answer.json().await.unwrap();
        body["access_token"].as_str().unwrap().to_owned()
    }
}

#[tokio::test]
async fn who_comes_from_a_provider_gets_an_account_and_comes_back_to_it() {
    let setting = setting().await;
    let service = &setting.service;
    let list = service
        .send(service.http.get(service.url("oidc/providers")))
        .await;
    assert_eq!(
        list.body,
        json!({"providers": [{"name": NAME, "display_name": "Test"}]})
    );
    let mut browser = Browser::new();
    assert_eq!(
        setting.sign_in(&mut browser, "ada@example.org").await,
        "/in?oidc=created"
    );
    let token = setting.token(&mut browser).await;
    let me = service.get("me", &token).await;
    assert_eq!(me.text("email"), "ada@example.org");
    assert_eq!(me.body["email_verified"], true);
    assert_eq!(me.body["has_password"], false);
    assert_eq!(me.body["user"]["display_name"], "Name of ada@example.org");
    let sessions = service.get("sessions", &token).await;
    assert_eq!(sessions.body["sessions"][0]["device_name"], "browser");

    let mut other = Browser::new();
    assert_eq!(
        setting.sign_in(&mut other, "ada@example.org").await,
        "/in?oidc=signed_in"
    );
    let again = setting.token(&mut other).await;
    let same = service.get("me", &again).await;
    assert_eq!(same.body["user"], me.body["user"]);
    // Nobody signs in to it by a password that was never set.
    assert_eq!(
        service.sign_in("ada@example.org", "").await.code(),
        "credentials_wrong"
    );
}

#[tokio::test]
async fn an_identity_with_a_known_address_is_linked_by_its_owner_only() {
    let setting = setting().await;
    let service = &setting.service;
    let token = service
        .register("ada@example.org")
        .await
        .text("access_token");
    let mut browser = Browser::new();
    assert_eq!(
        setting.sign_in(&mut browser, "ada@example.org").await,
        "/in?oidc_error=oidc_link_required"
    );
    assert_eq!(
        setting
            .sign_in(&mut Browser::new(), "unverified:eve@example.org")
            .await,
        "/in?oidc_error=oidc_email_unverified"
    );

    let link = json!({"purpose": "link", "return_to": "/settings?tab=logins"});
    let (status, refused) = setting.start(&mut browser, None, &link).await;
    assert_eq!(status, StatusCode::UNAUTHORIZED, "{refused}");
    let back = setting
        .go(&mut browser, "ada@example.org", Some(&token), &link)
        .await;
    assert_eq!(
        setting.arrive(&mut browser, &back).await,
        "/settings?tab=logins&oidc=linked"
    );
    let identities = service.get("identities", &token).await;
    assert_eq!(identities.body["identities"][0]["provider"], NAME);
    assert_eq!(identities.body["identities"][0]["email"], "ada@example.org");
    assert_eq!(
        setting
            .sign_in(&mut Browser::new(), "ada@example.org")
            .await,
        "/in?oidc=signed_in"
    );

    // An identity is one person's.
    let ben = service
        .register("ben@example.org")
        .await
        .text("access_token");
    let mut bens = Browser::new();
    let back = setting
        .go(&mut bens, "ada@example.org", Some(&ben), &link)
        .await;
    assert_eq!(
        setting.arrive(&mut bens, &back).await,
        "/settings?tab=logins&oidc_error=identity_taken"
    );

    let unlinked = service.delete(&format!("identities/{NAME}"), &token).await;
    assert_eq!(unlinked.status, StatusCode::NO_CONTENT);
    assert_eq!(
        service
            .delete(&format!("identities/{NAME}"), &token)
            .await
            .code(),
        "identity_unknown"
    );
    let events = service.events(&token).await;
    assert_eq!(events[0], "identity_unlinked");
    assert!(events.contains(&"identity_linked".to_owned()));
}

#[tokio::test]
async fn the_last_way_in_is_not_taken_away() {
    let setting = setting().await;
    let service = &setting.service;
    let mut browser = Browser::new();
    setting.sign_in(&mut browser, "ada@example.org").await;
    let token = setting.token(&mut browser).await;
    let path = format!("identities/{NAME}");
    assert_eq!(
        service.delete(&path, &token).await.code(),
        "last_credential"
    );
    let set = service
        .post_as("password", &token, &json!({"new_password": PASSWORD}))
        .await;
    assert_eq!(set.status, StatusCode::NO_CONTENT, "{}", set.body);
    assert_eq!(
        service.delete(&path, &token).await.status,
        StatusCode::NO_CONTENT
    );
    assert_eq!(
        service.sign_in("ada@example.org", PASSWORD).await.status,
        StatusCode::OK
    );
}

#[tokio::test]
async fn who_has_no_password_proves_it_at_the_provider() {
    let setting = setting().await;
    let service = &setting.service;
    let mut browser = Browser::new();
    setting.sign_in(&mut browser, "ada@example.org").await;
    let token = setting.token(&mut browser).await;
    service.age_proofs().await;
    assert_eq!(service.get("export", &token).await.code(), "proof_needed");
    let prove = json!({"purpose": "prove", "return_to": "/settings"});
    // Somebody else at the provider proves nothing.
    let mut stranger = Browser::new();
    let back = setting
        .go(&mut stranger, "eve@example.org", Some(&token), &prove)
        .await;
    assert_eq!(
        setting.arrive(&mut stranger, &back).await,
        "/settings?oidc_error=proof_failed"
    );
    assert_eq!(service.get("export", &token).await.code(), "proof_needed");
    let back = setting
        .go(&mut browser, "ada@example.org", Some(&token), &prove)
        .await;
    assert_eq!(
        setting.arrive(&mut browser, &back).await,
        "/settings?oidc=proved"
    );
    assert_eq!(service.get("export", &token).await.status, StatusCode::OK);
}

#[tokio::test]
async fn an_answer_counts_once_in_the_browser_that_asked() {
    let setting = setting().await;
    let mut browser = Browser::new();
    let body = json!({"return_to": "/in"});
    let back = setting
        .go(&mut browser, "ada@example.org", None, &body)
        .await;
    let mut victim = Browser::new();
    assert_eq!(
        setting.arrive(&mut victim, &back).await,
        "/?oidc_error=oidc_state_invalid"
    );
    assert!(!victim.cookie(&back).contains("session"));
    // A stranger's try has not used it up.
    assert_eq!(
        setting.arrive(&mut browser, &back).await,
        "/in?oidc=created"
    );
    assert_eq!(
        setting.arrive(&mut browser, &back).await,
        "/?oidc_error=oidc_state_invalid"
    );
    // Nor does a state go with another code, nor with none.
    for (find, put) in [
        ("code=", "code=x"),
        ("code=", "other="),
        ("state=", "state=x"),
    ] {
        let mut browser = Browser::new();
        let back = setting
            .go(&mut browser, "ada@example.org", None, &body)
            .await;
        let forged = back.replace(find, put);
        let location = setting.arrive(&mut browser, &forged).await;
        assert!(location.contains("oidc_error="), "{location}");
        assert!(
            !browser.cookie(&back).contains("parlance_session"),
            "{location}"
        );
    }
    // The answer of another issuer (RFC 9207).
    let mut browser = Browser::new();
    let back = setting
        .go(&mut browser, "ada@example.org", None, &body)
        .await;
    let (start, _) = back.split_once("&iss=").expect("the provider names itself");
    let mixed = format!("{start}&iss=https%3A%2F%2Fevil.example");
    assert_eq!(
        setting.arrive(&mut browser, &mixed).await,
        "/in?oidc_error=oidc_failed"
    );
}

#[tokio::test]
async fn nobody_is_sent_elsewhere_by_way_of_us() {
    let setting = setting().await;
    for return_to in ["//evil.example", "https://evil.example/", "/\\evil.example"] {
        let body = json!({"return_to": return_to});
        let (status, answer) = setting.start(&mut Browser::new(), None, &body).await;
        assert_eq!(status, StatusCode::BAD_REQUEST);
        assert_eq!(answer["errors"][0]["code"], "return_to_invalid");
    }
    let url = setting.service.url("oidc/nobody/start");
    let unknown = setting
        .service
        .send(setting.service.http.post(url).json(&json!({})))
        .await;
    assert_eq!(unknown.code(), "provider_unknown");
}

#[tokio::test]
async fn a_provider_that_is_away_hinders_nobody_else_and_is_found_again() {
    let setting = setting().await;
    setting.provider.process.kill9().await;
    let body = json!({});
    let (status, answer) = setting.start(&mut Browser::new(), None, &body).await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(answer["code"], "provider_unavailable");
    setting.service.register("ben@example.org").await;
    setting.provider.process.start().await.unwrap();
    assert_eq!(
        setting
            .sign_in(&mut Browser::new(), "ada@example.org")
            .await,
        "/in?oidc=created"
    );
}

#[tokio::test]
async fn recovery_takes_away_what_a_squatter_linked() {
    let setting = setting().await;
    let service = &setting.service;
    // Eve registers with Ada's address, which she can't prove, and links an identity of her own.
    let eve = service
        .register("ada@example.org")
        .await
        .text("access_token");
    let mut browser = Browser::new();
    let link = json!({"purpose": "link", "return_to": "/in"});
    let back = setting
        .go(&mut browser, "eve@example.org", Some(&eve), &link)
        .await;
    setting.arrive(&mut browser, &back).await;
    // Ada recovers the account by her mailbox.
    service
        .post("recovery", &json!({"email": "ada@example.org"}))
        .await;
    let token = service
        .mailed_token("ada@example.org", "recover", None)
        .await;
    let recovered = service
        .post(
            "recovery/complete",
            &json!({"token": token, "new_password": "three new ships"}),
        )
        .await;
    assert_eq!(recovered.status, StatusCode::NO_CONTENT);
    let ada = service.sign_in("ada@example.org", "three new ships").await;
    let token = ada.text("access_token");
    assert_eq!(
        service.get("identities", &token).await.body,
        json!({"identities": []})
    );
    assert_eq!(
        setting
            .sign_in(&mut Browser::new(), "eve@example.org")
            .await,
        "/in?oidc=created"
    );
    assert_ne!(
        service.get("me", &token).await.body["user"]["handle"],
        "eve"
    );
}

#[tokio::test]
async fn where_providers_bring_nobody_new_strangers_are_refused() {
    let setting = setting_with(|config| config.oidc.sign_up = false).await;
    assert_eq!(
        setting
            .sign_in(&mut Browser::new(), "ada@example.org")
            .await,
        "/in?oidc_error=oidc_sign_up_off"
    );
}
