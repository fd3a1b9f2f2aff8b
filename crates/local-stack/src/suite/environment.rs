//! The settings that each service gets, as environment variables.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Context;

use super::data::Identity;
use super::links::{Link, name_of};
use super::{Addresses, Service, ServicePorts, ServiceSpec};
use crate::servers::{Kafka, LocalAws, Mail, OpenIdProvider, Postgres, Redis, Tls};
use crate::throttle::Throttle;

pub(super) const SERVICES: [&str; 5] = [
    "account",
    "conversation",
    "message",
    "chat-gateway",
    "file-upload",
];

/// Few, because one machine reads them all; every service must be told the same.
const LOG_PARTITIONS: u16 = 4;
pub(super) const DELIVERIES_PARTITIONS: u16 = 16;
pub(super) const MESSAGE_PARTITION_BASE: u16 = 8;

/// What the settings are made from.
pub(super) struct Plan<'a> {
    pub data: &'a Path,
    pub tls: Option<&'a Tls>,
    pub kafka: &'a Kafka,
    pub redis: &'a Redis,
    pub postgres: &'a Postgres,
    pub local_aws: &'a LocalAws,
    pub throttle: Option<&'a Throttle>,
    pub mail: &'a Mail,
    pub openid_provider: Option<&'a OpenIdProvider>,
    pub addresses: &'a Addresses,
    pub identities: &'a BTreeMap<&'static str, Identity>,
    /// Ways that go through a relay; the others are direct.
    pub links: &'a [Link],
    pub more: &'a [(String, String)],
}

/// Collects `ACCOUNT__SECTION__KEY=value`.
struct Settings {
    prefix: String,
    variables: Vec<(String, String)>,
}

impl Settings {
    fn set(&mut self, key: &str, value: impl ToString) {
        let name = format!("{}__{}", self.prefix, key.to_uppercase());
        self.variables.push((name, value.to_string()));
    }
}

