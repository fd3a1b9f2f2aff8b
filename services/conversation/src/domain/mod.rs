//! What a conversation is and what its people may do. No I/O here.

pub mod block;
pub mod conversation;
pub mod group_name;
pub mod member;
pub mod page;
