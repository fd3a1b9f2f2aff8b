use std::collections::BTreeMap;
use std::path::PathBuf;

use auth::{IdentitySettings, KeyPair, ServiceIdentity};
use tempfile::TempDir;

/// Key files of services that know each other.
#[derive(Debug)]
pub struct Identities {
    folder: TempDir,
    services: Vec<&'static str>,
}

impl Identities {
    /// Makes a key for each service.
    ///
    /// # Panics
    /// When files can't be written.
    #[must_use]
    pub fn of(services: &[&'static str]) -> Self {
        let identities = Self {
            folder: tempfile::tempdir().expect("a folder for keys"),
            services: services.to_vec(),
        };
        for service in services {
            let key = KeyPair::generate().expect("the system has randomness");
            std::fs::write(identities.path(service, "key"), key.private_pem()).expect("a key file");
            std::fs::write(identities.path(service, "pub"), key.public_pem()).expect("a key file");
        }
        identities
    }

    fn path(&self, service: &str, half: &str) -> PathBuf {
        self.folder.path().join(format!("{service}.{half}.pem"))
    }

    fn text(&self, service: &str, half: &str) -> String {
        self.path(service, half).display().to_string()
    }

    /// The `[identity]` section of a service that trusts all of them.
    #[must_use]
    pub fn settings(&self, service: &str) -> IdentitySettings {
        IdentitySettings {
            service: service.to_owned(),
            signing_key_file: self.text(service, "key"),
            trusted: self
                .services
                .iter()
                .map(|name| ((*name).to_owned(), self.text(name, "pub")))
                .collect::<BTreeMap<_, _>>(),
        }
    }

    /// What a service is, to call as it would.
    ///
    /// # Panics
    /// When it has no key here.
    #[must_use]
    pub fn identity(&self, service: &str) -> ServiceIdentity {
        ServiceIdentity::new(self.settings(service)).expect("a key of its own")
    }
}
