//! Postgres: who is in what, and what of it the log has yet to learn.

pub mod activity;
pub mod blocks;
pub mod co_members;
pub mod comparison;
pub mod conversations;
pub mod departures;
pub mod groups;
pub mod invitations;
pub mod outbox;
mod rows;
pub mod settings;
