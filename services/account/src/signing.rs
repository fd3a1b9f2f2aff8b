//! The keys that sign access tokens, and the secret behind refresh tokens: files in one folder
//! that all replicas share.
//!
//! A key is `<Unix milliseconds>-<kid>.key.pem`. The newest signs, once it has been there for long
//! enough that every replica publishes it; an older one is published until the last token that it
//! signed has expired. So a rotation needs no restart and logs nobody out: `account rotate-key`, or
//! the schedule of the settings.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use anyhow::Context as _;
use auth::{AccessClaims, Jwks, KeyPair, TOKEN_TYPE, TokenSettings, TokenVerifier};
use clock::Clock;
use ids::{SessionId, UserId};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use lifecycle::Lifecycle;
use problem::Problem;

use crate::domain::RefreshSecret;

const SUFFIX: &str = ".key.pem";
const REFRESH_SECRET: &str = "refresh.secret";
/// How often the folder is read again.
const RELOAD: Duration = Duration::from_secs(15);
/// From when on a new key signs: two reloads of the slowest replica.
const SIGNS_AFTER_MS: u64 = 30_000;
/// How much longer an old key is published than its tokens are good: for clocks that are apart, and
/// for a replica that read the folder late.
const PUBLISHED_LONGER_MS: u64 = 60_000;
const DAY_MS: u64 = 24 * 3_600_000;

pub struct KeyRing {
    folder: PathBuf,
    clock: Clock,
    /// Oldest first, never empty.
    keys: RwLock<Arc<[Key]>>,
    refresh: RefreshSecret,
    issuer: String,
    audience: String,
    lifetime_s: u32,
}

struct Key {
    path: PathBuf,
    made_unix_ms: u64,
    pair: KeyPair,
    signs: EncodingKey,
}

impl KeyRing {
    /// Reads the folder; makes it, a first key and the refresh secret where they are missing.
    pub fn open(folder: &Path, clock: Clock) -> anyhow::Result<Self> {
        fs::create_dir_all(folder).with_context(|| format!("make the key folder {folder:?}"))?;
        if read_keys(folder)?.is_empty() {
            make_key(folder, &clock)?;
        }
        Ok(Self {
            keys: RwLock::new(read_keys(folder)?.into()),
            refresh: refresh_secret(folder)?,
            folder: folder.to_owned(),
            clock,
            issuer: String::new(),
            audience: String::new(),
            lifetime_s: 0,
        })
    }

    pub fn for_tokens(mut self, tokens: &TokenSettings, lifetime_s: u32) -> Self {
        self.issuer.clone_from(&tokens.issuer);
        self.audience.clone_from(&tokens.audience);
        self.lifetime_s = lifetime_s;
        self
    }

    /// Reads the folder again and again, and makes a new key when the newest is as old as
    /// `rotate_after_days`; 0: never.
    pub fn follow(
        self: Arc<Self>,
        lifecycle: &Lifecycle,
        verifier: TokenVerifier,
        rotate_after_days: u32,
    ) {
        let stopping = lifecycle.stopping();
        lifecycle.spawn("signing keys", async move {
            loop {
                tokio::select! {
                    () = stopping.cancelled() => return Ok(()),
                    () = tokio::time::sleep(RELOAD) => {}
                }
                let ring = self.clone();
                let looked = move || {
                    ring.reload()?;
                    ring.rotate(rotate_after_days)
                };
                match tokio::task::spawn_blocking(looked).await? {
                    Ok(()) => verifier.set_keys(&self.jwks()),
                    Err(error) => {
                        let error: &dyn std::error::Error = error.as_ref();
                        tracing::error!(
                            error,
                            "the signing keys can't be read again; going on with the known ones"
                        );
                    }
                }
            }
        });
    }

    fn reload(&self) -> anyhow::Result<()> {
        let keys = read_keys(&self.folder)?;
        anyhow::ensure!(!keys.is_empty(), "no key in {:?}", self.folder);
        *self.keys.write().unwrap_or_else(PoisonError::into_inner) = keys.into();
        Ok(())
    }

