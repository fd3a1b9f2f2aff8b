//! What is built once.

use std::sync::Arc;

use anyhow::Context as _;
use auth::{PeerChannel, ServiceIdentity, TokenVerifier};
use clock::Clock;
use sqlx::PgPool;
use tokio::sync::Notify;

use crate::config::{Accounts, Config};
use crate::events::Gateways;
use crate::hasher::Hasher;
use crate::limits::Limits;
use crate::mailer::Mailer;
use crate::peers::Peers;
use crate::providers::Providers;
use crate::signing::KeyRing;
use crate::store::{self, SessionCache};

pub struct App {
    pub clock: Clock,
    pub accounts: Accounts,
    pub database: PgPool,
    pub sessions: SessionCache,
    pub limits: Limits,
    pub hasher: Hasher,
    pub signing: Arc<KeyRing>,
    pub verifier: TokenVerifier,
    pub gateways: Gateways,
    /// Rung when a session has ended, so that its sockets are closed at once.
    pub session_ended: Notify,
    /// Rung when contacts have changed, so that devices hear of it at once.
    pub contacts_changed: Notify,
    /// Rung when an account was deleted.
    pub departed: Notify,
    pub peers: Peers,
    pub mailer: Mailer,
    /// Rung when a mail was put into the outbox.
    pub mail_waits: Notify,
    pub providers: Providers,
    pub oidc_sign_up: bool,
}

impl App {
    pub async fn build(config: &Config, identity: ServiceIdentity) -> anyhow::Result<Self> {
        anyhow::ensure!(
            (1..=900).contains(&config.accounts.access_token_seconds),
            "accounts.access_token_seconds must be between 1 and 900"
        );
        let clock = Clock::system();
        let redis = rate_limit::Redis::new(&config.redis, clock.clone())?;
        let signing = KeyRing::open(&config.signing.key_dir, clock.clone())?
            .for_tokens(&config.tokens, config.accounts.access_token_seconds);
        Ok(Self {
            verifier: TokenVerifier::with_keys(
                &config.tokens.issuer,
                &config.tokens.audience,
                &signing.jwks(),
                clock.clone(),
            ),
            database: store::connect(&config.database)?,
            sessions: SessionCache::new(redis.clone()),
            limits: Limits::new(&config.limits, &config.contacts, redis, clock.clone()),
            hasher: Hasher::new().await.context("hash a first password")?,
            gateways: Gateways::new(&config.kafka)?,
            session_ended: Notify::new(),
            contacts_changed: Notify::new(),
            departed: Notify::new(),
            peers: Peers {
                conversation: PeerChannel::new(
                    "conversation",
                    &config.peers.conversation,
                    identity,
                )?,
            },
            mailer: Mailer::new(&config.mail, &config.accounts.public_url)?,
            mail_waits: Notify::new(),
            providers: Providers::new(&config.oidc, &config.accounts.public_url)?,
            oidc_sign_up: config.oidc.sign_up,
            accounts: config.accounts.clone(),
            signing: Arc::new(signing),
            clock,
        })
    }
}
