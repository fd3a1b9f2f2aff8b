//! What this service tells others: on Kafka, and the conversation service.

pub mod blocks;
pub mod sessions_ended;
