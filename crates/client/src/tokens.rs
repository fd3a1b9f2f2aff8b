//! A person's tokens, and their renewal.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use serde::{Deserialize, Serialize};

use crate::account::User;
use crate::api::Api;
use crate::error::{Error, Result};

/// What a signed-in device holds.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Credentials {
    pub user: User,
    pub access_token: String,
    /// From here on a new access token is fetched before the next call: a little before it expires.
    pub renew_at_unix_ms: u64,
    /// Good once; the answer to its use holds the next.
    pub refresh_token: String,
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Credentials")
            .field("user", &self.user)
            .finish_non_exhaustive()
    }
}

/// Where credentials are kept when several processes share them: a refresh token that is used twice
/// ends the login session, so only one may renew at a time. Called from a blocking thread.
pub trait Vault: Send + Sync + 'static {
    /// Keeps everybody else out until the returned value is dropped.
    ///
    /// # Errors
    /// Whatever the storage says.
    fn open(&self) -> io::Result<Box<dyn OpenVault>>;
}

/// A [`Vault`] that nobody else can open now.
pub trait OpenVault {
    /// What is kept now.
    ///
    /// # Errors
    /// Whatever the storage says.
    fn read(&mut self) -> io::Result<Option<Credentials>>;
    /// Replaces it, before the old refresh token is forgotten.
    ///
    /// # Errors
    /// Whatever the storage says.
    fn keep(&mut self, credentials: &Credentials) -> io::Result<()>;
}

pub(crate) struct Tokens {
    current: Mutex<Credentials>,
    renewing: tokio::sync::Mutex<()>,
    vault: Option<Arc<dyn Vault>>,
}

impl Tokens {
    pub(crate) fn new(credentials: Credentials, vault: Option<Arc<dyn Vault>>) -> Self {
        Self {
            current: Mutex::new(credentials),
            renewing: tokio::sync::Mutex::new(()),
            vault,
        }
    }

    pub(crate) fn current(&self) -> Credentials {
        self.current
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn set(&self, credentials: Credentials) {
        *self.current.lock().unwrap_or_else(PoisonError::into_inner) = credentials;
    }

    /// Credentials that are good now; renewed if they are about to expire, or if they still hold
    /// `distrusted`, an access token that a server didn't accept.
    pub(crate) async fn fresh(&self, api: &Api, distrusted: Option<&str>) -> Result<Credentials> {
        let good = |credentials: &Credentials| {
            credentials.renew_at_unix_ms > api.clock().unix_ms()
                && distrusted != Some(credentials.access_token.as_str())
        };
        let current = self.current();
        if good(&current) {
            return Ok(current);
        }
        let _one_at_a_time = self.renewing.lock().await;
        let current = self.current();
        if good(&current) {
            return Ok(current);
        }
        let Some(vault) = self.vault.clone() else {
            let renewed = api.refresh(&current.refresh_token).await?;
            self.set(renewed.clone());
            return Ok(renewed);
        };

        // Both the lock and the file system block, and what they return can't leave their thread.
        let api = api.clone();
        let distrusted = distrusted.map(str::to_owned);
        let runtime = tokio::runtime::Handle::current();
        let renewed = tokio::task::spawn_blocking(move || {
            let mut vault = vault.open().map_err(Error::Vault)?;
            let kept = vault.read().map_err(Error::Vault)?.unwrap_or(current);
            if kept.renew_at_unix_ms > api.clock().unix_ms()
                && distrusted.as_deref() != Some(kept.access_token.as_str())
            {
                return Ok(kept);
            }
            let renewed = runtime.block_on(api.refresh(&kept.refresh_token))?;
            vault.keep(&renewed).map_err(Error::Vault)?;
            Ok(renewed)
        })
        .await
        .map_err(|error| Error::Vault(io::Error::other(error)))??;
        self.set(renewed.clone());
        Ok(renewed)
    }
}
