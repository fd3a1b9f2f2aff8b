//! What this service tells on Kafka.

pub mod sessions_ended;
