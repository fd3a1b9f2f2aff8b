//! Mails to people, by SMTP, from an outbox in Postgres: a mail server that is away delays a mail
//! and fails no request. A mail may come twice, when its sending was not acknowledged; never not at
//! all within its time.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use lettre::message::{Mailbox, header::ContentType};
use lettre::{Address, AsyncSmtpTransport, AsyncTransport as _, Message, Tokio1Executor};
use lifecycle::Lifecycle;
use problem::Problem;
use rand::RngExt as _;

use crate::app::App;
use crate::domain::{Profile, RandomToken, SecurityEvent};
use crate::store::links::{self, Link, Purpose};
use crate::store::mails::{self, Mail, MailKind};
use crate::store::security_events::{self, NewEvent};
use crate::store::users;
use crate::{config, metrics};

/// How often the outbox is looked at without a ring of the bell: for what is due again, and for what
/// another replica left.
const LOOK: Duration = Duration::from_secs(2);
/// Mails taken at once; all of them are tried well within the lease.
const BATCH: i64 = 8;
const SMTP_TIMEOUT: Duration = Duration::from_secs(10);
const LEASE: Duration = Duration::from_secs(180);
/// The wait after the first failure; it doubles up to the longest.
const FIRST_WAIT: Duration = Duration::from_secs(1);
const LONGEST_WAIT: Duration = Duration::from_secs(600);

pub struct Mailer {
    settings: config::Mail,
    from: Mailbox,
    /// Without a path and a `/` at its end.
    public_url: String,
    /// `None`: mails are off.
    transport: Option<AsyncSmtpTransport<Tokio1Executor>>,
}

impl Mailer {
    pub fn new(settings: &config::Mail, public_url: &str) -> anyhow::Result<Self> {
        let transport = match settings.smtp_url.expose() {
            "" => None,
            url => Some(
                AsyncSmtpTransport::<Tokio1Executor>::from_url(url)
                    .map_err(|_| anyhow::anyhow!("`mail.smtp_url` is not one of SMTP"))?
                    .timeout(Some(SMTP_TIMEOUT))
                    .build(),
            ),
        };
        Ok(Self {
            from: settings
                .from
                .parse()
                .context("`mail.from` is not a mailbox such as `Name <name@example.org>`")?,
            settings: settings.clone(),
            public_url: public_url.trim_end_matches('/').to_owned(),
            transport,
        })
    }

    pub const fn is_on(&self) -> bool {
        self.transport.is_some()
    }

    pub const fn settings(&self) -> &config::Mail {
        &self.settings
    }

    fn message(&self, mail: &Mail, letter: &Letter) -> anyhow::Result<Message> {
        let to: Address = mail.recipient.as_str().parse().context("the recipient")?;
        let id = format!("<{}@{}>", uuid::Uuid::new_v4(), self.from.email.domain());
        Message::builder()
            .from(self.from.clone())
            .to(Mailbox::new(None, to))
            .message_id(Some(id))
            .subject(letter.subject)
            .header(ContentType::TEXT_PLAIN)
            .body(letter.text.clone())
            .context("write the mail")
    }
}

/// What a mail says.
struct Letter {
    subject: &'static str,
    text: String,
}

impl Letter {
    /// The token is in the fragment, which browsers send to nobody: it gets into no log and no
    /// `Referer`.
    fn new(
        kind: MailKind,
        profile: &Profile,
        public_url: &str,
        token: Option<&RandomToken>,
    ) -> Self {
        let name = &profile.display_name;
        let handle = &profile.handle;
        let link = |page: &str| match token {
            Some(token) => format!("{public_url}/{page}#{}", token.expose()),
            None => format!("{public_url}/"),
        };
        match kind {
            MailKind::VerifyEmail => Self {
                subject: "Is this your e-mail address?",
                text: format!(
                    "Hello {name},\n\nthe account @{handle} was given this e-mail address. If it \
                     is yours, follow this link:\n\n{}\n\nIf it is not, do nothing.\n",
                    link("verify-email")
                ),
            },
            MailKind::Recover => Self {
                subject: "Set a new password",
                text: format!(
                    "Hello {name},\n\nsomebody asked to set a new password for your account \
                     @{handle}. If it was you, follow this link:\n\n{}\n\nIt works once. All your \
                     devices will be signed out.\n\nIf it was not you, do nothing: your password \
                     stays as it is.\n",
                    link("recover")
                ),
            },
            MailKind::PasswordChanged => Self {
                subject: "Your password was changed",
                text: format!(
                    "Hello {name},\n\nthe password of your account @{handle} was changed, and \
                     other devices were signed out. If it was not you, set a new password at \
                     {}\n",
                    link("")
                ),
            },
        }
    }
}

