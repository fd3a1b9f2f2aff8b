//! What a conversation is and how a record of the log changes it. Knows no store and no Kafka.

pub mod conversation;
pub mod membership;
pub mod readers;
mod recent;
mod remembered_ids;
pub mod submission;
pub mod visibility;

pub use conversation::{Conversation, FirstSeen, Outcome, Position, RefusalCode};
pub use membership::{Membership, Role};
pub use recent::Target;
pub use submission::Submission;
pub use visibility::Visibility;
