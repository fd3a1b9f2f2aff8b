use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use anyhow::{Context as _, bail};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// Asks the service on this machine, by its ops port, whether it is ready; for the probe of an image
/// that holds nothing but our binary.
///
/// # Errors
/// When it isn't ready, or doesn't answer within two seconds.
pub async fn healthcheck(mut ops: SocketAddr) -> anyhow::Result<()> {
    if ops.ip().is_unspecified() {
        ops.set_ip(match ops.ip() {
            IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
        });
    }
    let answer = tokio::time::timeout(Duration::from_secs(2), ask(ops))
        .await
        .context("no answer in time")??;
    let status = answer.split(' ').nth(1).unwrap_or_default();
    if status != "200" {
        bail!("not ready: {status}");
    }
    Ok(())
}

async fn ask(ops: SocketAddr) -> anyhow::Result<String> {
    let mut stream = TcpStream::connect(ops).await.context("connect")?;
    // HTTP/1.0, so that the other side closes.
    stream
        .write_all(b"GET /readyz HTTP/1.0\r\nHost: localhost\r\n\r\n")
        .await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    Ok(answer)
}

#[cfg(test)]
mod tests {
    use lifecycle::Lifecycle;

    use super::*;

    #[tokio::test]
    async fn it_says_what_readyz_says() {
        let guard = telemetry::init("test", &telemetry::TelemetrySettings::default());
        let lifecycle = Lifecycle::new();
        let listeners = crate::Listeners::loopback().await.unwrap();
        let ops = listeners.addresses().unwrap().ops;
        crate::serve_ops(&lifecycle, listeners.ops, guard.prometheus(), Vec::new());
        assert!(healthcheck(ops).await.is_err());
        lifecycle.ready().set(true);
        healthcheck(ops).await.unwrap();
        lifecycle.stop();
        lifecycle
            .run_until_stopped(Duration::from_secs(5))
            .await
            .unwrap();
        assert!(healthcheck(ops).await.is_err());
    }
}