    /// Makes a new key when the newest is too old, and removes those that are no longer published.
    /// Two replicas that do it at once make one key too many, which does no harm.
    fn rotate(&self, after_days: u32) -> anyhow::Result<()> {
        if after_days == 0 {
            return Ok(());
        }
        let now = self.clock.unix_ms();
        let keys = self.keys();
        let newest = keys.last().map_or(0, |key| key.made_unix_ms);
        if newest + u64::from(after_days) * DAY_MS <= now {
            make_key(&self.folder, &self.clock)?;
            self.reload()?;
        }
        for position in 0..keys.len() {
            if !self.is_published(&keys, position, now) {
                let path = &keys[position].path;
                match fs::remove_file(path) {
                    Ok(()) => tracing::info!(kid = keys[position].pair.kid(), "removed an old key"),
                    // Another replica was faster.
                    Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                    Err(error) => return Err(error).with_context(|| format!("remove {path:?}")),
                }
            }
        }
        Ok(())
    }

    /// Whether a token that this key signed may still be good. The next key signs for it from a known
    /// time on.
    fn is_published(&self, keys: &[Key], position: usize, now_unix_ms: u64) -> bool {
        keys.get(position + 1).is_none_or(|next| {
            let last_token_expires =
                next.made_unix_ms + SIGNS_AFTER_MS + u64::from(self.lifetime_s) * 1_000;
            now_unix_ms <= last_token_expires + PUBLISHED_LONGER_MS
        })
    }

    fn keys(&self) -> Arc<[Key]> {
        self.keys
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// What is published.
    pub fn jwks(&self) -> Jwks {
        let keys = self.keys();
        let now = self.clock.unix_ms();
        Jwks {
            keys: (0..keys.len())
                .filter(|position| self.is_published(&keys, *position, now))
                .map(|position| keys[position].pair.jwk())
                .collect(),
        }
    }

    pub const fn refresh_secret(&self) -> &RefreshSecret {
        &self.refresh
    }

    pub const fn lifetime_s(&self) -> u32 {
        self.lifetime_s
    }

    /// Signs an access token (RFC 9068).
    pub fn access_token(&self, user: UserId, session: SessionId) -> Result<String, Problem> {
        let now_ms = self.clock.unix_ms();
        let keys = self.keys();
        let key = keys
            .iter()
            .rev()
            .find(|key| key.made_unix_ms + SIGNS_AFTER_MS <= now_ms)
            .unwrap_or(&keys[0]);
        let mut header = Header::new(Algorithm::EdDSA);
        header.typ = Some(TOKEN_TYPE.to_owned());
        header.kid = Some(key.pair.kid());
        let now = now_ms / 1_000;
        let claims = AccessClaims {
            sub: user,
            sid: session,
            iat: now,
            exp: now + u64::from(self.lifetime_s),
            iss: self.issuer.clone(),
            aud: self.audience.clone(),
            nbf: None,
            jti: Some(uuid::Uuid::new_v4().to_string()),
            client_id: Some("parlance".to_owned()),
        };
        jsonwebtoken::encode(&header, &claims, &key.signs).map_err(|e| Problem::internal(&e))
    }
}

/// Makes a new key in `folder` and says its name.
pub fn make_key(folder: &Path, clock: &Clock) -> anyhow::Result<String> {
    let pair = KeyPair::generate()?;
    let kid = pair.kid();
    let path = folder.join(format!("{:013}-{kid}{SUFFIX}", clock.unix_ms()));
    write_new(&path, &pair.private_pem())?;
    tracing::info!(kid, "made a signing key");
    Ok(kid)
}

fn read_keys(folder: &Path) -> anyhow::Result<Vec<Key>> {
    let mut keys = Vec::new();
    for entry in fs::read_dir(folder).with_context(|| format!("read the key folder {folder:?}"))? {
        let path = entry?.path();
        let Some(name) = path.file_name().and_then(|name| name.to_str()) else {
            continue;
        };
        let Some((made, _)) = name
            .strip_suffix(SUFFIX)
            .and_then(|stem| stem.split_once('-'))
        else {
            continue;
        };
        let pem = fs::read_to_string(&path).with_context(|| format!("read the key {path:?}"))?;
        let pair = KeyPair::from_pem(&pem).with_context(|| format!("read the key {path:?}"))?;
        keys.push(Key {
            made_unix_ms: made
                .parse()
                .with_context(|| format!("the name of {path:?} does not begin with a time"))?,
            signs: pair.encoding_key(),
            pair,
            path,
        });
    }
    keys.sort_by_key(|key| key.made_unix_ms);
    Ok(keys)
}

fn refresh_secret(folder: &Path) -> anyhow::Result<RefreshSecret> {
    let path = folder.join(REFRESH_SECRET);
    if !path.exists() {
        match write_new(&path, &RefreshSecret::generate().expose()) {
            Ok(()) => {}
            // Another replica was faster; its secret is everybody's.
            Err(_) if path.exists() => {}
            Err(error) => return Err(error),
        }
    }
    let text = fs::read_to_string(&path).with_context(|| format!("read {path:?}"))?;
    RefreshSecret::parse(&text).with_context(|| format!("{path:?} is not a secret of 32 bytes"))
}

/// Whole or not at all, for its owner only, and never over another.
fn write_new(path: &Path, text: &str) -> anyhow::Result<()> {
    let draft = path.with_extension(format!("draft-{}", uuid::Uuid::new_v4()));
    let written = (|| {
        let mut file = fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&draft)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::hard_link(&draft, path)
    })();
    let _ = fs::remove_file(&draft);
    written.with_context(|| format!("write {path:?}"))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    const NOW_MS: u64 = 1_800_000_000_000;

