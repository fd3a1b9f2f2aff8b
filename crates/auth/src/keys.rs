//! Ed25519 keys: files in PEM (PKCS#8 and SubjectPublicKeyInfo, RFC 8410), published as JWKs
//! (RFC 8037).

use aws_lc_rs::encoding::AsBigEndian as _;
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use jsonwebtoken::{DecodingKey, EncodingKey};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// `PrivateKeyInfo` of an Ed25519 key up to its 32 bytes of seed (RFC 8410, section 7).
const PKCS8_PREFIX: [u8; 16] = [
    0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20,
];
/// `SubjectPublicKeyInfo` of an Ed25519 key up to its 32 bytes (RFC 8410, section 4).
const SPKI_PREFIX: [u8; 12] = [
    0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00,
];

/// A key that can't be read or made.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    #[error("not an Ed25519 key in PEM (PKCS#8 or SubjectPublicKeyInfo)")]
    Unreadable,
    #[error("no randomness for a new key")]
    NoRandomness,
}

/// A private key that signs, with its public half.
#[derive(Clone)]
pub struct KeyPair {
    seed: [u8; 32],
    public: [u8; 32],
}

impl std::fmt::Debug for KeyPair {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "KeyPair({})", self.kid())
    }
}

impl KeyPair {
    /// # Errors
    /// When the system gives no randomness.
    pub fn generate() -> Result<Self, KeyError> {
        let pair = Ed25519KeyPair::generate().map_err(|_| KeyError::NoRandomness)?;
        Self::from_ring(&pair).map_err(|_| KeyError::NoRandomness)
    }

    fn from_ring(pair: &Ed25519KeyPair) -> Result<Self, KeyError> {
        let seed = pair.seed().map_err(|_| KeyError::Unreadable)?;
        let seed = seed.as_be_bytes().map_err(|_| KeyError::Unreadable)?;
        Ok(Self {
            seed: seed.as_ref().try_into().map_err(|_| KeyError::Unreadable)?,
            public: pair
                .public_key()
                .as_ref()
                .try_into()
                .map_err(|_| KeyError::Unreadable)?,
        })
    }

    /// Reads a private key: PKCS#8 in PEM, version 1 or 2.
    ///
    /// # Errors
    /// For anything else.
    pub fn from_pem(pem: &str) -> Result<Self, KeyError> {
        let der = unarmour(pem, "PRIVATE KEY")?;
        let pair =
            Ed25519KeyPair::from_pkcs8_maybe_unchecked(&der).map_err(|_| KeyError::Unreadable)?;
        Self::from_ring(&pair)
    }

    fn pkcs8(&self) -> Vec<u8> {
        [&PKCS8_PREFIX[..], &self.seed[..]].concat()
    }

    /// The private key, for a file that only its owner may read.
    #[must_use]
    pub fn private_pem(&self) -> String {
        armour(&self.pkcs8(), "PRIVATE KEY")
    }

    /// The public key, for those who verify.
    #[must_use]
    pub fn public_pem(&self) -> String {
        armour(&[&SPKI_PREFIX[..], &self.public[..]].concat(), "PUBLIC KEY")
    }

    /// Names the key: the start of its thumbprint (RFC 7638).
    #[must_use]
    pub fn kid(&self) -> String {
        let x = BASE64_URL_SAFE_NO_PAD.encode(self.public);
        let thumbprint =
            Sha256::digest(format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{x}"}}"#).as_bytes());
        BASE64_URL_SAFE_NO_PAD.encode(&thumbprint[..12])
    }

    /// The public key as it is published.
    #[must_use]
    pub fn jwk(&self) -> Jwk {
        Jwk {
            kty: "OKP".to_owned(),
            crv: Some("Ed25519".to_owned()),
            kid: Some(self.kid()),
            x: Some(BASE64_URL_SAFE_NO_PAD.encode(self.public)),
            alg: Some("EdDSA".to_owned()),
            r#use: Some("sig".to_owned()),
        }
    }

    /// For `jsonwebtoken`.
    #[must_use]
    pub fn encoding_key(&self) -> EncodingKey {
        EncodingKey::from_ed_der(&self.pkcs8())
    }
}

/// Reads a public key: SubjectPublicKeyInfo in PEM.
pub(crate) fn decoding_key_from_pem(pem: &str) -> Result<DecodingKey, KeyError> {
    let der = unarmour(pem, "PUBLIC KEY")?;
    der.strip_prefix(&SPKI_PREFIX)
        .filter(|key| key.len() == 32)
        .map(DecodingKey::from_ed_der)
        .ok_or(KeyError::Unreadable)
}

fn armour(der: &[u8], label: &str) -> String {
    // Shorter than the 64 columns of a line.
    let body = BASE64_STANDARD.encode(der);
    format!("-----BEGIN {label}-----\n{body}\n-----END {label}-----\n")
}

fn unarmour(pem: &str, label: &str) -> Result<Vec<u8>, KeyError> {
    let begin = format!("-----BEGIN {label}-----");
    let end = format!("-----END {label}-----");
    let (_, rest) = pem.split_once(&begin).ok_or(KeyError::Unreadable)?;
    let (body, _) = rest.split_once(&end).ok_or(KeyError::Unreadable)?;
    let body: String = body.split_whitespace().collect();
    BASE64_STANDARD
        .decode(body)
        .map_err(|_| KeyError::Unreadable)
}

/// One key of a [`Jwks`]; keys of other types are read, and ignored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Jwk {
    pub kty: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub crv: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kid: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub x: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alg: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub r#use: Option<String>,
}

impl Jwk {
    /// The key and its name, if it is one that verifies our tokens.
    pub(crate) fn decoding_key(&self) -> Option<(String, DecodingKey)> {
        let ours = self.kty == "OKP"
            && self.crv.as_deref() == Some("Ed25519")
            && self.alg.as_deref().is_none_or(|alg| alg == "EdDSA")
            && self.r#use.as_deref().is_none_or(|used| used == "sig");
        if !ours {
            return None;
        }
        let key = BASE64_URL_SAFE_NO_PAD.decode(self.x.as_deref()?).ok()?;
        let key: [u8; 32] = key.try_into().ok()?;
        Some((self.kid.clone()?, DecodingKey::from_ed_der(&key)))
    }
}

/// A set of published keys (RFC 7517, section 5).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Jwks {
    pub keys: Vec<Jwk>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_survives_its_file() {
        let pair = KeyPair::generate().unwrap();
        let read = KeyPair::from_pem(&pair.private_pem()).unwrap();
        assert_eq!(read.jwk(), pair.jwk());
        assert!(decoding_key_from_pem(&pair.public_pem()).is_ok());
        assert!(decoding_key_from_pem(&pair.private_pem()).is_err());
        assert!(KeyPair::from_pem(&pair.public_pem()).is_err());
    }

    #[test]
    fn a_key_of_rfc_8410_is_read() {
        let pem = "-----BEGIN PRIVATE KEY-----\n\
                   MC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC\n\
                   -----END PRIVATE KEY-----\n";
        let public = "MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=";
        let pair = KeyPair::from_pem(pem).unwrap();
        assert!(pair.public_pem().contains(public));
    }

    #[test]
    fn a_private_key_is_not_printed() {
        let pair = KeyPair::generate().unwrap();
        assert_eq!(format!("{pair:?}"), format!("KeyPair({})", pair.kid()));
    }
}
