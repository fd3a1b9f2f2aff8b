//! Argon2id (RFC 9106) with the parameters that OWASP recommends: 19 MiB, 2 passes, 1 lane.
//!
//! A hash takes a core for tens of milliseconds and 19 MiB, so there are never more at once than
//! cores, and never on a thread that serves requests.

use std::sync::Arc;
use std::time::Duration;

use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher as _, PasswordVerifier as _};
use argon2::{Algorithm, Argon2, Params, Version};
use problem::{Kind, Problem};
use settings::Secret;
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout};

use crate::domain::MAX_PASSWORD_BYTES;
use crate::metrics;

const MEMORY_KIB: u32 = 19_456;
const PASSES: u32 = 2;
const LANES: u32 = 1;
/// Who waits longer for a core is told to come back: a queue without end helps nobody.
const LONGEST_WAIT: Duration = Duration::from_secs(5);

pub struct Hasher {
    cores: Arc<Semaphore>,
    /// Verified where there is no account, so that the answer takes as long.
    nobody: String,
}

/// What a password is worth.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    Wrong,
    Right,
    /// Right, and its hash is weaker than today's: here is a new one.
    RightAndRehashed(String),
}

impl Hasher {
    pub async fn new() -> Result<Self, Problem> {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let mut hasher = Self {
            cores: Arc::new(Semaphore::new(cores)),
            nobody: String::new(),
        };
        hasher.nobody = hasher.hash(&Secret::from("nobody's password")).await?;
        Ok(hasher)
    }

    /// A PHC string for a new password.
    pub async fn hash(&self, password: &Secret) -> Result<String, Problem> {
        let password = password.clone();
        self.on_a_core(move || hash(&password)).await?
    }

    /// Compares a password with a stored PHC string; with `None`, with nobody's: as slow, and
    /// always wrong.
    pub async fn verify(
        &self,
        password: &Secret,
        stored: Option<String>,
    ) -> Result<Verdict, Problem> {
        // Nobody can have set one that is longer.
        let somebody = stored.is_some() && password.expose().len() <= MAX_PASSWORD_BYTES;
        let stored = stored.unwrap_or_else(|| self.nobody.clone());
        let password = password.clone();
        self.on_a_core(move || {
            let parsed = PasswordHash::new(&stored).map_err(|e| Problem::internal(&e))?;
            let right = argon2()?
                .verify_password(password.expose().as_bytes(), &parsed)
                .is_ok();
            Ok(match (right && somebody, is_weak(&parsed)) {
                (false, _) => Verdict::Wrong,
                (true, false) => Verdict::Right,
                (true, true) => Verdict::RightAndRehashed(hash(&password)?),
            })
        })
        .await?
    }

    async fn on_a_core<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Problem> {
        let permit = match timeout(LONGEST_WAIT, self.cores.clone().acquire_owned()).await {
            Ok(Ok(permit)) => permit,
            Ok(Err(closed)) => return Err(Problem::internal(&closed)),
            Err(_) => {
                return Err(Problem::new(
                    Kind::Unavailable,
                    "busy",
                    "Too many people sign in at this moment. Try again shortly.",
                )
                .with_retry_after(Duration::from_secs(2)));
            }
        };
        tokio::task::spawn_blocking(move || {
            let began = Instant::now();
            let result = work();
            metrics::hashed(began.elapsed());
            drop(permit);
            result
        })
        .await
        .map_err(|e| Problem::internal(&e))
    }
}

fn argon2() -> Result<Argon2<'static>, Problem> {
    let params = Params::new(MEMORY_KIB, PASSES, LANES, None).map_err(|e| Problem::internal(&e))?;
    Ok(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
}

fn hash(password: &Secret) -> Result<String, Problem> {
    argon2()?
        .hash_password(password.expose().as_bytes())
        .map(|hash| hash.to_string())
        .map_err(|e| Problem::internal(&e))
}

fn is_weak(stored: &PasswordHash) -> bool {
    let Ok(params) = Params::try_from(stored) else {
        return true;
    };
    stored.algorithm.as_str() != "argon2id"
        || params.m_cost() < MEMORY_KIB
        || params.t_cost() < PASSES
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_hash_says_how_it_was_made_and_knows_its_password() {
        let hasher = Hasher::new().await.unwrap();
        let password = Secret::from("two old boats");
        let stored = hasher.hash(&password).await.unwrap();
        assert!(
            stored.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"),
            "{stored}"
        );
        assert_ne!(stored, hasher.hash(&password).await.unwrap());
        let right = hasher
            .verify(&password, Some(stored.clone()))
            .await
            .unwrap();
        assert_eq!(right, Verdict::Right);
        let wrong = hasher
            .verify(&Secret::from("two old goats"), Some(stored))
            .await
            .unwrap();
        assert_eq!(wrong, Verdict::Wrong);
    }

    #[tokio::test]
    async fn nothing_is_cut_off_a_long_password() {
        let hasher = Hasher::new().await.unwrap();
        let long = "x".repeat(90);
        let stored = hasher
            .hash(&Secret::from(format!("{long}a")))
            .await
            .unwrap();
        let other = hasher
            .verify(&Secret::from(format!("{long}b")), Some(stored))
            .await
            .unwrap();
        assert_eq!(other, Verdict::Wrong);
    }

    #[tokio::test]
    async fn nobody_has_no_password() {
        let hasher = Hasher::new().await.unwrap();
        let verdict = hasher
            .verify(&Secret::from("nobody's password"), None)
            .await
            .unwrap();
        assert_eq!(verdict, Verdict::Wrong);
    }

    #[tokio::test]
    async fn a_weak_hash_is_made_anew() {
        let hasher = Hasher::new().await.unwrap();
        let password = Secret::from("two old boats");
        let weak = Argon2::new(
            Algorithm::Argon2id,
            Version::V0x13,
            Params::new(8_192, 1, 1, None).unwrap(),
        )
        .hash_password(password.expose().as_bytes())
        .unwrap()
        .to_string();
        let verdict = hasher.verify(&password, Some(weak)).await.unwrap();
        let Verdict::RightAndRehashed(strong) = verdict else {
            panic!("{verdict:?}");
        };
        assert_eq!(
            hasher.verify(&password, Some(strong)).await.unwrap(),
            Verdict::Right
        );
    }
}
