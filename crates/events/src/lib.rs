//! What services must agree on to meet on Kafka and in Redis.

use ids::{BootId, ConversationId, InvalidId, UserId};
use prost::Message as _;
pub use proto::event::{
    Block, ChangeMessage, Delivery, DeliveryBatch, HideEntry, LogRecord, MarkUnread,
    MembershipChange, MoveMarks, Origin, Role, SendMessage, change_message, delivery, log_record,
    membership_change,
};

/// Every change of every conversation, keyed by conversation.
pub const LOG_TOPIC: &str = "parlance.log";
/// What gateways and message pods have to hand on; one partition each.
pub const DELIVERIES_TOPIC: &str = "parlance.deliveries";
/// Record header with the W3C trace context.
pub const TRACEPARENT_HEADER: &str = "traceparent";

/// Longest text of a message, in bytes of UTF-8.
pub const MAX_TEXT_BYTES: usize = 8_192;
/// Longest emoji of a reaction, in bytes of UTF-8.
pub const MAX_EMOJI_BYTES: usize = 32;
/// Most attachments of a message.
pub const MAX_ATTACHMENTS: usize = 10;
/// A client message id with an older time is only resolved, never accepted.
pub const CLIENT_MESSAGE_ID_MAX_AGE_MS: u64 = 29 * 24 * 60 * 60 * 1_000;
/// How far ahead of the server's clock a client message id may be.
pub const CLIENT_MESSAGE_ID_MAX_AHEAD_MS: u64 = 2 * 60 * 1_000;

/// Whether a text may stand as a reaction: short, and neither word nor white space. Which of the signs of
/// Unicode are emoji changes every year, so that isn't asked.
#[must_use]
pub fn is_reaction(emoji: &str) -> bool {
    // Letters in frames, like the one for a blood group and those that flags are made of.
    let is_enclosed = |sign: char| ('\u{1f100}'..='\u{1f1ff}').contains(&sign);
    emoji.len() <= MAX_EMOJI_BYTES
        && !emoji.is_ascii()
        && emoji.chars().all(|sign| {
            !sign.is_whitespace()
                && !sign.is_control()
                && (!sign.is_alphabetic() || is_enclosed(sign))
        })
}

/// The record is not what its topic carries.
#[derive(Debug, thiserror::Error)]
pub enum MalformedRecord {
    #[error("the key is not a conversation id")]
    Key,
    #[error("the value does not decode")]
    Value(#[from] prost::DecodeError),
    #[error("the record has no change that this version knows")]
    UnknownChange,
    #[error("a field holds no valid id")]
    Id(#[from] InvalidId),
}

/// Reads a record of the log.
///
/// # Errors
/// [`MalformedRecord`] for anything that no version of a producer writes.
pub fn decode_log_record(
    key: Option<&[u8]>,
    value: Option<&[u8]>,
) -> Result<(ConversationId, LogRecord), MalformedRecord> {
    let conversation = key
        .and_then(|key| ConversationId::from_slice(key).ok())
        .ok_or(MalformedRecord::Key)?;
    let record = LogRecord::decode(value.unwrap_or_default())?;
    if record.change.is_none() {
        return Err(MalformedRecord::UnknownChange);
    }
    Ok((conversation, record))
}

/// A waiter of this boot on `partition`.
#[must_use]
pub fn origin(partition: u32, boot: BootId, waiter: u64) -> Origin {
    Origin {
        deliveries_partition: partition,
        boot_id: boot.to_vec(),
        waiter,
    }
}

/// Users as [`Delivery::users`] has them: 16 bytes each.
#[must_use]
pub fn pack_users<'a>(users: impl IntoIterator<Item = &'a UserId>) -> Vec<u8> {
    let mut packed = Vec::new();
    for user in users {
        packed.extend_from_slice(user.as_bytes());
    }
    packed
}

/// The users in [`Delivery::users`]; an incomplete last one is left out.
pub fn unpack_users(packed: &[u8]) -> impl Iterator<Item = UserId> + '_ {
    packed
        .chunks_exact(16)
        .filter_map(|bytes| UserId::from_slice(bytes).ok())
}

/// Names of what Redis holds. The hash tag keeps what belongs to one person on one node of a cluster.
pub mod redis_keys {
    use super::{BootId, UserId};

    /// Hash: `<deliveries partition>:<boot id>` → lease expiry, Redis time in Unix milliseconds.
    #[must_use]
    pub fn sockets(user: UserId) -> String {
        format!("{{u:{user}}}:sockets")
    }

    /// Sorted set of conversation ids by the Redis time (Unix milliseconds) of their last change.
    #[must_use]
    pub fn changed(user: UserId) -> String {
        format!("{{u:{user}}}:changed")
    }

    /// Redis time at which the changed-index began; gone when Redis lost its data.
    pub const CHANGED_BORN: &str = "changed:born";

    /// Field of [`sockets`] for one run of one gateway.
    #[must_use]
    pub fn socket_field(partition: u32, boot: BootId) -> String {
        format!("{partition}:{boot}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_are_packed_and_unpacked() {
        let users = [1u8, 2, 3].map(|n| UserId::from_bytes([n; 16]));
        let packed = pack_users(&users);
        assert_eq!(unpack_users(&packed).collect::<Vec<_>>(), users);
        assert_eq!(unpack_users(&packed[..40]).count(), 2);
    }

    #[test]
    fn reactions_are_signs_and_no_words() {
        for sign in ["👍", "🇩🇪", "🅰️", "1️⃣", "👩‍👩‍👧", "❤️"] {
            assert!(is_reaction(sign), "{sign}");
        }
        for other in ["", "a", "+1", "да", "👍 ", "👍a", "👍👍👍👍👍👍👍👍👍"]
        {
            assert!(!is_reaction(other), "{other}");
        }
    }

    #[test]
    fn a_record_without_a_known_change_is_malformed() {
        let key = [7; 16];
        let value = LogRecord::default().encode_to_vec();
        assert!(matches!(
            decode_log_record(Some(&key), Some(&value)),
            Err(MalformedRecord::UnknownChange)
        ));
        assert!(matches!(
            decode_log_record(Some(b"short"), Some(&value)),
            Err(MalformedRecord::Key)
        ));
    }
}
