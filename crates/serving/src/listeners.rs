use std::net::{Ipv4Addr, SocketAddr};

use anyhow::Context as _;
use settings::Listen;
use tokio::net::TcpListener;

/// The bound ports of a service. Bound before anything else starts, so that a taken port is a
/// failure at the start, and a test may bind port 0.
pub struct Listeners {
    pub http: TcpListener,
    pub grpc: TcpListener,
    pub internal: TcpListener,
    pub ops: TcpListener,
}

/// Where [`Listeners`] are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Addresses {
    pub http: SocketAddr,
    pub grpc: SocketAddr,
    pub internal: SocketAddr,
    pub ops: SocketAddr,
}

impl Listeners {
    /// # Errors
    /// When a port is taken or may not be bound.
    pub async fn bind(listen: &Listen) -> anyhow::Result<Self> {
        async fn bind(name: &str, address: SocketAddr) -> anyhow::Result<TcpListener> {
            TcpListener::bind(address)
                .await
                .with_context(|| format!("bind the {name} port {address}"))
        }
        Ok(Self {
            http: bind("http", listen.http).await?,
            grpc: bind("grpc", listen.grpc).await?,
            internal: bind("internal", listen.internal).await?,
            ops: bind("ops", listen.ops).await?,
        })
    }

    /// Free ports of the loopback interface, for tests.
    ///
    /// # Errors
    /// When there is none.
    pub async fn loopback() -> anyhow::Result<Self> {
        let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        Self::bind(&Listen {
            http: any,
            grpc: any,
            internal: any,
            ops: any,
            grpc_reflection: false,
        })
        .await
    }

    /// # Errors
    /// When the system can't tell.
    pub fn addresses(&self) -> anyhow::Result<Addresses> {
        Ok(Addresses {
            http: self.http.local_addr()?,
            grpc: self.grpc.local_addr()?,
            internal: self.internal.local_addr()?,
            ops: self.ops.local_addr()?,
        })
    }
}
