//! What proves a person: the password, proofs that are asked for once more, and links by mail.

use auth::{Person, session_ended};
use ids::{SessionId, UserId};
use problem::{Kind, Problem};
use settings::Secret;
use sqlx::{Postgres, Transaction};

use crate::accounts::{credentials_wrong, invalid, password_code, taken};
use crate::app::App;
use crate::domain::{Client, Email, NewPassword, RandomToken, SecurityEvent};
use crate::hasher::Verdict;
use crate::store;
use crate::store::links::{self, Purpose};
use crate::store::mails::{self, MailKind, NewMail};
use crate::store::security_events::{self, NewEvent};
use crate::store::users::{self, EmailProved, Own};
use crate::store::{identities, sessions};

/// A change of the password by somebody who is signed in.
pub struct PasswordChange<'a> {
    /// `None`: the account has none, because its owner came from another provider.
    pub current: Option<&'a Secret>,
    pub new: &'a Secret,
}

impl App {
    /// Proves once more, by password, that it is the person; good for a while for what needs that.
    pub async fn reauthenticate(
        &self,
        person: &Person,
        password: &Secret,
        client: &Client,
    ) -> Result<(), Problem> {
        let own = self.own(person.user).await?;
        self.check_password(&own, password, client).await?;
        let now = self.clock.unix_ms();
        sessions::note_proof(&self.database, person.session, now).await
    }

    /// The right password, or a counted refusal.
    async fn check_password(
        &self,
        own: &Own,
        password: &Secret,
        client: &Client,
    ) -> Result<(), Problem> {
        let counted = self.limits.sign_in(&own.email, client.address).await?;
        let verdict = self
            .hasher
            .verify(password, own.password_hash.clone())
            .await;
        if let Ok(Verdict::Wrong) = verdict {
            let now = self.clock.unix_ms();
            security_events::record_failed_sign_in(&self.database, &own.email, client, now).await?;
            return Err(credentials_wrong());
        }
        counted.give_back().await;
        verdict.map(drop)
    }

    /// Refuses who has not proved for a while that they are the person: a stolen token, or a device
    /// that was left alone, is not enough for everything.
    pub async fn fresh(&self, person: &Person) -> Result<(), Problem> {
        let proved = sessions::proved_unix_ms(&self.database, person.session)
            .await?
            .ok_or_else(session_ended)?;
        if proved + self.accounts.proof_seconds * 1_000 >= self.clock.unix_ms() {
            return Ok(());
        }
        Err(Problem::new(
            Kind::PermissionDenied,
            "proof_needed",
            "Show once more that it is you: by your password, or by your other provider.",
        ))
    }

    /// Changes the password, or sets a first one, and ends all other sessions.
    pub async fn change_password(
        &self,
        person: &Person,
        change: &PasswordChange<'_>,
        client: &Client,
    ) -> Result<(), Problem> {
        let own = self.own(person.user).await?;
        let new = parse_password("new_password", change.new, &own.email)?;
        let event = match (&own.password_hash, change.current) {
            (Some(_), Some(current)) => {
                self.check_password(&own, current, client).await?;
                SecurityEvent::PasswordChanged
            }
            (Some(_), None) => {
                return Err(invalid().with_field(
                    "current_password",
                    "current_password_missing",
                    "The account has a password: it is needed to set another.",
                ));
            }
            (None, _) => {
                self.fresh(person).await?;
                SecurityEvent::PasswordSet
            }
        };
        let hash = self.hasher.hash(new.secret()).await?;
        let now = self.clock.unix_ms();
        let mut transaction = self.database.begin().await.map_err(store::failed)?;
        let user = person.user;
        if !users::set_password(&mut transaction, user, own.credentials_version, &hash).await? {
            // Another change came first, and with it another password.
            return Err(credentials_wrong());
        }
        links::withdraw_all(&mut transaction, user).await?;
        let ended = sessions::end_all_in(
            &mut transaction,
            user,
            Some(person.session),
            "password_changed",
            now,
        )
        .await?;
        sessions::note_proof(&mut *transaction, person.session, now).await?;
        self.record(
            &mut transaction,
            user,
            event,
            Some(person.session),
            Some(client),
            "",
        )
        .await?;
        transaction.commit().await.map_err(store::failed)?;
        self.after_end(&ended, "password_changed").await;
        self.mail_notice(user, &own.email).await;
        Ok(())
    }

