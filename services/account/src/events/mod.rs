//! What this service tells others: on Kafka, and the conversation service.

pub mod blocks;
pub mod contacts_changed;
pub mod departures;
mod gateways;
mod relay;
pub mod sessions_ended;

pub use gateways::Gateways;
