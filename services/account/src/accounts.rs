//! What people do with their accounts; REST and gRPC both come here.

use std::net::IpAddr;

use ids::{SessionId, UserId};
use problem::{Kind, Problem};
use settings::Secret;

use crate::app::App;
use crate::domain::{DisplayName, Email, Handle, NewPassword, Profile, RefreshToken, device_name};
use crate::hasher::Verdict;
use crate::metrics;
use crate::store::sessions::{self, NewSession, Refreshed};
use crate::store::users::{self, Inserted, NewUser};

/// Most people that are looked up at once.
pub const MAX_USERS: usize = 100;

pub struct Registration<'a> {
    pub email: &'a str,
    pub password: &'a Secret,
    pub display_name: &'a str,
    /// Empty: made from the e-mail address.
    pub handle: &'a str,
    pub device_name: &'a str,
}

pub struct SignIn<'a> {
    pub email: &'a str,
    pub password: &'a Secret,
    pub device_name: &'a str,
}

/// A session and the tokens that stand for it.
pub struct SignedIn {
    pub access_token: String,
    pub expires_in_seconds: u32,
    pub refresh_token: RefreshToken,
    pub profile: Profile,
    /// Signed up by this call.
    pub created: bool,
}

struct NewAccount {
    email: Email,
    password: NewPassword,
    display_name: DisplayName,
    /// `None`: any that is free.
    handle: Option<Handle>,
}

enum Created {
    SignedIn(SignedIn),
    EmailTaken,
    HandleTaken,
}

impl App {
    pub async fn register(
        &self,
        request: &Registration<'_>,
        address: IpAddr,
    ) -> Result<SignedIn, Problem> {
        let new = parse_registration(request)?;
        let counted = self.limits.registration(address).await?;
        match self.create(&new, request.device_name).await? {
            Created::SignedIn(signed_in) => {
                metrics::registered();
                // It counts, unlike a sign-in: it takes a name and a place.
                drop(counted);
                Ok(signed_in)
            }
            Created::EmailTaken => Err(taken(
                "email",
                "email_taken",
                "This e-mail address has an account.",
            )),
            Created::HandleTaken => Err(taken(
                "handle",
                "handle_taken",
                "Somebody else has this handle.",
            )),
        }
    }

    pub async fn sign_in(
        &self,
        request: &SignIn<'_>,
        address: IpAddr,
    ) -> Result<SignedIn, Problem> {
        let email = Email::parse(request.email)
            .map_err(|e| invalid().with_field("email", "email_invalid", e.to_string()))?;
        let counted = self
            .limits
            .sign_in(&email, address)
            .await
            .inspect_err(|_| metrics::sign_in("limited"))?;
        let signed_in = self.try_sign_in(&email, request).await;
        match &signed_in {
            // A new account counts, as a registration does.
            Ok(signed_in) if signed_in.created => metrics::sign_in("created"),
            Err(problem) if problem.kind == Kind::Unauthenticated => {
                metrics::sign_in("wrong_credentials");
            }
            Ok(_) => {
                metrics::sign_in("signed_in");
                counted.give_back().await;
            }
            // Our failure, or a password that nobody can have, tells nothing of passwords.
            Err(_) => counted.give_back().await,
        }
        signed_in
    }

    async fn try_sign_in(&self, email: &Email, request: &SignIn<'_>) -> Result<SignedIn, Problem> {
        let mut known = users::credentials(&self.database, email).await?;
        if known.is_none() && self.accounts.sign_up_on_first_use {
            let new = NewAccount {
                password: NewPassword::parse(request.password.expose(), email.as_str())
                    .map_err(|error| with_password_problem(invalid(), error))?,
                display_name: DisplayName::parse(&local_as_name(email))
                    .unwrap_or_else(|_| name_of_last_resort()),
                email: email.clone(),
                handle: None,
            };
            if let Created::SignedIn(signed_in) = self.create(&new, request.device_name).await? {
                return Ok(signed_in);
            }
            // Somebody was faster with the same address: then it is a sign-in like any other.
            known = users::credentials(&self.database, email).await?;
        }
        let stored = known.as_ref().map(|known| known.password_hash.clone());
        let verdict = self.hasher.verify(request.password, stored).await?;
        let (Some(known), Verdict::Right | Verdict::RightAndRehashed(_)) = (known, &verdict) else {
            return Err(Problem::new(
                Kind::Unauthenticated,
                "credentials_wrong",
                "The e-mail address or the password is wrong.",
            ));
        };
        if let Verdict::RightAndRehashed(hash) = &verdict {
            let user = known.profile.user;
            users::strengthen(&self.database, user, &known.password_hash, hash).await?;
        }
        self.begin_session(known.profile, request.device_name).await
    }

