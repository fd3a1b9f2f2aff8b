//! One WebSocket: frames in and out, nothing remembered.

use std::fmt;
use std::net::SocketAddr;
use std::sync::{Arc, LazyLock};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use prost::Message as _;
use proto::socket::{ClientFrame, ServerFrame, client_frame, server_frame};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::client::ClientRequestBuilder;
use tokio_tungstenite::tungstenite::http::Uri;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{self, Message};

/// How frames are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Format {
    /// Text frames.
    Json,
    /// Binary frames: smaller and faster.
    #[default]
    Protobuf,
}

impl Format {
    /// The WebSocket subprotocol that asks for it.
    #[must_use]
    pub const fn subprotocol(self) -> &'static str {
        match self {
            Self::Json => "parlance.v1.json",
            Self::Protobuf => "parlance.v1.protobuf",
        }
    }
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    #[error("`{0}` is not the address of a socket")]
    Address(String),
    #[error("no connection in time")]
    Timeout,
    #[error("no connection")]
    Network(#[from] std::io::Error),
    #[error("no secure connection")]
    Tls(#[from] rustls::Error),
    #[error("the server didn't open a socket")]
    Handshake(#[from] Box<tungstenite::Error>),
}

/// How a connection ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CloseReason {
    /// Of the closing frame; none: the connection broke.
    pub code: Option<u16>,
    pub reason: String,
}

/// What came in.
#[derive(Debug)]
pub enum Incoming {
    Frame(server_frame::Frame),
    /// A frame of a later version.
    Unknown,
    /// Nothing follows.
    Closed(CloseReason),
}

/// An open WebSocket.
pub struct Connection {
    stream: WebSocketStream<Stream>,
    format: Format,
    /// Something was written that the system may not have yet.
    unflushed: bool,
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection")
            .field("format", &self.format)
            .finish_non_exhaustive()
    }
}

impl Connection {
    /// Opens a socket at `url`, such as `wss://chat.example.org/socket`. Says no hello.
    ///
    /// # Errors
    /// See [`ConnectError`].
    pub async fn open(url: &str, format: Format, within: Duration) -> Result<Self, ConnectError> {
        Self::open_by(url, None, format, within).await
    }

    /// As [`Self::open`], but the bytes go to `by` and not to the address of the URL's host: through a
    /// tunnel, or a relay that a test breaks. Names in the request and in certificates stay the URL's.
    ///
    /// # Errors
    /// See [`ConnectError`].
    pub async fn open_by(
        url: &str,
        by: Option<SocketAddr>,
        format: Format,
        within: Duration,
    ) -> Result<Self, ConnectError> {
        tokio::time::timeout(within, Box::pin(Self::establish(url, by, format)))
            .await
            .unwrap_or(Err(ConnectError::Timeout))
    }

    async fn establish(
        url: &str,
        by: Option<SocketAddr>,
        format: Format,
    ) -> Result<Self, ConnectError> {
        let bad = || ConnectError::Address(url.to_owned());
        let uri: Uri = url.parse().map_err(|_| bad())?;
        let secure = match uri.scheme_str() {
            Some("ws") => false,
            Some("wss") => true,
            _ => return Err(bad()),
        };
        let host = uri
            .host()
            .ok_or_else(bad)?
            .trim_matches(['[', ']'])
            .to_owned();
        let port = uri.port_u16().unwrap_or(if secure { 443 } else { 80 });

        let tcp = match by {
            Some(address) => TcpStream::connect(address).await?,
            None => TcpStream::connect((host.as_str(), port)).await?,
        };
        tcp.set_nodelay(true)?;
        let stream = if secure {
            let name = rustls::pki_types::ServerName::try_from(host).map_err(|_| bad())?;
            Stream::Secure(Box::new(tls()?.connect(name, tcp).await?))
        } else {
            Stream::Plain(tcp)
        };

        let request = ClientRequestBuilder::new(uri).with_sub_protocol(format.subprotocol());
        // Frames are at most 64 KiB; the default buffers of 128 KiB would be most of a session's memory.
        let config = WebSocketConfig::default()
            .read_buffer_size(8 * 1024)
            .write_buffer_size(0)
            .max_message_size(Some(1024 * 1024))
            .max_frame_size(Some(1024 * 1024));
        let (stream, _response) =
            tokio_tungstenite::client_async_with_config(request, stream, Some(config))
                .await
                .map_err(Box::new)?;
        Ok(Self {
            stream,
            format,
            unflushed: false,
        })
    }

    /// Writes a frame and waits until the system has it.
    ///
    /// # Errors
    /// When the connection is gone.
    pub async fn send(
        &mut self,
        frame: client_frame::Frame,
    ) -> Result<(), Box<tungstenite::Error>> {
        let message = encode(self.format, frame);
        self.stream.send(message).await.map_err(Box::new)
    }

