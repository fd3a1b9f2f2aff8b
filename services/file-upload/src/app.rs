use std::sync::Arc;
use std::time::Duration;

use auth::{IdentitySettings, PeerChannel, ServiceIdentity, TokenVerifier};
use axum::extract::FromRef;
use clock::Clock;
use sqlx::PgPool;

use crate::attachments::Attachments;
use crate::config::Config;
use crate::domain::content_type::AllowedTypes;
use crate::objects::Objects;
use crate::peers::Peers;
use crate::store::files::Files;
use crate::sweep::Sweep;

/// What is built once.
#[derive(Clone)]
pub struct App {
    pub attachments: Arc<Attachments>,
    pub tokens: TokenVerifier,
    pub identity: ServiceIdentity,
    pub pool: PgPool,
}

impl App {
    /// Builds it without a word to any server: each is reached when it is needed.
    ///
    /// # Errors
    /// When a setting can't be used.
    pub async fn new(config: &Config) -> anyhow::Result<Self> {
        let identity = ServiceIdentity::new(IdentitySettings {
            service: "file-upload".to_owned(),
            ..config.identity.clone()
        })?;
        let pool = postgres::connect(&config.database, "file-upload")?;
        let objects =
            Objects::connect(&config.aws, &config.files.bucket, config.files.lifetimes()?).await;
        Ok(Self {
            attachments: Arc::new(Attachments {
                store: Files::new(pool.clone()),
                objects,
                peers: Peers {
                    conversation: PeerChannel::new(
                        "conversation",
                        &config.peers.conversation,
                        identity.clone(),
                    )?,
                },
                clock: Clock::system(),
                max_size_bytes: config.files.max_size_bytes,
                allowed_types: AllowedTypes::new(&config.files.allowed_content_types),
            }),
            tokens: TokenVerifier::new(config.tokens.clone()),
            identity,
            pool,
        })
    }

    /// The task that forgets files whose bytes never came.
    #[must_use]
    pub fn sweep(&self, config: &Config) -> Sweep {
        Sweep {
            store: self.attachments.store.clone(),
            objects: self.attachments.objects.clone(),
            clock: self.attachments.clock.clone(),
            abandoned_after: Duration::from_secs(config.files.abandoned_after_seconds.into()),
        }
    }
}

impl FromRef<App> for TokenVerifier {
    fn from_ref(app: &App) -> Self {
        app.tokens.clone()
    }
}
