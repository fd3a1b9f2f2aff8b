//! Postgres: who is in what, and what of it the log has yet to learn.

pub mod blocks;
pub mod conversations;
pub mod outbox;
