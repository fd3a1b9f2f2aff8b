//! Frames on the wire, in both formats of `proto/parlance/socket/v1/socket.proto`.

use std::sync::OnceLock;

use bytes::Bytes;
use proto::Message as _;
use proto::socket::{ClientFrame, ServerFrame, client_frame, server_frame};
use tracing::Span;

/// Largest frame that a client may send, in bytes.
pub const MAX_FRAME_BYTES: usize = 64 * 1024;
/// Frames up to this are read in order to be refused with `frame_too_large`, the socket staying
/// open; beyond it the socket is closed with 1009.
pub const READ_LIMIT_BYTES: usize = 4 * MAX_FRAME_BYTES;

/// How frames are written on a socket; chosen by its subprotocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Text frames.
    Json,
    /// Binary frames.
    Protobuf,
}

impl Format {
    /// In the order of our preference, for a client that offers several.
    pub const SUBPROTOCOLS: [&str; 2] = ["parlance.v1.protobuf", "parlance.v1.json"];

    #[must_use]
    pub fn of_subprotocol(name: &str) -> Option<Self> {
        match name {
            "parlance.v1.protobuf" => Some(Self::Protobuf),
            "parlance.v1.json" => Some(Self::Json),
            _ => None,
        }
    }

    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Protobuf => "protobuf",
        }
    }

    /// Reads a frame.
    ///
    /// # Errors
    /// [`Unreadable`] for whatever is not exactly one frame that this version knows.
    pub fn decode(self, payload: &[u8]) -> Result<client_frame::Frame, Unreadable> {
        if payload.len() > MAX_FRAME_BYTES {
            return Err(Unreadable::TooLarge);
        }
        match self {
            Self::Json => Ok(serde_json::from_slice(payload)?),
            Self::Protobuf => ClientFrame::decode(payload)?
                .frame
                .ok_or(Unreadable::NoFrame),
        }
    }
}

/// Why a payload is not a frame.
#[derive(Debug, thiserror::Error)]
pub enum Unreadable {
    #[error("A frame is at most {MAX_FRAME_BYTES} bytes.")]
    TooLarge,
    /// The text repeats what the client wrote; it goes to nobody else.
    #[error("This is not a frame: {0}")]
    Json(#[from] serde_json::Error),
    #[error("This is not a frame: {0}")]
    Protobuf(#[from] prost::DecodeError),
    #[error("There is no frame in it that this version knows.")]
    NoFrame,
    #[error("This socket speaks the other format: JSON in text frames, protobuf in binary ones.")]
    OtherFormat,
}

impl Unreadable {
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::TooLarge => "frame_too_large",
            _ => "frame_malformed",
        }
    }
}

/// A frame for clients, encoded at most once per format however many sockets it goes to.
#[derive(Debug)]
pub struct Outgoing {
    frame: ServerFrame,
    json: OnceLock<Bytes>,
    protobuf: OnceLock<Bytes>,
    /// Ends with the frame: when the last of its sockets has taken it.
    _span: Span,
}

impl From<server_frame::Frame> for Outgoing {
    fn from(frame: server_frame::Frame) -> Self {
        Self::traced(frame, Span::none())
    }
}

impl Outgoing {
    /// A frame whose way to its sockets is part of a trace.
    #[must_use]
    pub const fn traced(frame: server_frame::Frame, span: Span) -> Self {
        Self {
            frame: ServerFrame { frame: Some(frame) },
            json: OnceLock::new(),
            protobuf: OnceLock::new(),
            _span: span,
        }
    }

    #[must_use]
    pub fn encoded(&self, format: Format) -> Bytes {
        match format {
            Format::Json => self.json.get_or_init(|| {
                let text = serde_json::to_vec(&self.frame.frame)
                    .expect("a frame is made of texts, numbers, lists and named members");
                Bytes::from(text)
            }),
            Format::Protobuf => self
                .protobuf
                .get_or_init(|| Bytes::from(self.frame.encode_to_vec())),
        }
        .clone()
    }