    fn ring(folder: &Path, clock: &Clock) -> KeyRing {
        KeyRing::open(folder, clock.clone()).unwrap().for_tokens(
            &TokenSettings {
                issuer: "parlance".into(),
                audience: "parlance".into(),
                jwks_url: String::new(),
            },
            600,
        )
    }

    fn token(ring: &KeyRing, clock: &Clock) -> (String, String) {
        let token = ring
            .access_token(UserId::generate(clock), SessionId::generate(clock))
            .unwrap();
        let kid = jsonwebtoken::decode_header(&token).unwrap().kid.unwrap();
        (token, kid)
    }

    #[test]
    fn a_restart_keeps_the_keys_and_others_can_not_read_them() {
        let folder = tempfile::tempdir().unwrap();
        let clock = Clock::manual(NOW_MS);
        let first = ring(folder.path(), &clock);
        let second = ring(folder.path(), &clock);
        assert_eq!(first.jwks(), second.jwks());
        assert_eq!(
            first.refresh_secret().expose(),
            second.refresh_secret().expose()
        );
        let files: Vec<_> = fs::read_dir(folder.path())
            .unwrap()
            .map(Result::unwrap)
            .collect();
        assert_eq!(files.len(), 2);
        for file in files {
            assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        }
    }

    #[tokio::test]
    async fn a_rotation_fails_no_token() {
        let folder = tempfile::tempdir().unwrap();
        let clock = Clock::manual(NOW_MS);
        let ring = ring(folder.path(), &clock);
        let verifier =
            TokenVerifier::with_keys("parlance", "parlance", &ring.jwks(), clock.clone());
        let (before, old) = token(&ring, &clock);

        clock.advance(Duration::from_secs(60));
        let new = make_key(folder.path(), &clock).unwrap();
        ring.reload().unwrap();
        assert_eq!(ring.jwks().keys.len(), 2);
        assert_eq!(token(&ring, &clock).1, old, "not yet published everywhere");

        verifier.set_keys(&ring.jwks());
        clock.advance(Duration::from_secs(30));
        let (after, kid) = token(&ring, &clock);
        assert_eq!(kid, new);
        verifier.verify(&before).await.unwrap();
        verifier.verify(&after).await.unwrap();

        // The last token of the old key was signed half a minute after the new one was made.
        clock.advance(Duration::from_secs(600));
        assert_eq!(ring.jwks().keys.len(), 2);
        clock.advance(Duration::from_secs(61));
        assert_eq!(ring.jwks().keys.len(), 1);
        verifier.set_keys(&ring.jwks());
        let (now, _) = token(&ring, &clock);
        verifier.verify(&now).await.unwrap();
    }

    #[test]
    fn keys_are_rotated_by_the_calendar_and_old_ones_go() {
        let folder = tempfile::tempdir().unwrap();
        let clock = Clock::manual(NOW_MS);
        let ring = ring(folder.path(), &clock);
        let kid = |position: usize| ring.keys()[position].pair.kid();
        let first = kid(0);
        let day = || {
            clock.advance(Duration::from_millis(DAY_MS));
            ring.rotate(30).unwrap();
            ring.reload().unwrap();
        };
        for _ in 0..29 {
            day();
        }
        assert_eq!(ring.keys().len(), 1);
        day();
        assert_eq!(ring.keys().len(), 2);
        assert_eq!(kid(0), first);
        let second = kid(1);
        day();
        assert_eq!(ring.keys().len(), 1);
        assert_eq!(kid(0), second);
        // Never, unless told.
        clock.advance(Duration::from_millis(1_000 * DAY_MS));
        ring.rotate(0).unwrap();
        ring.reload().unwrap();
        assert_eq!(ring.keys().len(), 1);
    }
}
