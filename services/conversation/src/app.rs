use std::sync::Arc;
use std::time::Duration;

use auth::{IdentitySettings, ServiceIdentity, TokenVerifier};
use axum::extract::FromRef;
use central_ids::{CentralNumbers, NewIds};
use clock::Clock;
use ids::Prefetcher;
use lifecycle::Lifecycle;
use sqlx::PgPool;

use crate::config::Config;
use crate::events::publish::{ACK_TIMEOUT, Publisher};
use crate::events::relay::Relay;
use crate::limits::Limits;
use crate::listing::Listing;
use crate::memberships::Memberships;
use crate::peers::Peers;
use crate::reports::{self, Counter, Notes, Reports};
use crate::store::activity::Activity;
use crate::store::blocks::Blocks;
use crate::store::conversations::Conversations;
use crate::store::outbox::Outbox;

/// What is built once.
#[derive(Clone)]
pub struct App {
    pub memberships: Arc<Memberships>,
    pub listing: Arc<Listing>,
    pub reports: Arc<Reports>,
    pub tokens: TokenVerifier,
    pub identity: ServiceIdentity,
    pub pool: PgPool,
    outbox: Outbox,
    publisher: Publisher,
    pub peers: Peers,
}

impl App {
    /// Builds it without a word to any server: each is reached when it is needed.
    ///
    /// # Errors
    /// When a setting can't be used.
    pub fn new(config: &Config, lifecycle: &Lifecycle) -> anyhow::Result<Self> {
        let identity = Self::identity(config)?;
        let pool = postgres::connect(&config.database, "conversation")?;
        let store = Conversations::new(pool.clone(), config.membership.max_group_members);
        let outbox = Outbox::new(pool.clone());
        let publisher = Publisher::new(
            outbox.clone(),
            kafka::producer(&config.kafka, "conversation", ACK_TIMEOUT)?,
            config.database.max_connections as usize / 2,
        );
        let peers = Peers::new(config, &identity)?;
        let clock = Clock::system();
        let redis = rate_limit::Redis::new(&config.redis, clock.clone())?;
        let limits = Arc::new(Limits::new(&config.limits, &redis, &clock));
        let (new_ids, prefetcher) = NewIds::new(&config.ids, peers.account.clone(), clock.clone());
        fetch_ahead(lifecycle, prefetcher);
        Ok(Self {
            memberships: Arc::new(Memberships {
                store: store.clone(),
                blocks: Blocks::new(pool.clone()),
                publisher: publisher.clone(),
                peers: peers.clone(),
                limits: Arc::clone(&limits),
                clock: clock.clone(),
                new_ids,
                apply_timeout: Duration::from_millis(config.membership.apply_timeout_ms),
            }),
            listing: Arc::new(Listing {
                store: store.clone(),
                peers: peers.clone(),
                limits: Arc::clone(&limits),
            }),
            reports: Arc::new(Reports {
                store,
                limits,
                clock,
            }),
            tokens: TokenVerifier::new(config.tokens.clone()),
            identity,
            pool,
            outbox,
            publisher,
            peers,
        })
    }

    /// Who this service is to others.
    ///
    /// # Errors
    /// When its key can't be used.
    pub fn identity(config: &Config) -> anyhow::Result<ServiceIdentity> {
        Ok(ServiceIdentity::new(IdentitySettings {
            service: "conversation".to_owned(),
            ..config.identity.clone()
        })?)
    }

    /// The task that publishes what requests leave behind.
    #[must_use]
    pub fn relay(&self, config: &Config) -> Relay {
        Relay {
            outbox: self.outbox.clone(),
            publisher: self.publisher.clone(),
            settings: config.relay.clone(),
        }
    }

    /// The task that notes which groups are written in.
    ///
    /// # Errors
    /// When a setting can't be used.
    pub fn notes(&self, config: &Config) -> anyhow::Result<Notes> {
        Ok(Notes {
            activity: Activity::new(self.pool.clone()),
            consumer: kafka::group_consumer(&config.kafka, "conversation", reports::GROUP)?,
        })
    }

    /// The task that counts what is written there.
    #[must_use]
    pub fn counter(&self, config: &Config) -> Counter {
        Counter {
            activity: Activity::new(self.pool.clone()),
            peers: self.peers.clone(),
            settings: config.reports.clone(),
        }
    }
}

fn fetch_ahead(lifecycle: &Lifecycle, prefetcher: Option<Prefetcher<CentralNumbers>>) {
    let Some(prefetcher) = prefetcher else { return };
    let stopping = lifecycle.stopping();
    lifecycle.spawn("ids", async move {
        prefetcher.run(stopping).await;
        Ok(())
    });
}

impl FromRef<App> for TokenVerifier {
    fn from_ref(app: &App) -> Self {
        app.tokens.clone()
    }
}
