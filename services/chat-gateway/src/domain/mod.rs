//! What a gateway is about: sockets and their owners, frames, and the rules for what comes in.

pub mod close;
pub mod connection;
pub mod currency;
pub mod frame;
pub mod last_seen;
pub mod marks;
pub mod outbox;
pub mod presence;
pub mod queue;
pub mod registry;
pub mod send;
pub mod typing;