/// What became of a mail.
enum Outcome {
    Sent,
    /// Nobody has the address, or the mail server will never take it.
    Dropped(&'static str),
    /// Not now.
    Failed(Box<dyn Error + Send + Sync>),
}

/// Empties the outbox, whenever the bell rings and now and then.
pub fn relay(lifecycle: &Lifecycle, app: Arc<App>) {
    if !app.mailer.is_on() {
        return;
    }
    let stopping = lifecycle.stopping();
    lifecycle.spawn("mails", async move {
        loop {
            if let Err(error) = drain(&app).await {
                let error: &dyn Error = error.as_ref();
                tracing::warn!(error, "mails wait to be sent");
            }
            tokio::select! {
                // What is left is in the outbox, for the next start or another replica.
                () = stopping.cancelled() => return Ok(()),
                () = app.mail_waits.notified() => {}
                () = tokio::time::sleep(LOOK) => {}
            }
        }
    });
}

async fn drain(app: &App) -> anyhow::Result<()> {
    loop {
        metrics::mails_pending(mails::waiting(&app.database).await.context("count mails")?);
        let now = app.clock.unix_ms();
        let claimed = mails::claim(&app.database, BATCH, now, LEASE.as_millis() as u64)
            .await
            .context("read the outbox of mails")?;
        if claimed.is_empty() {
            return Ok(());
        }
        let mut failure = None;
        for mail in &claimed {
            // One that can't be reached now can't be reached for the rest either.
            let outcome = match failure {
                Some(_) => None,
                None => Some(deliver(app, mail).await),
            };
            match outcome {
                Some(Outcome::Sent) => {
                    metrics::mail("sent");
                    mails::remove(&app.database, mail.id).await?;
                }
                Some(Outcome::Dropped(why)) => {
                    metrics::mail(why);
                    mails::remove(&app.database, mail.id).await?;
                }
                Some(Outcome::Failed(error)) => {
                    metrics::mail("failed");
                    failure = Some(error);
                    put_off(app, mail).await?;
                }
                None => put_off(app, mail).await?,
            }
        }
        if let Some(error) = failure {
            return Err(anyhow::anyhow!(error)).context("send a mail");
        }
    }
}

async fn put_off(app: &App, mail: &Mail) -> anyhow::Result<()> {
    let now = app.clock.unix_ms();
    if now >= mail.expires_unix_ms {
        tracing::warn!(
            kind = mail.kind.as_str(),
            tries = mail.tries,
            "a mail could not be sent in its time and is given up"
        );
        metrics::mail("given_up");
        return Ok(mails::remove(&app.database, mail.id).await?);
    }
    let doublings = mail.tries.clamp(1, 16) as u32 - 1;
    let wait = (FIRST_WAIT * 2_u32.pow(doublings)).min(LONGEST_WAIT);
    let jittered = wait.mul_f64(rand::rng().random_range(0.5..1.5));
    let until = now + jittered.as_millis() as u64;
    Ok(mails::postpone(&app.database, mail.id, until).await?)
}

async fn deliver(app: &App, mail: &Mail) -> Outcome {
    match try_deliver(app, mail).await {
        Ok(outcome) => outcome,
        Err(problem) => Outcome::Failed(Box::new(problem)),
    }
}

async fn try_deliver(app: &App, mail: &Mail) -> Result<Outcome, Problem> {
    let Some(transport) = &app.mailer.transport else {
        return Ok(Outcome::Dropped("off"));
    };
    let profile = match mail.user {
        Some(user) => users::by_id(&app.database, user).await?,
        None => users::by_email(&app.database, &mail.recipient).await?,
    };
    let Some(profile) = profile.filter(|profile| !profile.deleted) else {
        return Ok(Outcome::Dropped("nobody"));
    };
    let purpose = match mail.kind {
        MailKind::VerifyEmail => Some((
            Purpose::VerifyEmail,
            app.mailer.settings.verification_seconds,
        )),
        MailKind::Recover => Some((Purpose::Recover, app.mailer.settings.recovery_seconds)),
        MailKind::PasswordChanged => None,
    };
    let token = match purpose {
        Some((purpose, good_for_s)) => {
            let token = RandomToken::generate();
            let link = Link {
                user: profile.user,
                email: mail.recipient.clone(),
            };
            let expires = app.clock.unix_ms() + good_for_s * 1_000;
            if !links::insert(&app.database, &token, purpose, &link, expires).await? {
                return Ok(Outcome::Dropped("nobody"));
            }
            Some(token)
        }
        None => None,
    };
    let letter = Letter::new(mail.kind, &profile, &app.mailer.public_url, token.as_ref());
    let message = match app.mailer.message(mail, &letter) {
        Ok(message) => message,
        Err(error) => {
            let error: &dyn Error = error.as_ref();
            tracing::warn!(error, "a mail can't be written and is dropped");
            return Ok(Outcome::Dropped("unwritable"));
        }
    };
    match transport.send(message).await {
        Ok(_) => {}
        Err(error) if error.is_permanent() => {
            tracing::warn!(
                error = &error as &dyn Error,
                "the mail server refuses a mail for good; it is dropped"
            );
            return Ok(Outcome::Dropped("refused"));
        }
        Err(error) => return Ok(Outcome::Failed(Box::new(error))),
    }
    if mail.kind == MailKind::Recover {
        let event = NewEvent {
            user: profile.user,
            at_unix_ms: app.clock.unix_ms(),
            event: SecurityEvent::RecoveryMailed,
            session: None,
            client: None,
            detail: "",
        };
        security_events::record(&app.database, &event).await?;
    }
    Ok(Outcome::Sent)
}
