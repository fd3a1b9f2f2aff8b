use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use sha2::{Digest as _, Sha256};

/// An opaque secret of 256 bits that is exchanged for the next pair of tokens, once.
#[derive(Clone, PartialEq, Eq)]
pub struct RefreshToken([u8; 32]);

impl RefreshToken {
    pub fn generate() -> Self {
        Self(rand::random())
    }

    pub fn parse(text: &str) -> Option<Self> {
        // 43 characters are 32 bytes.
        if text.len() != 43 {
            return None;
        }
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(text).ok()?;
        Some(Self(bytes.try_into().ok()?))
    }

    pub fn expose(&self) -> String {
        BASE64_URL_SAFE_NO_PAD.encode(self.0)
    }

    /// What is stored. A plain hash will do: 256 random bits can't be guessed.
    pub fn hash(&self) -> [u8; 32] {
        Sha256::digest(self.0).into()
    }

    /// The token that follows this one: always the same, so that whoever asks twice within the
    /// grace — two tabs at once, an answer lost on the way — gets the same successor, and none of
    /// them has to be stored in the clear.
    pub fn successor(&self, secret: &RefreshSecret) -> Self {
        Self(hmac_sha256(&secret.0, &self.0))
    }
}

/// What makes successors unpredictable to who holds a token but not this.
#[derive(Clone)]
pub struct RefreshSecret([u8; 32]);

impl RefreshSecret {
    pub fn generate() -> Self {
        Self(rand::random())
    }

    pub fn parse(text: &str) -> Option<Self> {
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(text.trim()).ok()?;
        Some(Self(bytes.try_into().ok()?))
    }

    pub fn expose(&self) -> String {
        BASE64_URL_SAFE_NO_PAD.encode(self.0)
    }
}

/// RFC 2104, for a key shorter than the block of 64 bytes.
fn hmac_sha256(key: &[u8; 32], message: &[u8]) -> [u8; 32] {
    let mut inner = [0x36_u8; 64];
    let mut outer = [0x5c_u8; 64];
    for (position, byte) in key.iter().enumerate() {
        inner[position] ^= byte;
        outer[position] ^= byte;
    }
    let digest = Sha256::new().chain_update(inner).chain_update(message);
    Sha256::new()
        .chain_update(outer)
        .chain_update(digest.finalize())
        .finalize()
        .into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_survives_its_text() {
        let token = RefreshToken::generate();
        assert!(RefreshToken::parse(&token.expose()) == Some(token));
        assert!(RefreshToken::parse("short").is_none());
        assert!(RefreshToken::parse(&"!".repeat(43)).is_none());
    }

    #[test]
    fn a_successor_is_the_same_each_time_and_needs_the_secret() {
        let (secret, other) = (RefreshSecret::generate(), RefreshSecret::generate());
        let token = RefreshToken::generate();
        assert!(token.successor(&secret) == token.successor(&secret));
        assert!(token.successor(&secret) != token.successor(&other));
        assert!(token.successor(&secret) != token);
    }

    #[test]
    fn the_mac_is_that_of_rfc_4231() {
        // Test case 1, its key of 20 bytes padded with zeros as RFC 2104 does.
        let mut key = [0_u8; 32];
        key[..20].fill(0x0b);
        let mac = hmac_sha256(&key, b"Hi There");
        assert_eq!(mac[..4], [0xb0, 0x34, 0x4c, 0x61]);
        assert_eq!(mac[28..], [0x2e, 0x32, 0xcf, 0xf7]);
    }
}
