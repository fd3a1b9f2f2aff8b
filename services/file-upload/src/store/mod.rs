//! Postgres: what was announced, by whom, for which conversation or profile.

pub mod files;
pub mod pictures;
