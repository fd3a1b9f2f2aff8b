//! Postgres: who is in what, and what of it the log has yet to learn.

pub mod activity;
pub mod conversations;
pub mod groups;
pub mod invitations;
pub mod outbox;
mod rows;
pub mod settings;
