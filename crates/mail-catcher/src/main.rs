//! Runs the mail server.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use clap::Parser;
use clock::Clock;
use lifecycle::Lifecycle;
use mail_catcher::Listeners;

/// A mail server that keeps what it gets, to be looked at.
#[derive(Parser)]
struct Cli {
    /// Address to listen on.
    #[arg(long, default_value_t = Ipv4Addr::LOCALHOST.into())]
    address: IpAddr,
    /// Port for mails.
    #[arg(long, default_value_t = 1025)]
    smtp_port: u16,
    /// Port of the page.
    #[arg(long, default_value_t = 8025)]
    http_port: u16,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let cli = Cli::parse();
    let _telemetry = telemetry::init("mail-catcher", &telemetry::TelemetrySettings::default());
    let at = |port| SocketAddr::new(cli.address, port);
    let listeners = Listeners::bind(at(cli.smtp_port), at(cli.http_port)).await?;
    let lifecycle = Lifecycle::new();
    let _mailbox = mail_catcher::run(listeners, &lifecycle, Clock::system());
    lifecycle.ready().set(true);
    lifecycle.run_until_signal(Duration::from_secs(2)).await
}
