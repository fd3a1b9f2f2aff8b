//! Sign-in by other providers, and the identities that are linked to an account.

use auth::{Person, session_ended};
use ids::{SessionId, UserId};
use problem::{Kind, Problem};

use crate::accounts::{
    From, NewPerson, SignedIn, credentials_wrong, invalid, local_as_name, name_of_last_resort,
};
use crate::app::App;
use crate::domain::{Client, DisplayName, RandomToken, ReturnPath, SecurityEvent, device_name};
use crate::metrics;
use crate::providers::{Arrival, Asked};
use crate::store;
use crate::store::identities::{self, Flow, FlowPurpose, Identity, NewIdentity};
use crate::store::sessions;
use crate::store::users::{self, Inserted};

/// How long somebody may be at a provider.
const FLOW_MS: u64 = 600_000;

/// What somebody goes to a provider for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    SignIn,
    Link,
    Prove,
}

pub struct Departure<'a> {
    pub provider: &'a str,
    pub purpose: Purpose,
    pub device_name: &'a str,
    pub return_to: &'a str,
}

/// Where to send the browser, and what it must remember.
pub struct Departed {
    pub url: String,
    pub browser: RandomToken,
}

/// The answer of a provider, as a browser brings it.
pub struct Answer<'a> {
    pub provider: &'a str,
    pub state: &'a str,
    pub code: Option<&'a str>,
    pub issuer: Option<&'a str>,
    /// Of the browser's cookie.
    pub browser: Option<&'a str>,
}

/// What became of it, and where the browser goes on.
pub struct Arrived {
    pub return_to: ReturnPath,
    pub outcome: Result<Outcome, Problem>,
}

pub enum Outcome {
    SignedIn(SignedIn),
    Linked,
    Proved,
}

impl App {
    /// Begins a way to a provider. `person` is who links or proves.
    pub async fn depart(
        &self,
        departure: &Departure<'_>,
        person: Option<&Person>,
        browser: Option<&str>,
        client: &Client,
    ) -> Result<Departed, Problem> {
        let return_to = ReturnPath::parse(departure.return_to).map_err(|error| {
            invalid().with_field("return_to", "return_to_invalid", error.to_string())
        })?;
        let signed_in = || {
            person
                .map(|person| (person.user, person.session))
                .ok_or_else(|| {
                    Problem::new(
                        Kind::Unauthenticated,
                        "token_missing",
                        "An access token is needed, as `Authorization: Bearer …`.",
                    )
                })
        };
        let (purpose, asked) = match departure.purpose {
            Purpose::SignIn => (FlowPurpose::SignIn, Asked::AsNeeded),
            Purpose::Link => {
                let (user, session) = signed_in()?;
                if let Some(person) = person {
                    self.fresh(person).await?;
                }
                (FlowPurpose::Link(user, session), Asked::AsNeeded)
            }
            Purpose::Prove => {
                let (user, session) = signed_in()?;
                (FlowPurpose::Prove(user, session), Asked::Again)
            }
        };
        // It counts: each takes a row and may ask the provider.
        let _ = self.limits.registration(client.address).await?;
        let way = self.providers.depart(departure.provider, asked).await?;
        // Ways that one browser goes at once share its cookie.
        let browser = browser
            .and_then(RandomToken::parse)
            .unwrap_or_else(RandomToken::generate);
        let flow = Flow {
            provider: departure.provider.to_owned(),
            nonce: way.nonce,
            pkce_verifier: way.pkce_verifier,
            purpose,
            device_name: device_name(departure.device_name),
            return_to,
        };
        let expires = self.clock.unix_ms() + FLOW_MS;
        identities::begin_flow(&self.database, &way.state, &browser, &flow, expires).await?;
        Ok(Departed {
            url: way.url,
            browser,
        })
    }

    /// Takes a provider's answer. Whatever it is, the browser goes on in the web client.
    pub async fn arrive(&self, answer: &Answer<'_>, client: &Client) -> Arrived {
        let flow = match self.flow_of(answer).await {
            Ok(flow) => flow,
            Err(problem) => {
                return Arrived {
                    return_to: ReturnPath::start(),
                    outcome: Err(problem),
                };
            }
        };
        let outcome = Box::pin(self.arrive_in(&flow, answer, client)).await;
        Arrived {
            return_to: flow.return_to,
            outcome,
        }
    }

