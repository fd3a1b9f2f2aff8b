//! Typed, time-ordered ids (UUID version 7, RFC 9562).

use clock::Clock;
use uuid::{NoContext, Timestamp, Uuid};

/// The text or the bytes are not an id of this kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a valid id")]
pub struct InvalidId;

fn new_v7(clock: &Clock) -> Uuid {
    let unix_ms = clock.unix_ms();
    // Random below the millisecond: a shared counter would carry one clock's time into another's ids.
    Uuid::new_v7(Timestamp::from_unix(
        NoContext,
        unix_ms / 1_000,
        (unix_ms % 1_000) as u32 * 1_000_000,
    ))
}

/// The milliseconds since 1970 in a version 7 UUID (RFC 9562, section 5.7).
fn unix_ms_of(id: Uuid) -> u64 {
    (id.as_u128() >> 80) as u64
}

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
        #[serde(transparent)]
        pub struct $name(Uuid);

        impl $name {
            /// A new id with the clock's time in it.
            #[must_use]
            pub fn generate(clock: &Clock) -> Self {
                Self(new_v7(clock))
            }

            /// Reads the hyphenated form.
            ///
            /// # Errors
            /// [`InvalidId`] for any other text.
            pub fn parse(text: &str) -> Result<Self, InvalidId> {
                // `Uuid` also reads URNs and braces; one spelling is enough.
                if text.len() != 36 {
                    return Err(InvalidId);
                }
                Uuid::try_parse(text).map(Self).map_err(|_| InvalidId)
            }

            /// From the 16 bytes of the wire.
            #[must_use]
            pub const fn from_bytes(bytes: [u8; 16]) -> Self {
                Self(Uuid::from_bytes(bytes))
            }

            /// From bytes of the wire.
            ///
            /// # Errors
            /// [`InvalidId`] unless there are 16.
            pub fn from_slice(bytes: &[u8]) -> Result<Self, InvalidId> {
                Uuid::from_slice(bytes).map(Self).map_err(|_| InvalidId)
            }

            /// The 16 bytes for the wire.
            #[must_use]
            pub const fn as_bytes(&self) -> &[u8; 16] {
                self.0.as_bytes()
            }

            /// The 16 bytes for the wire, owned.
            #[must_use]
            pub fn to_vec(&self) -> Vec<u8> {
                self.0.as_bytes().to_vec()
            }

            /// The plain UUID.
            #[must_use]
            pub const fn as_uuid(&self) -> Uuid {
                self.0
            }

            /// From a plain UUID.
            #[must_use]
            pub const fn from_uuid(uuid: Uuid) -> Self {
                Self(uuid)
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.0.as_hyphenated().fmt(f)
            }
        }

        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self.0.as_hyphenated())
            }
        }

        impl std::str::FromStr for $name {
            type Err = InvalidId;

            fn from_str(text: &str) -> Result<Self, InvalidId> {
                Self::parse(text)
            }
        }
    )*};
}

ids! {
    /// A person (or a program) with an account.
    UserId,
    /// A one-to-one conversation or a group.
    ConversationId,
    /// A message, the same for everybody.
    MessageId,
    /// A login session: one device of a person, from sign-in to log-out.
    SessionId,
    /// A device of a person.
    DeviceId,
    /// An uploaded file.
    FileId,
    /// An invitation to a group.
    InvitationId,
    /// An open socket.
    ConnectionId,
    /// One run of a process, new at each start.
    BootId,
}

/// The id that a sender gives a message before it has a number. Always UUID version 7.
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
#[serde(try_from = "Uuid", into = "Uuid")]
pub struct ClientMessageId(Uuid);

impl ClientMessageId {
    /// A new id with the clock's time in it.
    #[must_use]
    pub fn generate(clock: &Clock) -> Self {
        Self(new_v7(clock))
    }

    /// Reads the hyphenated form.
    ///
    /// # Errors
    /// [`InvalidId`] for other text, and for UUIDs of other versions.
    pub fn parse(text: &str) -> Result<Self, InvalidId> {
        if text.len() != 36 {
            return Err(InvalidId);
        }
        Uuid::try_parse(text).map_err(|_| InvalidId)?.try_into()
    }

    /// From bytes of the wire.
    ///
    /// # Errors
    /// [`InvalidId`] unless there are 16 of a version 7 UUID.
    pub fn from_slice(bytes: &[u8]) -> Result<Self, InvalidId> {
        Uuid::from_slice(bytes).map_err(|_| InvalidId)?.try_into()
    }

    /// The 16 bytes for the wire.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 16] {
        self.0.as_bytes()
    }

    /// The 16 bytes for the wire, owned.
    #[must_use]
    pub fn to_vec(&self) -> Vec<u8> {
        self.0.as_bytes().to_vec()
    }

    /// The plain UUID.
    #[must_use]
    pub const fn as_uuid(&self) -> Uuid {
        self.0
    }

    /// When its sender says that it was made: milliseconds since 1970.
    #[must_use]
    pub fn unix_ms(&self) -> u64 {
        unix_ms_of(self.0)
    }
}

impl TryFrom<Uuid> for ClientMessageId {
    type Error = InvalidId;

    fn try_from(uuid: Uuid) -> Result<Self, InvalidId> {
        if uuid.get_version_num() == 7 {
            Ok(Self(uuid))
        } else {
            Err(InvalidId)
        }
    }
}

impl From<ClientMessageId> for Uuid {
    fn from(id: ClientMessageId) -> Self {
        id.0
    }
}

impl std::fmt::Display for ClientMessageId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.as_hyphenated().fmt(f)
    }
}

impl std::fmt::Debug for ClientMessageId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ClientMessageId({})", self.0.as_hyphenated())
    }
}

impl std::str::FromStr for ClientMessageId {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        Self::parse(text)
    }
}

impl MessageId {
    /// When it was made: milliseconds since 1970.
    #[must_use]
    pub fn unix_ms(&self) -> u64 {
        unix_ms_of(self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_made_later_sort_later() {
        let clock = Clock::manual(1_700_000_000_000);
        let ids: Vec<MessageId> = (0..1_000)
            .map(|_| {
                clock.advance(std::time::Duration::from_millis(1));
                MessageId::generate(&clock)
            })
            .collect();
        assert!(ids.windows(2).all(|pair| pair[0] < pair[1]));
    }

    #[test]
    fn an_id_carries_its_time() {
        let clock = Clock::manual(1_700_000_000_123);
        assert_eq!(
            ClientMessageId::generate(&clock).unix_ms(),
            1_700_000_000_123
        );
    }

    #[test]
    fn a_client_message_id_is_version_7() {
        assert_eq!(
            ClientMessageId::parse("67e55044-10b1-426f-9247-bb680e5fe0c8"),
            Err(InvalidId)
        );
        let id = ClientMessageId::generate(&Clock::system());
        assert_eq!(ClientMessageId::parse(&id.to_string()), Ok(id));
    }

    #[test]
    fn text_and_json_are_the_hyphenated_form() {
        let id = UserId::generate(&Clock::system());
        assert_eq!(UserId::parse(&id.to_string()), Ok(id));
        assert_eq!(serde_json::to_string(&id).unwrap(), format!("\"{id}\""));
        assert_eq!(UserId::parse(&format!("urn:uuid:{id}")), Err(InvalidId));
    }
}
