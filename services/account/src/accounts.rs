//! What people do with their accounts; REST and gRPC both come here.

use auth::session_ended;
use ids::{SessionId, UserId};
use problem::{Kind, Problem};
use settings::Secret;
use sqlx::{Postgres, Transaction};

use crate::app::App;
use crate::domain::{
    Client, DisplayName, Email, Handle, InvalidPassword, NewPassword, Picture, Profile,
    RefreshToken, SecurityEvent, device_name,
};
use crate::hasher::Verdict;
use crate::metrics;
use crate::store;
use crate::store::security_events::{self, NewEvent};
use crate::store::sessions::{self, NewSession, Refreshed};
use crate::store::users::{self, Inserted, NewUser, Own};

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

/// Somebody to be, with names that are still to be found free.
pub(crate) struct NewPerson<'a> {
    pub email: &'a Email,
    pub email_verified: bool,
    pub password_hash: Option<&'a str>,
    pub display_name: &'a DisplayName,
    /// `None`: any that is free.
    pub handle: Option<&'a Handle>,
}

/// A sign-in, for its session.
pub(crate) struct From<'a> {
    pub client: &'a Client,
    pub device_name: &'a str,
}

impl App {
    pub async fn register(
        &self,
        request: &Registration<'_>,
        client: &Client,
    ) -> Result<SignedIn, Problem> {
        let new = parse_registration(request)?;
        let counted = self.limits.registration(client.address).await?;
        let from = From {
            client,
            device_name: request.device_name,
        };
        match self.create(&new, &from).await? {
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
        client: &Client,
    ) -> Result<SignedIn, Problem> {
        let email = Email::parse(request.email)
            .map_err(|e| invalid().with_field("email", "email_invalid", e.to_string()))?;
        let counted = self
            .limits
            .sign_in(&email, client.address)
            .await
            .inspect_err(|_| metrics::sign_in("limited"))?;
        let signed_in = self.try_sign_in(&email, request, client).await;
        match &signed_in {
            // A new account counts, as a registration does.
            Ok(signed_in) if signed_in.created => metrics::sign_in("created"),
            Err(problem) if problem.kind == Kind::Unauthenticated => {
                metrics::sign_in("wrong_credentials");
                let now = self.clock.unix_ms();
                security_events::record_failed_sign_in(&self.database, &email, client, now).await?;
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

    async fn try_sign_in(
        &self,
        email: &Email,
        request: &SignIn<'_>,
        client: &Client,
    ) -> Result<SignedIn, Problem> {
        let from = From {
            client,
            device_name: request.device_name,
        };
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
            if let Created::SignedIn(signed_in) = self.create(&new, &from).await? {
                return Ok(signed_in);
            }
            // Somebody was faster with the same address: then it is a sign-in like any other.
            known = users::credentials(&self.database, email).await?;
        }
        let stored = known.as_ref().and_then(|known| known.password_hash.clone());
        let verdict = self.hasher.verify(request.password, stored.clone()).await?;
        let (Some(known), Verdict::Right | Verdict::RightAndRehashed(_)) = (known, &verdict) else {
            return Err(credentials_wrong());
        };
        if let (Verdict::RightAndRehashed(hash), Some(old)) = (&verdict, &stored) {
            users::strengthen(&self.database, known.profile.user, old, hash).await?;
        }
        let mut transaction = self.database.begin().await.map_err(store::failed)?;
        let user = known.profile.user;
        // A password that was changed meanwhile opens nothing more.
        if !users::hold_credentials(&mut transaction, user, known.version).await? {
            return Err(credentials_wrong());
        }
        self.begin_session(transaction, known.profile, &from, "")
            .await
    }

    async fn create(&self, new: &NewAccount, from: &From<'_>) -> Result<Created, Problem> {
        // Before anything is looked up: a known address takes as long as a new one.
        let password_hash = self.hasher.hash(new.password.secret()).await?;
        let mut transaction = self.database.begin().await.map_err(store::failed)?;
        let person = NewPerson {
            email: &new.email,
            email_verified: false,
            password_hash: Some(&password_hash),
            display_name: &new.display_name,
            handle: new.handle.as_ref(),
        };
        let inserted = self.insert_person(&mut transaction, &person).await?;
        let profile = match inserted {
            Ok(profile) => profile,
            Err(Inserted::EmailTaken) => return Ok(Created::EmailTaken),
            Err(_) => return Ok(Created::HandleTaken),
        };
        let user = profile.user;
        let mut signed_in = self.begin_session(transaction, profile, from, "").await?;
        signed_in.created = true;
        self.welcome(user, &new.email, from.client).await;
        Ok(Created::SignedIn(signed_in))
    }

    /// A new person, or which of the names is taken.
    pub(crate) async fn insert_person(
        &self,
        transaction: &mut Transaction<'_, Postgres>,
        new: &NewPerson<'_>,
    ) -> Result<Result<Profile, Inserted>, Problem> {
        let user = UserId::generate(&self.clock);
        let now = self.clock.unix_ms();
        for attempt in 0..16 {
            let handle = match new.handle {
                Some(handle) => handle.clone(),
                None => Handle::suggest(new.email.local(), attempt),
            };
            let inserted = users::insert(
                transaction,
                &NewUser {
                    user,
                    email: new.email,
                    email_verified_unix_ms: new.email_verified.then_some(now),
                    handle: handle.as_str(),
                    display_name: new.display_name.as_str(),
                    password_hash: new.password_hash,
                    created_unix_ms: now,
                },
            )
            .await?;
            match inserted {
                Inserted::HandleTaken if new.handle.is_none() => {}
                Inserted::EmailTaken | Inserted::HandleTaken => return Ok(Err(inserted)),
                Inserted::Done => {
                    let event = NewEvent {
                        user,
                        at_unix_ms: now,
                        event: SecurityEvent::Registered,
                        session: None,
                        client: None,
                        detail: "",
                    };
                    security_events::record(&mut **transaction, &event).await?;
                    return Ok(Ok(Profile {
                        user,
                        handle: handle.as_str().to_owned(),
                        display_name: new.display_name.as_str().to_owned(),
                        status_text: String::new(),
                        picture: Picture::None,
                        deleted: false,
                    }));
                }
            }
        }
        Ok(Err(Inserted::HandleTaken))
    }

    /// Begins a session in the transaction that found its proof good, and commits it. `detail` says
    /// how they proved it if not by password.
    pub(crate) async fn begin_session(
        &self,
        mut transaction: Transaction<'_, Postgres>,
        profile: Profile,
        from: &From<'_>,
        detail: &str,
    ) -> Result<SignedIn, Problem> {
        let (session, token) = (SessionId::generate(&self.clock), RefreshToken::generate());
        let now = self.clock.unix_ms();
        sessions::begin(
            &mut transaction,
            &NewSession {
                session,
                user: profile.user,
                device_name: &device_name(from.device_name),
                user_agent: &from.client.user_agent,
                now_unix_ms: now,
                idle_ms: self.accounts.session_idle_seconds * 1_000,
                max_ms: self.accounts.session_max_seconds * 1_000,
            },
            &token,
        )
        .await?;
        let event = NewEvent {
            user: profile.user,
            at_unix_ms: now,
            event: SecurityEvent::SignedIn,
            session: Some(session),
            client: Some(from.client),
            detail,
        };
        security_events::record(&mut *transaction, &event).await?;
        transaction.commit().await.map_err(store::failed)?;
        self.signed_in(profile, session, token)
    }

    fn signed_in(
        &self,
        profile: Profile,
        session: SessionId,
        refresh_token: RefreshToken,
    ) -> Result<SignedIn, Problem> {
        Ok(SignedIn {
            access_token: self.signing.access_token(profile.user, session)?,
            expires_in_seconds: self.signing.lifetime_s(),
            refresh_token,
            profile,
            created: false,
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
                let profile = users::by_id(&self.database, user)
                    .await?
                    .ok_or_else(unknown)?;
                metrics::refresh(if repeated { "repeated" } else { "next" });
                self.signed_in(profile, session, token)
            }
            Refreshed::Reused { session, user } => {
                tracing::warn!(
                    session.id = %session,
                    "a used refresh token came again; its session was ended"
                );
                metrics::refresh("reused");
                let event = NewEvent {
                    user,
                    at_unix_ms: self.clock.unix_ms(),
                    event: SecurityEvent::RefreshTokenReused,
                    session: Some(session),
                    client: None,
                    detail: "",
                };
                security_events::record(&self.database, &event).await?;
                self.after_end(&[session], "token_reused").await;
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
        let mut transaction = self.database.begin().await.map_err(store::failed)?;
        let ended = sessions::end_in(&mut transaction, session, "logged_out", now).await?;
        if let Some(user) = ended {
            let event = NewEvent {
                user,
                at_unix_ms: now,
                event: SecurityEvent::LoggedOut,
                session: Some(session),
                client: None,
                detail: "",
            };
            security_events::record(&mut *transaction, &event).await?;
        }
        transaction.commit().await.map_err(store::failed)?;
        if ended.is_some() {
            self.after_end(&[session], "logged_out").await;
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

    /// What follows an end that Postgres knows: Redis learns of it, and the sockets are closed.
    pub(crate) async fn after_end(&self, sessions: &[SessionId], why: &'static str) {
        self.session_ended.notify_one();
        for session in sessions {
            metrics::session_ended(why);
            self.sessions.note_ended(*session).await;
        }
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

    /// What the person themselves may read.
    pub async fn own(&self, user: UserId) -> Result<Own, Problem> {
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

fn with_password_problem(problem: Problem, error: InvalidPassword) -> Problem {
    problem.with_field("password", password_code(error), error.to_string())
}

pub(crate) const fn password_code(error: InvalidPassword) -> &'static str {
    match error {
        InvalidPassword::Short => "password_too_short",
        InvalidPassword::Long => "password_too_long",
        InvalidPassword::Common => "password_too_common",
    }
}

/// "ada.lovelace" → "ada lovelace": a start, until they say how they are called.
pub(crate) fn local_as_name(email: &Email) -> String {
    email
        .local()
        .split(['.', '_', '+'])
        .filter(|part| !part.is_empty())
        .collect::<Vec<_>>()
        .join(" ")
}

pub(crate) fn name_of_last_resort() -> DisplayName {
    DisplayName::parse("Somebody").expect("a plain word is a display name")
}

pub(crate) fn invalid() -> Problem {
    Problem::new(
        Kind::InvalidInput,
        "input_invalid",
        "Some fields are not valid.",
    )
}

pub(crate) fn taken(field: &'static str, code: &'static str, detail: &'static str) -> Problem {
    Problem::new(Kind::AlreadyExists, code, detail).with_field(field, code, detail)
}

pub(crate) fn credentials_wrong() -> Problem {
    Problem::new(
        Kind::Unauthenticated,
        "credentials_wrong",
        "The e-mail address or the password is wrong.",
    )
}
