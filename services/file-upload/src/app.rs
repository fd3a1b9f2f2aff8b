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
use crate::profile_pictures::ProfilePictures;
use crate::store::files::Files;
use crate::store::pictures::Pictures;
use crate::sweep::Sweep;

/// What is built once.
#[derive(Clone)]
pub struct App {
    pub attachments: Arc<Attachments>,
    pub pictures: Arc<ProfilePictures>,
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
        let clock = Clock::system();
        Ok(Self {
            pictures: Arc::new(ProfilePictures {
                store: Pictures::new(pool.clone()),
                objects: objects.clone(),
                clock: clock.clone(),
            }),
            attachments: Arc::new(Attachments {
                store: Files::new(pool.clone()),
                objects,
                peers: Peers {
                    conversation: PeerChannel::new(
                        "conversation",
                        &config.peers.conversation,
                        identity.clone(),
                    )?,
                    account: PeerChannel::new("account", &config.peers.account, identity.clone())?,
                },
                clock,
                max_size_bytes: config.files.max_size_bytes,
                allowed_types: AllowedTypes::new(&config.files.allowed_content_types),
            }),
            tokens: TokenVerifier::new(config.tokens.clone()),
            identity,
            pool,
        })
    }

    /// The task that forgets files whose bytes never came and pictures that no profile names.
    #[must_use]
    pub fn sweep(&self, config: &Config) -> Sweep {
        Sweep {
            store: self.attachments.store.clone(),
            pictures: self.pictures.store.clone(),
            objects: self.attachments.objects.clone(),
            peers: self.attachments.peers.clone(),
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