    /// Writes any message, faulty ones included: for tests of a server.
    ///
    /// # Errors
    /// When the connection is gone.
    pub async fn send_raw(&mut self, message: Message) -> Result<(), Box<tungstenite::Error>> {
        self.stream.send(message).await.map_err(Box::new)
    }

    /// The next frame. After [`Incoming::Closed`] there is none.
    pub async fn next(&mut self) -> Incoming {
        std::future::poll_fn(|context| self.poll_next(context)).await
    }

    /// Polls for the next frame.
    pub(crate) fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Incoming> {
        loop {
            let message = match ready!(self.stream.poll_next_unpin(context)) {
                Some(Ok(message)) => message,
                Some(Err(error)) => {
                    let reason = error.to_string();
                    return Poll::Ready(Incoming::Closed(CloseReason { code: None, reason }));
                }
                None => {
                    let reason = "the connection ended".to_owned();
                    return Poll::Ready(Incoming::Closed(CloseReason { code: None, reason }));
                }
            };
            let frame = match message {
                Message::Text(text) => serde_json::from_str(&text).ok(),
                Message::Binary(bytes) => ServerFrame::decode(bytes)
                    .ok()
                    .and_then(|envelope| envelope.frame),
                Message::Close(close) => {
                    let (code, reason) = close
                        .map(|close| (u16::from(close.code), close.reason.to_string()))
                        .unzip();
                    let reason = reason.unwrap_or_default();
                    return Poll::Ready(Incoming::Closed(CloseReason { code, reason }));
                }
                Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => continue,
            };
            return Poll::Ready(frame.map_or(Incoming::Unknown, Incoming::Frame));
        }
    }

    /// Hands frames from `queue` to the socket until both are empty. Leaves in the queue what the
    /// socket didn't take, so that it may be polled and dropped at any time.
    pub(crate) fn poll_write(
        &mut self,
        context: &mut Context<'_>,
        queue: &mut std::collections::VecDeque<client_frame::Frame>,
    ) -> Poll<Result<(), Box<tungstenite::Error>>> {
        while !queue.is_empty() {
            ready!(self.stream.poll_ready_unpin(context)).map_err(Box::new)?;
            if let Some(frame) = queue.pop_front() {
                let message = encode(self.format, frame);
                self.stream.start_send_unpin(message).map_err(Box::new)?;
                self.unflushed = true;
            }
        }
        if self.unflushed {
            ready!(self.stream.poll_flush_unpin(context)).map_err(Box::new)?;
            self.unflushed = false;
        }
        Poll::Ready(Ok(()))
    }

    /// Says good-bye; does not wait for the server's.
    pub async fn close(mut self) {
        // The peer may be gone, and then there is nobody to say it to.
        let _ = tokio::time::timeout(Duration::from_millis(500), self.stream.close(None)).await;
    }
}

fn encode(format: Format, frame: client_frame::Frame) -> Message {
    match format {
        Format::Json => Message::text(
            serde_json::to_string(&frame).expect("frames have string keys and no failing values"),
        ),
        Format::Protobuf => Message::binary(ClientFrame { frame: Some(frame) }.encode_to_vec()),
    }
}

/// Roots and session cache are shared by all connections of the process.
fn tls() -> Result<TlsConnector, rustls::Error> {
    static TLS: LazyLock<Result<TlsConnector, rustls::Error>> = LazyLock::new(|| {
        use rustls_platform_verifier::BuilderVerifierExt as _;
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_platform_verifier()?
            .with_no_client_auth();
        Ok(TlsConnector::from(Arc::new(config)))
    });
    TLS.clone()
}

/// TCP, with or without TLS.
enum Stream {
    Plain(TcpStream),
    Secure(Box<TlsStream<TcpStream>>),
}

macro_rules! forward {
    ($self:ident, $method:ident $(, $argument:expr)*) => {
        match $self.get_mut() {
            Self::Plain(stream) => std::pin::Pin::new(stream).$method($($argument),*),
            Self::Secure(stream) => std::pin::Pin::new(stream).$method($($argument),*),
        }
    };
}

impl AsyncRead for Stream {
    fn poll_read(
        self: std::pin::Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut tokio::io::ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        forward!(self, poll_read, context, buffer)
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        self: std::pin::Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        forward!(self, poll_write, context, bytes)
    }

    fn poll_flush(
        self: std::pin::Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<std::io::Result<()>> {
        forward!(self, poll_flush, context)
    }

    fn poll_shutdown(
        self: std::pin::Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<std::io::Result<()>> {
        forward!(self, poll_shutdown, context)
    }
}