    async fn create(&self, new: &NewAccount, device: &str) -> Result<Created, Problem> {
        // Before anything is looked up: a known address takes as long as a new one.
        let password_hash = self.hasher.hash(new.password.secret()).await?;
        let user = UserId::generate(&self.clock);
        for attempt in 0..16 {
            let handle = new
                .handle
                .clone()
                .unwrap_or_else(|| Handle::suggest(new.email.local(), attempt));
            let mut transaction = self.database.begin().await.map_err(crate::store::failed)?;
            let inserted = users::insert(
                &mut transaction,
                &NewUser {
                    user,
                    email: &new.email,
                    handle: handle.as_str(),
                    display_name: new.display_name.as_str(),
                    password_hash: &password_hash,
                    created_unix_ms: self.clock.unix_ms(),
                },
            )
            .await?;
            match inserted {
                Inserted::EmailTaken => return Ok(Created::EmailTaken),
                Inserted::HandleTaken if new.handle.is_some() => return Ok(Created::HandleTaken),
                Inserted::HandleTaken => {}
                Inserted::Done => {
                    let (session, token) = self.new_session();
                    sessions::begin(
                        &mut transaction,
                        &self.session_of(session, user, &device_name(device)),
                        &token,
                    )
                    .await?;
                    transaction.commit().await.map_err(crate::store::failed)?;
                    let profile = Profile {
                        user,
                        handle: handle.as_str().to_owned(),
                        display_name: new.display_name.as_str().to_owned(),
                    };
                    let signed_in = self.signed_in(profile, session, token, true)?;
                    return Ok(Created::SignedIn(signed_in));
                }
            }
        }
        Ok(Created::HandleTaken)
    }

    async fn begin_session(&self, profile: Profile, device: &str) -> Result<SignedIn, Problem> {
        let (session, token) = self.new_session();
        let mut transaction = self.database.begin().await.map_err(crate::store::failed)?;
        sessions::begin(
            &mut transaction,
            &self.session_of(session, profile.user, &device_name(device)),
            &token,
        )
        .await?;
        transaction.commit().await.map_err(crate::store::failed)?;
        self.signed_in(profile, session, token, false)
    }

    fn new_session(&self) -> (SessionId, RefreshToken) {
        (SessionId::generate(&self.clock), RefreshToken::generate())
    }

    fn session_of<'a>(
        &self,
        session: SessionId,
        user: UserId,
        device_name: &'a str,
    ) -> NewSession<'a> {
        NewSession {
            session,
            user,
            device_name,
            now_unix_ms: self.clock.unix_ms(),
            idle_ms: self.accounts.session_idle_seconds * 1_000,
            max_ms: self.accounts.session_max_seconds * 1_000,
        }
    }

    fn signed_in(
        &self,
        profile: Profile,
        session: SessionId,
        refresh_token: RefreshToken,
        created: bool,
    ) -> Result<SignedIn, Problem> {
        Ok(SignedIn {
            access_token: self.signing.access_token(profile.user, session)?,
            expires_in_seconds: self.signing.lifetime_s(),
            refresh_token,
            profile,
            created,
        })
    }

    /// Exchanges a refresh token for the next pair.
    pub async fn refresh(&self, token: &str) -> Result<SignedIn, Problem> {
        let refused = |code: &'static str, detail: &'static str| {
            metrics::refresh("refused");
            Problem::new(Kind::Unauthenticated, code, detail)
        };
        let unknown = || {
            refused(
                "refresh_token_invalid",
                "The refresh token is not valid. Sign in again.",
            )
        };
        let token = RefreshToken::parse(token).ok_or_else(unknown)?;
        let outcome = sessions::refresh(
            &self.database,
            &token,
            self.signing.refresh_secret(),
            self.clock.unix_ms(),
            self.accounts.session_idle_seconds * 1_000,
        )
        .await?;
        match outcome {
            Refreshed::Next {
                session,
                user,
                token,
                repeated,
            } => {
                let (profile, _) = users::own(&self.database, user)
                    .await?
                    .ok_or_else(unknown)?;
                metrics::refresh(if repeated { "repeated" } else { "next" });
                self.signed_in(profile, session, token, false)
            }
            Refreshed::Reused { session } => {
                tracing::warn!(
                    session.id = %session,
                    "a used refresh token came again; its session was ended"
                );
                metrics::refresh("reused");
                self.after_end(session, "token_reused").await;
                Err(Problem::new(
                    Kind::Unauthenticated,
                    "refresh_token_reused",
                    "This refresh token was used before, so its session was ended. Sign in again.",
                ))
            }
            Refreshed::Unknown => Err(unknown()),
            Refreshed::Ended => Err(refused(
                "session_ended",
                "The session has ended. Sign in again.",
            )),
            Refreshed::Expired => Err(refused(
                "session_expired",
                "The session has expired. Sign in again.",
            )),
        }
    }

    /// Ends a session, everywhere. Idempotent.
    pub async fn log_out(&self, session: SessionId) -> Result<(), Problem> {
        let now = self.clock.unix_ms();
        if sessions::end(&self.database, session, "logged_out", now).await? {
            self.after_end(session, "logged_out").await;
        }
        Ok(())
    }

    /// [`App::log_out`] of who has only the refresh token left. An unknown one is no error: what
    /// was asked for is so.
    pub async fn log_out_by_token(&self, token: &str) -> Result<(), Problem> {
        let Some(token) = RefreshToken::parse(token) else {
            return Ok(());
        };
        match sessions::of_token(&self.database, &token).await? {
            Some(session) => self.log_out(session).await,
            None => Ok(()),
        }
    }

    async fn after_end(&self, session: SessionId, why: &'static str) {
        metrics::session_ended(why);
        self.session_ended.notify_one();
        self.sessions.note_ended(session).await;
    }

    /// Whether a session goes on: Redis if it knows, else Postgres, which is right.
    pub async fn is_session_active(&self, session: SessionId) -> Result<bool, Problem> {
        if let Some(active) = self.sessions.is_active(session).await {
            return Ok(active);
        }
        let active = sessions::is_active(&self.database, session, self.clock.unix_ms()).await?;
        if active {
            self.sessions.note_active(session).await;
        }
        Ok(active)
    }

    /// The person, if their session goes on.
    pub async fn active(&self, person: auth::Person) -> Result<auth::Person, Problem> {
        if self.is_session_active(person.session).await? {
            Ok(person)
        } else {
            Err(session_ended())
        }
    }

    pub async fn own_profile(&self, user: UserId) -> Result<(Profile, String), Problem> {
        users::own(&self.database, user)
            .await?
            .ok_or_else(session_ended)
    }

    /// Profiles of those ids that are somebody's.
    pub async fn users<'a>(
        &self,
        ids: impl IntoIterator<Item = &'a str>,
    ) -> Result<Vec<Profile>, Problem> {
        let mut users = Vec::new();
        for (position, id) in ids.into_iter().enumerate() {
            if position == MAX_USERS {
                return Err(invalid().with_field(
                    "ids",
                    "ids_too_many",
                    format!("At most {MAX_USERS} at once."),
                ));
            }
            users.push(UserId::parse(id).map_err(|e| {
                invalid().with_field(format!("ids[{position}]"), "user_id_invalid", e.to_string())
            })?);
        }
        users::by_ids(&self.database, &users).await
    }
}

