//! `local-aws --data DIR --dynamodb-port P --s3-port P [--listen ADDRESS]`

use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;

use anyhow::Context;
use clap::Parser;
use local_aws::{Credentials, Durability};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing_subscriber::EnvFilter;

/// DynamoDB and S3 of the local suite.
#[derive(Parser)]
struct Arguments {
    /// Folder that holds tables and objects.
    #[arg(long)]
    data: PathBuf,
    /// Where to listen. In a container: 0.0.0.0.
    #[arg(long, default_value_t = IpAddr::from(Ipv4Addr::LOCALHOST))]
    listen: IpAddr,
    /// Port of the DynamoDB API.
    #[arg(long)]
    dynamodb_port: u16,
    /// Port of the S3 API.
    #[arg(long)]
    s3_port: u16,
    /// Don't flush tables to the disk: for tests.
    #[arg(long)]
    no_fsync: bool,
    /// Access key that signs requests to S3.
    #[arg(long, env = "AWS_ACCESS_KEY_ID", default_value = "parlance-local")]
    access_key_id: String,
    /// Its secret.
    #[arg(
        long,
        env = "AWS_SECRET_ACCESS_KEY",
        default_value = "parlance-local-secret",
        hide_env_values = true
    )]
    secret_access_key: String,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    tracing_subscriber::fmt()
        .with_env_filter(
            EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("warn")),
        )
        .with_ansi(false)
        .with_writer(std::io::stderr)
        .init();

    let durability = if arguments.no_fsync {
        Durability::Kill
    } else {
        Durability::PowerLoss
    };
    let dynamodb = bind(arguments.listen, arguments.dynamodb_port).await?;
    let s3 = bind(arguments.listen, arguments.s3_port).await?;
    let stop = CancellationToken::new();
    tokio::spawn(stop_on_signal(stop.clone()));
    let credentials = Credentials {
        access_key_id: arguments.access_key_id,
        secret_access_key: arguments.secret_access_key,
    };
    local_aws::run(&arguments.data, durability, credentials, dynamodb, s3, stop).await
}

async fn bind(address: IpAddr, port: u16) -> anyhow::Result<TcpListener> {
    TcpListener::bind((address, port))
        .await
        .with_context(|| format!("listen on {address}:{port}"))
}

async fn stop_on_signal(stop: CancellationToken) {
    let (Ok(mut terminate), Ok(mut interrupt)) = (
        signal(SignalKind::terminate()),
        signal(SignalKind::interrupt()),
    ) else {
        tracing::error!("signal handlers can't be installed; only a kill stops this process");
        return;
    };
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    stop.cancel();
}
