//! What servers need to be spoken to by TLS: an authority of their own, and a certificate from it.

use std::path::{Path, PathBuf};

use anyhow::Context;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};

use crate::ports;

/// TLS for Kafka, Redis and Postgres, each with a password where the real one would have one.
#[derive(Clone, Debug)]
pub struct Tls {
    /// PEM of the authority.
    pub ca: PathBuf,
    /// PEM of the servers' certificate, for 127.0.0.1.
    pub certificate: PathBuf,
    /// PEM of its key.
    pub key: PathBuf,
    /// Both in one file.
    pub key_and_certificate: PathBuf,
    /// Where Kafka listens for services; at its own port it keeps listening in plain text, for itself.
    pub kafka_port: u16,
}

impl Tls {
    pub const USERNAME: &'static str = "parlance";
    pub const PASSWORD: &'static str = "amber-orchard-17";

    /// Makes them, in `data/tls`.
    ///
    /// # Errors
    /// When they can't be written.
    pub fn prepare(data: &Path) -> anyhow::Result<Self> {
        let folder = data.join("tls");
        std::fs::create_dir_all(&folder)
            .with_context(|| format!("create the folder {}", folder.display()))?;
        let authority_key = KeyPair::generate()?;
        let mut authority = CertificateParams::default();
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        // With the name that both have by default, the certificate would pass for its own issuer.
        let name = format!("Parlance test authority {}", uuid::Uuid::new_v4());
        authority.distinguished_name.push(DnType::CommonName, name);
        let authority_pem = authority.self_signed(&authority_key)?.pem();
        let key = KeyPair::generate()?;
        let certificate = CertificateParams::new(["127.0.0.1".to_owned()])?
            .signed_by(&key, &Issuer::new(authority, authority_key))?
            .pem();
        let key = key.serialize_pem();
        let write = |name: &str, text: &str| {
            let path = folder.join(name);
            std::fs::write(&path, text)
                .with_context(|| format!("write {}", path.display()))
                .map(|()| path)
        };
        Ok(Self {
            ca: write("ca.pem", &authority_pem)?,
            certificate: write("server.pem", &certificate)?,
            key: write("server.key", &key)?,
            key_and_certificate: write("server-with-key.pem", &format!("{key}{certificate}"))?,
            kafka_port: ports::free()?,
        })
    }
}
