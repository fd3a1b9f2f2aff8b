//! A TCP relay that can be cut, reset, stalled, slowed and made to pass little at a time.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{ReadHalf, WriteHalf};
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
    /// Everything passes later, in each direction: by `by`, and up to `jitter` more or less.
    Delay { by: Duration, jitter: Duration },
    /// This many bytes a second pass, in each direction of each connection.
    Throttle { bytes_per_second: u32 },
    /// Everything passes in pieces of so many bytes.
    Slice { bytes: u32 },
    /// Connections stay open, and begin, but nothing passes. What was held passes when this is over.
    Stall,
    /// Connections end at once; none begin.
    Cut,
    /// The same, but both ends are told of an error (TCP's RST) instead of an end.
    Reset,
}

impl Mode {
    const fn ends_connections(self) -> bool {
        matches!(self, Self::Cut | Self::Reset)
    }
}

/// What a relay has done so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Done {
    /// Connections that began.
    pub opened: u64,
    /// Connections that a cut ended or kept from beginning.
    pub cut: u64,
    /// Times that something arrived and did not pass on at once and whole.
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
                let current = *mode.borrow();
                if current.ends_connections() {
                    counters.cut.fetch_add(1, Ordering::Relaxed);
                    end(current, [&near]);
                    continue;
                }
                counters.opened.fetch_add(1, Ordering::Relaxed);
                let (target, mode, counters) = (Arc::clone(&target), mode.clone(), Arc::clone(&counters));
                connections.spawn(async move { pass(near, &target, mode, &counters).await });
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

/// Has the sockets tell their other ends of an error when they are dropped, if the mode says so.
fn end<const N: usize>(mode: Mode, sockets: [&TcpStream; N]) {
    if mode == Mode::Reset {
        for socket in sockets {
            // One that is gone has nobody to tell.
            let _ = socket.set_zero_linger();
        }
    }
}

/// Ends when both directions have, or one with an error, or when the mode says so.
async fn pass(mut near: TcpStream, target: &str, mode: watch::Receiver<Mode>, counters: &Counters) {
    let mut ending = mode.clone();
    let mut ended = async || {
        let mode = ending.wait_for(|mode| mode.ends_connections()).await;
        // The relay is gone: so is everything.
        mode.map_or(Mode::Cut, |mode| *mode)
    };
    let connect = tokio::time::timeout(CONNECT_TIMEOUT, TcpStream::connect(target));
    let mut far = tokio::select! {
        connected = connect => match connected {
            Ok(Ok(far)) => far,
            _ => return,
        },
        mode = ended() => {
            counters.cut.fetch_add(1, Ordering::Relaxed);
            return end(mode, [&near]);
        }
    };
    // Frames are small; waiting to fill a packet would delay each.
    let _ = near.set_nodelay(true);
    let _ = far.set_nodelay(true);
    let both = {
        let (near_read, near_write) = near.split();
        let (far_read, far_write) = far.split();
        // An error means that a side is gone; dropping the sockets tells the other.
        let both = async {
            tokio::try_join!(
                pump(near_read, far_write, mode.clone(), counters),
                pump(far_read, near_write, mode, counters)
            )
        };
        tokio::select! {
            _ = both => None,
            mode = ended() => Some(mode),
        }
    };
    if let Some(mode) = both {
        counters.cut.fetch_add(1, Ordering::Relaxed);
        end(mode, [&near, &far]);
    }
}

async fn pump(
    mut from: ReadHalf<'_>,
    mut to: WriteHalf<'_>,
    mut mode: watch::Receiver<Mode>,
    counters: &Counters,
) -> std::io::Result<()> {
    let mut buffer = vec![0; 16 * 1024];
    loop {
        let length = from.read(&mut buffer).await?;
        let current = *mode.borrow_and_update();
        match current {
            Mode::Delay { by, jitter } => {
                counters.held.fetch_add(1, Ordering::Relaxed);
                let least = by.saturating_sub(jitter);
                tokio::time::sleep(rand::random_range(least..=by + jitter)).await;
            }
            Mode::Stall => {
                counters.held.fetch_add(1, Ordering::Relaxed);
                // The relay is gone: so is everything.
                let _ = mode.wait_for(|mode| *mode != Mode::Stall).await;
            }
            _ => {}
        }
        if length == 0 {
            return to.shutdown().await;
        }
        pass_on(&buffer[..length], &mut to, &mut mode, counters).await?;
    }
}