    async fn flow_of(&self, answer: &Answer<'_>) -> Result<Flow, Problem> {
        let tokens =
            RandomToken::parse(answer.state).zip(answer.browser.and_then(RandomToken::parse));
        let flow = match tokens {
            Some((state, browser)) => {
                let now = self.clock.unix_ms();
                identities::take_flow(&self.database, &state, &browser, now).await?
            }
            None => None,
        };
        flow.filter(|flow| flow.provider == answer.provider)
            .ok_or_else(|| {
                Problem::new(
                    Kind::PermissionDenied,
                    "oidc_state_invalid",
                    "This answer was not asked for in this browser, or not lately. Try again.",
                )
            })
    }

    async fn arrive_in(
        &self,
        flow: &Flow,
        answer: &Answer<'_>,
        client: &Client,
    ) -> Result<Outcome, Problem> {
        let code = answer.code.ok_or_else(|| {
            Problem::new(
                Kind::Unauthenticated,
                "oidc_refused",
                "The provider did not let you through.",
            )
        })?;
        let arrival = self
            .providers
            .arrive(
                &flow.provider,
                code,
                answer.issuer,
                &flow.nonce,
                &flow.pkce_verifier,
            )
            .await?;
        match flow.purpose {
            FlowPurpose::SignIn => self
                .sign_in_by(flow, &arrival, client)
                .await
                .map(Outcome::SignedIn),
            FlowPurpose::Link(user, session) => {
                self.link(flow, &arrival, (user, session), client).await?;
                Ok(Outcome::Linked)
            }
            FlowPurpose::Prove(user, session) => {
                self.prove(flow, &arrival, (user, session)).await?;
                Ok(Outcome::Proved)
            }
        }
    }

    async fn sign_in_by(
        &self,
        flow: &Flow,
        arrival: &Arrival,
        client: &Client,
    ) -> Result<SignedIn, Problem> {
        let from = From {
            client,
            device_name: &flow.device_name,
        };
        let mut transaction = self.database.begin().await.map_err(store::failed)?;
        let owner = identities::owner(&mut *transaction, &flow.provider, &arrival.subject).await?;
        if let Some(user) = owner {
            let own = users::own(&mut *transaction, user)
                .await?
                .ok_or_else(credentials_wrong)?;
            let version = own.credentials_version;
            if !users::hold_credentials(&mut transaction, user, version).await? {
                return Err(credentials_wrong());
            }
            metrics::sign_in("signed_in");
            return self
                .begin_session(transaction, own.profile, &from, &flow.provider)
                .await;
        }
        let email = arrival.verified_email.as_ref().ok_or_else(|| {
            Problem::new(
                Kind::PermissionDenied,
                "oidc_email_unverified",
                "The provider does not vouch for an e-mail address of yours. Register here first, \
                 then link the provider in the settings.",
            )
        })?;
        let link_first = || {
            Problem::new(
                Kind::AlreadyExists,
                "oidc_link_required",
                "Your e-mail address has an account here. Sign in as before, then link the \
                 provider in the settings.",
            )
        };
        if !self.oidc_sign_up {
            // Also for a known address: who may sign up is no reason to tell who has.
            return Err(Problem::new(
                Kind::PermissionDenied,
                "oidc_sign_up_off",
                "No account is linked to this identity. Sign in as before, then link the provider \
                 in the settings.",
            ));
        }
        let display_name = arrival
            .name
            .as_deref()
            .and_then(|name| DisplayName::parse(name).ok())
            .or_else(|| DisplayName::parse(&local_as_name(email)).ok())
            .unwrap_or_else(name_of_last_resort);
        let person = NewPerson {
            email,
            email_verified: true,
            password_hash: None,
            display_name: &display_name,
            handle: None,
        };
        let profile = match self.insert_person(&mut transaction, &person).await? {
            Ok(profile) => profile,
            // Never linked silently: that would give the account to whoever the provider says.
            Err(Inserted::EmailTaken) => return Err(link_first()),
            Err(_) => {
                return Err(Problem::new(
                    Kind::Unavailable,
                    "unavailable",
                    "No free handle was found. Try again.",
                ));
            }
        };
        let identity = NewIdentity {
            provider: &flow.provider,
            subject: &arrival.subject,
            user: profile.user,
            email: &arrival.email,
            now_unix_ms: self.clock.unix_ms(),
        };
        if !identities::link(&mut transaction, &identity).await? {
            // The same person arrived twice at once, and the other was first.
            return Err(link_first());
        }
        metrics::sign_in("created");
        let mut signed_in = self
            .begin_session(transaction, profile, &from, &flow.provider)
            .await?;
        signed_in.created = true;
        Ok(signed_in)
    }

