//! What a conversation is and what its people may do. No I/O here.

pub mod block;
pub mod comparison;
pub mod conversation;
pub mod description;
pub mod group_name;
pub mod invitation;
pub mod member;
pub mod page;
pub mod report;
pub mod settings;