    /// Whether it is in the count that heartbeats carry.
    #[must_use]
    pub const fn is_counted(&self) -> bool {
        use server_frame::Frame;
        matches!(
            &self.frame.frame,
            Some(
                Frame::Entry(_)
                    | Frame::Accepted(_)
                    | Frame::Refused(_)
                    | Frame::State(_)
                    | Frame::Receipt(_)
                    | Frame::Hidden(_)
                    | Frame::SettingsChanged(_)
                    | Frame::Resync(_)
                    | Frame::Error(_)
            )
        )
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use proto::socket::{Entry, Hello, MarkRead, Message, Ping, Refused, Send, entry};

    use super::*;

    fn id() -> impl Strategy<Value = String> {
        any::<[u8; 16]>().prop_map(|bytes| ids::UserId::from_bytes(bytes).to_string())
    }

    fn client_frame() -> impl Strategy<Value = client_frame::Frame> {
        use client_frame::Frame;
        prop_oneof![
            (any::<String>(), any::<String>()).prop_map(|(access_token, cursor)| {
                Frame::Hello(Hello {
                    access_token,
                    cursor,
                })
            }),
            (
                id(),
                id(),
                any::<String>(),
                proptest::collection::vec(id(), 0..3),
                any::<u64>(),
                any::<u32>(),
                any::<bool>()
            )
                .prop_map(
                    |(
                        client_message_id,
                        conversation_id,
                        text,
                        attachment_ids,
                        reply_to_number,
                        attempt,
                        outbox_restart,
                    )| {
                        Frame::Send(Send {
                            client_message_id,
                            conversation_id,
                            text,
                            attachment_ids,
                            reply_to_number,
                            attempt,
                            outbox_restart,
                        })
                    }
                ),
            (id(), any::<u64>()).prop_map(|(conversation_id, number)| Frame::MarkRead(MarkRead {
                conversation_id,
                number
            })),
            Just(Frame::Ping(Ping {})),
        ]
    }

    fn server_frame() -> impl Strategy<Value = server_frame::Frame> {
        use server_frame::Frame;
        prop_oneof![
            (id(), any::<u64>(), any::<i64>(), any::<String>()).prop_map(
                |(conversation_id, number, time_unix_ms, text)| {
                    Frame::Entry(Entry {
                        conversation_id,
                        number,
                        time_unix_ms,
                        change: Some(entry::Change::Message(Message {
                            text,
                            ..Message::default()
                        })),
                        ..Entry::default()
                    })
                }
            ),
            (id(), any::<String>(), any::<bool>()).prop_map(|(conversation_id, detail, retry)| {
                Frame::Refused(Refused {
                    conversation_id,
                    detail,
                    retry,
                    ..Refused::default()
                })
            }),
        ]
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_frame_or_an_error_and_never_a_panic(bytes in any::<Vec<u8>>()) {
            let _ = Format::Json.decode(&bytes);
            let _ = Format::Protobuf.decode(&bytes);
        }

        #[test]
        fn what_a_client_writes_is_what_is_read(frame in client_frame()) {
            let json = serde_json::to_vec(&frame).unwrap();
            prop_assert_eq!(&Format::Json.decode(&json).unwrap(), &frame);
            let protobuf = ClientFrame { frame: Some(frame.clone()) }.encode_to_vec();
            prop_assert_eq!(&Format::Protobuf.decode(&protobuf).unwrap(), &frame);
        }

        #[test]
        fn a_client_reads_what_was_sent(frame in server_frame()) {
            let outgoing = Outgoing::from(frame.clone());
            let json: server_frame::Frame =
                serde_json::from_slice(&outgoing.encoded(Format::Json)).unwrap();
            prop_assert_eq!(&json, &frame);
            let protobuf = ServerFrame::decode(outgoing.encoded(Format::Protobuf)).unwrap();
            prop_assert_eq!(protobuf.frame.as_ref(), Some(&frame));
        }
    }

    #[test]
    fn the_json_of_a_frame_is_named_as_the_schema_has_it() {
        let frame = Format::Json
            .decode(br#"{"send":{"client_message_id":"x","text":"hi","later_field":1}}"#)
            .unwrap();
        let client_frame::Frame::Send(send) = frame else {
            panic!("not a send");
        };
        assert_eq!(send.text, "hi");
        assert_eq!(send.attempt, 0, "absent fields have their default");

        let outgoing = Outgoing::from(server_frame::Frame::Entry(Entry {
            conversation_id: "c".into(),
            number: 7,
            change: Some(entry::Change::Message(Message {
                text: "hi".into(),
                ..Message::default()
            })),
            ..Entry::default()
        }));
        let json: serde_json::Value =
            serde_json::from_slice(&outgoing.encoded(Format::Json)).unwrap();
        assert_eq!(json["entry"]["number"], 7);
        assert_eq!(json["entry"]["message"]["text"], "hi");
    }

    #[test]
    fn what_is_not_one_frame_is_refused() {
        for text in [
            "",
            "{",
            "null",
            "[]",
            "{}",
            "\"ping\"",
            r#"{"ping":{},"send":{}}"#,
            r#"{"nonsense":{}}"#,
            r#"{"send":null}"#,
            r#"{"mark_read":{"number":-1}}"#,
        ] {
            let error = Format::Json.decode(text.as_bytes()).unwrap_err();
            assert_eq!(error.code(), "frame_malformed", "{text}");
        }
        let deep = "[".repeat(60_000);
        assert!(Format::Json.decode(deep.as_bytes()).is_err());
        assert_eq!(
            Format::Protobuf.decode(&[]).unwrap_err().code(),
            "frame_malformed"
        );
        let large = vec![b' '; MAX_FRAME_BYTES + 1];
        assert_eq!(
            Format::Json.decode(&large).unwrap_err().code(),
            "frame_too_large"
        );
    }

    #[test]
    fn a_frame_is_encoded_once_per_format() {
        let outgoing = Outgoing::from(server_frame::Frame::Refused(Refused::default()));
        let first = outgoing.encoded(Format::Json);
        assert_eq!(first.as_ptr(), outgoing.encoded(Format::Json).as_ptr());
        assert!(outgoing.is_counted());
    }
}
