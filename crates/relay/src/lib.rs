//! A TCP relay that can be cut, stalled and slowed.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

/// How long reaching the target may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// What the relay does with what arrives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Everything passes.
    Pass,
    /// Everything passes this much later, in each direction.
    Delay(Duration),
    /// Connections stay open, and begin, but nothing passes. What was held passes when this is over.
    Stall,
    /// Connections end at once; none begin.
    Cut,
}

/// What a relay has done so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Done {
    /// Connections that began.
    pub opened: u64,
    /// Connections that a cut ended or kept from beginning.
    pub cut: u64,
    /// Times that something arrived and was held, by a stall or a delay.
    pub held: u64,
}

#[derive(Debug, Default)]
struct Counters {
    opened: AtomicU64,
    cut: AtomicU64,
    held: AtomicU64,
}

/// A running relay. All its connections end when it is dropped.
#[derive(Debug)]
pub struct Relay {
    address: SocketAddr,
    mode: watch::Sender<Mode>,
    counters: Arc<Counters>,
    acceptor: JoinHandle<()>,
}

impl Relay {
    /// Passes connections on to `target` (`host:port`), from a free port of loopback.
    ///
    /// # Errors
    /// When no port is free.
    pub async fn to(target: impl Into<String>) -> std::io::Result<Self> {
        Self::at(SocketAddr::from(([127, 0, 0, 1], 0)), target).await
    }

    /// As [`Self::to`], from this address.
    ///
    /// # Errors
    /// When it is taken.
    pub async fn at(address: SocketAddr, target: impl Into<String>) -> std::io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        let (mode, current) = watch::channel(Mode::Pass);
        let counters = Arc::new(Counters::default());
        let target: Arc<str> = target.into().into();
        let acceptor = tokio::spawn(accept(listener, target, current, Arc::clone(&counters)));
        Ok(Self {
            address,
            mode,
            counters,
            acceptor,
        })
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Changes what it does, for all connections.
    pub fn set(&self, mode: Mode) {
        self.mode.send_replace(mode);
    }

    /// What it has done so far.
    #[must_use]
    pub fn done(&self) -> Done {
        Done {
            opened: self.counters.opened.load(Ordering::Relaxed),
            cut: self.counters.cut.load(Ordering::Relaxed),
            held: self.counters.held.load(Ordering::Relaxed),
        }
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        // The connections are its own and end with it.
        self.acceptor.abort();
    }
}

async fn accept(
    listener: TcpListener,
    target: Arc<str>,
    mode: watch::Receiver<Mode>,
    counters: Arc<Counters>,
) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let Ok((near, _)) = accepted else { continue };
                if *mode.borrow() == Mode::Cut {
                    counters.cut.fetch_add(1, Ordering::Relaxed);
                    continue;
                }
                counters.opened.fetch_add(1, Ordering::Relaxed);
                let (target, mode, counters) = (Arc::clone(&target), mode.clone(), Arc::clone(&counters));
                connections.spawn(async move {
                    let mut cut = mode.clone();
                    tokio::select! {
                        () = pass(near, &target, mode, &counters) => {}
                        Ok(_) = cut.wait_for(|mode| *mode == Mode::Cut) => {
                            counters.cut.fetch_add(1, Ordering::Relaxed);
                        }
                    }
                });
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

/// Ends when both directions have, or one with an error.
async fn pass(near: TcpStream, target: &str, mode: watch::Receiver<Mode>, counters: &Counters) {
    let connect = tokio::time::timeout(CONNECT_TIMEOUT, TcpStream::connect(target));
    let Ok(Ok(far)) = connect.await else { return };
    // Frames are small; waiting to fill a packet would delay each.
    let _ = near.set_nodelay(true);
    let _ = far.set_nodelay(true);
    let (near_read, near_write) = near.into_split();
    let (far_read, far_write) = far.into_split();
    // An error means that a side is gone; dropping the halves tells the other.
    let _ = tokio::try_join!(
        pump(near_read, far_write, mode.clone(), counters),
        pump(far_read, near_write, mode, counters)
    );
}

async fn pump(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    mut mode: watch::Receiver<Mode>,
    counters: &Counters,
) -> std::io::Result<()> {
    let mut buffer = vec![0; 16 * 1024];
    loop {
        let length = from.read(&mut buffer).await?;
        let current = *mode.borrow_and_update();
        match current {
            Mode::Pass | Mode::Cut => {}
            Mode::Delay(by) => {
                counters.held.fetch_add(1, Ordering::Relaxed);
                tokio::time::sleep(by).await;
            }
            Mode::Stall => {
                counters.held.fetch_add(1, Ordering::Relaxed);
                // The relay is gone: so is everything.
                let _ = mode.wait_for(|mode| *mode != Mode::Stall).await;
            }
        }
        if length == 0 {
            return to.shutdown().await;
        }
        to.write_all(&buffer[..length]).await?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A server that answers with what it got.
    async fn echo() -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(async move {
                    let (mut read, mut write) = stream.into_split();
                    let _ = tokio::io::copy(&mut read, &mut write).await;
                });
            }
        });
        address
    }

    async fn ask(stream: &mut TcpStream) -> std::io::Result<usize> {
        stream.write_all(b"?").await?;
        stream.read(&mut [0; 8]).await
    }

    #[tokio::test]
    async fn a_cut_ends_connections_and_a_stall_only_holds_them() {
        let relay = Relay::to(echo().await.to_string()).await.unwrap();
        let mut stream = TcpStream::connect(relay.address()).await.unwrap();
        assert_eq!(ask(&mut stream).await.unwrap(), 1);

        relay.set(Mode::Stall);
        let soon = Duration::from_millis(200);
        assert!(
            tokio::time::timeout(soon, ask(&mut stream)).await.is_err(),
            "nothing passes"
        );
        assert!(relay.done().held > 0);
        relay.set(Mode::Pass);
        assert_eq!(
            stream.read(&mut [0; 8]).await.unwrap(),
            1,
            "what was held passes"
        );

        relay.set(Mode::Cut);
        assert!(!matches!(stream.read(&mut [0; 8]).await, Ok(1..)));
        assert_eq!(relay.done().cut, 1);
        relay.set(Mode::Pass);
        let mut stream = TcpStream::connect(relay.address()).await.unwrap();
        assert_eq!(ask(&mut stream).await.unwrap(), 1);
    }
}
