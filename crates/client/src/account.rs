//! Accounts: registering, signing in and out, finding people.

use ids::{SessionId, UserId};
use reqwest::Method;
use serde::{Deserialize, Serialize};

use crate::api::{Api, Client, Done, read, segment};
use crate::error::Result;
use crate::tokens::Credentials;

/// A person as others see her.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct User {
    pub user_id: UserId,
    pub handle: String,
    pub display_name: String,
    /// Empty for none, `default:<name>` of one that is shipped, or `file:<file id>`
    /// ([`Client::picture_url`]).
    #[serde(default)]
    pub picture: String,
}

/// What a new account needs.
#[derive(Clone, Serialize)]
pub struct Registration {
    pub email: String,
    pub password: String,
    pub display_name: String,
    /// 3 to 32 characters of a-z, 0-9, `_` and `.`; none: made from the e-mail address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub handle: Option<String>,
    /// What the person calls this device.
    pub device_name: String,
}

/// The person of a token, as she sees herself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WhoAmI {
    pub user: User,
    pub email: String,
    pub session_id: SessionId,
}

#[derive(Deserialize)]
struct SignedIn {
    access_token: String,
    expires_in_seconds: u32,
    refresh_token: String,
    user: User,
}

impl Api {
    /// Makes an account and signs in.
    ///
    /// # Errors
    /// Codes such as `email_taken`, `handle_taken`, `password_too_weak`.
    pub async fn register(&self, registration: &Registration) -> Result<Client> {
        let credentials = self.obtain("/api/account/register", registration).await?;
        Ok(self.with_credentials(credentials))
    }

    /// Signs in; where the deployment allows it, an unknown address signs up.
    ///
    /// # Errors
    /// Code `credentials_invalid`, or `rate_limited` after too many tries.
    pub async fn sign_in(&self, email: &str, password: &str, device_name: &str) -> Result<Client> {
        #[derive(Serialize)]
        struct Body<'a> {
            email: &'a str,
            password: &'a str,
            device_name: &'a str,
        }
        let body = Body {
            email,
            password,
            device_name,
        };
        let credentials = self.obtain("/api/account/sign-in", &body).await?;
        Ok(self.with_credentials(credentials))
    }

    /// Exchanges a refresh token for the next pair. Each is good once.
    ///
    /// # Errors
    /// Refused when the login session has ended or the token was used before.
    pub async fn refresh(&self, refresh_token: &str) -> Result<Credentials> {
        #[derive(Serialize)]
        struct Body<'a> {
            refresh_token: &'a str,
        }
        self.obtain("/api/account/refresh", &Body { refresh_token })
            .await
    }

    async fn obtain(&self, path: &str, body: &(impl Serialize + Sync)) -> Result<Credentials> {
        let signed_in: SignedIn =
            read(self.request(Method::POST, path).json(body).send().await).await?;
        let life_ms = u64::from(signed_in.expires_in_seconds) * 1_000;
        Ok(Credentials {
            user: signed_in.user,
            access_token: signed_in.access_token,
            // A tenth of its life, but no more than a minute, covers slow calls and clocks.
            renew_at_unix_ms: self.clock().unix_ms() + life_ms - (life_ms / 10).min(60_000),
            refresh_token: signed_in.refresh_token,
        })
    }
}

impl Client {
    /// The person of the token, as the server knows her.
    ///
    /// # Errors
    /// See [`Error`](crate::Error).
    pub async fn me(&self) -> Result<WhoAmI> {
        self.get("/api/account/me").await
    }

    /// Changes one's picture: empty for none, `default:<name>` for one that is shipped, or what
    /// [`Client::upload_picture`] returned.
    ///
    /// # Errors
    /// Code `picture_invalid`.
    pub async fn change_picture(&self, picture: &str) -> Result<WhoAmI> {
        let body = serde_json::json!({ "picture": picture });
        self.call(Method::PATCH, "/api/account/me", |request| {
            request.json(&body)
        })
        .await
    }

    /// Ends the login session of this device.
    ///
    /// # Errors
    /// See [`Error`](crate::Error).
    pub async fn log_out(&self) -> Result<()> {
        let Done = self
            .post("/api/account/log-out", &serde_json::json!({}))
            .await?;
        Ok(())
    }

    /// The person with exactly this handle, with or without `@`.
    ///
    /// # Errors
    /// Code `user_unknown`.
    pub async fn find_user(&self, handle: &str) -> Result<User> {
        let handle = segment(handle.trim_start_matches('@'));
        self.get(&format!("/api/account/users/by-handle/{handle}"))
            .await
    }

    /// Public profiles; unknown ids are left out.
    ///
    /// # Errors
    /// See [`Error`](crate::Error).
    pub async fn users(&self, ids: &[UserId]) -> Result<Vec<User>> {
        #[derive(Deserialize)]
        struct Users {
            users: Vec<User>,
        }
        let mut found = Vec::with_capacity(ids.len());
        for some in ids.chunks(100) {
            let ids: Vec<_> = some.iter().map(ToString::to_string).collect();
            let page: Users = self
                .get(&format!("/api/account/users?ids={}", ids.join(",")))
                .await?;
            found.extend(page.users);
        }
        Ok(found)
    }
}