    /// Mails a link to set a new password to whoever has the address. The same answer, after the same
    /// time, whether somebody has it: it is looked up when the mail is sent.
    pub async fn request_recovery(&self, email: &str, client: &Client) -> Result<(), Problem> {
        let email = Email::parse(email)
            .map_err(|e| invalid().with_field("email", "email_invalid", e.to_string()))?;
        self.mails_are_sent()?;
        self.limits.mail(&email, client.address).await?;
        self.put_mail(MailKind::Recover, &email, None).await
    }

    /// Sets a new password by a mailed link and ends all sessions. Who can read the mailbox has
    /// proved it by that.
    pub async fn recover(
        &self,
        token: &str,
        new_password: &Secret,
        client: &Client,
    ) -> Result<(), Problem> {
        let counted = self.limits.registration(client.address).await?;
        let token = RandomToken::parse(token).ok_or_else(link_invalid)?;
        let now = self.clock.unix_ms();
        // The link stays good when the password is not.
        let link = links::look(&self.database, &token, Purpose::Recover, now)
            .await?
            .ok_or_else(link_invalid)?;
        let new = parse_password("new_password", new_password, &link.email)?;
        let hash = self.hasher.hash(new.secret()).await?;
        let own = users::own(&self.database, link.user)
            .await?
            // Mailed to an address that has since been changed: it proves nothing any more.
            .filter(|own| own.email == link.email)
            .ok_or_else(link_invalid)?;

        let mut transaction = self.database.begin().await.map_err(store::failed)?;
        let user = link.user;
        if links::take(&mut transaction, &token, Purpose::Recover, now)
            .await?
            .is_none()
            || !users::set_password(&mut transaction, user, own.credentials_version, &hash).await?
        {
            return Err(link_invalid());
        }
        links::withdraw_all(&mut transaction, user).await?;
        if !own.email_verified {
            // Whoever registered with somebody else's address must not keep a way in.
            identities::unlink_all(&mut transaction, user).await?;
            users::prove_email(&mut transaction, user, &own.email, now).await?;
        }
        let ended = sessions::end_all_in(&mut transaction, user, None, "recovered", now).await?;
        self.record(
            &mut transaction,
            user,
            SecurityEvent::Recovered,
            None,
            Some(client),
            "",
        )
        .await?;
        transaction.commit().await.map_err(store::failed)?;
        counted.give_back().await;
        self.after_end(&ended, "recovered").await;
        self.mail_notice(user, &own.email).await;
        Ok(())
    }

    /// Mails a link that proves the mailbox to the account's own address.
    pub async fn request_verification(
        &self,
        person: &Person,
        client: &Client,
    ) -> Result<(), Problem> {
        let own = self.own(person.user).await?;
        if own.email_verified {
            return Ok(());
        }
        self.mails_are_sent()?;
        self.limits.mail(&own.email, client.address).await?;
        self.put_mail(MailKind::VerifyEmail, &own.email, Some(person.user))
            .await
    }

    /// Mails a link to another address, which becomes the account's once it is followed. That the
    /// address has an account already is said to nobody but its owner.
    pub async fn request_email_change(
        &self,
        person: &Person,
        email: &str,
        client: &Client,
    ) -> Result<(), Problem> {
        let email = Email::parse(email)
            .map_err(|e| invalid().with_field("email", "email_invalid", e.to_string()))?;
        self.fresh(person).await?;
        self.mails_are_sent()?;
        self.limits.mail(&email, client.address).await?;
        self.put_mail(MailKind::VerifyEmail, &email, Some(person.user))
            .await
    }

