use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use auth::{IdentitySettings, PeerChannel, ServiceIdentity, TokenVerifier};
use axum::extract::FromRef;
use clock::Clock;
use ids::BootId;

use crate::config::Config;
use crate::events::{Log, Waiters};
use crate::history::History;
use crate::sending::Sending;
use crate::sequencer::Sequencer;
use crate::sequencer::routes::Routes;
use crate::sequencer::teller::Teller;
use crate::store::Store;

/// What is built once.
#[derive(Clone)]
pub struct App {
    pub history: History,
    pub sending: Sending,
    pub tokens: TokenVerifier,
    pub identity: ServiceIdentity,
    pub account: PeerChannel,
    pub store: Store,
    pub waiters: Waiters,
    /// Whether answers of the log can reach this pod.
    pub hears: Arc<AtomicBool>,
    /// Whether this pod has begun with its share of the log.
    pub following: Arc<AtomicBool>,
    routes: Routes,
    clock: Clock,
}

impl App {
    /// Builds it without a word to any server: each is reached when it is needed.
    ///
    /// # Errors
    /// When a setting can't be used.
    pub async fn new(config: &Config) -> anyhow::Result<Self> {
        let clock = Clock::system();
        let partition = config.kafka.message_partition_base as u32 + config.message.ordinal;
        anyhow::ensure!(
            partition < config.kafka.deliveries_partitions as u32,
            "`message.ordinal` {} has no deliveries partition: {} of {} are below \
             `kafka.message_partition_base`",
            config.message.ordinal,
            config.kafka.message_partition_base,
            config.kafka.deliveries_partitions,
        );
        let identity = ServiceIdentity::new(IdentitySettings {
            service: "message".to_owned(),
            ..config.identity.clone()
        })?;
        let store = Store::connect(&config.aws).await;
        let routes = Routes::new(config.redis.client()?);
        let history = History::new(store.clone(), routes.clone());
        let waiters = Waiters::new(partition, BootId::generate(&clock));
        let log = Log::new(
            kafka::producer(&config.kafka, "message-log", kafka::LOG_TIMEOUT)?,
            waiters.clone(),
        );
        Ok(Self {
            sending: Sending::new(log, history.clone(), clock.clone()),
            history,
            tokens: TokenVerifier::new(config.tokens.clone()),
            account: PeerChannel::new("account", &config.peers.account, identity.clone())?,
            identity,
            store,
            waiters,
            hears: Arc::new(AtomicBool::new(false)),
            following: Arc::new(AtomicBool::new(false)),
            routes,
            clock,
        })
    }

    /// The member of the log's consumer group that this process is.
    ///
    /// # Errors
    /// When Kafka's client refuses the configuration.
    pub fn sequencer(&self, config: &Config) -> anyhow::Result<Sequencer> {
        let teller = Teller::new(
            self.routes.clone(),
            kafka::deliveries_producer(&config.kafka, "message-deliveries")?,
            config.kafka.message_partition_base as u32,
            config.kafka.deliveries_partitions as u32,
        );
        Ok(Sequencer {
            store: self.store.clone(),
            teller,
            clock: self.clock.clone(),
            kafka: config.kafka.clone(),
            instance: format!("message-{}", config.message.ordinal),
            session_timeout: Duration::from_millis(config.message.session_timeout_ms),
            following: Arc::clone(&self.following),
        })
    }

    /// Whether REST and gRPC sends can be answered.
    #[must_use]
    pub fn can_hear(&self) -> bool {
        self.hears.load(Ordering::Relaxed)
    }
}

impl FromRef<App> for TokenVerifier {
    fn from_ref(app: &App) -> Self {
        app.tokens.clone()
    }
}
