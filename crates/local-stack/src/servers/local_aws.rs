//! The emulators of DynamoDB and S3, in the process of the `local-aws` crate.

use std::net::Ipv4Addr;
use std::ops::Deref;
use std::path::Path;
use std::time::Duration;

use anyhow::Context;
use rustix::process::Signal;
use tokio::net::TcpStream;

use super::{Durability, READY_WITHIN, probe};
use crate::install;
use crate::process::{Process, Spec};

/// The only credentials that the emulators accept; they guard nothing.
const ACCESS_KEY_ID: &str = "parlance-local";
const SECRET_ACCESS_KEY: &str = "parlance-local-secret";

/// DynamoDB and S3.
#[derive(Debug)]
pub struct LocalAws {
    process: Process,
    dynamodb_port: u16,
    s3_port: u16,
}

impl LocalAws {
    /// The region that the local suite is said to be in.
    pub const REGION: &str = "us-east-1";

    pub(super) fn prepare(
        data: &Path,
        dynamodb_port: u16,
        s3_port: u16,
        durability: Durability,
    ) -> anyhow::Result<Self> {
        let folder = data.join("aws");
        std::fs::create_dir_all(&folder)
            .with_context(|| format!("create the folder {}", folder.display()))?;
        let mut arguments = vec![
            "--data".into(),
            folder.into_os_string(),
            "--dynamodb-port".into(),
            dynamodb_port.to_string().into(),
            "--s3-port".into(),
            s3_port.to_string().into(),
        ];
        if durability == Durability::Kill {
            arguments.push("--no-fsync".into());
        }
        let process = Process::new(Spec {
            name: "local-aws (DynamoDB and S3)".into(),
            program: install::workspace_program("local-aws")?,
            arguments,
            environment: vec![
                ("AWS_ACCESS_KEY_ID".into(), ACCESS_KEY_ID.into()),
                ("AWS_SECRET_ACCESS_KEY".into(), SECRET_ACCESS_KEY.into()),
            ],
            log: data.join("logs/local-aws.log"),
            run_as: None,
            ports: vec![dynamodb_port, s3_port],
            stop_signal: Signal::TERM,
            stop_grace: Duration::from_secs(5),
            ready: probe(move || async move {
                TcpStream::connect((Ipv4Addr::LOCALHOST, dynamodb_port)).await?;
                TcpStream::connect((Ipv4Addr::LOCALHOST, s3_port)).await?;
                Ok(())
            }),
            ready_within: READY_WITHIN,
        });
        Ok(Self {
            process,
            dynamodb_port,
            s3_port,
        })
    }

    #[must_use]
    pub fn dynamodb_url(&self) -> String {
        format!("http://127.0.0.1:{}", self.dynamodb_port)
    }

    #[must_use]
    pub fn s3_url(&self) -> String {
        format!("http://127.0.0.1:{}", self.s3_port)
    }

    /// What the AWS SDK reads: credentials, region and the endpoints.
    #[must_use]
    pub fn environment(&self) -> Vec<(String, String)> {
        [
            ("AWS_ACCESS_KEY_ID", ACCESS_KEY_ID.into()),
            ("AWS_SECRET_ACCESS_KEY", SECRET_ACCESS_KEY.into()),
            ("AWS_REGION", Self::REGION.into()),
            ("AWS_ENDPOINT_URL_DYNAMODB", self.dynamodb_url()),
            ("AWS_ENDPOINT_URL_S3", self.s3_url()),
            // Never wait for the metadata service of a cloud machine.
            ("AWS_EC2_METADATA_DISABLED", "true".into()),
        ]
        .map(|(name, value): (&str, String)| (name.to_owned(), value))
        .into()
    }
}

impl Deref for LocalAws {
    type Target = Process;
    fn deref(&self) -> &Process {
        &self.process
    }
}