fn parse_registration(request: &Registration<'_>) -> Result<NewAccount, Problem> {
    let mut problem = invalid();
    let email = Email::parse(request.email);
    if let Err(error) = &email {
        problem = problem.with_field("email", "email_invalid", error.to_string());
    }
    let password = match &email {
        Ok(email) => NewPassword::parse(request.password.expose(), email.as_str()),
        Err(_) => NewPassword::parse(request.password.expose(), ""),
    };
    if let Err(error) = &password {
        problem = with_password_problem(problem, *error);
    }
    let display_name = match (request.display_name.trim(), &email) {
        ("", Ok(email)) => DisplayName::parse(&local_as_name(email)),
        (name, _) => DisplayName::parse(name),
    };
    if let Err(error) = &display_name
        && email.is_ok()
    {
        problem = problem.with_field("display_name", "display_name_invalid", error.to_string());
    }
    let handle = match request.handle.trim() {
        "" => Ok(None),
        handle => Handle::parse(handle).map(Some),
    };
    if let Err(error) = &handle {
        problem = problem.with_field("handle", "handle_invalid", error.to_string());
    }
    match (email, password, display_name, handle) {
        (Ok(email), Ok(password), Ok(display_name), Ok(handle)) => Ok(NewAccount {
            email,
            password,
            display_name,
            handle,
        }),
        _ => Err(problem),
    }
}

fn with_password_problem(problem: Problem, error: crate::domain::InvalidPassword) -> Problem {
    use crate::domain::InvalidPassword;
    let code = match error {
        InvalidPassword::Short => "password_too_short",
        InvalidPassword::Long => "password_too_long",
        InvalidPassword::Common => "password_too_common",
    };
    problem.with_field("password", code, error.to_string())
}

/// "ada.lovelace" → "ada lovelace": a start, until they say how they are called.
fn local_as_name(email: &Email) -> String {
    email
        .local()
        .split(['.', '_', '+'])
        .filter(|part| !part.is_empty())
        .collect::<Vec<_>>()
        .join(" ")
}

fn name_of_last_resort() -> DisplayName {
    DisplayName::parse("Somebody").expect("a plain word is a display name")
}

fn invalid() -> Problem {
    Problem::new(
        Kind::InvalidInput,
        "input_invalid",
        "Some fields are not valid.",
    )
}

fn taken(field: &'static str, code: &'static str, detail: &'static str) -> Problem {
    Problem::new(Kind::AlreadyExists, code, detail).with_field(field, code, detail)
}

fn session_ended() -> Problem {
    Problem::new(
        Kind::Unauthenticated,
        "session_ended",
        "The session has ended. Sign in again.",
    )
}
