use std::net::SocketAddr;

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// A TCP link to a server that a test can cut and mend.
#[derive(Debug)]
pub struct Link {
    address: SocketAddr,
    /// Connections end with the token that they began with; none begin while it is cancelled.
    up: watch::Sender<CancellationToken>,
}

impl Link {
    /// Listens on a free port and passes everything on to `target`, for as long as the test's runtime
    /// lives.
    ///
    /// # Panics
    /// When no port is free.
    pub async fn to(target: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        let (up, current) = watch::channel(CancellationToken::new());
        tokio::spawn(async move {
            while let Ok((mut near, _)) = listener.accept().await {
                let end = current.borrow().clone();
                if end.is_cancelled() {
                    continue;
                }
                tokio::spawn(async move {
                    let pass = async {
                        if let Ok(mut far) = TcpStream::connect(target).await {
                            // An end on either side ends both.
                            let _ = copy_bidirectional(&mut near, &mut far).await;
                        }
                    };
                    tokio::select! {
                        () = end.cancelled() => {}
                        () = pass => {}
                    }
                });
            }
        });
        Self { address, up }
    }

    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Ends every connection and takes no new one.
    pub fn cut(&self) {
        self.up.borrow().cancel();
    }

    /// Takes connections again.
    pub fn mend(&self) {
        self.up.send_replace(CancellationToken::new());
    }
}