    /// Follows a link that proves a mailbox.
    pub async fn verify_email(&self, token: &str, client: &Client) -> Result<(), Problem> {
        let counted = self.limits.registration(client.address).await?;
        let token = RandomToken::parse(token).ok_or_else(link_invalid)?;
        let now = self.clock.unix_ms();
        let mut transaction = self.database.begin().await.map_err(store::failed)?;
        let link = links::take(&mut transaction, &token, Purpose::VerifyEmail, now)
            .await?
            .ok_or_else(link_invalid)?;
        let user = link.user;
        let event = match users::prove_email(&mut transaction, user, &link.email, now).await? {
            EmailProved::Verified => SecurityEvent::EmailVerified,
            EmailProved::Changed => {
                // What was mailed to the old address is worth nothing.
                links::withdraw_all(&mut transaction, user).await?;
                SecurityEvent::EmailChanged
            }
            EmailProved::Taken => {
                return Err(taken(
                    "email",
                    "email_taken",
                    "This e-mail address has an account.",
                ));
            }
            EmailProved::Gone => return Err(link_invalid()),
        };
        self.record(&mut transaction, user, event, None, Some(client), "")
            .await?;
        transaction.commit().await.map_err(store::failed)?;
        counted.give_back().await;
        Ok(())
    }

    /// Mails a link that proves the mailbox to who has just registered, as far as limits go: they can
    /// ask for another.
    pub(crate) async fn welcome(&self, user: UserId, email: &Email, client: &Client) {
        if self.mails_are_sent().is_err() || self.limits.mail(email, client.address).await.is_err()
        {
            return;
        }
        // A failure was logged where it was met.
        let _ = self
            .put_mail(MailKind::VerifyEmail, email, Some(user))
            .await;
    }

    async fn mail_notice(&self, user: UserId, email: &Email) {
        if self.mails_are_sent().is_ok() {
            // A failure was logged where it was met; what it would tell has happened.
            let _ = self
                .put_mail(MailKind::PasswordChanged, email, Some(user))
                .await;
        }
    }

    fn mails_are_sent(&self) -> Result<(), Problem> {
        if self.mailer.is_on() {
            return Ok(());
        }
        Err(Problem::new(
            Kind::FailedPrecondition,
            "mails_off",
            "This deployment sends no mails. Ask whoever runs it.",
        ))
    }

    async fn put_mail(
        &self,
        kind: MailKind,
        recipient: &Email,
        user: Option<UserId>,
    ) -> Result<(), Problem> {
        let now = self.clock.unix_ms();
        let new = NewMail {
            kind,
            recipient,
            user,
            now_unix_ms: now,
            expires_unix_ms: now + self.mailer.settings().retry_seconds * 1_000,
            limit: self.mailer.settings().outbox_limit,
        };
        mails::put(&self.database, &new).await?;
        self.mail_waits.notify_one();
        Ok(())
    }

    /// Notes an event of an account with the change that it is about.
    pub(crate) async fn record(
        &self,
        transaction: &mut Transaction<'_, Postgres>,
        user: UserId,
        event: SecurityEvent,
        session: Option<SessionId>,
        client: Option<&Client>,
        detail: &str,
    ) -> Result<(), Problem> {
        let event = NewEvent {
            user,
            at_unix_ms: self.clock.unix_ms(),
            event,
            session,
            client,
            detail,
        };
        security_events::record(&mut **transaction, &event).await
    }
}

fn parse_password(
    field: &'static str,
    password: &Secret,
    email: &Email,
) -> Result<NewPassword, Problem> {
    NewPassword::parse(password.expose(), email.as_str())
        .map_err(|error| invalid().with_field(field, password_code(error), error.to_string()))
}

fn link_invalid() -> Problem {
    Problem::new(
        Kind::InvalidInput,
        "link_invalid",
        "This link was used already, is too old, or was never ours. Ask for a new one.",
    )
}
