//! One origin in front of everything, on loopback: [`web::router`] in a runtime of its own.

use std::net::{Ipv4Addr, SocketAddr};

use anyhow::Context;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use web::Origin;

/// The running proxy. It ends when dropped.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    /// Its own, so that it outlives the runtime of the test that started it.
    runtime: Option<Runtime>,
}

impl Proxy {
    /// Listens on a port of loopback.
    ///
    /// # Errors
    /// When the port is taken.
    pub fn start(port: u16, origin: Origin) -> anyhow::Result<Self> {
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, port))
            .with_context(|| format!("the origin needs port {port} of 127.0.0.1"))?;
        listener
            .set_nonblocking(true)
            .context("make the origin's listener asynchronous")?;
        let address = listener.local_addr().context("the origin's own address")?;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name("proxy")
            .enable_all()
            .build()
            .context("start the proxy's runtime")?;
        let service = web::router(origin).into_make_service_with_connect_info::<SocketAddr>();
        runtime.spawn(async move {
            let served = async { axum::serve(TcpListener::from_std(listener)?, service).await };
            if let Err(error) = served.await {
                tracing::error!(%error, "the reverse proxy ended");
            }
        });
        Ok(Self {
            address,
            runtime: Some(runtime),
        })
    }

    /// `http://localhost:port`: browsers give that name the rights of a secure origin.
    #[must_use]
    pub fn origin(&self) -> String {
        format!("http://localhost:{}", self.address.port())
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            // An ordinary drop would wait, which isn't allowed inside another runtime.
            runtime.shutdown_background();
        }
    }
}