    async fn link(
        &self,
        flow: &Flow,
        arrival: &Arrival,
        (user, session): (UserId, SessionId),
        client: &Client,
    ) -> Result<(), Problem> {
        let mut transaction = self.database.begin().await.map_err(store::failed)?;
        // Its end since the departure counts.
        if sessions::owner(&mut transaction, session).await? != Some(user) {
            return Err(session_ended());
        }
        let identity = NewIdentity {
            provider: &flow.provider,
            subject: &arrival.subject,
            user,
            email: &arrival.email,
            now_unix_ms: self.clock.unix_ms(),
        };
        if !identities::link(&mut transaction, &identity).await? {
            let owner =
                identities::owner(&mut *transaction, &flow.provider, &arrival.subject).await?;
            if owner == Some(user) {
                return Ok(());
            }
            return Err(Problem::new(
                Kind::AlreadyExists,
                "identity_taken",
                "This identity is linked to another account, or you have another of this provider.",
            ));
        }
        self.record(
            &mut transaction,
            user,
            SecurityEvent::IdentityLinked,
            Some(session),
            Some(client),
            &flow.provider,
        )
        .await?;
        transaction.commit().await.map_err(store::failed)
    }

    async fn prove(
        &self,
        flow: &Flow,
        arrival: &Arrival,
        (user, session): (UserId, SessionId),
    ) -> Result<(), Problem> {
        let now = self.clock.unix_ms();
        let oldest_s = (now / 1_000).saturating_sub(FLOW_MS / 1_000) as i64;
        let lately = arrival
            .authenticated_unix_s
            .is_some_and(|at| at >= oldest_s);
        let owner = identities::owner(&self.database, &flow.provider, &arrival.subject).await?;
        if owner != Some(user) || !lately {
            return Err(Problem::new(
                Kind::PermissionDenied,
                "proof_failed",
                "The provider did not prove that it is you.",
            ));
        }
        if !self.is_session_active(session).await? {
            return Err(session_ended());
        }
        sessions::note_proof(&self.database, session, now).await
    }

    /// The identities that are linked to the person's account.
    pub async fn identities(&self, person: &Person) -> Result<Vec<Identity>, Problem> {
        identities::of_user(&self.database, person.user).await
    }

    /// Unlinks an identity, unless nothing would be left to sign in with.
    pub async fn unlink(
        &self,
        person: &Person,
        provider: &str,
        client: &Client,
    ) -> Result<(), Problem> {
        self.fresh(person).await?;
        let mut transaction = self.database.begin().await.map_err(store::failed)?;
        users::lock(&mut transaction, person.user).await?;
        let own = users::own(&mut *transaction, person.user)
            .await?
            .ok_or_else(session_ended)?;
        let linked = identities::of_user(&mut *transaction, person.user).await?;
        if !linked.iter().any(|identity| identity.provider == provider) {
            return Err(Problem::new(
                Kind::NotFound,
                "identity_unknown",
                "No identity of this provider is linked to your account.",
            ));
        }
        if own.password_hash.is_none() && linked.len() == 1 {
            return Err(Problem::new(
                Kind::FailedPrecondition,
                "last_credential",
                "Nothing would be left to sign in with. Set a password first.",
            ));
        }
        identities::unlink(&mut transaction, person.user, provider).await?;
        self.record(
            &mut transaction,
            person.user,
            SecurityEvent::IdentityUnlinked,
            Some(person.session),
            Some(client),
            provider,
        )
        .await?;
        transaction.commit().await.map_err(store::failed)
    }
}
