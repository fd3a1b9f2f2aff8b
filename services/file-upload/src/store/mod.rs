//! Postgres: what was announced, by whom, for which conversation.

pub mod files;