/// Writes in the pieces, and with the pauses, of the mode, which may change meanwhile.
async fn pass_on(
    mut bytes: &[u8],
    to: &mut WriteHalf<'_>,
    mode: &mut watch::Receiver<Mode>,
    counters: &Counters,
) -> std::io::Result<()> {
    while !bytes.is_empty() {
        let current = *mode.borrow_and_update();
        let (most, pause) = match current {
            Mode::Throttle { bytes_per_second } => {
                // Ten times a second, so that what passes is spread.
                let most = (bytes_per_second / 10).max(1);
                (
                    most,
                    Duration::from_secs(1) * most / bytes_per_second.max(1),
                )
            }
            Mode::Slice { bytes } => (bytes.max(1), Duration::ZERO),
            _ => (u32::MAX, Duration::ZERO),
        };
        let (piece, rest) = bytes.split_at(bytes.len().min(most as usize));
        to.write_all(piece).await?;
        if !rest.is_empty() || !pause.is_zero() {
            counters.held.fetch_add(1, Ordering::Relaxed);
        }
        bytes = rest;
        tokio::select! {
            () = tokio::time::sleep(pause), if !pause.is_zero() => {}
            // The reader gets its turn, so that it sees the pieces.
            () = tokio::task::yield_now(), if pause.is_zero() => {}
            _ = mode.changed() => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use tokio::time::Instant;

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

    /// Asks with `length` bytes; how long the answer takes, and in how many reads it comes.
    async fn ask_much(stream: &mut TcpStream, length: usize) -> (Duration, usize) {
        let begun = Instant::now();
        stream.write_all(&vec![b'?'; length]).await.unwrap();
        let (mut got, mut reads) = (0, 0);
        while got < length {
            got += stream.read(&mut [0; 4_096]).await.unwrap();
            reads += 1;
        }
        assert_eq!(got, length);
        (begun.elapsed(), reads)
    }

    #[tokio::test]
    async fn a_reset_tells_of_an_error() {
        let relay = Relay::to(echo().await.to_string()).await.unwrap();
        let mut stream = TcpStream::connect(relay.address()).await.unwrap();
        assert_eq!(ask(&mut stream).await.unwrap(), 1);
        relay.set(Mode::Reset);
        let error = stream.read(&mut [0; 8]).await.unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
        assert_eq!(relay.done().cut, 1);
    }

    #[tokio::test]
    async fn a_delay_a_throttle_and_slices_change_when_and_how_bytes_pass_but_not_which() {
        let relay = Relay::to(echo().await.to_string()).await.unwrap();
        let mut stream = TcpStream::connect(relay.address()).await.unwrap();
        assert_eq!(ask_much(&mut stream, 100).await.1, 1);

        let ms = Duration::from_millis;
        relay.set(Mode::Delay {
            by: ms(60),
            jitter: ms(30),
        });
        // There and back.
        assert!(ask_much(&mut stream, 100).await.0 >= ms(60));
        let held = relay.done().held;
        assert!(held >= 2);

        relay.set(Mode::Throttle {
            bytes_per_second: 1_000,
        });
        // The first tenth passes at once.
        assert!(ask_much(&mut stream, 600).await.0 >= ms(400));
        assert!(relay.done().held > held);
        let held = relay.done().held;

        relay.set(Mode::Slice { bytes: 10 });
        assert!(ask_much(&mut stream, 1_000).await.1 > 1);
        // What has passed in pieces there may need none on its way back.
        assert!(relay.done().held >= held + 90);

        relay.set(Mode::Pass);
        assert_eq!(ask_much(&mut stream, 100).await.1, 1);
    }
}
