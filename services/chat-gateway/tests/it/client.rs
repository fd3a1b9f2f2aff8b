//! A real WebSocket client.

use std::net::SocketAddr;

use chat_gateway::domain::frame::Format;
use futures_util::{SinkExt as _, StreamExt as _};
use ids::ConversationId;
use proto::Message as _;
use proto::socket::{
    ClientFrame, Error, Heartbeat, Hello, MemberTyping, Ping, Presence, Refused, ServerFrame,
    Typing, WatchPresence, Welcome, client_frame, server_frame,
};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::http::Request;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use crate::world::{Gateway, SOON, Somebody};

pub struct Client {
    ws: WebSocketStream<MaybeTlsStream<TcpStream>>,
    format: Format,
}

pub fn request(address: SocketAddr, subprotocol: &str) -> Request<()> {
    let mut request = format!("ws://{address}/socket")
        .into_client_request()
        .unwrap();
    request
        .headers_mut()
        .insert("sec-websocket-protocol", subprotocol.parse().unwrap());
    request
}

impl Client {
    /// An open socket that has said nothing yet.
    pub async fn open(gateway: &Gateway, format: Format) -> Self {
        Self::open_at(gateway.socket_address(), format).await
    }

    pub async fn open_at(address: SocketAddr, format: Format) -> Self {
        let subprotocol = format!("parlance.v1.{}", format.name());
        let (ws, response) = connect_async(request(address, &subprotocol)).await.unwrap();
        assert_eq!(
            response.headers()["sec-websocket-protocol"],
            subprotocol.as_str()
        );
        Self { ws, format }
    }

    /// Signed in and welcomed.
    pub async fn sign_in(gateway: &Gateway, somebody: Somebody) -> Self {
        Self::sign_in_as(gateway, somebody, Format::Json).await.0
    }

    pub async fn sign_in_as(
        gateway: &Gateway,
        somebody: Somebody,
        format: Format,
    ) -> (Self, Welcome) {
        let mut client = Self::open(gateway, format).await;
        client.hello(&somebody.token(), "").await;
        let welcome = client.welcome().await;
        (client, welcome)
    }

    pub async fn hello(&mut self, token: &str, cursor: &str) {
        self.send(client_frame::Frame::Hello(Hello {
            access_token: token.into(),
            cursor: cursor.into(),
        }))
        .await;
    }

    pub async fn welcome(&mut self) -> Welcome {
        match self.next().await {
            server_frame::Frame::Welcome(welcome) => welcome,
            other => panic!("not a welcome: {other:?}"),
        }
    }

    pub async fn send(&mut self, frame: client_frame::Frame) {
        let message = match self.format {
            Format::Json => Message::text(serde_json::to_string(&frame).unwrap()),
            Format::Protobuf => Message::binary(ClientFrame { frame: Some(frame) }.encode_to_vec()),
        };
        self.send_raw(message).await;
    }

    pub async fn send_raw(&mut self, message: Message) {
        self.ws.send(message).await.unwrap();
    }

    async fn message(&mut self) -> Message {
        loop {
            let message = tokio::time::timeout(SOON, self.ws.next())
                .await
                .expect("a frame in time")
                .expect("the socket is open")
                .expect("the socket is whole");
            if !matches!(message, Message::Ping(_) | Message::Pong(_)) {
                return message;
            }
        }
    }

    /// The next frame, whatever it is.
    pub async fn next_of_any_kind(&mut self) -> server_frame::Frame {
        match self.message().await {
            Message::Text(text) if self.format == Format::Json => {
                serde_json::from_str(&text).unwrap()
            }
            Message::Binary(bytes) if self.format == Format::Protobuf => {
                ServerFrame::decode(bytes).unwrap().frame.unwrap()
            }
            other => panic!("not a frame: {other:?}"),
        }
    }

    /// The next frame that is not a heartbeat.
    pub async fn next(&mut self) -> server_frame::Frame {
        loop {
            let frame = self.next_of_any_kind().await;
            if !matches!(frame, server_frame::Frame::Heartbeat(_)) {
                return frame;
            }
        }
    }

    pub async fn watch(&mut self, people: &[Somebody]) {
        self.send(client_frame::Frame::WatchPresence(WatchPresence {
            user_ids: people.iter().map(|one| one.user.to_string()).collect(),
        }))
        .await;
    }

    pub async fn presence(&mut self) -> Presence {
        match self.next().await {
            server_frame::Frame::Presence(presence) => presence,
            other => panic!("not a presence: {other:?}"),
        }
    }

    pub async fn types(&mut self, conversation: ConversationId, state: &str) {
        self.send(client_frame::Frame::Typing(Typing {
            conversation_id: conversation.to_string(),
            state: state.into(),
        }))
        .await;
    }

    pub async fn typing(&mut self) -> MemberTyping {
        match self.next().await {
            server_frame::Frame::Typing(typing) => typing,
            other => panic!("nobody types: {other:?}"),
        }
    }

    /// Whether somebody is said to type before the next heartbeat.
    pub async fn heartbeat_or_typing(&mut self) -> bool {
        self.send(client_frame::Frame::Ping(Ping {})).await;
        let mut typing = false;
        loop {
            match self.next_of_any_kind().await {
                server_frame::Frame::Heartbeat(_) => return typing,
                server_frame::Frame::Typing(_) => typing = true,
                other => panic!("neither a heartbeat nor typing: {other:?}"),
            }
        }
    }

    pub async fn refused(&mut self) -> Refused {
        match self.next().await {
            server_frame::Frame::Refused(refused) => refused,
            other => panic!("not a refusal: {other:?}"),
        }
    }

    pub async fn error(&mut self) -> Error {
        match self.next().await {
            server_frame::Frame::Error(error) => error,
            other => panic!("not an error: {other:?}"),
        }
    }

    /// Asks for a heartbeat. Whatever was on its way before it must have been taken.
    pub async fn heartbeat(&mut self) -> Heartbeat {
        self.send(client_frame::Frame::Ping(Ping {})).await;
        match self.next_of_any_kind().await {
            server_frame::Frame::Heartbeat(heartbeat) => heartbeat,
            other => panic!("not a heartbeat: {other:?}"),
        }
    }

    /// The next frame, or the code with which the socket was closed.
    pub async fn next_or_close(&mut self) -> Result<server_frame::Frame, u16> {
        match self.message().await {
            Message::Close(close) => Err(close.expect("a reason").code.into()),
            Message::Text(text) => Ok(serde_json::from_str(&text).unwrap()),
            other => panic!("neither JSON nor a close: {other:?}"),
        }
    }

    /// Waits for the close, whatever comes before; returns its code.
    pub async fn closed(&mut self) -> u16 {
        loop {
            if let Message::Close(close) = self.message().await {
                return close.expect("a reason").code.into();
            }
        }
    }
}
