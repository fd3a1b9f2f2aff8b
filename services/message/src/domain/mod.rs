//! What a conversation is and how a record of the log changes it. Knows no store and no Kafka.

pub mod conversation;
pub mod visibility;

pub use conversation::{Conversation, FirstSeen, Outcome, Position, RefusalCode};
pub use visibility::Visibility;