impl Plan<'_> {
    /// Describes a service; it isn't started yet.
    pub(super) fn service(&self, program: &'static str, ordinal: u16) -> anyhow::Result<Service> {
        let ports = self.ports(program, ordinal)?;
        let name = name_of(program, ordinal);
        Service::new(ServiceSpec {
            environment: self.environment(program, ordinal, ports)?,
            name,
            program,
            ports,
            log: &self.data.join("logs"),
        })
    }

    fn ports(&self, program: &str, ordinal: u16) -> anyhow::Result<ServicePorts> {
        let addresses = self.addresses;
        match program {
            "account" => Some(addresses.account),
            "conversation" => Some(addresses.conversation),
            "file-upload" => Some(addresses.file_upload),
            "message" => addresses.messages.get(usize::from(ordinal)).copied(),
            "chat-gateway" => addresses.gateways.get(usize::from(ordinal)).copied(),
            _ => None,
        }
        .with_context(|| format!("{program} {ordinal} has no ports"))
    }

    fn environment(
        &self,
        program: &'static str,
        ordinal: u16,
        ports: ServicePorts,
    ) -> anyhow::Result<Vec<(String, String)>> {
        let loopback = |port: u16| format!("127.0.0.1:{port}");
        let url = |port: u16| format!("http://127.0.0.1:{port}");
        let name = name_of(program, ordinal);
        // The same URL, by the relay if there is one.
        let by = |to: &str, url: String| {
            let link = self
                .links
                .iter()
                .find(|link| link.from == name && link.to == to);
            link.map_or(url.clone(), |link| {
                url.replace(
                    &format!(":{}", link.instead_of),
                    &format!(":{}", link.relay.address().port()),
                )
            })
        };
        let mut settings = Settings {
            prefix: program.to_uppercase().replace('-', "_"),
            variables: Vec::new(),
        };
        settings.set("listen__http", loopback(ports.http));
        settings.set("listen__grpc", loopback(ports.grpc));
        settings.set("listen__internal", loopback(ports.internal));
        settings.set("listen__ops", loopback(ports.ops));
        settings.set("listen__grpc_reflection", true);
        settings.set(
            "tokens__jwks_url",
            format!(
                "{}/api/account/.well-known/jwks.json",
                url(self.addresses.account.http)
            ),
        );
        let own = self.identities.get(program).context("no identity")?;
        settings.set("identity__signing_key_file", own.private.display());
        settings.set("identity__trusted", self.trusted_by(program));

        let peers: &[&str] = match program {
            "account" => &["conversation"],
            "conversation" => &["account", "message"],
            "chat-gateway" => &["account", "conversation", "message"],
            "file-upload" => &["account", "conversation"],
            "message" => &["account"],
            _ => &[],
        };
        for peer in peers {
            settings.set(
                &format!("peers__{peer}"),
                by(peer, url(self.ports(peer, 0)?.internal)),
            );
        }
        if let Some((_, database)) = super::DATABASES.iter().find(|(name, _)| *name == program) {
            settings.set("database__url", by("postgres", self.postgres.url(database)));
        }
        if matches!(
            program,
            "account" | "conversation" | "message" | "chat-gateway"
        ) {
            settings.set("redis__url", by("redis", self.redis.url()));
            if let Some(tls) = self.tls {
                settings.set("redis__ca_file", tls.ca.display());
            }
        }
        if program != "file-upload" {
            settings.set("kafka__brokers", by("kafka", self.kafka.brokers()));
            settings.set("kafka__log_partitions", LOG_PARTITIONS);
            settings.set("kafka__deliveries_partitions", DELIVERIES_PARTITIONS);
            settings.set("kafka__message_partition_base", MESSAGE_PARTITION_BASE);
            if let Some(tls) = self.tls {
                settings.set("kafka__security", "sasl_tls");
                settings.set("kafka__ca_file", tls.ca.display());
                settings.set("kafka__username", Tls::USERNAME);
                settings.set("kafka__password", Tls::PASSWORD);
            }
        }
        match program {
            "account" => {
                settings.set("signing__key_dir", self.data.join("account-keys").display());
                settings.set("accounts__sign_up_on_first_use", true);
                settings.set("accounts__secure_cookies", false);
                settings.set("accounts__public_url", self.addresses.public_url());
                settings.set("mail__smtp_url", self.mail.smtp_url());
                // The origin.
                settings.set("accounts__trusted_proxies", "[\"127.0.0.1\"]");
                if let Some(provider) = self.openid_provider {
                    let mut set = |key: &str, value: &str| {
                        let name = OpenIdProvider::NAME;
                        settings.set(&format!("oidc__providers__{name}__{key}"), value);
                    };
                    set("issuer", &provider.issuer());
                    set("client_id", OpenIdProvider::CLIENT_ID);
                    set("client_secret", OpenIdProvider::CLIENT_SECRET);
                    set("display_name", "Test");
                }
            }
            "message" => {
                settings.set("message__ordinal", ordinal);
                let emulator = || self.local_aws.dynamodb_url();
                let dynamodb = self.throttle.map_or_else(emulator, Throttle::url);
                settings.set("aws__dynamodb_endpoint", by("dynamodb", dynamodb));
            }
            "file-upload" => settings.set("aws__s3_endpoint", self.local_aws.s3_url()),
            "chat-gateway" => settings.set("gateway__ordinal", ordinal),
            _ => {}
        }

        let mut variables = settings.variables;
        if matches!(program, "message" | "file-upload") {
            variables.extend(self.local_aws.environment());
        }
        variables.extend(self.more.iter().cloned());
        Ok(variables)
    }

    /// A TOML table of the other services' public keys. Each service says for itself who may
    /// call what; a key that it doesn't need does no harm.
    fn trusted_by(&self, program: &str) -> String {
        let others: Vec<String> = self
            .identities
            .iter()
            .filter(|(name, _)| **name != program)
            .map(|(name, identity)| {
                let path = toml_string(&identity.public.display().to_string());
                format!("{} = {path}", toml_string(name))
            })
            .collect();
        format!("{{ {} }}", others.join(", "))
    }
}

/// A basic string of TOML.
fn toml_string(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}
