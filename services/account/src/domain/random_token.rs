use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use sha2::{Digest as _, Sha256};

/// 256 random bits that prove by themselves: a mailed link, the `state` of a sign-in elsewhere, a
/// browser's cookie. Stored by its hash only.
#[derive(Clone)]
pub struct RandomToken([u8; 32]);

impl RandomToken {
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

    /// A plain hash will do: 256 random bits can't be guessed.
    pub fn hash(&self) -> [u8; 32] {
        Sha256::digest(self.0).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_survives_its_text_and_its_hash_tells_nothing_of_it() {
        let token = RandomToken::generate();
        let text = token.expose();
        assert_eq!(RandomToken::parse(&text).unwrap().hash(), token.hash());
        assert_ne!(BASE64_URL_SAFE_NO_PAD.encode(token.hash()), text);
        for text in ["", "short", &"!".repeat(43), &"A".repeat(44)] {
            assert!(RandomToken::parse(text).is_none(), "{text}");
        }
    }
}
