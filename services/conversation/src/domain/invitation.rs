//! Invitations: whoever has the token can join.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ids::{InvitationId, UserId};
use sha2::{Digest as _, Sha256};

/// An invitation as the admins of its group see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Invitation {
    pub id: InvitationId,
    pub created_by: UserId,
    pub created_at_unix_ms: u64,
    pub expires_at_unix_ms: u64,
    /// `None`: as often as one likes.
    pub max_uses: Option<MaxUses>,
    pub uses: u32,
}

/// The secret in an invitation's link: 256 random bits, so that nobody finds one by trying. Only its
/// hash is stored.
#[derive(Clone, PartialEq, Eq)]
pub struct InvitationToken([u8; 32]);

/// The text is not a token of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a token of an invitation")]
pub struct InvalidToken;

impl InvitationToken {
    /// A new one, from the generator of the system.
    #[must_use]
    pub fn generate() -> Self {
        Self(rand::random())
    }

    /// Reads 43 characters of base64url (RFC 4648, section 5).
    ///
    /// # Errors
    /// [`InvalidToken`] for anything that [`InvitationToken::reveal`] didn't make.
    pub fn parse(text: &str) -> Result<Self, InvalidToken> {
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| InvalidToken)?;
        Ok(Self(bytes.try_into().map_err(|_| InvalidToken)?))
    }

    /// The text for the one who made it, and for nobody else.
    #[must_use]
    pub fn reveal(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.0)
    }

    /// Under which it is stored. Plain SHA-256: there is nothing to guess in 256 random bits.
    #[must_use]
    pub fn hash(&self) -> [u8; 32] {
        Sha256::digest(self.0).into()
    }
}

impl std::fmt::Debug for InvitationToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("InvitationToken(…)")
    }
}

/// How long an invitation is good: a minute to 90 days.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lifetime(Duration);

/// An invitation can't be good for that long.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an invitation is good for 60 to 7776000 seconds (90 days)")]
pub struct InvalidLifetime;

impl Lifetime {
    /// 7 days.
    pub const DEFAULT: Self = Self(Duration::from_secs(7 * 24 * 60 * 60));

    /// # Errors
    /// [`InvalidLifetime`] outside a minute to 90 days.
    pub const fn from_seconds(seconds: u32) -> Result<Self, InvalidLifetime> {
        if seconds < 60 || seconds > 90 * 24 * 60 * 60 {
            return Err(InvalidLifetime);
        }
        Ok(Self(Duration::from_secs(seconds as u64)))
    }

    #[must_use]
    pub const fn as_ms(self) -> u64 {
        self.0.as_millis() as u64
    }
}

/// How many people an invitation lets in: 1 to 10,000.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MaxUses(u32);

/// An invitation can't let so many in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an invitation lets in 1 to 10000 people")]
pub struct InvalidMaxUses;

impl MaxUses {
    /// # Errors
    /// [`InvalidMaxUses`] outside 1 to 10,000.
    pub const fn new(uses: u32) -> Result<Self, InvalidMaxUses> {
        if uses == 0 || uses > 10_000 {
            return Err(InvalidMaxUses);
        }
        Ok(Self(uses))
    }

    #[must_use]
    pub const fn get(self) -> u32 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_survives_its_text_and_shows_itself_to_nobody() {
        let token = InvitationToken::generate();
        let text = token.reveal();
        assert_eq!(text.len(), 43);
        assert_eq!(InvitationToken::parse(&text).unwrap(), token);
        assert!(!format!("{token:?}").contains(&text));
        assert_ne!(InvitationToken::generate(), token);
        for bad in [
            "",
            &text[1..],
            &format!("{text}A"),
            &format!("{text}="),
            "ü",
        ] {
            assert_eq!(InvitationToken::parse(bad), Err(InvalidToken), "{bad:?}");
        }
    }
}
